// Which formula serves a point (v, x). The first row that fits is used.
//
//   I                                             K
//   special      v or x < 0, x = 0, NaN, w >= 2^500  special      the same
//   debye4       w >= 2500                         debye4       w >= 2500
//   debye5       w >= 800                          debye5       w >= 800
//   debye7       w >= 200                          debye7       w >= 200
//   debye10      w >= 80                           debye10      w >= 80
//   debye13      w >= 42                           debye13      w >= 42
//   debye20      w >= 24.5 or v >= 15.5            debye20      w >= 24.5 or v >= 15.5 or (v >= 12.75 and x < 1/2)
//   shifted8     v >= 7.5                          temme        x < 1/2
//   shifted16    the rest                          quadrature   the rest, by w: < 3, < 8, < 24.5; by v: > 4
//
// log I has other rows in place of the shifted orders:
//   tiny          x < 2^-29
//   series9       x < 1
//   series18      x < 6
//   series26      x < 12
//   series39      the rest
// and, scaled, one more for special: v >= 2^44 and x > 2^10 v;
// log K in place of temme and quadrature:
//   separated     x < 1/2 and v (2 - floor(log2 x)) >= 33
//   small_order   v <= 1/2 and x < 2^-27
//   temme         x < 0.3125, and x < 1/2 where w >= 1.118
//   interpolated  the rest, by w: < 1.118, < 3, < 8, < 24.5
//
// 1 - I_v/I_(v-1) has a row of its own on top: half_order, v < 1 and x >= 22.
//
// Numbers are doubles so that the choice vectorises with everything else.
#pragma once

#include "lanes/scalar.hpp"

namespace VMF_NAMESPACE {

enum Region : int {
    region_special = 0,
    region_shifted16 = 1,
    region_shifted8 = 2,
    region_half_order = 3,
    region_tiny = 3,
    region_series9 = 4,
    region_series18 = 5,
    region_series26 = 6,
    region_series39 = 7,
    region_temme = 1,
    region_quadrature1 = 2,
    region_quadrature3 = 3,
    region_quadrature8 = 4,
    region_quadrature3v = 5,
    region_quadrature8v = 6,
    region_separated = 1,
    region_small_order = 2,
    region_temme_log_k = 3,
    region_interpolated0 = 4,
    region_interpolated1 = 5,
    region_interpolated3 = 6,
    region_interpolated8 = 7,
    region_debye20 = 8,
    region_debye13 = 9,
    region_debye10 = 10,
    region_debye7 = 11,
    region_debye5 = 12,
    region_debye4 = 13,
    region_count = 14,
};

// The least w^2 from which so many terms serve; 0 for other numbers of terms.
VMF_FN constexpr double least_square_for(int terms) {
    return terms == 4 ? 2500.0 * 2500.0 : terms == 5 ? 800.0 * 800.0 : terms == 7 ? 200.0 * 200.0
         : terms == 10 ? 80.0 * 80.0 : terms == 13 ? 42.0 * 42.0 : 0.0;
}

// w^2, the very double that debye_quick.hpp compares; NaN where v or x is.
template <class T>
VMF_FN T square_of_w(T v, T x) {
    const T to_square = max_(T(smallest_to_square), x);
    return v * v + to_square * to_square;
}

// The region of a point by w^2, or small() for the points that the Debye sums do not serve: only where there are any.
template <class T, class Small>
VMF_FN T debye_region(T v, T ww, Small small) {
    T r = T(double(region_debye20));
    r = select(ww >= T(least_square_for(13)), T(double(region_debye13)), r);
    r = select(ww >= T(least_square_for(10)), T(double(region_debye10)), r);
    r = select(ww >= T(least_square_for(7)), T(double(region_debye7)), r);
    r = select(ww >= T(least_square_for(5)), T(double(region_debye5)), r);
    r = select(ww >= T(least_square_for(4)), T(double(region_debye4)), r);
    const auto near = (ww < T(24.5 * 24.5)) & (v < T(15.5));
    if (any(near)) r = select(near, small(), r);
    return r;
}

// Finite and ordinary: 0 <= v, 0 < x (or 0 <= x), and squares that do not overflow.
template <bool zero_x, class T>
VMF_FN T unless_special(T v, T x, T ww, T r) {
    const auto ordinary = (v >= T(0.0)) & (zero_x ? (x >= T(0.0)) : (x > T(0.0))) & (ww < T(0x1p+1000));
    return select(ordinary, r, T(double(region_special)));
}

// Whether the Debye sum of so many terms, 13 or fewer, serves a point: its own region or one of fewer terms.
template <int terms, class T>
VMF_FN auto debye_serves(T v, T x) {
    const T ww = square_of_w(v, x);
    return (ww >= T(least_square_for(terms))) & (v >= T(0.0)) & (x > T(0.0)) & (ww < T(0x1p+1000));
}

template <class T>
VMF_FN T shifted_region(T v) {
    return select(v >= T(7.5), T(double(region_shifted8)), T(double(region_shifted16)));
}

template <class T>
VMF_FN T region_log_i(T v, T x) {
    const T ww = square_of_w(v, x);
    const T r = debye_region(v, ww, [&] {
        T small = select(x < T(12.0), T(double(region_series26)), T(double(region_series39)));
        small = select(x < T(6.0), T(double(region_series18)), small);
        small = select(x < T(1.0), T(double(region_series9)), small);
        small = select(x < T(0x1p-29), T(double(region_tiny)), small);
        // Where log(1 + s) = x^2/4 is all there is of log I and too small to be squared in registers.
        return select((v < T(0x1p-450)) & (x < T(0x1p-240)), T(double(region_special)), small);
    });
    return unless_special<false>(v, x, ww, r);
}

template <class T>
VMF_FN T region_i(T v, T x) {
    const T ww = square_of_w(v, x);
    return unless_special<false>(v, x, ww, debye_region(v, ww, [&] { return shifted_region(v); }));
}

template <class T>
VMF_FN T region_i_complement(T v, T x) {
    const T ww = square_of_w(v, x);
    const T r = debye_region(v, ww, [&] { return shifted_region(v); });
    const auto half = (v < T(1.0)) & (x >= T(22.0));
    return unless_special<false>(v, x, ww, select(half, T(double(region_half_order)), r));
}

// As region_i with x = 0 allowed: the vMF quantities are regular there.
template <class T>
VMF_FN T region_vmf(T v, T x) {
    const T ww = square_of_w(v, x);
    return unless_special<true>(v, x, ww, debye_region(v, ww, [&] { return shifted_region(v); }));
}

template <class T>
VMF_FN T region_k(T v, T x) {
    const T ww = square_of_w(v, x);
    const T r = debye_region(v, ww, [&] {
        T small = select(ww < T(64.0), T(double(region_quadrature3)), T(double(region_quadrature8)));
        small = select(v > T(4.0), small + T(2.0), small);  // their v kind
        small = select(ww < T(9.0), T(double(region_quadrature1)), small);
        return select(x < T(0.5), select(v >= T(12.75), T(double(region_debye20)), T(double(region_temme))), small);
    });
    return unless_special<false>(v, x, ww, r);
}

template <class T>
VMF_FN T region_log_k(T v, T x) {
    const T ww = square_of_w(v, x);
    const T r = debye_region(v, ww, [&] {
        T small = select(ww < T(64.0), T(double(region_interpolated3)), T(double(region_interpolated8)));
        small = select(ww < T(9.0), T(double(region_interpolated1)), small);
        small = select(x < T(0.5), T(double(region_temme_log_k)), small);
        const T least = select(x < T(0.3125), T(double(region_temme_log_k)), T(double(region_interpolated0)));
        small = select(ww < T(1.25), least, small);
        small = select((v <= T(0.5)) & (x < T(0x1p-27)), T(double(region_small_order)), small);
        const auto separated = (x < T(0.5)) & (v * (T(2.0) - exponent_of(x)) >= T(33.0));
        return select(separated, T(double(region_separated)), small);
    });
    return unless_special<false>(v, x, ww, r);
}

}  // namespace VMF_NAMESPACE
