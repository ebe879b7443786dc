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

// a b to the next multiple of 2^-42, |a b| < 500, and what is left of it: sums of such multiples are exact.
template <class T>
VMF_FN Twofold<T> fixed_point_product(T a, T b) {
    const T shift = T(0x1.8p+10);
    const T head = fma_(a, b, shift) - shift;
    return {head, fms_(a, b, head)};
}

template <int last, bool scaled, class T>
VMF_FN T power_series_log_i(T v, T x) {
    const PowerSeries<T> s = power_series<last>(v, x);
    const T reciprocal = reciprocal_(s.below);
    LogParts<T> log_s;
    if constexpr (last == 9) log_s = log1p_parts(s.above * reciprocal);
    else log_s = log_parts<9>(fma_(s.above, reciprocal, T(1.0)));

    const LogParts<T> log_x = log_parts<10>(x);
    const Twofold<T> power = fixed_point_product(v, log_x.whole);
    const LogGamma<T> gamma = log_gamma(v);
    const Twofold<T> linear = fixed_point_product(gamma.slope, gamma.d);
    const T head = ((log_s.whole - gamma.whole) - linear.hi) + power.hi;
    const T tail = fma_(v, log_x.f, fma_(v, log_x.rest, power.lo)) + (log_s.f + (log_s.rest - (linear.lo + gamma.rest)));
    if constexpr (scaled) {
        const Twofold<T> value = two_difference(head, x);
        return value.hi + (value.lo + tail);
    } else {
        return head + tail;
    }
}

// x < 2^-29: v log x is ten times the rest, or v so small that x^2/4 counts.
template <bool scaled, class T>
VMF_FN T tiny_argument_log_i(T v, T x) {
    const T half = max_(T(0.5) * x, T(smallest_to_square));
    const T y = half * half;
    const LogParts<T> log_x = log_parts<8>(x);
    const Twofold<T> power = two_product(v, log_x.whole);
    const LogGamma<T> gamma = log_gamma(v);
    const T log_s = fnma_(y, v, y);
    const T rest = fma_(v, log_x.f, fma_(v, log_x.rest, power.lo)) + (log_s - fma_(gamma.slope, gamma.d, gamma.rest));
    const T sum = rest - gamma.whole;
    return scaled ? (power.hi - x) + sum : power.hi + sum;
}

}  // namespace VMF_NAMESPACE
