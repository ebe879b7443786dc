// I_v(x) for small w from the uniform expansion at order v + n and n downward steps (DLMF 10.29.1):
//
//   I_(v+k-1) = (2 (v + k)/x) I_(v+k) + I_(v+k+1),
//
// carried as g_k = x^(n-k) I_(v+k)/I_(v+n), so that x stays out of every denominator. All terms are positive and the
// direction is the stable one for I. The recurrence is compensated: hi is the plain double recurrence, lo sums the exact
// rounding errors of each step, which obey the same recurrence. With v' = v + n, w' = sqrt(v'^2 + x^2):
//
//   log I_v(x) = w' - v asinh(v'/x) - log(2 pi w')/2 + sum_k q_k w'^-k + log(g_0/(v' + w')^n).
//
// Used for v < 15.5 and w < 24.5 with n = 16, or n = 8 from v = 7.5 on: v' >= 15.5 puts the expansion in its 20-term region for every x. The error left is
// that of the expansion's sum, < 2^-58.
#pragma once

#include "debye.hpp"

namespace VMF_NAMESPACE {

// Terms of the expansion at order v + n; single.hpp needs fewer for float.
template <class T>
constexpr int shifted_terms = 20;

template <class T>
struct Shifted {
    T v_hi, v_lo;          // v = v_hi + v_lo, v_hi a multiple of 2^-47, so that v_hi + k is exact
    Polar<T> p;            // at order v + n
    Twofold<T> xx;         // x^2
    Twofold<T> g0, g1;     // g_0 and g_1
};

template <class T>
VMF_FN Twofold<T> downward_step(T c, T c_lo, Twofold<T> xx, Twofold<T> g, Twofold<T> above) {
    const T a = c * g.hi;
    const T b = xx.hi * above.hi;
    const Twofold<T> s = two_sum(a, b);
    const T errors = fms_(c, g.hi, a) + fms_(xx.hi, above.hi, b) + s.lo;
    return {s.hi, fma_(c, g.lo, fma_(c_lo, g.hi, fma_(xx.hi, above.lo, fma_(xx.lo, above.hi, errors))))};
}

template <int shift, class T>
VMF_FN Shifted<T> shifted_order(T v, T x) {
    Shifted<T> s;
    s.v_hi = (v + T(48.0)) - T(48.0);
    s.v_lo = v - s.v_hi;
    const T top = s.v_hi + T(double(shift));
    s.p = polar_with_tail(top, s.v_lo, x);
    const T to_square = max_(x, T(smallest_to_square));
    s.xx = two_product(to_square, to_square);

    // g_n = 1; x^2 g_(n+1) = x I_(v'+1)/I_v' = x I'/I - v' = (w' - v') + correction.
    const T correction = debye_log_derivative<shifted_terms<T>, 1>(s.p);
    const Twofold<T> gap = two_difference(s.p.w.hi, top);
    const Twofold<T> first = two_sum(top + top, gap.hi);
    const Twofold<T> second = fast_two_sum(first.hi, correction);
    Twofold<T> above = {T(1.0), T(0.0)};
    Twofold<T> g = {second.hi, second.lo + (first.lo + (gap.lo + (s.p.w.lo + s.v_lo)))};
    const T c_lo = s.v_lo + s.v_lo;
    for (int k = shift - 1; k >= 1; --k) {
        const T c = s.v_hi + T(double(k));
        const Twofold<T> below = downward_step(c + c, c_lo, s.xx, g, above);
        above = g;
        g = below;
    }
    s.g0 = fast_two_sum(g.hi, g.lo);
    s.g1 = fast_two_sum(above.hi, above.lo);
    return s;
}

// log(g_0/(v' + w')^n) - log(2 pi w')/2, as one logarithm.
template <int shift, class T>
VMF_FN Twofold<T> shifted_half_log(const Shifted<T>& s) {
    const Twofold<T> g = s.g0 / power<shift>(s.p.v_plus_w);
    const Twofold<T> l = log_twofold<LogHalfOverPi>(square(g) / s.p.w);
    return {T(0.5) * l.hi, T(0.5) * l.lo};
}

template <int shift, bool scaled, class T>
VMF_FN T shifted_log_i(T v, T x) {
    const Shifted<T> s = shifted_order<shift>(v, x);
    const Twofold<T> angle = asinh_ratio(s.p.v_plus_w, x);
    return assemble_log_i<scaled>(v, s.p, angle, shifted_half_log<shift>(s), debye_sum<Plain, shifted_terms<T>>(s.p.inverse, s.p.tau));
}

// g_(-1) = x^(n+1) I_(v-1)/I_(v+n)
template <class T>
VMF_FN Twofold<T> below_order(T v, const Shifted<T>& s) {
    const Twofold<T> g = downward_step(v + v, T(0.0), s.xx, s.g0, s.g1);
    return fast_two_sum(g.hi, g.lo);
}

// d/dv log I_v(x): the same steps, differentiated; every term is positive again.
template <int shift, class T>
VMF_FN T shifted_log_i_dv(T v, T x) {
    const T v_hi = (v + T(48.0)) - T(48.0);
    const T v_lo = v - v_hi;
    const T top = v_hi + T(double(shift));
    const Polar<T> p = polar_with_tail(top, v_lo, x);
    const T to_square = max_(x, T(smallest_to_square));
    const T xx = to_square * to_square;
    T above = T(1.0);
    T above_dv = T(0.0);
    T g = top + (p.w.hi + debye_log_derivative<shifted_terms<T>, 1>(p));
    T g_dv = T(1.0) + fma_(top, p.inverse, debye_log_derivative_dv<shifted_terms<T>, 1>(top, p));
    for (int k = shift - 1; k >= 1; --k) {
        const T c = T(2.0) * (v + T(double(k)));
        const T below = fma_(c, g, xx * above);
        const T below_dv = fma_(c, g_dv, fma_(xx, above_dv, g + g));
        above = g;
        above_dv = g_dv;
        g = below;
        g_dv = below_dv;
    }
    const T angle = asinh_ratio(p.v_plus_w, x).hi;
    return g_dv / g + (debye_dv_correction<shifted_terms<T>, 1>(top, p) - angle);
}

}  // namespace VMF_NAMESPACE
