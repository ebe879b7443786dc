// The variables in which both asymptotic regimes are one: w = sqrt(v^2 + x^2), t = v/w, and asinh(v/x).
//
// Olver's uniform expansion (DLMF 10.41.3-4) is usually written in z = x/v, which fails as v -> 0. With w in place of
// v sqrt(1 + z^2) its exponent is  v eta = w - v asinh(v/x),  finite for v = 0 too, where the expansion becomes Hankel's
// (DLMF 10.40). asinh(v/x) = log((v + w)/x).
#pragma once

#include "logarithm.hpp"

namespace VMF_NAMESPACE {

template <class T>
struct Polar {
    Twofold<T> w;         // sqrt(v^2 + x^2)
    T inverse;            // 1/w
    T tau;                // (v/w)^2
    T sigma;              // (x/w)^2 = 1 - tau
    Twofold<T> v_plus_w;
    Twofold<T> w_minus_x;  // v^2/(w + x), without cancellation
};

// v + v_lo is the order; v and x not both zero, both below 2^500.
template <bool has_tail, class T>
VMF_FN Polar<T> polar_of(T v, T v_lo, T x) {
    const T xs = max_(x, T(smallest_to_square));
    const Twofold<T> vv = two_product(v, v);
    const Twofold<T> xx = two_product(xs, xs);
    const T vv_lo = has_tail ? fma_(v + v, v_lo, vv.lo) : vv.lo;
    const Twofold<T> sum = two_sum(vv.hi, xx.hi);
    const T inverse = reciprocal_sqrt_(sum.hi);
    const T w = sum.hi * inverse;
    const T w_lo = (fnma_(w, w, sum.hi) + (sum.lo + (vv_lo + xx.lo))) * (T(0.5) * inverse);

    Polar<T> p;
    p.w = {w, w_lo};
    p.inverse = inverse;
    const T t = v * inverse;
    const T c = xs * inverse;
    p.tau = t * t;
    p.sigma = c * c;
    const Twofold<T> plus = fast_two_sum(p.w.hi, v);
    p.v_plus_w = {plus.hi, plus.lo + (has_tail ? p.w.lo + v_lo : p.w.lo)};
    const Twofold<T> denominator = fast_two_sum(w, xs);
    p.w_minus_x = Twofold<T>{vv.hi, vv_lo} / Twofold<T>{denominator.hi, denominator.lo + w_lo};
    return p;
}

template <class T>
VMF_FN Polar<T> polar(T v, T x) {
    return polar_of<false>(v, T(0.0), x);
}
template <class T>
VMF_FN Polar<T> polar_with_tail(T v, T v_lo, T x) {
    return polar_of<true>(v, v_lo, x);
}

// asinh(v/x) = log((v + w)/x), to 2^-68 absolutely. The mantissa of x is divided by, its exponent subtracted: no x > 0,
// subnormal or not, overflows the quotient. v + w may be given times 2^-exponent.
template <class T>
VMF_FN Twofold<T> asinh_ratio(Twofold<T> v_plus_w, T x, T exponent = T(0.0)) {
    const T m = mantissa_of(x);
    const T reciprocal = reciprocal_(m);
    const T q = v_plus_w.hi * reciprocal;
    const T q_lo = (fnma_(q, m, v_plus_w.hi) + v_plus_w.lo) * reciprocal;
    return log_twofold(Twofold<T>{q, q_lo}, exponent - exponent_of(x));
}

}  // namespace VMF_NAMESPACE
