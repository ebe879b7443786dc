// log K_v(x) for w = sqrt(v^2 + x^2) < 24.5 by polynomials in two variables that interpolate it in Chebyshev points
// (scripts/generate_coefficients.py makes them; coefficients.hpp):
//
//   w >= 1.118, x >= 1/2   F = log K + v eta + log(2 w/pi)/2, what debye.hpp expands in powers of 1/w: |F| < 0.15, by
//                          1/(w + offset) and s = (x - x_low)/(x - x_low + lean (w - x_low)); 179 coefficients where
//                          w >= 8, 219 where w >= 3, 232 below. s, not (v/w)^2: as x falls, F has terms in x^2 and
//                          x^(2 v), which powers of (v/w)^2 follow slowly;
//   w < 1.118, x >= 0.3125   log K + x + log(2 x/pi)/2 by log(2 x/pi) and v^2/(v^2 + 3); 162 coefficients.
//
// K is even in v, so that both are smooth in v^2. Chebyshev coefficients left out are below 2^-57; the variables run
// over [-1, 1], where the powers do not cancel. Error beside the rounding of the value where |log K| < 1/2, measured:
// 0.06 eps for w >= 8, 0.1 eps for w >= 3, 0.2 eps for w >= 1.118, 0.3 eps + 0.35 eps v below; for log K + x up to
// 0.15, 0.3, 0.4 and 0.4 eps. Where the value is near 1 below w = 1.118: 1.8 eps.
#pragma once

#include "debye.hpp"

namespace VMF_NAMESPACE {

template <class P>
constexpr int powers_before(int k) {
    int n = 0;
    for (int i = 0; i < k; ++i) n += P::terms(i);
    return n;
}

template <class P, int k, int i, class T>
VMF_FN T interpolated_row(T z) {
    const T c = T(P::power(powers_before<P>(k) + i));
    if constexpr (i + 1 == P::terms(k)) {
        return c;
    } else {
        return fma_(interpolated_row<P, k, i + 1>(z), z, c);
    }
}

// sum_k y^k sum_i c[k][i] z^i
template <class P, int k, class T>
VMF_FN T interpolated(T y, T z) {
    const T row = interpolated_row<P, k, 0>(z);
    if constexpr (k + 1 == P::rows) {
        return row;
    } else {
        return fma_(interpolated<P, k + 1>(y, z), y, row);
    }
}

// log K_v(x) or, scaled, log K_v(x) + x, by F. Both variables vanish where their numerators do, which keeps them accurate.
template <class P, bool scaled, class T>
VMF_FN T interpolated_log_k(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Twofold<T> angle = asinh_ratio(p.v_plus_w, x);
    const Twofold<T> l = log_twofold<LogTwoOverPi>(p.w);
    const T above = x - T(P::x_low);
    const T all = fma_(p.w.hi, T(P::lean), above - T(P::lean * P::x_low));
    const T shifted = p.w.hi + T(P::offset);
    const T both = reciprocal_(P::offset == 0.0 ? all : shifted * all);
    const T y = (p.w.hi - T(P::w_zero)) * (T(P::first_shift) * (P::offset == 0.0 ? p.inverse : both * all));
    const T z = fma_(above, T(P::second_scale), T(P::second_shift) * all) * (P::offset == 0.0 ? both : both * shifted);
    const T sum = interpolated<P, 0>(y, z);
    return -assemble_log_i<scaled>(v, p, angle, Twofold<T>{T(0.5) * l.hi, T(0.5) * l.lo}, -sum);
}

// The same where w is small.
template <class P, bool scaled, class T>
VMF_FN T interpolated_log_k_near_zero(T v, T x) {
    const Twofold<T> l = log_twofold<LogTwoOverPi>(Twofold<T>{x, T(0.0)});
    const T vv = v * v;
    const T y = fma_(l.hi, T(P::first_scale), T(P::first_shift));
    const T z = fma_(vv * reciprocal_(vv + T(3.0)), T(P::second_scale), T(P::second_shift));
    const T sum = interpolated<P, 0>(y, z);
    const Twofold<T> less_half = two_difference(sum, T(0.5) * l.hi);
    const T rest = fma_(T(-0.5), l.lo, less_half.lo);
    if constexpr (scaled) {
        return less_half.hi + rest;
    } else {
        const Twofold<T> less_x = two_difference(less_half.hi, x);
        return less_x.hi + (less_x.lo + rest);
    }
}

}  // namespace VMF_NAMESPACE
