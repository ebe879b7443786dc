// I_v(x) for x < 6 and v < 15.5 by its power series (DLMF 10.25.2) and Stirling's series (DLMF 5.11.1) at v' = v + 16:
//
//   I_v(x) = (x/2)^v/Gamma(v + 1) S,   S = sum_k (x^2/4)^k/(k! (v + 1)_k),   Gamma(v + 1) = Gamma(v' + 1)/P,
//   P = (v + 1) (v + 2) ... (v + 16) = product over k = 1..8 of  v (v + 17) + k (17 - k),
//
//   log I_v(x) = v' - v log(2 v'/x) + log(P S/v'^16) - log(2 pi v')/2 - sum_k B_2k/(2k (2k - 1)) v'^(1-2k).
//
// P is a compensated product; S is one quotient, its terms all positive, error < 4 ulp where S is large and below 1 ulp
// where it is near 1. 20 terms: truncation < 2^-60. Seven of Stirling's: < 2^-63. This is shifted_order.hpp with x put
// to 0 in the expansion, and twice as fast.
#pragma once

#include "debye.hpp"

namespace VMF_NAMESPACE {

// S - 1
template <int terms, class T>
VMF_FN T power_series_less_one(T v, T x) {
    const T half = max_(T(0.5) * x, T(smallest_to_square));
    const T y = half * half;
    T numerator = T(1.0);
    T denominator = T(1.0);
    for (int j = terms; j >= 2; --j) {
        const T c = fma_(v, T(double(j)), T(double(j) * j));
        numerator = fma_(denominator, c, y * numerator);
        denominator = denominator * c;
    }
    return y * numerator / (denominator * (v + T(1.0)));
}

// log I_v(x) given S
template <bool scaled, class T>
VMF_FN T power_series_assembled(T v, T x, Twofold<T> one_plus) {
    const T v_hi = (v + T(48.0)) - T(48.0);  // a multiple of 2^-47: v_hi + 16 is exact
    const Twofold<T> top = {v_hi + T(16.0), v - v_hi};

    const Twofold<T> vv = two_product(v, v);
    const Twofold<T> v17 = two_product(v, T(17.0));
    const Twofold<T> q = vv + v17;
    Twofold<T> product = q + T(16.0);
    for (int k = 2; k <= 8; ++k) {
        const Twofold<T> f = two_sum(q.hi, T(double(k * (17 - k))));
        const Twofold<T> p = two_product(product.hi, f.hi);
        product = {p.hi, fma_(product.hi, f.lo + q.lo, fma_(product.lo, f.hi, p.lo))};
    }
    const Twofold<T> g = (product / power<16>(top)) * one_plus;
    const Twofold<T> l = log_twofold<LogHalfOverPi>(square(g) / top);

    // The first term, 1/(12 v'), with its remainder; the others are below 2^-20.
    const T inverse = reciprocal_(top.hi);
    const T rest = fnma_(inverse, top.hi, T(1.0)) - inverse * top.lo;
    const T first = inverse * T(1.0 / 12.0);
    const T s = inverse * inverse;
    T stirling = T(1.0 / 156.0);
    stirling = fma_(stirling, s, T(-691.0 / 360360.0));
    stirling = fma_(stirling, s, T(1.0 / 1188.0));
    stirling = fma_(stirling, s, T(-1.0 / 1680.0));
    stirling = fma_(stirling, s, T(1.0 / 1260.0));
    stirling = fma_(stirling, s, T(-1.0 / 360.0));
    stirling = stirling * (s * inverse) + first * rest;
    stirling = stirling + fnma_(first, T(12.0), inverse) * T(1.0 / 12.0);

    const Twofold<T> angle = asinh_ratio(Twofold<T>{top.hi + top.hi, top.lo + top.lo}, x);
    Polar<T> p;
    p.w = top;
    const Twofold<T> below = two_difference(top.hi, x);
    p.w_minus_x = {below.hi, below.lo + top.lo};
    const Twofold<T> half_log = two_difference(T(0.5) * l.hi, first);
    return assemble_log_i<scaled>(v, p, angle, Twofold<T>{half_log.hi, fma_(T(0.5), l.lo, half_log.lo)}, -stirling);
}

template <bool scaled, class T>
VMF_FN T power_series_log_i(T v, T x) {
    return power_series_assembled<scaled>(v, x, two_sum(T(1.0), power_series_less_one<20>(v, x)));
}

}  // namespace VMF_NAMESPACE
