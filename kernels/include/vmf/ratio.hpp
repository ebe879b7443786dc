// Ratios of consecutive orders and the derivatives of log I and log K.
//
// With B = x I'_v/I_v - w from the uniform expansion (bounded), DLMF 10.29.2 gives, without cancellation,
//
//   I_v/I_(v-1) = x/(v + w + B),     1 - I_v/I_(v-1) = (v + (w - x) + B)/(v + w + B),     w - x = v^2/(w + x).
//
// For small w the compensated g_k of shifted_order.hpp give  I_v/I_(v-1) = x g_0/g_(-1)  and its complement as a
// difference of two twofold numbers.
#pragma once

#include "quadrature.hpp"
#include "shifted_order.hpp"
#include "temme.hpp"

namespace VMF_NAMESPACE {

template <int terms, class T>
VMF_FN T debye_iv_ratio(T v, T x) {
    const Polar<T> p = polar(v, x);
    const T b = debye_log_derivative<terms, 1>(p);
    return x / (p.v_plus_w.hi + (p.v_plus_w.lo + b));
}

template <int terms, class T>
VMF_FN T debye_iv_ratio_c(T v, T x) {
    const Polar<T> p = polar(v, x);
    const T b = debye_log_derivative<terms, 1>(p);
    const Twofold<T> s = two_sum(v, p.w_minus_x.hi);
    const Twofold<T> n = two_sum(s.hi, b);
    const T numerator = n.hi + (n.lo + (s.lo + p.w_minus_x.lo));
    return numerator / (p.v_plus_w.hi + (p.v_plus_w.lo + b));
}

// 1 - I_v/I_(v-1) next to v = 1/2, where it changes sign and everything above cancels: the difference of the two Hankel
// expansions (DLMF 10.40.1) term by term. With a_k(v) their coefficients, a_k(v-1)/a_k(v) = (2v - 2k - 1)/(2v + 2k - 1),
//
//   1 - I_v/I_(v-1) = [sum_k (-1)^k (-4k/(2v + 2k - 1)) a_k(v) x^-k + 2 sin(pi v) e^(-2x)] / sum_k (-1)^k a_k(v-1) x^-k.
//
// Every term of the sum carries the exact factor (2v - 1)/(2x), which is taken out; the exponential is all that is left
// at v = 1/2. v < 1, x >= 22, 40 terms.
template <class T>
VMF_FN T half_order_iv_ratio_c(T v, T x) {
    const T inverse = T(0.125) / x;
    const T twice = v + v;
    const T up = twice + T(1.0);
    T a = T(1.0);  // (-1)^(k-1) x^(1-k) a_k/a_1
    T difference = T(0.0);
    T below = twice - T(3.0);
    for (int k = 2; k <= 40; ++k) {
        const T odd = T(2.0 * k - 1.0);
        a = -(a * ((twice - odd) * (twice + odd)) * (inverse * T(1.0 / k)));
        const T q = a * up / (twice + odd);
        difference = fma_(T(double(k)), q, difference);
        below = fma_(twice - T(2.0 * k + 1.0), q, below);
    }
    const T factor = twice - T(1.0);
    below = -(factor * inverse * below);
    const T d = (v - T(0.5)) * T(half_pi) * T(2.0);  // sin(pi v) = cos d
    const T dd = d * d;
    T cosine = T(1.0 / 40320.0);
    cosine = fma_(cosine, dd, T(-1.0 / 720.0));
    cosine = fma_(cosine, dd, T(1.0 / 24.0));
    cosine = fma_(cosine, dd, T(-0.5));
    cosine = fma_(cosine, dd, T(1.0));
    const T e = exp_(max_(T(-2.0) * x, T(-1000.0)));
    const T quotient = (T(1.0) + difference) / (T(1.0) + (below + e));
    return fma_(factor / (x + x), quotient, (cosine + cosine) * e);
}

// I_v/I_(v-1) = 1/(2v/x + x/2 ...) where x^2 is below what is squared
template <class T>
VMF_FN T tiny_iv_ratio(T v, T x) {
    return select(v > x, x / (v + v), T(1.0) / (T(2.0) * (v / x) + T(0.5) * x));
}

template <int shift, class T>
VMF_FN T shifted_iv_ratio(T v, T x) {
    const Shifted<T> s = shifted_order<shift>(v, x);
    const Twofold<T> below = below_order(v, s);
    const Twofold<T> r = (s.g0 / below) * x;
    return select(x < T(2.0 * smallest_to_square), tiny_iv_ratio(v, x), r.hi + r.lo);
}

template <int shift, class T>
VMF_FN T shifted_iv_ratio_c(T v, T x) {
    const Shifted<T> s = shifted_order<shift>(v, x);
    const Twofold<T> below = below_order(v, s);
    const Twofold<T> difference = below - s.g0 * x;
    const Twofold<T> c = difference / below;
    // I_(1/2)/I_(-1/2) = tanh x: the difference of two equal numbers, but for 2 e^(-2x).
    const auto half = (v >= T(0.5)) & (v <= T(0.5));
    const T value = select(half, T(2.0) / (exp_(min_(x + x, T(100.0))) + T(1.0)), c.hi + c.lo);
    return select(x < T(2.0 * smallest_to_square), T(1.0) - tiny_iv_ratio(v, x), value);
}

// I'_v/I_v = v/x + I_(v+1)/I_v = (v + x^2 g_1/g_0)/x
template <int shift, class T>
VMF_FN T shifted_log_i_dx(T v, T x) {
    const Shifted<T> s = shifted_order<shift>(v, x);
    return v / x + x * (s.g1.hi / s.g0.hi);
}

template <int terms, class T>
VMF_FN T debye_log_i_dx(T v, T x) {
    const Polar<T> p = polar(v, x);
    return (p.w.hi + (p.w.lo + debye_log_derivative<terms, 1>(p))) / x;
}

template <int terms, class T>
VMF_FN T debye_log_i_dv(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Twofold<T> angle = asinh_ratio(p.v_plus_w, x);
    return debye_dv_correction<terms, 1>(v, p) - angle.hi;
}

// K_v/K_(v-1) = (a + w - x K'_a/K_a - w)/x at order a = v - 1, which may be negative: K is even in its order.
template <int terms, class T>
VMF_FN T debye_kv_ratio(T v, T x) {
    const T a = v - T(1.0);
    const Polar<T> p = polar(abs_(a), x);
    const Twofold<T> s = two_sum(p.w.hi, a);
    return (s.hi + (s.lo + (p.w.lo + debye_log_derivative<terms, -1>(p)))) / x;
}

template <int terms, class T>
VMF_FN T debye_log_k_dx(T v, T x) {
    const Polar<T> p = polar(v, x);
    return -((p.w.hi + (p.w.lo + debye_log_derivative<terms, -1>(p))) / x);
}

template <int terms, class T>
VMF_FN T debye_log_k_dv(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Twofold<T> angle = asinh_ratio(p.v_plus_w, x);
    return angle.hi + debye_dv_correction<terms, -1>(v, p);
}

// K_(v-1)/K_v = x/(v + w) E[exp(-u)]
template <class Rule, class T>
VMF_FN T quadrature_kv_ratio(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Moments<T> m = quadrature_moments<Rule, true>(v, p.w.hi);
    return p.v_plus_w.hi * m.mass / (x * m.exp_minus);
}

template <class Rule, class T>
VMF_FN T quadrature_log_k_dx(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Moments<T> m = quadrature_moments<Rule, true>(v, p.w.hi);
    return -(v / x + (x * m.exp_minus) / (p.v_plus_w.hi * m.mass));
}

template <class Rule, class T>
VMF_FN T quadrature_log_k_dv(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Twofold<T> angle = asinh_ratio(p.v_plus_w, x);
    const Moments<T> m = quadrature_moments<Rule, false>(v, p.w.hi);
    return select(v > T(0.0), angle.hi + m.mean / m.mass, T(0.0));  // K is even in its order
}

// a/b x/2 where x may be subnormal and a/b overflow
template <class T>
VMF_FN T times_half_x(T a, T b, T x) {
    return (x * T(0x1p+53)) * a / (b * T(0x1p+54));
}

// a/b 2/x where x may be subnormal and a/b, too
template <class T>
VMF_FN T over_half_x(T a, T b, T x) {
    return a * T(0x1p+54) / b / (x * T(0x1p+53));
}

template <class T>
VMF_FN T temme_kv_ratio(T v, T x) {
    const Temme<T> t = temme<T, temme_steps>(v, x);
    return select(round_(v) >= T(1.0), over_half_x(t.here, t.below, x), times_half_x(t.here, t.below, x));
}

template <class T>
VMF_FN T temme_log_k_dx(T v, T x) {
    const Temme<T> t = temme<T, temme_steps>(v, x);
    const T q = t.below / t.here;  // x/2 times K_(v-1)/K_v, or K_(1-v)/K_v over x/2
    return -(select(round_(v) >= T(1.0), times_half_x(t.below, t.here, x), (q + q) / x) + v / x);
}

template <class T>
VMF_FN T temme_log_k_dv(T v, T x) {
    const Temme<Dual<T>> t = temme<Dual<T>, temme_steps>(v, x);
    const T slope = t.here.slope / t.here.value - (t.a.slope / t.a.value + t.b.slope / t.b.value);
    return select(v > T(0.0), slope, T(0.0));
}

}  // namespace VMF_NAMESPACE
