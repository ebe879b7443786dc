// K_v(x) for x < 1/2, v < 12.75: Temme's series for |m| <= 1/2, then steps upwards in the order (the stable direction).
// (log K takes it for v < 8.25 only: separated.hpp and small_order.hpp serve the rest.)
//
//   v = m + n;  sigma = m log(2/x);  a = 1/Gamma(1 + m) = Gamma_2 - m Gamma_1,  b = 1/Gamma(1 - m) = Gamma_2 + m Gamma_1,
//   f_0 = Gamma_1 cosh sigma + Gamma_2 log(2/x) sinh(sigma)/sigma,   p_0 = (x/2)^-m b/2,   q_0 = (x/2)^m a/2,
//   f_k = (k f_(k-1) + p_(k-1) + q_(k-1))/(k^2 - m^2),   p_k = p_(k-1)/(k - m),   q_k = q_(k-1)/(k + m),
//   a b K_m = sum c_k f_k,   a b (x/2) K_(m+1) = sum c_k (p_k - k f_k),   a b (x/2) K_(1-m) = sum c_k (q_k - k f_k),
//   c_k = (x^2/4)^k/k!
//
// (N. M. Temme, J. Comput. Phys. 19, 1975, 324-337; the common factor a b = sin(pi m)/(pi m) is left in.) The terms k >= 1
// are summed over a common denominator d_k = (1 - m^2) (4 - m^2) ... (k^2 - m^2), with y = x^2/4:
//
//   F_k = c_k d_k f_k = y F_(k-1) + (y/k) (P_(k-1) + Q_(k-1)),
//   P_k = c_k d_k p_k = (y + m y/k) P_(k-1),   Q_k = c_k d_k q_k = (y - m y/k) Q_(k-1),
//
// Eight terms for x < 1/2: truncation < 2^-60. The steps
// (x/2)^(k+1) K_(m+k+1) = (m + k) (x/2)^k K_(m+k) + (x^2/4) (x/2)^(k-1) K_(m+k-1) have positive terms only.
// Written once for numbers and for Dual, which carries d/dv along.
#pragma once

#include "dual.hpp"
#include "logarithm.hpp"

namespace VMF_NAMESPACE {

constexpr int temme_terms = 8;
constexpr int temme_steps = 13;        // round(12.75)
constexpr int temme_steps_log_k = 8;   // round(8.25)

template <class N>
struct Temme {
    N here;   // a b (x/2)^n K_v, n = round(v)
    N below;  // a b (x/2)^(n-1) K_(v-1) where n >= 1; a b (x/2) K_(1-v), order 1 - v, where n = 0
    N a, b;
};

// sinh(sigma)/sigma - 1 and, for its slope, (cosh sigma - sinh(sigma)/sigma)/sigma: by their Taylor series (10 terms,
// truncation < 2^-64) where the closed forms cancel.
VMF_TABLE double odd_factorials[10] = {1.0,         6.0,           120.0,           5040.0,
                                       362880.0,    39916800.0,    6227020800.0,    1307674368000.0,
                                       355687428096000.0, 121645100408832000.0};
template <class T>
VMF_FN T sinh_ratio_less_one(T sigma, T e, T e_inverse) {
    const T s = sigma * sigma;
    T series = T(1.0 / odd_factorials[9]);
    for (int k = 8; k >= 1; --k) series = fma_(series, s, T(1.0 / odd_factorials[k]));
    return select(abs_(sigma) < T(1.0), series * s, fms_(T(0.5) * (e - e_inverse), reciprocal_(sigma), T(1.0)));
}
template <class T>
VMF_FN T sinh_ratio_slope(T sigma, T cosh, T ratio) {
    const T s = sigma * sigma;
    T series = T(18.0 / odd_factorials[9]);
    for (int k = 8; k >= 1; --k) series = fma_(series, s, T(2.0 * k / odd_factorials[k]));
    return select(abs_(sigma) < T(1.0), series * sigma, (cosh - ratio) / sigma);
}

template <class T>
struct TemmeStart {
    T sigma;
    T e, e_lo;         // exp sigma, to 2^-62
    T e_inverse;       // exp(-sigma)
    T cosh_less_one;   // cosh sigma - 1
    T ratio_less_one;  // sinh(sigma)/sigma - 1
    Twofold<T> log_2_over_x;
};

// E = exp(m log(2/x)) to full relative accuracy: the argument reaches 373.
template <class T>
VMF_FN TemmeStart<T> temme_start(T m, T x) {
    TemmeStart<T> s;
    s.log_2_over_x = -log_twofold(Twofold<T>{x, T(0.0)}, T(-1.0));
    const Twofold<T> sigma = s.log_2_over_x * m;
    s.sigma = sigma.hi;
    const Twofold<T> e = exp_twofold(sigma);
    s.e = e.hi;
    s.e_lo = e.lo;
    const T inverse = reciprocal_(s.e);
    s.e_inverse = fma_(inverse, fnma_(inverse, s.e, T(1.0)) - inverse * s.e_lo, inverse);
    const T above = s.e - T(1.0);
    s.cosh_less_one = T(0.5) * above * (above * s.e_inverse);
    s.ratio_less_one = sinh_ratio_less_one(s.sigma, s.e, s.e_inverse);
    return s;
}

// E, cosh sigma - 1 and sinh(sigma)/sigma - 1 as functions of m, for numbers and duals.
template <class T>
VMF_FN T temme_exp(const TemmeStart<T>& s, T) { return s.e; }
template <class T>
VMF_FN Dual<T> temme_exp(const TemmeStart<T>& s, Dual<T>) { return {s.e, s.e * s.log_2_over_x.hi}; }
template <class T>
VMF_FN T temme_exp_minus(const TemmeStart<T>& s, T) { return s.e_inverse; }
template <class T>
VMF_FN Dual<T> temme_exp_minus(const TemmeStart<T>& s, Dual<T>) { return {s.e_inverse, -(s.e_inverse * s.log_2_over_x.hi)}; }
template <class T>
VMF_FN T temme_cosh(const TemmeStart<T>& s, T) { return s.cosh_less_one; }
template <class T>
VMF_FN Dual<T> temme_cosh(const TemmeStart<T>& s, Dual<T>) {
    return {s.cosh_less_one, (s.ratio_less_one + T(1.0)) * s.sigma * s.log_2_over_x.hi};
}
template <class T>
VMF_FN T temme_sinh_ratio(const TemmeStart<T>& s, T) { return s.ratio_less_one; }
template <class T>
VMF_FN Dual<T> temme_sinh_ratio(const TemmeStart<T>& s, Dual<T>) {
    const T slope = sinh_ratio_slope(s.sigma, s.cosh_less_one + T(1.0), s.ratio_less_one + T(1.0));
    return {s.ratio_less_one, slope * s.log_2_over_x.hi};
}

template <class T>
VMF_FN T with_slope(T m, T*) { return m; }
template <class T>
VMF_FN Dual<T> with_slope(T m, Dual<T>*) { return {m, T(1.0)}; }
template <class T>
VMF_FN T choose(T n, T limit, T a, T b) { return select(n >= limit, a, b); }
template <class T>
VMF_FN Dual<T> choose(T n, T limit, Dual<T> a, Dual<T> b) {
    return {select(n >= limit, a.value, b.value), select(n >= limit, a.slope, b.slope)};
}

template <class T>
VMF_FN T temme_reciprocal(T d) { return reciprocal_(d); }
template <class T>
VMF_FN Dual<T> temme_reciprocal(Dual<T> d) {
    const T r = reciprocal_(d.value);
    return {r, -(d.slope * r) * r};
}

template <class N, int steps, class T>
VMF_FN Temme<N> temme(T v, T x) {
    using L = Lift<N, T>;
    const T n = round_(v);
    const T m_value = v - n;
    const N m = with_slope(m_value, static_cast<N*>(nullptr));
    const N mm = m * m;
    const TemmeStart<T> start = temme_start(m_value, x);

    // Eleven terms of 1/Gamma(1 + m) in m^2 <= 1/4: below 2^-60.
    N gamma_1 = L::constant(T(temme_gamma_1[10]));
    N gamma_2 = L::constant(T(temme_gamma_2[10]));
    for (int k = 9; k >= 0; --k) {
        gamma_1 = fma_(gamma_1, mm, L::constant(T(temme_gamma_1[k])));
        gamma_2 = fma_(gamma_2, mm, L::constant(T(temme_gamma_2[k])));
    }
    const N half = L::constant(T(0.5));
    const N a = gamma_2 - m * gamma_1;
    const N b = gamma_2 + m * gamma_1;

    // Gamma_1 + Gamma_2 log(2/x) first, in which the terms may cancel; the rest vanishes with sigma.
    const N l = L::constant(start.log_2_over_x.hi);
    const N rest = fma_(gamma_1, temme_cosh(start, m),
                        gamma_2 * fma_(l, temme_sinh_ratio(start, m), L::constant(start.log_2_over_x.lo)));
    N f = fma_(gamma_2, l, gamma_1) + rest;
    N p = half * fma_(temme_exp(start, m), b, L::constant(start.e_lo) * b);
    N q = half * (a * temme_exp_minus(start, m));
    // x^2/4 below 2^-500, and its powers below 2^-120, no longer count; they would be subnormal and slow.
    const T half_x = max_(T(0.5) * x, T(smallest_to_square));
    const T y = select(x < T(2.0 * smallest_to_square), T(0.0), half_x * half_x);
    const T y_power = select(x < T(0x1p-60), T(0.0), y);
    const N f_0 = f, p_0 = p, q_0 = q;
    N d = L::constant(T(1.0));
    N k_0 = L::constant(T(0.0)), k_up = k_0, k_down = k_0;
    for (int k = 1; k < temme_terms; ++k) {
        const N order = L::constant(T(double(k)));
        const N y_once = L::constant(k == 1 ? y : y_power);
        const N y_part = L::constant((k == 1 ? y : y_power) * T(1.0 / k));
        const N turn = y_part * m;
        f = fma_(y_part, p + q, y_once * f);
        p = p * (y_once + turn);
        q = q * (y_once - turn);
        const N factor = L::constant(T(double(k) * k)) - mm;
        d = k == 1 ? factor : d * factor;
        k_0 = k == 1 ? f : fma_(k_0, factor, f);
        k_up = k == 1 ? p - f : fma_(k_up, factor, p - order * f);
        k_down = k == 1 ? q - f : fma_(k_down, factor, q - order * f);
    }
    const N d_inverse = temme_reciprocal(d);
    k_0 = fma_(k_0, d_inverse, f_0);
    k_up = fma_(k_up, d_inverse, p_0);
    k_down = fma_(k_down, d_inverse, q_0);

    // below and here climb together; n = 0 stays at K_m with K_(1-m) beside it.
    N below = choose(n, T(1.0), k_0, k_down);
    N here = choose(n, T(1.0), k_up, k_0);
    const N yy = L::constant(y);
    for (int k = 1; k < steps; ++k) {
        const N next = fma_(m + L::constant(T(double(k))), here, yy * below);
        const T limit = T(double(k + 1));
        below = choose(n, limit, here, below);
        here = choose(n, limit, next, here);
        if (!any(n > limit)) break;
    }
    return {here, below, a, b};
}

// log K_v(x) or log K_v(x) + x
template <bool scaled, class T>
VMF_FN T temme_log_k(T v, T x) {
    const Temme<T> t = temme<T, temme_steps_log_k>(v, x);
    const T n = round_(v);
    const Twofold<T> log_half = log_twofold(Twofold<T>{x, T(0.0)}, T(-1.0));
    const Twofold<T> power = log_half * n;
    const Twofold<T> l = log_twofold(Twofold<T>{t.here, T(0.0)} / two_product(t.a, t.b));
    const Twofold<T> sum = two_difference(l.hi, power.hi);
    const T rest = sum.lo + (l.lo - power.lo);
    if constexpr (scaled) {
        const Twofold<T> with_x = two_sum(sum.hi, x);
        return with_x.hi + (with_x.lo + rest);
    } else {
        return sum.hi + rest;
    }
}

}  // namespace VMF_NAMESPACE
