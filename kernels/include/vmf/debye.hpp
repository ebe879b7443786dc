// The uniform expansion of log I and log K for large w = sqrt(v^2 + x^2) (DLMF 10.41.3-4, Olver), all orders v >= 0:
//
//   log I_v(x) =   v eta - log(2 pi w)/2       + sum_k        q_k(t^2) w^-k,     v eta = w - v asinh(v/x),
//   log K_v(x) = - v eta - log(2 w/pi)/2       + sum_k (-1)^k q_k(t^2) w^-k,     t = v/w.
//
// The sums are the logarithm of Olver's sum u_k(t)/v^k, expanded: no logarithm of a sum is left, one table serves I and
// K, and derivatives follow term by term. q_k has degree k in t^2. Truncation below 2^-58 for
//   20 terms where w >= 24.5 or v >= 15.5,  13 where w >= 42,  10 where w >= 80,  7 where w >= 200,
//   5 where w >= 800,  4 where w >= 2500
// (scripts/generate_coefficients.py makes the table; tests/kernels checks these bounds against Arb).
#pragma once

#include "polar.hpp"

namespace VMF_NAMESPACE {

// q_k(t^2) with its coefficients weighted, by Horner's rule unrolled at compile time. Weight::factor(k, i) is constexpr.
template <class Weight, int k, int i, class T>
VMF_FN T debye_polynomial(T tau) {
    const T c = T(Weight::factor(k, i) * debye_q[(k - 1) * (k + 2) / 2 + i]);
    if constexpr (i == k) {
        return c;
    } else {
        return fma_(debye_polynomial<Weight, k, i + 1>(tau), tau, c);
    }
}

// sum_{k=1..terms} p^k q_k(tau)
template <class Weight, int terms, int k, class T>
VMF_FN T debye_horner(T p, T tau) {
    const T q = debye_polynomial<Weight, k, Weight::first>(tau);
    if constexpr (k == terms) {
        return q;
    } else {
        return fma_(debye_horner<Weight, terms, k + 1>(p, tau), p, q);
    }
}
template <class Weight, int terms, class T>
VMF_FN T debye_sum(T p, T tau) {
    return p * debye_horner<Weight, terms, 1>(p, tau);
}

// The weights. x d/dx of tau^i w^-k is -(k + 2i) sigma tau^i w^-k; v d/dv of it is (2i - (k + 2i) tau) tau^i w^-k.
struct Plain {
    static constexpr int first = 0;
    static constexpr double factor(int, int) { return 1.0; }
};
struct Radial {
    static constexpr int first = 0;
    static constexpr double factor(int k, int i) { return k + 2 * i; }
};
struct RadialTwice {
    static constexpr int first = 0;
    static constexpr double factor(int k, int i) { return (k + 2.0 * i) * (k + 2.0 * i); }
};
// 2i tau^(i-1): Horner from i = 1 leaves out one factor tau.
struct Angular {
    static constexpr int first = 1;
    static constexpr double factor(int, int i) { return 2.0 * i; }
};
struct RadialAngular {
    static constexpr int first = 1;
    static constexpr double factor(int k, int i) { return 2.0 * i * (k + 2.0 * i); }
};

// log I_v(x) or, scaled, log I_v(x) - x.
template <bool scaled, class T>
VMF_FN T assemble_log_i(T v, const Polar<T>& p, Twofold<T> angle, Twofold<T> half_log, T sum) {
    const Twofold<T> w = scaled ? p.w_minus_x : p.w;
    const Twofold<T> turn = two_product(v, angle.hi);
    const Twofold<T> eta = two_difference(w.hi, turn.hi);
    const Twofold<T> value = two_sum(eta.hi, half_log.hi);
    const T rest = (w.lo - turn.lo) - v * angle.lo;
    return value.hi + (value.lo + (eta.lo + (rest + (half_log.lo + sum))));
}

template <int terms, bool scaled, class T>
VMF_FN T debye_log_i(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Twofold<T> angle = asinh_ratio(p.v_plus_w, x);
    const Twofold<T> l = log_prefactor<LogTwoPi>(p.w);
    const Twofold<T> half_log = {T(-0.5) * l.hi, T(-0.5) * l.lo};
    return assemble_log_i<scaled>(v, p, angle, half_log, debye_sum<Plain, terms>(p.inverse, p.tau));
}

// log K_v(x) or, scaled, log K_v(x) + x.
template <int terms, bool scaled, class T>
VMF_FN T debye_log_k(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Twofold<T> angle = asinh_ratio(p.v_plus_w, x);
    // log(2 w/pi)/2, subtracted: the mirror image of log I with -1/w in the sum.
    const Twofold<T> l = log_prefactor<LogTwoOverPi>(p.w);
    const Twofold<T> half_log = {T(0.5) * l.hi, T(0.5) * l.lo};
    return -assemble_log_i<scaled>(v, p, angle, half_log, -debye_sum<Plain, terms>(-p.inverse, p.tau));
}

// x I'_v(x)/I_v(x) - w (sign = +1) or -x K'_v(x)/K_v(x) - w (sign = -1): bounded, tends to -1/2 or +1/2 times sigma.
template <int terms, int sign, class T>
VMF_FN T debye_log_derivative(const Polar<T>& p) {
    const T s = sign > 0 ? p.inverse : -p.inverse;
    const T sum = T(0.5) + debye_sum<Radial, terms>(s, p.tau);
    return sign > 0 ? -(p.sigma * sum) : p.sigma * sum;
}

// d/dv of the above: sigma = x^2/w^2, v d/dv sigma = -2 sigma tau.
template <int terms, int sign, class T>
VMF_FN T debye_log_derivative_dv(T v, const Polar<T>& p) {
    const T s = sign > 0 ? p.inverse : -p.inverse;
    const T sum = T(0.5) + debye_sum<Radial, terms>(s, p.tau);
    const T slope = debye_sum<RadialAngular, terms>(s, p.tau) - debye_sum<RadialTwice, terms>(s, p.tau);
    const T both = (v * p.inverse * p.inverse) * p.sigma * (slope - (sum + sum));
    return sign > 0 ? -both : both;
}

// d/dv log I_v(x) = -asinh(v/x) + this; d/dv log K_v(x) = asinh(v/x) + this for sign = -1.
template <int terms, int sign, class T>
VMF_FN T debye_dv_correction(T v, const Polar<T>& p) {
    const T s = sign > 0 ? p.inverse : -p.inverse;
    const T sum = debye_sum<Angular, terms>(s, p.tau) - debye_sum<Radial, terms>(s, p.tau);
    return (v * p.inverse * p.inverse) * (sum - T(0.5));
}

}  // namespace VMF_NAMESPACE
