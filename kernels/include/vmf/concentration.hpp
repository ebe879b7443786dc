// kappa with A_p(kappa) = R, the maximum-likelihood concentration, to the accuracy of A_p itself.
//
// Start: the root of the Amos-type approximation A = x/(v - 1/2 + sqrt((v + 1/2)^2 + x^2)), v = p/2 (D. E. Amos, Math.
// Comp. 28, 1974), which is exact to first order for R -> 0 and R -> 1 and off by a few per cent at worst:
//
//   kappa_0 = R (v - 1/2 + sqrt((v + 1/2)^2 - 2 v R^2))/(1 - R^2).
//
// Then Newton's method on phi(A) = A/(1 - A^2), Banerjee's function (J. Mach. Learn. Res. 6, 2005), which is within a
// factor 1 - 1/p of linear in kappa over the whole range: two to four steps, one evaluation of the ratio each, reach the
// last bit. The residual is taken in A for R < 1/2 and in 1 - A above, so that either end keeps its relative accuracy.
#pragma once

#include "functions.hpp"

namespace VMF_NAMESPACE {

struct RatioAndSlope {
    double a, c, slope;  // A, 1 - A, dA/dkappa
};

template <int terms>
VMF_FN RatioAndSlope debye_ratio_and_slope(double v, double x) {
    const Polar<double> p = polar(v, x);
    const double e = 0.5 + debye_sum<Radial, terms>(p.inverse, p.tau);
    const double r = debye_sum<RadialTwice, terms>(p.inverse, p.tau);
    const double b = -(p.sigma * e);
    const double d = p.v_plus_w.hi + (p.v_plus_w.lo + b);
    const Twofold<double> s = two_sum(v, p.w_minus_x.hi);
    const Twofold<double> n = two_sum(s.hi, b);
    const double change = p.sigma * fma_(p.sigma, r, e * (1.0 - 2.0 * p.tau));
    return {x / d, (n.hi + (n.lo + (s.lo + p.w_minus_x.lo))) / d, (v + (v * (v * p.inverse) - change)) / d / d};
}

// v < 2^61 and x < 2^122, so that nothing is in region_special.
VMF_SLOW_FN inline RatioAndSlope ratio_and_slope(double v, double x) {
    switch (static_cast<int>(region_vmf(v, x))) {
        case region_debye20: return debye_ratio_and_slope<20>(v, x);
        case region_debye13: return debye_ratio_and_slope<13>(v, x);
        case region_debye10: return debye_ratio_and_slope<10>(v, x);
        case region_debye7: return debye_ratio_and_slope<7>(v, x);
        case region_debye5: return debye_ratio_and_slope<5>(v, x);
        case region_debye4: return debye_ratio_and_slope<4>(v, x);
        default: break;
    }
    const Shifted<double> s = v >= 7.5 ? shifted_order<8>(v, x) : shifted_order<16>(v, x);
    const Twofold<double> below = below_order(v, s);
    const Twofold<double> q = s.g0 / below;
    const Twofold<double> c = (below - s.g0 * x) / below;
    const Twofold<double> slope = -(s.xx * square(q) + q * two_sum(v + v, -1.0)) + 1.0;
    return {q.hi * x, c.hi, slope.hi};
}

// v = p/2 >= 1; r = R, c = 1 - R, both in (0, 1), at least one of them exact.
VMF_FN double solve_concentration(double v, double r, double c) {
    const double gap = c * (1.0 + r);  // 1 - R^2
    if (v >= 0x1p+60) return v * ((r + r) / gap);  // the next term is below the last bit
    const double upper = v + 0.5;
    double x = r * ((v - 0.5) + sqrt_(fma_(upper, upper, -2.0 * v * (r * r)))) / gap;
    for (int step = 0; step < 4; ++step) {
        const RatioAndSlope f = ratio_and_slope(v, x);
        const double residual = r < 0.5 ? f.a - r : c - f.c;
        const double phi = residual * fma_(f.a, r, 1.0) * (f.c * (1.0 + f.a)) / (gap * fma_(f.a, f.a, 1.0));
        const double change = phi / f.slope;
        x = x - change;
        if (abs_(change) < 0x1p-30 * x) break;  // the next change would be below the last bit
    }
    return x;
}

template <bool complement>
struct Concentration : OfDimensionUp {
    template <class T>
    VMF_FN static T region(T, T) { return T(double(region_special)); }
    template <int R, class T>
    VMF_FN static T at(T v, T) { return v; }
    VMF_SLOW_FN static double special(double v, double a) {
        if (!(v >= 1.0 && a >= 0.0 && a <= 1.0)) return not_a_number();
        const double r = complement ? 1.0 - a : a;
        const double c = complement ? a : 1.0 - a;
        if (r == 0.0 && !complement) return 0.0;
        if (c == 0.0) return infinity;
        if (v == infinity) return infinity;
        if (r < 0x1p-60) return 2.0 * v * r;          // A = kappa/p, the next term is below the last bit
        if (c < 0x1p-60) return (v - 0.5) / c;        // 1 - A = (p - 1)/(2 kappa)
        return solve_concentration(v, r, c);
    }
};

}  // namespace VMF_NAMESPACE
