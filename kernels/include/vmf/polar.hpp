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

// v + v_lo is the order (v_lo = 0 but for shifted orders); v, x not both zero.
template <class T>
VMF_FN Polar<T> polar(T v, T v_lo, T x) {
    // Squares must neither overflow nor lose their last bits to underflow: scale the larger of v and x into range.
    const T largest = max_(v, x);
    const T down = select(largest > T(0x1p+500), T(0x1p-600), T(1.0));
    const T up = select(largest > T(0x1p+500), T(0x1p+600), T(1.0));
    const T vs = v * down;
    const T xs = x * down;
    const Twofold<T> vv = two_product(vs, vs);
    const Twofold<T> xx = two_product(xs, xs);
    const Twofold<T> sum = two_sum(vv.hi, xx.hi);
    const T sum_lo = sum.lo + fma_(T(2.0) * vs, v_lo * down, vv.lo + xx.lo);
    const T w = sqrt_(sum.hi);
    const T inverse = T(1.0) / w;
    const T w_lo = (fma_(-w, w, sum.hi) + sum_lo) * (T(0.5) * inverse);

    Polar<T> p;
    const Twofold<T> ws = fast_two_sum(w, w_lo);
    p.w = {ws.hi * up, ws.lo * up};
    p.inverse = inverse * down;
    const T t = vs * inverse;
    const T c = xs * inverse;
    p.tau = t * t;
    p.sigma = c * c;
    const Twofold<T> plus = two_sum(p.w.hi, v);
    p.v_plus_w = fast_two_sum(plus.hi, plus.lo + (p.w.lo + v_lo));
    const Twofold<T> denominator = two_sum(ws.hi, xs);
    const Twofold<T> numerator = {vv.hi, fma_(T(2.0) * vs, v_lo * down, vv.lo)};
    const Twofold<T> difference = numerator / Twofold<T>{denominator.hi, denominator.lo + ws.lo};
    p.w_minus_x = {difference.hi * up, difference.lo * up};
    return p;
}

// asinh(v/x) = log((v + w)/x), to 2^-68 absolutely; x > 0, subnormal x included.
template <class T>
VMF_FN Twofold<T> asinh_ratio(Twofold<T> v_plus_w, T x) {
    // The quotient of a huge sum and a tiny x overflows: lift x and take the logarithm of the lift off again.
    const auto tiny = x < T(0x1p-500);
    const T lift = select(tiny, T(0x1p+600), T(1.0));
    const Twofold<T> quotient = v_plus_w / Twofold<T>{x * lift, T(0.0)};
    const T k = select(tiny, T(600.0), T(0.0));
    const Twofold<T> log_quotient = log_twofold(quotient);
    const Twofold<T> sum = fast_two_sum(k * T(ln2_head), log_quotient.hi);
    const Twofold<T> lifted = fast_two_sum(sum.hi, sum.lo + fma_(k, T(ln2_tail), log_quotient.lo));
    return {select(tiny, lifted.hi, log_quotient.hi), select(tiny, lifted.lo, log_quotient.lo)};
}

}  // namespace VMF_NAMESPACE
