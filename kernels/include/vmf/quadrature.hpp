// K_v(x) for x >= 1/2, w < 24.5, v < 15.5 by the trapezoidal rule on the whole line, through the saddle point
// t_0 = asinh(v/x) of DLMF 10.32.9:
//
//   K_v(x) = (1/2) exp(-v eta) int exp(-w (cosh u - 1) - v (sinh u - u)) du,      v eta = w - v asinh(v/x).
//
// The integrand is entire and falls doubly exponentially, so that the rule converges exponentially in 1/h; step and
// nodes come from the bounds in scripts/generate_coefficients.py, < 2^-58 of the integral. All terms are positive, and
// their rounding errors average out. The moments give
//
//   d/dv log K = asinh(v/x) + E[u],   K_(v-1)/K_v = x/(v + w) E[exp(-u)].
//
// log K itself has interpolated.hpp, but in float32 (single.hpp).
#pragma once

#include "debye.hpp"

namespace VMF_NAMESPACE {

#define VMF_QUADRATURE(range)                                                    \
    struct Quadrature##range {                                                   \
        static constexpr double step = quadrature_##range##_step;               \
        static constexpr int left = quadrature_##range##_left;                  \
        static constexpr int right = quadrature_##range##_right;                \
        VMF_FN static double cosh(int j) { return quadrature_##range##_cosh[j]; } \
        VMF_FN static double sinh(int j) { return quadrature_##range##_sinh[j]; } \
        VMF_FN static double exp(int j) { return quadrature_##range##_exp[j]; }   \
        VMF_FN static double exp_minus(int j) { return quadrature_##range##_exp_minus[j]; } \
    };
VMF_QUADRATURE(1)
VMF_QUADRATURE(3)
VMF_QUADRATURE(8)
VMF_QUADRATURE(3v)
VMF_QUADRATURE(8v)
#undef VMF_QUADRATURE

template <class T>
struct Moments {
    T mass;       // sum f(u_j)
    T mean;       // sum u_j f(u_j)
    T exp_minus;  // sum exp(-u_j) f(u_j)
};

// A sum that keeps its rounding errors where `exact`; a plain one is enough under a logarithm.
template <bool exact, class T>
VMF_FN void add_to(Twofold<T>& sum, T a) {
    if constexpr (exact) {
        const Twofold<T> s = two_sum(sum.hi, a);
        sum = {s.hi, sum.lo + s.lo};
    } else {
        sum.hi = sum.hi + a;
    }
}

// Left and right nodes are added apart, even ones from odd ones too, from the tails inwards: a quarter of the roundings
// of one long sum, and chains that run side by side. exp(-600) stands for less, which would be subnormal and slow.
template <class Rule, bool exact, class T>
VMF_FN Moments<T> quadrature_moments(T v, T w) {
    const Twofold<T> zero = {T(0.0), T(0.0)};
    Twofold<T> mass[4] = {zero, zero, zero, zero};
    Twofold<T> exp_minus[4] = {zero, zero, zero, zero};
    T mean[2] = {T(0.0), T(0.0)};
    for (int j = Rule::left - 1; j >= 0; --j) {
        const T f = exp_(max_(fms_(v, T(Rule::sinh(j)), w * T(Rule::cosh(j))), T(-600.0)));
        add_to<exact>(mass[j & 1], f);
        add_to<exact>(exp_minus[j & 1], f * T(Rule::exp(j)));
        mean[j & 1] = fma_(f, T(-Rule::step * (j + 1)), mean[j & 1]);
    }
    for (int j = Rule::right - 1; j >= 0; --j) {
        const T f = exp_(max_(-fma_(v, T(Rule::sinh(j)), w * T(Rule::cosh(j))), T(-600.0)));
        add_to<exact>(mass[2 + (j & 1)], f);
        add_to<exact>(exp_minus[2 + (j & 1)], f * T(Rule::exp_minus(j)));
        mean[j & 1] = fma_(f, T(Rule::step * (j + 1)), mean[j & 1]);
    }
    T sums[2];
    for (int k = 0; k < 2; ++k) {
        const Twofold<T>* s = k == 0 ? mass : exp_minus;
        sums[k] = ((s[1].hi + s[3].hi) + (s[0].hi + s[2].hi)) + T(1.0);
        if constexpr (exact) {
            const Twofold<T> odd = two_sum(s[1].hi, s[3].hi);
            const Twofold<T> even = two_sum(s[0].hi, s[2].hi);
            const Twofold<T> all = two_sum(odd.hi, even.hi);
            const Twofold<T> with_one = two_sum(all.hi, T(1.0));
            const T lo = ((s[0].lo + s[1].lo) + (s[2].lo + s[3].lo)) + ((odd.lo + even.lo) + (all.lo + with_one.lo));
            sums[k] = with_one.hi + lo;
        }
    }
    return {sums[0], mean[0] + mean[1], sums[1]};
}

}  // namespace VMF_NAMESPACE
