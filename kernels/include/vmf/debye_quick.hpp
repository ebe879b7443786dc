// log I and log K from the Debye sum (debye.hpp) for values that are not near 0: half the operations.
//
//   log I_v(x) = w - v asinh(v/x) - log(2 pi w)/2 + S(1/w),    log K_v(x) = v asinh(v/x) - w - log(2 w/pi)/2 + S(-1/w).
//
// Both logarithms divide by a number c of five bits next to the reciprocal of their argument, for which log c is in a
// table: log a = log(a c) - log c. asinh(v/x) = log((v + w)/x) keeps 2^-58.3, since it is multiplied by v; the prefactor's
// half logarithm 2^-54, but its whole multiple of log 2 is exact. Besides the rounding of the result the error is below
// 2^-53.5 + 2^-58.3 v: within 2.5 eps of the value where |value| is at least v/128 + 1/8. Other values are computed again by
// debye.hpp (near_zero.hpp, doubtful_log_i). The sum of more terms gives the points of a shorter one that one's very
// bits: registers may hold both, and no value depends on its neighbours.
#pragma once

#include "debye.hpp"
#include "regions.hpp"

namespace VMF_NAMESPACE {

// Whether a number type takes these formulas: single.hpp has shorter logarithms of its own.
template <class T>
constexpr bool quick_debye_serves = true;

// log((v + w)/x), to 2^-58.3. hi + lo is not normalised: |lo| < 2^-14.
template <class T>
VMF_FN Twofold<T> quick_asinh_ratio(T v, T w, T w_lo, T x) {
    const Twofold<T> sum = fast_two_sum(w, v);
    const T m = mantissa_of(x);
    const T c = leading_bits_(coarse_quotient_(m, sum.hi));
    const T k = exponent_of(c) + exponent_of(x);
    // a = c (v + w), within 1/32 of m; log(a/m) = 2 atanh(r), r = (a - m)/(a + m), |r| < 2^-6.
    const T a = sum.hi * c;
    const T a_lo = fma_(sum.lo + w_lo, c, fms_(sum.hi, c, a));
    const T above = a - m;
    const T below = a + m;
    const T reciprocal = coarse_reciprocal_(below);
    const T r = above * reciprocal;
    const T r_lo = (fnma_(r, below, above) + a_lo) * reciprocal;
    const T whole = r + r_lo;
    const T s = whole * whole;
    const T series = fma_(fma_(fma_(s, T(1.0 / 9.0), T(1.0 / 7.0)), s, T(1.0 / 5.0)), s, T(1.0 / 3.0));
    const T tail = fma_(series * s, whole, r_lo);

    const Twofold<T> head = fast_two_sum(k * T(-ln2_head), lookup16(log_sixteenths, c));
    const Twofold<T> all = fast_two_sum(head.hi, r + r);
    const T rest = fma_(T(2.0), tail, fnma_(k, T(ln2_tail), lookup16(log_sixteenths_tail, c)));
    return {all.hi, all.lo + (head.lo + rest)};
}

// log(constant w)/2 = whole + rest: whole is an exact multiple of log 2/2 to 40 bits; rest is right to 2^-54.
template <class T>
VMF_FN Twofold<T> quick_half_log(const double* table, T w, T w_lo, T inverse) {
    const T c = leading_bits_(inverse);
    const T k = exponent_of(c);
    const T r = fma_(w_lo, c, fms_(w, c, T(1.0)));  // |r| < 1/32
    // (log(1 + r) - r)/2 = r^2 P(r)
    const T rr = r * r;
    const T even = fma_(fma_(fma_(fma_(rr, T(-1.0 / 20.0), T(-1.0 / 16.0)), rr, T(-1.0 / 12.0)), rr, T(-1.0 / 8.0)), rr, T(-1.0 / 4.0));
    const T odd = fma_(fma_(fma_(rr, T(1.0 / 18.0), T(1.0 / 14.0)), rr, T(1.0 / 10.0)), rr, T(1.0 / 6.0));
    const T offset = fma_(r, T(0.5), fnma_(k, T(0.5 * ln2_tail), lookup16(table, c)));
    return {k * T(-0.5 * ln2_head), fma_(fma_(odd, r, even), rr, offset)};
}

// debye_sum, with fewer terms where w^2 = ww allows.
template <int terms, int k, class T>
VMF_FN T selecting_horner(T p, T tau, T ww) {
    const T q = debye_polynomial<Plain, k, 0>(tau);
    if constexpr (k == terms) {
        return q;
    } else {
        const T all = fma_(selecting_horner<terms, k + 1>(p, tau, ww), p, q);
        if constexpr (least_square_for(k) > 0.0) return select(ww >= T(least_square_for(k)), q, all);
        else return all;
    }
}

// v, x < 2^500. sign: 1 for log I, -1 for log K.
template <int terms, int sign, class T>
VMF_FN T quick_debye_log(T v, T x) {
    const T to_square = max_(x, T(smallest_to_square));
    const Twofold<T> vv = two_product(v, v);
    const Twofold<T> xx = two_product(to_square, to_square);
    const Twofold<T> ww = fast_two_sum(max_(vv.hi, xx.hi), min_(vv.hi, xx.hi));
    const T inverse = reciprocal_sqrt_(ww.hi);
    const T w = ww.hi * inverse;
    const T w_lo = (fnma_(w, w, ww.hi) + (ww.lo + (vv.lo + xx.lo))) * (T(0.5) * inverse);
    const T t = v * inverse;

    const T p = sign > 0 ? inverse : -inverse;
    const T sum = p * selecting_horner<terms, 1>(p, t * t, ww.hi);
    const Twofold<T> angle = quick_asinh_ratio(v, w, w_lo, x);
    const Twofold<T> half_log = quick_half_log(sign > 0 ? log_half_two_pi : log_half_two_over_pi, w, w_lo, inverse);

    // w - whole - v angle or w + whole - v angle, then everything small.
    const Twofold<T> turn = two_product(v, angle.hi);
    const Twofold<T> first = fast_two_sum(w, sign > 0 ? -half_log.hi : half_log.hi);
    const Twofold<T> second = two_difference(first.hi, turn.hi);
    const T low = fnma_(v, angle.lo, w_lo) - turn.lo;
    const T small = sign > 0 ? sum - half_log.lo : half_log.lo - sum;
    const T value = second.hi + ((second.lo + first.lo) + (low + small));
    return sign > 0 ? value : -value;
}

}  // namespace VMF_NAMESPACE
