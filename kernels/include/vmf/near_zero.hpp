// log I, log K and log C_p again, one value at a time, where the fast value fell next to a zero of the logarithm: there
// its error, small against 1, is large against the value.
//
// The same formulas as in debye.hpp, shifted_order.hpp, power_series.hpp, quadrature.hpp and vmf.hpp (DLMF 10.41.3-4,
// 10.29.1, 10.25.2, 10.32.9), in more digits. N is the number type:
//
//   Twofold    about 2^-100 of the largest term, or quicker, with 26 or 44 for 60 below, 2^-68; serves unless the value is
//              below 2^-44 of that, or 2^-12,
//   Threefold  about 2^-120 of the largest term (the tables hold 106 bits), for the last few doubles next to a zero.
//
//   I, C_p   n >= 0 steps down from order v + n, n the least with w' = sqrt((v + n)^2 + x^2) >= 60; there the Debye
//            sum, at most 40 terms, as many and with as many digits as count. log I, v < 1/16, x < 1: the power series.
//   K        the Debye sum where w >= 60; else the trapezoidal rule, its step chosen at the point from the bound in
//            scripts/generate_coefficients.py (`quadrature`).
//
// There is a step between where the fast formula leaves 1 to 4 eps, not 2^-56, so that a wide band of values needs a
// little more: finer_log_k, the quadrature with 64-bit terms, for interpolated.hpp and temme.hpp, and finer_log_i,
// the power series again in two doubles, for power_series.hpp. Both are for lanes of any type.
//
// doubtful_log_i, doubtful_log_k and doubtful_log_normalizer below say which values these are. Against Arb, on 25 000
// random points from 4 ulps to 10 % off a zero (orders 1e-3..1e7, near the origin 1e-290..1/16), the near_zero functions
// erred by 0.6 eps of the value at most. log I - x is never 0: no repair there.
#pragma once

#include "power_series.hpp"
#include "quadrature.hpp"
#include "regions.hpp"
#include "shifted_order.hpp"

namespace VMF_NAMESPACE {

// ---------------------------------------------------------------------------------------------------------------------
// Three doubles, |mid| <= ulp(hi), |lo| <= ulp(mid): about 155 bits. Sums and products as for Twofold, one digit more.

struct Threefold {
    double hi, mid, lo;
};

VMF_FN Threefold renormalised(double a, double b, double c) {
    const Twofold<double> low = two_sum(b, c);
    const Twofold<double> high = two_sum(a, low.hi);
    const Twofold<double> rest = two_sum(high.lo, low.lo);
    return {high.hi, rest.hi, rest.lo};
}

VMF_FN Threefold operator-(Threefold a) { return {-a.hi, -a.mid, -a.lo}; }
VMF_FN Threefold operator+(Threefold a, Threefold b) {
    const Twofold<double> s = two_sum(a.hi, b.hi);
    const Twofold<double> t = two_sum(a.mid, b.mid);
    const Twofold<double> u = two_sum(t.hi, s.lo);
    return renormalised(s.hi, u.hi, u.lo + (t.lo + (a.lo + b.lo)));
}
VMF_FN Threefold operator+(Threefold a, double b) { return a + Threefold{b, 0.0, 0.0}; }
VMF_FN Threefold operator-(Threefold a, Threefold b) { return a + (-b); }
VMF_FN Threefold operator*(Threefold a, double b) {
    const Twofold<double> p = two_product(a.hi, b);
    const Twofold<double> q = two_product(a.mid, b);
    const Twofold<double> s = two_sum(p.lo, q.hi);
    return renormalised(p.hi, s.hi, s.lo + fma_(a.lo, b, q.lo));
}
VMF_FN Threefold operator*(Threefold a, Threefold b) {
    const Twofold<double> p = two_product(a.hi, b.hi);
    const Twofold<double> q = two_product(a.hi, b.mid);
    const Twofold<double> r = two_product(a.mid, b.hi);
    const Twofold<double> s = two_sum(q.hi, r.hi);
    const Twofold<double> t = two_sum(p.lo, s.hi);
    const double last = fma_(a.hi, b.lo, fma_(a.lo, b.hi, fma_(a.mid, b.mid, q.lo + r.lo)));
    return renormalised(p.hi, t.hi, t.lo + (s.lo + last));
}
inline VMF_SLOW_FN Threefold operator/(Threefold a, Threefold b) {
    const double reciprocal = 1.0 / b.hi;
    const double first = a.hi * reciprocal;
    const Threefold r = a - b * first;
    const double second = r.hi * reciprocal;
    const double third = (r - b * second).hi * reciprocal;
    return renormalised(first, second, third);
}

// What the formulas below ask of a number type besides + - * /.
template <class N>
struct Digits;
template <>
struct Digits<Twofold<double>> {
    using N = Twofold<double>;
    static constexpr int exp_halvings = 5, exp_degree = 12, exp_plain = 6;  // the first exp_plain terms as doubles
    static constexpr int root_steps = 1;
    static constexpr double quadrature_bits = 106.0;
    VMF_FN static N of(double a) { return {a, 0.0}; }
    VMF_FN static N of(double a, double b, double) { return {a, b}; }
    VMF_FN static N of(Twofold<double> a) { return a; }
    VMF_FN static N scaled(N a, double k) { return {scale_(a.hi, k), scale_(a.lo, k)}; }
    VMF_FN static double rounded(N a) { return a.hi + a.lo; }
    VMF_FN static Twofold<double> leading(N a) { return a; }
};
template <>
struct Digits<Threefold> {
    using N = Threefold;
    static constexpr int exp_halvings = 9, exp_degree = 14, exp_plain = 4;
    static constexpr int root_steps = 2;
    static constexpr double quadrature_bits = 150.0;
    VMF_FN static N of(double a) { return {a, 0.0, 0.0}; }
    VMF_FN static N of(double a, double b, double c) { return {a, b, c}; }
    VMF_FN static N of(Twofold<double> a) { return {a.hi, a.lo, 0.0}; }
    VMF_FN static N scaled(N a, double k) { return {scale_(a.hi, k), scale_(a.mid, k), scale_(a.lo, k)}; }
    VMF_FN static double rounded(N a) { return a.hi + (a.mid + a.lo); }
    VMF_FN static Twofold<double> leading(N a) { return {a.hi, a.mid}; }
};

template <class N>
VMF_FN N pi_of() {
    return Digits<N>::of(0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53, -0x1.f1976b7ed8fbcp-109);
}
template <class N>
VMF_FN N ln2_of() {
    return Digits<N>::of(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56, 0x1.7b57a079a1934p-111);
}

template <class N>
VMF_SLOW_FN N root_of(N a) {
    const double first = sqrt_(a.hi);
    N y = Digits<N>::of(first);
    for (int i = 0; i < Digits<N>::root_steps; ++i) y = y + (a - y * y) * (0.5 / first);
    return y;
}

// exp(r) - 1, |r| < 0.36, relatively accurate: Taylor at r/2^k, in which n!/j! are whole doubles, then k times
// exp(2 r) - 1 = e (2 + e).
template <class N>
VMF_SLOW_FN N expm1_of(N r) {
    using D = Digits<N>;
    r = r * (1.0 / (1 << D::exp_halvings));
    double c = 1.0;
    double p = 1.0;
    int k = D::exp_degree;
    for (; k > D::exp_degree - D::exp_plain; --k) {
        c *= k;
        p = fma_(p, r.hi, c);
    }
    N sum = D::of(p);
    for (; k > 1; --k) {
        c *= k;
        sum = sum * r + c;
    }
    N e = sum * r / D::of(c);
    for (int i = 0; i < D::exp_halvings; ++i) e = e * (e + 2.0);
    return e;
}

// exp(a), |a| < 700
template <class N>
VMF_SLOW_FN N exp_of(N a) {
    const double n = round_(a.hi * 1.4426950408889634);
    const N e = expm1_of(a - ln2_of<N>() * n);
    return Digits<N>::scaled(e + 1.0, n);
}

// One step y + log(a exp(-y)) from a double y: the remainder d is of the size of its rounding, d^3 is enough.
template <class N>
VMF_FN N log_after(double y, N d) {
    const double s = d.hi;
    return (d + s * s * fma_(s, 1.0 / 3.0, -0.5)) + y;
}
template <class N>
VMF_SLOW_FN N log_of(N a) {
    const double y = log_twofold(Twofold<double>{a.hi, 0.0}).hi;
    return log_after(y, a * exp_of(Digits<N>::of(-y)) + (-1.0));
}

// log(1 + s), 0 <= s < 0.4, relatively accurate
template <class N>
VMF_SLOW_FN N log1p_of(N s) {
    const double y = s.hi < 0x1p-60 ? s.hi : log_twofold(fast_two_sum(1.0, s.hi)).hi;
    const N e = expm1_of(Digits<N>::of(-y));
    return log_after(y, (s + e) + s * e);
}

template <class N>
VMF_FN N power_of(N a, int n) {
    N r = Digits<N>::of(1.0);
    for (; n > 0; n >>= 1) {
        if (n & 1) r = r * a;
        a = a * a;
    }
    return r;
}

// ---------------------------------------------------------------------------------------------------------------------
// Debye

// How far the Debye sum is taken: its least w, and the terms that no longer count. Terms below 2^53 times these are
// doubles.
struct Effort {
    double least_w, negligible;
};
VMF_FN Effort quick_effort() { return {26.0, 0x1p-72}; }
VMF_FN Effort quick_descent() { return {44.0, 0x1p-72}; }  // more steps cost less than more terms
VMF_FN Effort effort_of(Twofold<double>) { return {60.0, 0x1p-104}; }
VMF_FN Effort effort_of(Threefold) { return {60.0, 0x1p-130}; }

template <class N>
struct Place {
    N w;             // sqrt(v^2 + x^2)
    N inverse, tau;  // 1/w, (v/w)^2
    N w_minus_x;     // v^2/(w + x)
};

template <class N>
VMF_SLOW_FN Place<N> place_of(N v, double x) {
    const N vv = v * v;
    Place<N> p;
    p.w = root_of(vv + Digits<N>::of(two_product(x, x)));
    p.inverse = Digits<N>::of(1.0) / p.w;
    const N t = v * p.inverse;
    p.tau = t * t;
    p.w_minus_x = vv / (p.w + x);
    return p;
}

// asinh(v/x); relatively accurate where v << x
template <class N>
VMF_FN N angle_of(N v, double x, const Place<N>& p) {
    if (v.hi < 0.25 * x) return log1p_of((v + p.w_minus_x) / Digits<N>::of(x));
    const double e = exponent_of(x);
    const N quotient = (v + p.w) / Digits<N>::of(mantissa_of(x));
    return log_of(quotient) - ln2_of<N>() * e;
}

// sum_k s^k sum_i weight q[k][i] tau^i with s = 1/w or -1/w; weight 1 or, radial, k + 2i. The first two are exact in N.
template <class N>
VMF_SLOW_FN N debye_sum_of(const Place<N>& p, double sign, bool radial, Effort effort) {
    using D = Digits<N>;
    const N s = p.inverse * sign;
    const double e = radial ? 1.0 : 0.0;  // the weight is 1 - e + e (k + 2i)
    const N q1 = (p.tau * (-5.0 * (1.0 + 2.0 * e)) + 3.0) / D::of(24.0);
    const N q2 = ((p.tau * (5.0 * (1.0 + 5.0 * e)) + (-6.0 * (1.0 + 3.0 * e))) * p.tau + (1.0 + e)) * 0.0625;
    N sum = (q2 * s + q1) * s;

    const Twofold<double> two_s = D::leading(s);
    const Twofold<double> two_tau = D::leading(p.tau);
    double size = 0.25 * s.hi * s.hi;  // (k-1)!/(2w)^k, the size of term k
    Twofold<double> sk = two_s * two_s;
    for (int k = 3; k <= debye_terms; ++k) {
        size *= 0.5 * (k - 1) * abs_(s.hi);
        if (size < effort.negligible) break;
        sk = sk * two_s;
        const double* c = debye_q + (k - 1) * (k + 2) / 2;
        const double* c_tail = debye_q_tail + (k - 1) * (k + 2) / 2;
        double q = 0.0, magnitude = 0.0;
        for (int i = k; i >= 0; --i) {
            const double weight = fma_(e, k + 2.0 * i, 1.0 - e);
            q = fma_(q, two_tau.hi, weight * c[i]);
            magnitude = fma_(magnitude, two_tau.hi, abs_(weight * c[i]));
        }
        if (magnitude * abs_(sk.hi) < 0x1p+53 * effort.negligible) {
            sum = sum + q * sk.hi;
            continue;
        }
        Twofold<double> t = {0.0, 0.0};
        for (int i = k; i >= 0; --i) {
            const double weight = fma_(e, k + 2.0 * i, 1.0 - e);
            t = t * two_tau + Twofold<double>{c[i], c_tail[i]} * weight;
        }
        sum = sum + D::of(t * sk);
    }
    return sum;
}

// ---------------------------------------------------------------------------------------------------------------------
// I and C_p

// log I_v = w - v log((v' + w)/x) + half_log + sum, log C_p = v log((v' + w)/(2 pi)) - w - log 2 pi - half_log - sum
template <class N>
struct Descent {
    N top;       // v' = v + n
    Place<N> p;  // at v'
    N rest;      // log(g_0/(v' + w)^n) - log(2 pi w)/2 + sum
};

// The least n with sqrt((v + n)^2 + x^2) >= the effort's least w.
VMF_FN int steps_for(double v, double x, Effort effort) {
    const double least = effort.least_w;
    if (fma_(v, v, x * x) >= least * least) return 0;
    return static_cast<int>(sqrt_(fma_(-x, x, least * least)) - v) + 1;
}

// g_0 and g_1 of shifted_order.hpp after n >= 1 steps.
template <class N>
struct Steps {
    N g0, g1;
};
template <class N>
VMF_SLOW_FN Steps<N> steps_down(double v, double x, int n, N top, const Place<N>& p, Effort effort) {
    using D = Digits<N>;
    const N xx = D::of(two_product(x, x));
    const N sigma = xx * (p.inverse * p.inverse);
    Steps<N> s = {top + p.w - sigma * (debye_sum_of(p, 1.0, true, effort) + 0.5), D::of(1.0)};
    for (int k = n - 1; k >= 1; --k) {
        const N order = D::of(two_sum(v, double(k)));
        const N below = s.g0 * (order * 2.0) + s.g1 * xx;
        s.g1 = s.g0;
        s.g0 = below;
    }
    return s;
}

// 1 - I_v/I_(v-1) for v near 1/2, 0 < x < 60, where it is as small as e^(-2x): the difference of two numbers of 150 bits.
inline VMF_SLOW_FN double near_half_iv_ratio_c(double v, double x) {
    using D = Digits<Threefold>;
    const Effort effort = effort_of(Threefold{});
    const int n = steps_for(v, x, effort);
    const Threefold top = D::of(two_sum(v, double(n)));
    const Steps<Threefold> s = steps_down(v, x, n, top, place_of(top, x), effort);
    const Threefold below = s.g0 * (2.0 * v) + s.g1 * D::of(two_product(x, x));
    return D::rounded((below - s.g0 * x) / below);
}

template <class N>
VMF_SLOW_FN Descent<N> descent_from(double v, double x, Effort effort) {
    using D = Digits<N>;
    const int n = steps_for(v, x, effort);
    Descent<N> d;
    d.top = D::of(two_sum(v, double(n)));
    d.p = place_of(d.top, x);
    const N sum = debye_sum_of(d.p, 1.0, false, effort);
    N ratio = D::of(1.0);
    if (n > 0) {
        ratio = steps_down(v, x, n, d.top, d.p, effort).g0 / power_of(d.top + d.p.w, n);
    }
    d.rest = sum + log_of(ratio * ratio / (d.p.w * pi_of<N>() * 2.0)) * 0.5;
    return d;
}

// log I_v(x) or log I_v(x) - x for v >= 1/16 or x >= 1
template <class N>
VMF_SLOW_FN N descended_log_i(double v, double x, Effort effort) {
    const Descent<N> d = descent_from<N>(v, x, effort);
    return d.p.w - angle_of(d.top, x, d.p) * v + d.rest;
}

// log C_p or log C_p + kappa, x = kappa >= 0
template <class N>
VMF_SLOW_FN N descended_log_normalizer(double v, double x, bool scaled, Effort effort) {
    const Descent<N> d = descent_from<N>(v, x, effort);
    const N two_pi_n = pi_of<N>() * 2.0;
    const N turn = log_of((d.top + d.p.w) / two_pi_n) * v;
    return turn - (scaled ? d.p.w_minus_x : d.p.w) - log_of(two_pi_n) - d.rest;
}

// log I_v(x), v < 1/16, x < 1: v (log(x/2) - log Gamma(1 + v)/v) + log S, log Gamma by its Taylor series (DLMF 5.7.3) and
// S of power_series.hpp. x below 2^-120 is lifted by 2^300, v and the value by 2^600: there
// log(1 + s) = s, and products of tails stay clear of underflow.
template <class N>
VMF_SLOW_FN N near_origin_log_i(double v, double x, double& lift_back) {
    using D = Digits<N>;
    const bool tiny = x < 0x1p-120;
    const double lift = tiny ? 300.0 : 0.0;
    lift_back = -2.0 * lift;

    N ratio = D::of(Twofold<double>{log_gamma_ratio[28], log_gamma_ratio_tail[28]});
    for (int k = 27; k >= 2; --k) {
        ratio = ratio * v + D::of(Twofold<double>{log_gamma_ratio[k], log_gamma_ratio_tail[k]});
    }
    ratio = ratio * v + pi_of<N>() * pi_of<N>() / D::of(12.0);
    ratio = ratio * v - D::of(0x1.2788cfc6fb619p-1, -0x1.6cb90701fbfabp-58, -0x1.34a95e3133c51p-112);

    const double half = 0.5 * scale_(x, lift);
    const N y = D::of(two_product(half, half));
    int terms = 2;
    for (double t = 0.25 * x * x; t > 0x1p-160 && terms < 28; ++terms) t *= 0.25 * x * x / (double(terms) * terms);
    N numerator = D::of(1.0);
    N denominator = D::of(1.0);
    if (!tiny) {
        for (int j = terms; j >= 2; --j) {
            const N c = D::of(two_sum(v, double(j))) * double(j);
            numerator = denominator * c + y * numerator;
            denominator = denominator * c;
        }
    }
    const N s = y * numerator / (denominator * D::of(two_sum(v, 1.0)));
    const N log_half = log_of(D::of(mantissa_of(x))) + ln2_of<N>() * (exponent_of(x) - 1.0);
    return (log_half - ratio) * scale_(v, 2.0 * lift) + (tiny ? s : log1p_of(s));
}

// ---------------------------------------------------------------------------------------------------------------------
// K

// sin(j pi/64), j = 1..16
VMF_TABLE double angle_sines[16] = {
    0x1.91f65f10dd814p-5, 0x1.917a6bc29b42cp-4, 0x1.2c8106e8e613ap-3, 0x1.8f8b83c69a60bp-3,
    0x1.f19f97b215f1bp-3, 0x1.294062ed59f06p-2, 0x1.58f9a75ab1fddp-2, 0x1.87de2a6aea963p-2,
    0x1.b5d1009e15cc0p-2, 0x1.e2b5d3806f63bp-2, 0x1.073879922ffeep-1, 0x1.1c73b39ae68c8p-1,
    0x1.30ff7fce17035p-1, 0x1.44cf325091dd6p-1, 0x1.57d69348ceca0p-1, 0x1.6a09e667f3bcdp-1,
};

// The step of the trapezoidal rule for an error below 2^-bits of the integral: the largest 2 pi d/(bits log 2 + g(d)),
// d from pi/4 to pi/2, as a multiple of 2^-10.
inline VMF_SLOW_FN double step_for(double v, double x, double bits) {
    const double w = sqrt_(fma_(v, v, x * x));
    double best = 0.0;
    for (int j = 1; j <= 16; ++j) {
        const double d = (32 - j) * 0.04908738521234052;  // pi/64
        const double xd = x * angle_sines[j - 1];
        const double wd = sqrt_(fma_(v, v, xd * xd));
        const Twofold<double> ratio = {(v + wd) / ((v + w) * angle_sines[j - 1]), 0.0};
        const double growth = fma_(v, log_twofold(ratio).hi, w - wd);
        best = max_(best, 6.283185307179586 * d / fma_(bits, 0.6931471805599453, growth + 1.0));
    }
    return round_(fma_(best, 1024.0, -0.5)) * 0x1p-10;
}

// exp(-a) where the sum it belongs to is at least 1: a term that is small needs fewer digits.
inline VMF_SLOW_FN Twofold<double> exp_term(Twofold<double> a) {
    if (a.hi < 38.0) return exp_of(-a);
    const double e = exp_(-a.hi);
    return {fma_(-e, a.lo, e), 0.0};
}
inline VMF_SLOW_FN Threefold exp_term(Threefold a) {
    if (a.hi < 38.0) return exp_of(-a);
    const Twofold<double> leading = Digits<Threefold>::leading(a);
    return Digits<Threefold>::of(a.hi < 76.0 ? exp_of(-leading) : exp_term(leading));
}

// log K_v(x) or log K_v(x) + x
template <class N>
VMF_SLOW_FN N quadrature_log_k_of(double v, double x, bool scaled) {
    using D = Digits<N>;
    const Place<N> p = place_of(D::of(v), x);
    const double h = step_for(v, x, D::quadrature_bits);
    const double furthest = fma_(D::quadrature_bits, 0.6931471805599453, 2.0);
    const N grow = exp_of(D::of(h));
    const N shrink = D::of(1.0) / grow;
    N e = grow, e_inverse = shrink, mass = D::of(1.0);
    for (int j = 1; j < 2000; ++j) {
        const N even = p.w * ((e + e_inverse) * 0.5 + (-1.0));
        const N odd = ((e - e_inverse) * 0.5 + (-h * j)) * v;
        const N left = even - odd;
        const N right = even + odd;
        if (left.hi > furthest) break;
        mass = mass + exp_term(left);
        if (right.hi < furthest) mass = mass + exp_term(right);
        e = e * grow;
        e_inverse = e_inverse * shrink;
    }
    const N w = scaled ? p.w_minus_x : p.w;
    return angle_of(D::of(v), x, p) * v - w + log_of(mass * (0.5 * h));
}

template <class N>
VMF_SLOW_FN N debye_log_k_of(double v, double x, bool scaled, Effort effort) {
    using D = Digits<N>;
    const Place<N> p = place_of(D::of(v), x);
    const N w = scaled ? p.w_minus_x : p.w;
    const N half_log = log_of(p.w * 2.0 / pi_of<N>()) * 0.5;
    return angle_of(D::of(v), x, p) * v - w - half_log + debye_sum_of(p, -1.0, false, effort);
}

// Whether the sum serves at order v itself.
VMF_FN bool far_enough(double v, double x, Effort effort) {
    return fma_(v, v, x * x) >= effort.least_w * effort.least_w;
}

template <class N>
VMF_FN N log_k_of(double v, double x, bool scaled) {
    const Effort effort = effort_of(N{});
    if (!far_enough(v, x, effort)) return quadrature_log_k_of<N>(v, x, scaled);
    return debye_log_k_of<N>(v, x, scaled, effort);
}

// ---------------------------------------------------------------------------------------------------------------------
// K between: the trapezoidal rule with terms of 64 bits, for lanes

#define VMF_FINER_QUADRATURE(range)                                                             \
    struct FinerQuadrature##range {                                                            \
        static constexpr double step = quadrature_finer_##range##_step;                        \
        static constexpr int left = quadrature_finer_##range##_left;                           \
        static constexpr int right = quadrature_finer_##range##_right;                         \
        VMF_FN static double cosh(int j) { return quadrature_finer_##range##_cosh[j]; }         \
        VMF_FN static double cosh_tail(int j) { return quadrature_finer_##range##_cosh_tail[j]; } \
        VMF_FN static double sinh(int j) { return quadrature_finer_##range##_sinh[j]; }         \
        VMF_FN static double sinh_tail(int j) { return quadrature_finer_##range##_sinh_tail[j]; } \
    };
VMF_FINER_QUADRATURE(0)
VMF_FINER_QUADRATURE(1)
VMF_FINER_QUADRATURE(3)
VMF_FINER_QUADRATURE(8)
#undef VMF_FINER_QUADRATURE

template <class T>
VMF_FN void add_term(Twofold<T>& sum, Twofold<T> even, Twofold<T> odd) {
    const Twofold<T> a = two_sum(even.hi, odd.hi);
    const Twofold<T> f = exp_twofold(Twofold<T>{max_(a.hi, T(-600.0)), a.lo + (even.lo + odd.lo)});
    const Twofold<T> s = two_sum(sum.hi, f.hi);
    sum = {s.hi, sum.lo + (s.lo + f.lo)};
}

// log K_v(x) or log K_v(x) + x: error < 2^-61 besides the rounding of the value
template <class Rule, bool scaled, class T>
VMF_FN T finer_quadrature_log_k(T v, T x) {
    const Polar<T> p = polar(v, x);
    const Twofold<T> minus_w = {-p.w.hi, -p.w.lo};
    Twofold<T> mass = {T(0.0), T(0.0)};
    for (int j = (Rule::left > Rule::right ? Rule::left : Rule::right) - 1; j >= 0; --j) {
        const Twofold<T> c = two_product(minus_w.hi, T(Rule::cosh(j)));
        const Twofold<T> s = two_product(v, T(Rule::sinh(j)));
        const Twofold<T> even = {
            c.hi, fma_(minus_w.hi, T(Rule::cosh_tail(j)), fma_(minus_w.lo, T(Rule::cosh(j)), c.lo))};
        const Twofold<T> odd = {s.hi, fma_(v, T(Rule::sinh_tail(j)), s.lo)};
        if (j < Rule::left) add_term(mass, even, odd);
        if (j < Rule::right) add_term(mass, even, -odd);
    }
    mass = mass + T(1.0);
    const Twofold<T> angle = asinh_ratio(p.v_plus_w, x);
    const Twofold<T> l = log_twofold(mass * T(0.5 * Rule::step));
    return -assemble_log_i<scaled>(v, p, angle, -l, T(0.0));
}

// I between: power_series.hpp with the sum S, log Gamma and the logarithms in two doubles, for lanes. Error 2^-60 and, for
// v -> 0, 2^-60 of the larger term.

// S - 1 of power_series.hpp: numerator and denominator with their rounding errors, which obey the same recurrences.
template <int terms, class T>
VMF_FN Twofold<T> finer_power_series_less_one(T v, T x) {
    const T to_square = max_(x, T(2.0 * smallest_to_square));
    const Twofold<T> xx = two_product(to_square, to_square);
    const Twofold<T> y = {T(0.25) * xx.hi, T(0.25) * xx.lo};
    Twofold<T> numerator = {T(1.0), T(0.0)};
    Twofold<T> denominator = {T(1.0), T(0.0)};
    for (int j = terms; j >= 2; --j) {
        const Twofold<T> p = two_product(v, T(double(j)));
        Twofold<T> c = two_sum(T(double(j) * j), p.hi);
        c.lo = c.lo + p.lo;
        const Twofold<T> dc = two_product(denominator.hi, c.hi);
        const T dc_lo = fma_(denominator.hi, c.lo, fma_(denominator.lo, c.hi, dc.lo));
        const Twofold<T> yn = two_product(y.hi, numerator.hi);
        const T yn_lo = fma_(y.hi, numerator.lo, fma_(y.lo, numerator.hi, yn.lo));
        const Twofold<T> s = two_sum(dc.hi, yn.hi);
        numerator = {s.hi, s.lo + (dc_lo + yn_lo)};
        denominator = {dc.hi, dc_lo};
    }
    return (y * numerator) / (denominator * two_sum(T(1.0), v));
}

template <int terms, class T>
VMF_FN T finer_power_series_log_i(T v, T x) {
    const Twofold<T> power = log_twofold(Twofold<T>{x, T(0.0)}) * v;
    const Twofold<T> s = finer_power_series_less_one<terms>(v, x);
    Twofold<T> log_s = log_twofold(s + T(1.0));
    // s itself keeps its digits where it is small.
    const auto small = s.hi < T(0x1p-27);
    const T second = (s.hi * s.hi) * fma_(s.hi, T(1.0 / 3.0), T(-0.5));
    log_s = {select(small, s.hi, log_s.hi), select(small, s.lo + second, log_s.lo)};
    const Twofold<T> sum = (power - finer_log_gamma(v)) + log_s;
    return sum.hi + sum.lo;
}

template <int R, class T>
VMF_FN T finer_log_i(T v, T x) {
    if constexpr (R == region_tiny) return finer_power_series_log_i<2>(v, x);
    else if constexpr (R == region_series9) return finer_power_series_log_i<9>(v, x);
    else if constexpr (R == region_series18) return finer_power_series_log_i<20>(v, x);
    else return finer_power_series_log_i<29>(v, x);
}

// R: the region of regions.hpp, below debye20
template <int R, bool scaled, class T>
VMF_FN T finer_log_k(T v, T x) {
    if constexpr (R == region_interpolated0) return finer_quadrature_log_k<FinerQuadrature0, scaled>(v, x);
    else if constexpr (R == region_interpolated1) return finer_quadrature_log_k<FinerQuadrature1, scaled>(v, x);
    else if constexpr (R == region_interpolated3) return finer_quadrature_log_k<FinerQuadrature3, scaled>(v, x);
    else return finer_quadrature_log_k<FinerQuadrature8, scaled>(v, x);
}

// ---------------------------------------------------------------------------------------------------------------------
// The values: with Twofold first, with Threefold where that cancels to too few digits.

constexpr double few_digits = 0x1p-44;   // of the largest term: too few for Twofold
constexpr double quick_digits = 0x1p-12;  // enough for the sum of quick_effort, good to 2^-68

VMF_FN double largest_term(double v, double x) { return max_(1.0, max_(v, x)); }

inline VMF_SLOW_FN double near_zero_log_i(double v, double x) {
    using Two = Digits<Twofold<double>>;
    using Three = Digits<Threefold>;
    if (v < 0.0625 && x < 1.0) {
        double lift_back;
        const double y = Two::rounded(near_origin_log_i<Two::N>(v, x, lift_back));
        const double lifted = scale_(x, -0.5 * lift_back);
        if (abs_(y) > few_digits * (lifted * lifted)) return scale_(y, lift_back);
        return scale_(Three::rounded(near_origin_log_i<Three::N>(v, x, lift_back)), lift_back);
    }
    double y = Two::rounded(descended_log_i<Two::N>(v, x, quick_descent()));
    if (abs_(y) > quick_digits) return y;
    y = Two::rounded(descended_log_i<Two::N>(v, x, effort_of(Two::N{})));
    if (abs_(y) > few_digits * largest_term(v, x)) return y;
    return Three::rounded(descended_log_i<Three::N>(v, x, effort_of(Three::N{})));
}

inline VMF_SLOW_FN double near_zero_log_k(double v, double x, bool scaled) {
    using Two = Digits<Twofold<double>>;
    using Three = Digits<Threefold>;
    if (far_enough(v, x, quick_effort())) {
        const double y = Two::rounded(debye_log_k_of<Two::N>(v, x, scaled, quick_effort()));
        if (abs_(y) > quick_digits) return y;
    }
    const double y = Two::rounded(log_k_of<Two::N>(v, x, scaled));
    if (abs_(y) > few_digits * largest_term(v, scaled ? 0.0 : x)) return y;
    return Three::rounded(log_k_of<Three::N>(v, x, scaled));
}

inline VMF_SLOW_FN double near_zero_log_normalizer(double v, double x, bool scaled) {
    using Two = Digits<Twofold<double>>;
    using Three = Digits<Threefold>;
    double y = Two::rounded(descended_log_normalizer<Two::N>(v, x, scaled, quick_descent()));
    if (abs_(y) > quick_digits) return y;
    y = Two::rounded(descended_log_normalizer<Two::N>(v, x, scaled, effort_of(Two::N{})));
    if (abs_(y) > few_digits * largest_term(v, scaled ? 0.0 : x)) return y;
    return Three::rounded(descended_log_normalizer<Three::N>(v, x, scaled, effort_of(Three::N{})));
}

// ---------------------------------------------------------------------------------------------------------------------
// Which values y need it. Where these are false the relative error of the fast value is < 7 eps. The fast errors they
// rest on, besides the rounding of y: I 0.08 eps + 2^-71 v, by the power series 2.2 eps for x >= 6, 1.6 eps for x >= 1, else 0.8 eps x^2;
// K as in interpolated.hpp, else 0.08 eps + 2^-71 v; C_p 0.05 eps + 2^-67 max(v, x).

// x^2 as far as registers square it
template <class T>
VMF_FN T near_origin_size(T x) {
    const T to_square = max_(x, T(smallest_to_square));
    return to_square * to_square;
}

// debye_quick.hpp, and debye.hpp after it.
template <class T>
VMF_FN auto doubtful_quick_debye(T v, T y) { return abs_(y) < fma_(v, T(0x1p-7), T(0.125)); }
template <class T>
VMF_FN auto finer_doubtful_debye(T v, T y) { return abs_(y) < fma_(v, T(0x1p-20), T(0x1p-5)); }

template <int R, class T>
VMF_FN auto doubtful_log_i(T v, T x, T y) {
    // Near the origin two terms of opposite sign cancel, each about x^2/4.
    if constexpr (R == region_tiny || R == region_series9) return abs_(y) < T(0.125) * near_origin_size(x);
    else if constexpr (R == region_series18) return abs_(y) < T(0.25);
    else if constexpr (R < region_debye20) return abs_(y) < T(0.375);
    else return doubtful_quick_debye(v, y);
}

template <int R, bool scaled, class T>
VMF_FN auto doubtful_log_k(T v, T y) {
    if constexpr (R <= region_temme_log_k) return y < T(0.0);  // log K > 0.28 there
    else if constexpr (R == region_interpolated0) return abs_(y) < fma_(v, T(0.06), T(0.06));
    else if constexpr (R == region_interpolated1) return abs_(y) < T(scaled ? 0.07 : 0.04);
    else if constexpr (R == region_interpolated3) return abs_(y) < T(scaled ? 0.05 : 0.03);
    else if constexpr (R == region_interpolated8) return abs_(y) < T(0x1p-6);
    else if constexpr (scaled) return finer_doubtful_debye(v, y);
    else return doubtful_quick_debye(v, y);
}

template <bool scaled, class T>
VMF_FN auto doubtful_log_normalizer(T v, T x, T y) {
    if constexpr (scaled) return abs_(y) < T(0x1p-6);
    else return abs_(y) < fma_(max_(v, x), T(0x1p-15), T(0x1p-6));
}

// The values of finer_log_i and finer_log_k that need more yet.
template <int R, class T>
VMF_FN auto finer_doubtful_log_i(T v, T x, T y) {
    if constexpr (R >= region_debye20) return finer_doubtful_debye(v, y);
    else if constexpr (R == region_tiny || R == region_series9) return abs_(y) < T(0x1p-9) * near_origin_size(x);
    else return abs_(y) < T(0x1p-10);
}
template <int R, class T>
VMF_FN auto finer_doubtful_log_k(T v, T y) {
    if constexpr (R >= region_debye20) return finer_doubtful_debye(v, y);
    else return abs_(y) < T(0x1p-11);
}

}  // namespace VMF_NAMESPACE
