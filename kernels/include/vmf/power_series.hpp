// I_v(x) for v < 15.5 and w = hypot(v, x) < 24.5 by its power series (DLMF 10.25.2), all of whose terms are positive:
//
//   log I_v(x) = v log x - log(2^v Gamma(1 + v)) + log S,   S = sum_k (x^2/4)^k/(k! (v + 1)_k).
//
// S is one quotient, error < 4 ulp where S is large and relatively accurate in S - 1 where x < 1. The last term taken is
// the 9th for x < 1, the 18th for x < 6, the 26th for x < 12 and the 39th beyond; truncation < 2^-57 max(1, log S).
// For x < 2^-29, S = 1 + x^2/4 (1 - v) to 2^-57 of log I.
//
// Where v and log I both tend to 0 every part keeps its relative accuracy: log I_0(x) = x^2/4 - ... is right to the last
// digits down to underflow.
#pragma once

#include "log_gamma.hpp"

namespace VMF_NAMESPACE {

// S = 1 + above/below
template <class T>
struct PowerSeries {
    T above, below;
};

// The terms from the j-th down to the second, unrolled at compile time.
template <int j, class T>
VMF_FN PowerSeries<T> power_series_steps(T v, T y, T numerator, T denominator) {
    if constexpr (j == 1) {
        return {numerator, denominator};
    } else {
        const T product = denominator * fma_(v, T(double(j)), T(double(j) * j));
        return power_series_steps<j - 1>(v, y, fma_(y, numerator, product), product);
    }
}

template <int last, class T>
VMF_FN PowerSeries<T> power_series(T v, T x) {
    const T half = T(0.5) * x;
    const T y = half * half;
    const T denominator = fma_(v, T(double(last)), T(double(last) * last));
    const PowerSeries<T> s = power_series_steps<last - 1>(v, y, denominator + y, denominator);
    T above = y * s.above;
    // y S'/S = (w - v)/2 nearly: what the rounding of y amounts to.
    if constexpr (last > 9) above = fma_(fms_(half, half, y) * fma_(x, T(0.48), T(-0.3) * v), s.above, above);
    return {above, s.below * (v + T(1.0))};
}

// log I_v(x) or, scaled, log I_v(x) - x, given log S
template <bool scaled, class T>
VMF_FN T power_series_assembled(T v, T x, LogParts<T> log_s) {
    const LogParts<T> l = log_parts(x);
    const Twofold<T> log_x = fast_two_sum(l.whole, l.f);
    const Twofold<T> power = two_product(v, log_x.hi);
    const LogGamma<T> gamma = log_gamma(v);
    const Twofold<T> t = two_difference(log_s.whole - gamma.whole, gamma.linear.hi);
    const Twofold<T> u = two_sum(power.hi, t.hi);
    const T small = (fma_(v, log_x.lo + l.rest, power.lo) - (gamma.linear.lo + gamma.rest)) + log_s.rest;
    const T rest = log_s.f + (small + (t.lo + u.lo));
    if constexpr (scaled) {
        const Twofold<T> value = two_difference(u.hi, x);
        return value.hi + (value.lo + rest);
    } else {
        return u.hi + rest;
    }
}

// x < 2^-29
template <bool scaled, class T>
VMF_FN T tiny_argument_log_i(T v, T x) {
    const T half = max_(T(0.5) * x, T(smallest_to_square));
    const T y = half * half;
    return power_series_assembled<scaled>(v, x, LogParts<T>{T(0.0), fnma_(y, v, y), T(0.0)});
}

template <int last, bool scaled, class T>
VMF_FN T power_series_log_i(T v, T x) {
    const PowerSeries<T> s = power_series<last>(v, x);
    const T reciprocal = reciprocal_(s.below);
    if constexpr (last == 9) return power_series_assembled<scaled>(v, x, log1p_parts(s.above * reciprocal));
    else return power_series_assembled<scaled>(v, x, log_parts_short(fma_(s.above, reciprocal, T(1.0))));
}

}  // namespace VMF_NAMESPACE
