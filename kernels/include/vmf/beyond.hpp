// Every function where w = sqrt(v^2 + x^2) >= 2^500, so that squares overflow; and the scaled logarithms where x is so much
// larger than a large v that v asinh(v/x) would have an absolute error above that of the value.
//
// Of the uniform expansion (debye.hpp) one term is left: all others are below the last bit. v and x are taken times 2^-600,
// which is exact but where it does not matter, and only the result is brought back: it overflows where the function does.
#pragma once

#include "vmf.hpp"

namespace VMF_NAMESPACE {

// v and x, times `down` where one of them is large, and what follows from them; `exponent` is that of `up` = 1/down.
struct Reduced {
    double v, x, down, up, exponent;
    Polar<double> p;
};
VMF_FN Reduced reduced(double v, double x) {
    const bool large = max_(v, x) >= 0x1p+499;
    const double down = large ? 0x1p-600 : 1.0;
    return {v * down, x * down, down, large ? 0x1p+600 : 1.0, large ? 600.0 : 0.0, polar(v * down, x * down)};
}

// a up + b, b below 2^20; infinite where it overflows.
VMF_FN double with_rest(Twofold<double> a, Twofold<double> b, double up) {
    const Twofold<double> whole = {a.hi * up, a.lo * up};
    if (abs_(whole.hi) >= 0x1p+600) return whole.hi + whole.lo;
    const Twofold<double> s = two_sum(whole.hi, b.hi);
    return s.hi + (s.lo + (whole.lo + b.lo));
}

// a up/x, without overflow or underflow on the way.
VMF_FN double over_argument(double a, const Reduced& r, double x) { return x > 1.0 ? a / r.x : a / x * r.up; }

// w - v asinh(v/x), less x if scaled, times `down`.
template <bool scaled>
VMF_FN Twofold<double> beyond_eta(const Reduced& r, double x) {
    if (scaled && r.v < 0x1p-10 * r.x) {
        // -v s/2 (1 - s^2/12 + s^4/40 - ...), s = v/x
        const Twofold<double> s = Twofold<double>{r.v, 0.0} / Twofold<double>{r.x, 0.0};
        const double half = -0.5 * r.v;
        const Twofold<double> t = two_product(half, s.hi);
        const double ss = s.hi * s.hi;
        return {t.hi, t.lo + (half * s.lo + t.hi * (ss * (ss * 0.025 - 1.0 / 12.0)))};
    }
    const Twofold<double> angle = asinh_ratio(r.p.v_plus_w, x, r.exponent);
    const Twofold<double> w = scaled ? r.p.w_minus_x : r.p.w;
    const Twofold<double> turn = two_product(r.v, angle.hi);
    const Twofold<double> eta = two_difference(w.hi, turn.hi);
    return {eta.hi, eta.lo + ((w.lo - turn.lo) - r.v * angle.lo)};
}

// log I_v(x) or log K_v(x); scaled, less or plus x.
template <bool of_k, bool scaled>
VMF_SLOW_FN double beyond_log(double v, double x) {
    const Reduced r = reduced(v, x);
    const Twofold<double> eta = beyond_eta<scaled>(r, x);
    const Twofold<double> l = of_k ? log_twofold<LogTwoOverPi>(r.p.w, r.exponent) : log_twofold<LogTwoPi>(r.p.w, r.exponent);
    return with_rest(of_k ? -eta : eta, {-0.5 * l.hi, -0.5 * l.lo}, r.up);
}

VMF_SLOW_FN inline double beyond_iv_ratio(double v, double x) {
    const Reduced r = reduced(v, x);
    return x / (r.p.v_plus_w.hi + r.p.v_plus_w.lo) * r.down;
}

VMF_SLOW_FN inline double beyond_iv_ratio_c(double v, double x) {
    if (v < 0x1p+200) return (v - 0.5) / x;
    const Reduced r = reduced(v, x);
    const Twofold<double> s = two_sum(r.v, r.p.w_minus_x.hi);
    return (s.hi + (s.lo + r.p.w_minus_x.lo)) / (r.p.v_plus_w.hi + r.p.v_plus_w.lo);
}

VMF_SLOW_FN inline double beyond_kv_ratio(double v, double x) {
    const double a = v - 1.0;
    const Reduced r = reduced(abs_(a), x);
    return over_argument(r.p.w.hi + (a < 0.0 ? -r.v : r.v), r, x);
}

VMF_SLOW_FN inline double beyond_log_i_dx(double v, double x) {
    const Reduced r = reduced(v, x);
    return over_argument(r.p.w.hi, r, x);
}

// asinh(v/x), which the derivatives in the order are but for their signs.
VMF_SLOW_FN inline double beyond_asinh(double v, double x) {
    const Reduced r = reduced(v, x);
    return asinh_ratio(r.p.v_plus_w, x, r.exponent).hi;
}

template <bool scaled>
VMF_SLOW_FN double beyond_log_normalizer(double v, double x) {
    const Reduced r = reduced(v, x);
    const Twofold<double> turn = vmf_turn(r.v, r.p.v_plus_w, r.exponent);
    const Twofold<double> w = scaled ? r.p.w_minus_x : r.p.w;
    const Twofold<double> a = two_difference(turn.hi, w.hi);
    const Twofold<double> l = log_twofold<LogHalfOverPi>(r.p.w, r.exponent);
    return with_rest({a.hi, a.lo + (turn.lo - w.lo)}, {0.5 * l.hi, 0.5 * l.lo}, r.up);
}

VMF_SLOW_FN inline double beyond_entropy(double v, double x) {
    const Reduced r = reduced(v, x);
    const Twofold<double> turn = vmf_turn(r.v, r.p.v_plus_w, r.exponent);
    const Twofold<double> a = two_difference(r.v, turn.hi);
    const Twofold<double> l = log_twofold<LogHalfOverPi>(r.p.w, r.exponent);
    return with_rest({a.hi, a.lo - turn.lo}, {-0.5 * l.hi, 0.5 * r.p.sigma - 0.5 * l.lo}, r.up);
}

// dA_p/dkappa; v = p/2
VMF_SLOW_FN inline double beyond_ratio_dx(double v, double x) {
    if (v < 0x1p+200) return (v - 0.5) / x / x;
    const Reduced r = reduced(v, x);
    const double d = r.p.v_plus_w.hi;
    return (r.v + r.v * (r.v * r.p.inverse)) / d / d * r.down;
}

}  // namespace VMF_NAMESPACE
