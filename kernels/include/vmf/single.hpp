// float32 arguments without float64 arithmetic: the same formulas over pairs of floats.
//
// Single is a lane type (lanes/scalar.hpp says what that is) of one float. The templates of debye.hpp, shifted_order.hpp,
// temme.hpp, quadrature.hpp, ratio.hpp and vmf.hpp serve it as they stand: a Twofold<Single> has 48 bits where the
// exponents cancel, and 2^-26 is all that is asked of a sum. So the regions are few, by w = sqrt(v^2 + x^2):
//
//   double       v or x not below 2^60, x below 2^-40, v < 1/16 and x < 1 (log I), dimensions beyond 2^24,
//                next to a zero of a logarithm (|value| < 2^-17 max(v, x)), 1 - I_v/I_(v-1) for v < 1, d/dv log I for
//                x < 4 and small v, K_v/K_(v-1) (x < 1) and d/dx, d/dv log K for x < 1/2, and the concentration
//   debye4       w >= 27.5 or v >= 17
//   debye7       w >= 12.5 or v >= 8
//   shifted8     I: the rest; 10 terms at order v + 8
//   temme        K: x < 1/2
//   quadrature   K: the rest, 31 nodes for w < 4, 30 above
//
// Error below 4 * 2^-23 max(1, |value|), measured against Arb by tests/gpu/test_single.py on the CPU, which runs this
// very code; reciprocals and the quadrature's exponentials are the GPU's own approximations there, exact ones on the CPU.
#pragma once

#include "names.hpp"
#include "single_coefficients.hpp"

namespace VMF_NAMESPACE {

struct Single {
    float value;
    Single() = default;
    VMF_FN explicit constexpr Single(float a) : value(a) {}
    VMF_FN explicit constexpr Single(double a) : value(static_cast<float>(a)) {}
};

VMF_FN Single operator+(Single a, Single b) { return Single(a.value + b.value); }
VMF_FN Single operator-(Single a, Single b) { return Single(a.value - b.value); }
VMF_FN Single operator*(Single a, Single b) { return Single(a.value * b.value); }
VMF_FN Single operator/(Single a, Single b) { return Single(a.value / b.value); }
VMF_FN Single operator-(Single a) { return Single(-a.value); }
VMF_FN bool operator<(Single a, Single b) { return a.value < b.value; }
VMF_FN bool operator>(Single a, Single b) { return a.value > b.value; }
VMF_FN bool operator<=(Single a, Single b) { return a.value <= b.value; }
VMF_FN bool operator>=(Single a, Single b) { return a.value >= b.value; }

VMF_FN unsigned bits_of(Single a) {
#if defined(__CUDACC__)
    return __float_as_uint(a.value);
#else
    unsigned u;
    std::memcpy(&u, &a.value, sizeof u);
    return u;
#endif
}
VMF_FN Single single_from_bits(unsigned u) {
#if defined(__CUDACC__)
    return Single(__uint_as_float(u));
#else
    float a;
    std::memcpy(&a, &u, sizeof a);
    return Single(a);
#endif
}

VMF_FN Single select(bool m, Single a, Single b) { return m ? a : b; }
VMF_FN Single fma_(Single a, Single b, Single c) { return Single(::fmaf(a.value, b.value, c.value)); }
VMF_FN Single fms_(Single a, Single b, Single c) { return Single(::fmaf(a.value, b.value, -c.value)); }
VMF_FN Single fnma_(Single a, Single b, Single c) { return Single(::fmaf(-a.value, b.value, c.value)); }
VMF_FN Single sqrt_(Single a) { return Single(::sqrtf(a.value)); }
VMF_FN Single abs_(Single a) { return Single(::fabsf(a.value)); }
VMF_FN Single max_(Single a, Single b) { return a.value > b.value ? a : b; }
VMF_FN Single min_(Single a, Single b) { return a.value < b.value ? a : b; }
VMF_FN Single exp_(Single a) { return Single(::expf(a.value)); }

// To an ulp or two: every use corrects the quotient by its remainder.
VMF_FN Single reciprocal_(Single a) {
#if defined(__CUDACC__)
    float r;
    asm("rcp.approx.f32 %0, %1;" : "=f"(r) : "f"(a.value));
    return Single(r);
#else
    return Single(1.0f / a.value);
#endif
}
VMF_FN Single reciprocal_sqrt_(Single a) {
#if defined(__CUDACC__)
    return Single(::rsqrtf(a.value));
#else
    return Single(1.0f / ::sqrtf(a.value));
#endif
}

VMF_FN Twofold<Single> exp_twofold(Twofold<Single> a) {
    const Single e = exp_(a.hi);
    return {e, e * a.lo};
}

// exp(a) with an error of |a| 2^-24, relative: for terms of a sum that count less the larger |a| is.
VMF_FN Single exp_of_term(Single a) {
#if defined(__CUDACC__)
    return Single(__expf(a.value));
#else
    return Single(::expf(a.value));
#endif
}

// Nearest integer, ties to even; |a| < 2^22.
VMF_FN Single round_(Single a) {
    const float shift = 12582912.0f;  // 1.5 * 2^23
    return Single((a.value + shift) - shift);
}

VMF_FN Single exponent_of(Single a) {
    const bool tiny = a.value < 0x1p-126f;
    const Single b = tiny ? Single(a.value * 0x1p+24f) : a;
    const float e = static_cast<float>(static_cast<int>(bits_of(b) >> 23) - 127);
    return Single(tiny ? e - 24.0f : e);
}
VMF_FN Single mantissa_of(Single a) {
    const Single b = a.value < 0x1p-126f ? Single(a.value * 0x1p+24f) : a;
    return single_from_bits((bits_of(b) & 0x007fffffu) | 0x3f800000u);
}

// a * 2^k for integral k with |k| <= 252, in two steps so that neither factor leaves the range.
VMF_FN Single scale_(Single a, Single k) {
    const int whole = static_cast<int>(k.value);
    const int half = whole / 2;
    const Single first = single_from_bits(static_cast<unsigned>(half + 127) << 23);
    const Single second = single_from_bits(static_cast<unsigned>(whole - half + 127) << 23);
    return a * first * second;
}

// table[i], i the top four bits of the mantissa of m.
VMF_FN Single lookup16(const float* table, Single m) { return Single(table[(bits_of(m) >> 19) & 15]); }

// The tables of logarithm.hpp in floats.
template <class Table>
struct SingleLog;
#define VMF_SINGLE_LOG_TABLE(Name, table)                                   \
    template <>                                                             \
    struct SingleLog<Name> {                                                \
        VMF_FN static const float* offset() { return table; }               \
        VMF_FN static const float* tail() { return table##_tail; }          \
    };
VMF_SINGLE_LOG_TABLE(Log, single_log_offset)
VMF_SINGLE_LOG_TABLE(LogTwoPi, single_log_offset_two_pi)
VMF_SINGLE_LOG_TABLE(LogTwoOverPi, single_log_offset_two_over_pi)
VMF_SINGLE_LOG_TABLE(LogHalfOverPi, single_log_offset_half_over_pi)
#undef VMF_SINGLE_LOG_TABLE

// log(2^k_extra a) to 2^-40, as log_twofold of logarithm.hpp: r^3/3 + r^5/5 + r^7/7 is enough for |r| < 0.032.
template <class Table = Log>
VMF_FN Twofold<Single> log_twofold(Twofold<Single> a, Single k_extra = Single(0.0f)) {
    const Single m = mantissa_of(a.hi);
    const Single e = exponent_of(a.hi);
    const Single c = lookup16(single_log_reciprocal, m);
    const Single offset = lookup16(SingleLog<Table>::offset(), m);
    const Single offset_tail = lookup16(SingleLog<Table>::tail(), m);
    const Single k = (e + k_extra) + Single(m.value >= 1.4375f ? 1.0f : 0.0f);

    const Single y = m * c;
    const Single y_lo = fma_(scale_(a.lo, -e), c, fms_(m, c, y));
    const Single above = y - Single(1.0f);
    const Single below = y + Single(1.0f);
    const Single below_lo = y_lo + (y - (below - Single(1.0f)));
    const Single reciprocal = reciprocal_(below);
    const Single r = above * reciprocal;
    const Single r_lo = (fnma_(r, below, above) + fnma_(r, below_lo, y_lo)) * reciprocal;

    const Single s = r * r;
    const Single series = fma_(fma_(s, Single(1.0f / 7.0f), Single(1.0f / 5.0f)), s, Single(1.0f / 3.0f));
    const Single tail = fma_(series * s, r, r_lo);

    const Twofold<Single> head = two_sum(k * Single(single_ln2_head), offset);
    const Twofold<Single> sum = two_sum(head.hi, r + r);
    return fast_two_sum(sum.hi, sum.lo + (head.lo + fma_(k, Single(single_ln2_tail), offset_tail + (tail + tail))));
}

template <class Table>
VMF_FN Twofold<Single> log_prefactor(Twofold<Single> w) { return log_twofold<Table>(w); }

// The expansion at order v' >= 8 needs ten terms for 2^-26.
template <>
constexpr int shifted_terms<Single> = 10;

template <>
constexpr bool quick_debye_serves<Single> = false;

// The trapezoidal rules that stand in for those of quadrature.hpp.
template <class Rule>
struct SingleRule;
#define VMF_SINGLE_QUADRATURE(Rule, name)                                                               \
    template <>                                                                                         \
    struct SingleRule<Rule> {                                                                           \
        static constexpr float step = single_quadrature_##name##_step;                                  \
        static constexpr int left = single_quadrature_##name##_left;                                    \
        static constexpr int right = single_quadrature_##name##_right;                                  \
        VMF_FN static Single cosh(int j) { return Single(single_quadrature_##name##_cosh[j]); }           \
        VMF_FN static Single sinh(int j) { return Single(single_quadrature_##name##_sinh[j]); }           \
        VMF_FN static Single exp(int j) { return Single(single_quadrature_##name##_exp[j]); }             \
        VMF_FN static Single exp_minus(int j) { return Single(single_quadrature_##name##_exp_minus[j]); } \
    };
VMF_SINGLE_QUADRATURE(Quadrature1, 1)
VMF_SINGLE_QUADRATURE(Quadrature8, 4)
#undef VMF_SINGLE_QUADRATURE

// quadrature_moments of quadrature.hpp; `exact` asks for better exponentials too.
template <class Rule, bool exact>
VMF_FN Moments<Single> quadrature_moments(Single v, Single w) {
    using R = SingleRule<Rule>;
    const Twofold<Single> zero = {Single(0.0f), Single(0.0f)};
    Twofold<Single> mass = zero, exp_minus = zero, right = zero, right_minus = zero;
    Single mean(0.0f);
    for (int j = R::left - 1; j >= 0; --j) {
        const Single a = fms_(v, R::sinh(j), w * R::cosh(j));
        const Single f = exact ? exp_(a) : exp_of_term(a);
        add_to<exact>(mass, f);
        add_to<exact>(exp_minus, f * R::exp(j));
        mean = fma_(f, Single(-R::step * static_cast<float>(j + 1)), mean);
    }
    for (int j = R::right - 1; j >= 0; --j) {
        const Single a = -fma_(v, R::sinh(j), w * R::cosh(j));
        const Single f = exact ? exp_(a) : exp_of_term(a);
        add_to<exact>(right, f);
        add_to<exact>(right_minus, f * R::exp_minus(j));
        mean = fma_(f, Single(R::step * static_cast<float>(j + 1)), mean);
    }
    return {(mass.hi + right.hi) + (Single(1.0f) + (mass.lo + right.lo)), mean,
            (exp_minus.hi + right_minus.hi) + (Single(1.0f) + (exp_minus.lo + right_minus.lo))};
}

template <class Rule, bool scaled>
VMF_FN Single quadrature_log_k(Single v, Single x) {
    const Polar<Single> p = polar(v, x);
    const Twofold<Single> angle = asinh_ratio(p.v_plus_w, x);
    const Moments<Single> m = quadrature_moments<Rule, false>(v, p.w.hi);
    const Twofold<Single> l = log_twofold(two_product(m.mass, Single(0.5f * SingleRule<Rule>::step)));
    return -assemble_log_i<scaled>(v, p, angle, -l, Single(0.0f));
}

// What differs between the functions: whether there is a float path at all, whether Temme's series serves it, where log I
// is so near 0 that only relative accuracy will do, where the complement changes sign, the least x of the shifted order, and
// whether two large terms may cancel.
struct InSingle {
    static constexpr bool available = true, temme = false, origin = false, complement = false, cancels = false;
    static constexpr float shifted_from = 0.0f, quadrature_from = 0.5f;
};
struct LogarithmInSingle : InSingle {
    static constexpr bool cancels = true;
};
template <class F>
struct SinglePath : InSingle {};
template <bool scaled>
struct SinglePath<LogI<scaled>> : LogarithmInSingle {
    static constexpr bool origin = true;
};
template <bool scaled>
struct SinglePath<LogK<scaled>> : LogarithmInSingle {
    static constexpr bool temme = true;
};
template <bool scaled>
struct SinglePath<LogNormalizer<scaled>> : LogarithmInSingle {};
template <>
struct SinglePath<Entropy> : LogarithmInSingle {};
template <>
struct SinglePath<LogIvDv> : InSingle {
    static constexpr float shifted_from = 4.0f;
};
// The left nodes weigh more in K_(v-1), and their exponents are differences of large products.
template <>
struct SinglePath<KvRatio> : InSingle {
    static constexpr float quadrature_from = 1.0f;
};
template <>
struct SinglePath<IvRatio<true>> : InSingle {
    static constexpr bool complement = true;
};
template <bool complement>
struct SinglePath<Concentration<complement>> : InSingle {
    static constexpr bool available = false;
};

// The formula: the double path's own, but for log K, which has polynomials in more digits there.
template <class F>
struct SingleFormula : F {};
template <bool scaled>
struct SingleFormula<LogK<scaled>> : OfOrderK {
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (R == region_temme) return temme_log_k<scaled>(v, x);
        else if constexpr (R == region_quadrature1) return quadrature_log_k<Quadrature1, scaled>(v, x);
        else if constexpr (R == region_quadrature8) return quadrature_log_k<Quadrature8, scaled>(v, x);
        else return debye_log_k<terms_of<R>(), scaled>(v, x);
    }
};

// region_special stands for the double path.
template <class F>
VMF_FN int single_region(Single order, Single argument) {
    using Path = SinglePath<F>;
    const float v = order.value, x = argument.value;
    if (!(v >= 0.0f && v < 0x1p+60f && x >= 0x1p-40f && x < 0x1p+60f)) return region_special;
    if (Path::origin && v < 0.0625f && x < 1.0f) return region_special;
    if (Path::complement && v < 1.0f) return region_special;
    const float ww = ::fmaf(v, v, x * x);
    if (ww >= 27.5f * 27.5f || v >= 17.0f) return region_debye4;
    if (ww >= 12.5f * 12.5f || v >= 8.0f) return region_debye7;
    if constexpr (F::of_k) {
        if (x < 0.5f) return Path::temme ? region_temme : region_special;
        if (x < Path::quadrature_from) return region_special;
        return ww < 16.0f ? region_quadrature1 : region_quadrature8;
    }
    return x < Path::shifted_from ? region_special : region_shifted8;
}

// Conversions that keep subnormals: CuPy compiles with -ftz=true, which would make them 0.
VMF_FN double widened(float a) {
#if defined(__CUDACC__)
    double wide;
    asm("cvt.f64.f32 %0, %1;" : "=d"(wide) : "f"(a));
    return wide;
#else
    return static_cast<double>(a);
#endif
}
VMF_FN float rounded(double a) {
#if defined(__CUDACC__)
    float narrow;
    asm("cvt.rn.f32.f64 %0, %1;" : "=f"(narrow) : "d"(a));
    return narrow;
#else
    return static_cast<float>(a);
#endif
}

template <class F>
VMF_SLOW_FN float in_double(float a, float x) {
    return rounded(value_at<F>(F::order(widened(a)), widened(x)));
}

// NAME(a, x) for floats: the value in region R, R + 1, ...
template <class F, int R = 1>
VMF_FN Single single_value_in(int region, Single v, Single x) {
    using Formula = SingleFormula<F>;
    if constexpr (R == region_debye4) {
        return Formula::template at<region_debye4>(v, x);
    } else if constexpr (R == region_debye7 ||
                         (F::of_k ? R == region_quadrature1 || R == region_quadrature8 || (SinglePath<F>::temme && R == region_temme)
                               : R == region_shifted8)) {
        return region == R ? Formula::template at<R>(v, x) : single_value_in<F, R + 1>(region, v, x);
    } else {
        return single_value_in<F, R + 1>(region, v, x);
    }
}

template <class F>
VMF_FN float single_value(float a, float x) {
    if constexpr (SinglePath<F>::available) {
        const Single v = F::order(Single(a)), s(x);
        const bool exact = a < 0x1p+24f || v.value == a;  // the order of a dimension may need more than 24 bits
        const int region = exact ? single_region<F>(v, s) : int(region_special);
        if (region != region_special) {
            const Single y = single_value_in<F>(region, v, s);
            const bool near_zero = SinglePath<F>::cancels && abs_(y) < max_(v, s) * Single(0x1p-17f);
            if (!near_zero) return y.value;
        }
    }
    return in_double<F>(a, x);
}

}  // namespace VMF_NAMESPACE
