// Natural logarithm of a twofold number, to more than a double; exponential of a double.
//
//   log(2^k m) = k log 2 - log c + log(c m),   log(y) = 2 atanh(r),  r = (y - 1)/(y + 1),     (DLMF 4.6.4)
//
// c is 1/m to seven bits from a table of 16, so that |r| < 0.032. c = 1 next to m = 1, which keeps log(1 + d) relatively
// accurate for tiny d. Absolute error < 2^-68 (|log| < 1) plus 2^-95 |log|; relative error near 1 < 2^-64.
#pragma once

#include "coefficients.hpp"
#include "twofold.hpp"

namespace VMF_NAMESPACE {

// A table of 16 -log c, with a constant added where one is wanted: log(2 pi a), log(2 a/pi) and log(a/(2 pi)) cost no
// more than log a.
#define VMF_LOG_TABLE(Name, table, at_one)                                    \
    struct Name {                                                             \
        static constexpr bool zero_at_one = at_one;                           \
        VMF_FN static const double* offset() { return table; }                \
        VMF_FN static const double* tail() { return table##_tail; }           \
    };
VMF_LOG_TABLE(Log, log_offset, true)
VMF_LOG_TABLE(LogTwoPi, log_offset_two_pi, false)
VMF_LOG_TABLE(LogTwoOverPi, log_offset_two_over_pi, false)
VMF_LOG_TABLE(LogHalfOverPi, log_offset_half_over_pi, false)
#undef VMF_LOG_TABLE

// log(2^k_extra a)
template <class Table = Log, class T>
VMF_FN Twofold<T> log_twofold(Twofold<T> a, T k_extra = T(0.0)) {
    const T m = mantissa_of(a.hi);
    const T e = exponent_of(a.hi);
    const T c = lookup16(log_reciprocal, m);
    const T offset = lookup16(Table::offset(), m);
    const T offset_tail = lookup16(Table::tail(), m);
    const T k = (e + k_extra) + select(m >= T(1.4375), T(1.0), T(0.0));

    // y = c m; the product has 60 bits, y - 1 is exact.
    const T y = m * c;
    const T y_lo = fma_(scale_(a.lo, -e), c, fms_(m, c, y));
    const T above = y - T(1.0);
    const T below = y + T(1.0);
    const T below_lo = y_lo + (y - (below - T(1.0)));
    const T reciprocal = reciprocal_(below);
    const T r = above * reciprocal;
    const T r_lo = (fnma_(r, below, above) + fnma_(r, below_lo, y_lo)) * reciprocal;

    const T s = r * r;
    const T ss = s * s;
    const T third = fma_(s, T(1.0 / 5.0), T(1.0 / 3.0));
    const T seventh = fma_(s, T(1.0 / 9.0), T(1.0 / 7.0));
    const T eleventh = fma_(s, T(1.0 / 13.0), T(1.0 / 11.0));
    const T series = fma_(fma_(eleventh, ss, seventh), ss, third);
    const T tail = fma_(series * s, r, r_lo);

    const T whole = k * T(ln2_head);
    const Twofold<T> head = Table::zero_at_one ? fast_two_sum(whole, offset) : two_sum(whole, offset);
    const Twofold<T> sum = Table::zero_at_one ? fast_two_sum(head.hi, r + r) : two_sum(head.hi, r + r);
    return fast_two_sum(sum.hi, sum.lo + (head.lo + fma_(k, T(ln2_tail), offset_tail + (tail + tail))));
}

// log(c w) with the constant of a table and w >= 15.5, to 2^-58 absolutely: as log_twofold less what it spends on its
// last ten bits. For the half logarithm of the prefactors, which is never multiplied by anything large.
template <class Table, class T>
VMF_FN Twofold<T> log_prefactor(Twofold<T> w) {
    const T m = mantissa_of(w.hi);
    const T e = exponent_of(w.hi);
    const T c = lookup16(log_reciprocal, m);
    const T k = e + select(m >= T(1.4375), T(1.0), T(0.0));
    const T y = m * c;
    const T y_lo = fma_(scale_(w.lo, -e), c, fms_(m, c, y));
    const T reciprocal = reciprocal_(y + T(1.0));
    const T r = (y - T(1.0)) * reciprocal;
    const T s = r * r;
    const T third = fma_(s, T(1.0 / 5.0), T(1.0 / 3.0));
    const T seventh = fma_(s, T(1.0 / 9.0), T(1.0 / 7.0));
    const T series = fma_(seventh, s * s, third);
    const T tail = fma_(series * s, r, y_lo * reciprocal);
    // k log 2 is above the table's entries, and their sum above r: k >= 4.
    const Twofold<T> head = fast_two_sum(k * T(ln2_head), lookup16(Table::offset(), m));
    const Twofold<T> sum = fast_two_sum(head.hi, r + r);
    const T lo = sum.lo + (head.lo + fma_(k, T(ln2_tail), tail + tail));
    return {sum.hi, lo + lookup16(Table::tail(), m)};
}

// log(x/2) without forming x/2, which is 0 for the smallest subnormal.
template <class T>
VMF_FN Twofold<T> log_half_of(T x) {
    const Twofold<T> l = log_twofold(Twofold<T>{x, T(0.0)});
    const Twofold<T> s = two_sum(l.hi, T(-ln2_head));
    return fast_two_sum(s.hi, s.lo + (l.lo - T(ln2_tail)));
}

// exp(a) for -745 < a < 709, error < 1 ulp: a = (n/16) log 2 + r, 2^(n/16) from a table of 16 and the exponent, Taylor's
// polynomial of degree 7 on |r| < 0.022 (truncation 2^-59).
template <class T>
VMF_FN T exp_(T a) {
    const T n = sixteenths(a * T(23.083120654223414));
    const T r = fnma_(n, T(ln2_sixteenth_tail), fnma_(n, T(ln2_sixteenth_head), a));
    const T rr = r * r;
    const T even = fma_(fma_(rr, T(1.0 / 720.0), T(1.0 / 24.0)), rr, T(0.5));
    const T odd = fma_(fma_(rr, T(1.0 / 5040.0), T(1.0 / 120.0)), rr, T(1.0 / 6.0));
    const T p = fma_(fma_(odd, r, even), rr, r);
    const T power = lookup_sixteenth(exp_sixteenths, n);
    return scale_floor_(fma_(power, p, power), n * T(0.0625));
}

// exp(a) for |a| < 600 to 2^-63: as exp_, with one term more and the rounding errors kept.
template <class T>
VMF_FN Twofold<T> exp_twofold(Twofold<T> a) {
    const T n = sixteenths(a.hi * T(23.083120654223414));
    const T whole = fnma_(n, T(ln2_sixteenth_head), a.hi);
    const Twofold<T> r = two_sum(whole, fnma_(n, T(ln2_sixteenth_tail), a.lo));
    const T rr = r.hi * r.hi;
    const T even = fma_(fma_(fma_(rr, T(1.0 / 40320.0), T(1.0 / 720.0)), rr, T(1.0 / 24.0)), rr, T(0.5));
    const T odd = fma_(fma_(rr, T(1.0 / 5040.0), T(1.0 / 120.0)), rr, T(1.0 / 6.0));
    const T p = fma_(fma_(odd, r.hi, even), rr, r.lo);
    const T power = lookup_sixteenth(exp_sixteenths, n);
    const Twofold<T> product = two_product(power, r.hi);
    const Twofold<T> e = fast_two_sum(power, product.hi);
    const T e_lo = e.lo + (product.lo + fma_(power, p, lookup_sixteenth(exp_sixteenths_tail, n)));
    const T k = n * T(0.0625);
    const Twofold<T> sum = fast_two_sum(e.hi, e_lo);
    return {scale_floor_(sum.hi, k), scale_floor_(sum.lo, k)};
}

}  // namespace VMF_NAMESPACE
