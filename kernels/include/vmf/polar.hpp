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

// Arguments that need scaling before they are squared are left to `wide`; everything else is Ordinary.
struct Ordinary {
    static constexpr bool scales = false;
};
struct Wide {
    static constexpr bool scales = true;
};

// One term of the expansion is what is left beyond 2^500.
template <int terms>
struct RangeOfTerms {
    using type = Ordinary;
};
template <>
struct RangeOfTerms<1> {
    using type = Wide;
};
template <int terms>
using RangeOf = typename RangeOfTerms<terms>::type;

// v + v_lo is the order; v and x not both zero. Ordinary: both below 2^500.
template <class Range, bool has_tail, class T>
VMF_FN Polar<T> polar_of(T v, T v_lo, T x) {
    const bool wide = Range::scales;
    const auto large = max_(v, x) > T(0x1p+500);
    const T down = wide ? select(large, T(0x1p-600), T(1.0)) : T(1.0);
    const T up = wide ? select(large, T(0x1p+600), T(1.0)) : T(1.0);
    const T vs = wide ? v * down : v;
    const T xs = wide ? x * down : max_(x, T(smallest_to_square));
    const Twofold<T> vv = two_product(vs, vs);
    const Twofold<T> xx = two_product(xs, xs);
    const T vv_lo = has_tail ? fma_(vs + vs, v_lo, vv.lo) : vv.lo;
    const Twofold<T> sum = two_sum(vv.hi, xx.hi);
    const T inverse = reciprocal_sqrt_(sum.hi);
    const T w = sum.hi * inverse;
    const T w_lo = (fnma_(w, w, sum.hi) + (sum.lo + (vv_lo + xx.lo))) * (T(0.5) * inverse);

    Polar<T> p;
    p.w = wide ? Twofold<T>{w * up, w_lo * up} : Twofold<T>{w, w_lo};
    p.inverse = wide ? inverse * down : inverse;
    const T t = vs * inverse;
    const T c = xs * inverse;
    p.tau = t * t;
    p.sigma = c * c;
    const Twofold<T> plus = fast_two_sum(p.w.hi, v);
    p.v_plus_w = {plus.hi, plus.lo + (has_tail ? p.w.lo + v_lo : p.w.lo)};
    const Twofold<T> denominator = fast_two_sum(w, xs);
    const Twofold<T> difference =
        Twofold<T>{vv.hi, vv_lo} / Twofold<T>{denominator.hi, denominator.lo + w_lo};
    p.w_minus_x = wide ? Twofold<T>{difference.hi * up, difference.lo * up} : difference;
    return p;
}

template <class Range = Ordinary, class T>
VMF_FN Polar<T> polar(T v, T x) {
    return polar_of<Range, false>(v, T(0.0), x);
}
template <class T>
VMF_FN Polar<T> polar_with_tail(T v, T v_lo, T x) {
    return polar_of<Ordinary, true>(v, v_lo, x);
}

// asinh(v/x) = log((v + w)/x), to 2^-68 absolutely. The mantissa of x is divided by, its exponent subtracted: no x > 0,
// subnormal or not, overflows the quotient.
template <class T>
VMF_FN Twofold<T> asinh_ratio(Twofold<T> v_plus_w, T x) {
    const T m = mantissa_of(x);
    const T reciprocal = reciprocal_(m);
    const T q = v_plus_w.hi * reciprocal;
    const T q_lo = (fnma_(q, m, v_plus_w.hi) + v_plus_w.lo) * reciprocal;
    return log_twofold(Twofold<T>{q, q_lo}, -exponent_of(x));
}

}  // namespace VMF_NAMESPACE
