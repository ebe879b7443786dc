// What the von Mises-Fisher distribution needs, at order v = p/2 - 1 and argument x = kappa (Mardia & Jupp,
// Directional Statistics, 9.3). kappa = 0 is an ordinary point.
//
//   log C_p(kappa) = v log kappa - (v + 1) log 2 pi - log I_v(kappa)
//
// v log kappa cancels against v asinh(v/kappa) = v log((v + w)/kappa) analytically:
//
//   log C_p = v log((v' + w')/(2 pi)) - w' - log 2 pi + log(2 pi w')/2 - sum q_k w'^-k - log G,
//
// with v' = v, G = 1 for large w and (v', G) of shifted_order.hpp for small w.
// A_p = I_(v+1)/I_v;  x A_p = w + B - v;  entropy = -log C_p - kappa A_p, in which w cancels analytically too.
#pragma once

#include "ratio.hpp"

namespace VMF_NAMESPACE {

template <class T>
struct VmfTerms {
    Twofold<T> turn;  // v log((v' + w')/(2 pi)), a product that keeps its rounding error
    Twofold<T> rest;  // -log 2 pi + log(2 pi w')/2 - log G = log(w'/(2 pi))/2 - log G
    T sum;            // sum q_k w'^-k
};

// v' + w' may be given times 2^-exponent.
template <class T>
VMF_FN Twofold<T> vmf_turn(T v, Twofold<T> v_plus_w, T exponent = T(0.0)) {
    const Twofold<T> l = log_twofold<LogHalfOverPi>(v_plus_w, exponent);
    const Twofold<T> turn = two_product(v, l.hi);
    return {turn.hi, fma_(v, l.lo, turn.lo)};
}

template <int terms, class T>
VMF_FN VmfTerms<T> debye_vmf_terms(T v, const Polar<T>& p) {
    const Twofold<T> l = log_prefactor<LogHalfOverPi>(p.w);
    return {vmf_turn(v, p.v_plus_w), {T(0.5) * l.hi, T(0.5) * l.lo}, debye_sum<Plain, terms>(p.inverse, p.tau)};
}

template <int shift, class T>
VMF_FN VmfTerms<T> shifted_vmf_terms(T v, const Shifted<T>& s) {
    const Twofold<T> g = s.g0 / power<shift>(s.p.v_plus_w);
    const Twofold<T> l = log_twofold<LogHalfOverPi>(s.p.w / square(g));
    return {vmf_turn(v, s.p.v_plus_w), {T(0.5) * l.hi, T(0.5) * l.lo}, debye_sum<Plain, shifted_terms<T>>(s.p.inverse, s.p.tau)};
}

// log C_p (scaled = false) or log C_p + kappa
template <bool scaled, class T>
VMF_FN T assemble_log_normalizer(const VmfTerms<T>& t, const Polar<T>& p) {
    const Twofold<T> w = scaled ? p.w_minus_x : p.w;
    const Twofold<T> a = two_difference(t.turn.hi, w.hi);
    const Twofold<T> b = two_sum(a.hi, t.rest.hi);
    return b.hi + (b.lo + (a.lo + ((t.turn.lo - w.lo) + (t.rest.lo - t.sum))));
}

template <int terms, bool scaled, class T>
VMF_FN T debye_log_normalizer(T v, T x) {
    const Polar<T> p = polar(v, x);
    return assemble_log_normalizer<scaled>(debye_vmf_terms<terms>(v, p), p);
}

template <int shift, bool scaled, class T>
VMF_FN T shifted_log_normalizer(T v, T x) {
    const Shifted<T> s = shifted_order<shift>(v, x);
    return assemble_log_normalizer<scaled>(shifted_vmf_terms<shift>(v, s), s.p);
}

// -log C_p - x A_p = v - v log((v + w)/(2 pi)) - log(w/(2 pi))/2 + sum - B
template <int terms, class T>
VMF_FN T debye_entropy(T v, T x) {
    const Polar<T> p = polar(v, x);
    const VmfTerms<T> t = debye_vmf_terms<terms>(v, p);
    const Twofold<T> a = two_difference(v, t.turn.hi);
    const Twofold<T> b = two_difference(a.hi, t.rest.hi);
    return b.hi + (b.lo + (a.lo + ((t.sum - debye_log_derivative<terms, 1>(p)) - (t.turn.lo + t.rest.lo))));
}

template <int shift, class T>
VMF_FN T shifted_entropy(T v, T x) {
    const Shifted<T> s = shifted_order<shift>(v, x);
    const VmfTerms<T> t = shifted_vmf_terms<shift>(v, s);
    const Twofold<T> xa = s.xx * (s.g1 / s.g0);
    const Twofold<T> a = two_difference(s.p.w.hi, xa.hi);
    const Twofold<T> b = two_difference(a.hi, t.turn.hi);
    const Twofold<T> c = two_difference(b.hi, t.rest.hi);
    const T lo = (s.p.w.lo - xa.lo) + (t.sum - (t.turn.lo + t.rest.lo));
    return c.hi + (c.lo + (b.lo + (a.lo + lo)));
}

// dA_p/dkappa; here v = p/2 is the order of the numerator, A = x/(v + w + B):
//   A' = (v + v^2/w + B - x B')/(v + w + B)^2,   B = -sigma E,   x B' = -2 sigma tau E + sigma^2 R,
//   E = 1/2 + sum Radial, R = sum RadialTwice.
template <int terms, class T>
VMF_FN T debye_ratio_dx(T v, T x) {
    const Polar<T> p = polar(v, x);
    const T e = T(0.5) + debye_sum<Radial, terms>(p.inverse, p.tau);
    const T r = debye_sum<RadialTwice, terms>(p.inverse, p.tau);
    const T b = -(p.sigma * e);
    const T d = p.v_plus_w.hi + b;
    const T change = p.sigma * fma_(p.sigma, r, e * fma_(T(-2.0), p.tau, T(1.0)));
    return (v + (v * (v * p.inverse) - change)) / d / d;
}

// A' = 1 - A^2 - (2 v - 1) A/x as twofold numbers.
template <int shift, class T>
VMF_FN T shifted_ratio_dx(T v, T x) {
    const Shifted<T> s = shifted_order<shift>(v, x);
    const Twofold<T> q = s.g0 / below_order(v, s);  // A/x
    const Twofold<T> curvature = s.xx * square(q);
    const Twofold<T> slope = q * (two_sum(v + v, T(-1.0)));
    const Twofold<T> d = -(curvature + slope) + T(1.0);
    return d.hi + d.lo;
}

}  // namespace VMF_NAMESPACE
