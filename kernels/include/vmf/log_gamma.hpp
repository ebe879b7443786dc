// log(2^v Gamma(1 + v)) for 0 <= v < 15.5, and the logarithm of a double, both for the power series of log I, where they
// are added to each other: absolute error < 2^-58, and relative to v for v -> 0.
//
// log Gamma by a table of 16 polynomials in d, the distance of v from the centre of an interval: the four bits that choose
// it are the last two of the exponent and the first two of the mantissa of a number that runs from 1 to 16
// (scripts/generate_coefficients.py, log_gamma_of_quarters). The first centre is 0 itself.
//
// The logarithm is that of logarithm.hpp with c = 1/m to five bits, so that f = c m - 1 is a double, |f| < 1/16:
//
//   log(2^k m) = k log 2 - log c + log(1 + f),   log(1 + f) = f + f^2 (-1/2 + f/3 - ...).
#pragma once

#include "logarithm.hpp"

namespace VMF_NAMESPACE {

// The sum of the three: `whole` is a multiple of 2^-40, so that sums of such are exact.
template <class T>
struct LogParts {
    T whole;
    T f;     // |f| < 1/16; relatively accurate, and whole = 0, for arguments 1 <= a < 1.0625
    T rest;
};

template <int terms, class T>
VMF_FN T log_short_polynomial(const double* series, T f) {
    T sum = T(series[terms - 1]);
    for (int k = terms - 2; k >= 0; --k) sum = fma_(sum, f, T(series[k]));
    return sum;
}

// log a to 2^-63
template <class T>
VMF_FN LogParts<T> log_parts(T a) {
    const T m = mantissa_of(a);
    const T e = exponent_of(a);
    const T f = fms_(m, lookup16(log_short_reciprocal, m), T(1.0));
    const T tail = fma_(e, T(ln2_tail), lookup16(log_short_tail, m));
    return {fma_(e, T(ln2_head), lookup16(log_short_head, m)), f,
            fma_(f * f, log_short_polynomial<10>(log_short_series, f), tail)};
}

// log a to 2^-57
template <class T>
VMF_FN LogParts<T> log_parts_short(T a) {
    const T m = mantissa_of(a);
    const T e = exponent_of(a);
    const T f = fms_(m, lookup16(log_short_reciprocal, m), T(1.0));
    const T tail = fma_(e, T(ln2_tail), lookup16(log_short_tail, m));
    return {fma_(e, T(ln2_head), lookup16(log_short_head, m)), f,
            fma_(f * f, log_short_polynomial<9>(log_short_series_8, f), tail)};
}

// log(1 + s), 0 <= s < 1, relatively accurate
template <class T>
VMF_FN LogParts<T> log1p_parts(T s) {
    const Twofold<T> a = fast_two_sum(T(1.0), s);
    const T c = lookup16(log_short_reciprocal, a.hi);
    const T f = fma_(a.lo, c, fms_(a.hi, c, T(1.0)));
    return {lookup16(log_short_head, a.hi), f,
            fma_(f * f, log_short_polynomial<9>(log_short_series_8, f), lookup16(log_short_tail, a.hi))};
}

// log(2^v Gamma(1 + v)), the sum of the three
template <class T>
struct LogGamma {
    T whole;  // a multiple of 2^-40
    Twofold<T> linear;
    T rest;
};

template <class T>
VMF_FN LogGamma<T> log_gamma(T v) {
    const T place = fma_(v, T(log_gamma_scale), T(log_gamma_start));
    const T d = v - lookup_quarter(log_gamma_centre, place);
    T sum = lookup_quarter(log_gamma_quarters + 16 * log_gamma_degree, place);
    for (int k = log_gamma_degree - 1; k >= 2; --k) sum = fma_(sum, d, lookup_quarter(log_gamma_quarters + 16 * k, place));
    const T tail = fma_(lookup_quarter(log_gamma_quarters_tail + 16, place), d, lookup_quarter(log_gamma_quarters_tail, place));
    return {lookup_quarter(log_gamma_quarters, place), two_product(lookup_quarter(log_gamma_quarters + 16, place), d),
            fma_(d * d, sum, tail)};
}

// The same to 2^-62
template <class T>
VMF_FN Twofold<T> finer_log_gamma(T v) {
    const T place = fma_(v, T(log_gamma_scale), T(log_gamma_start));
    const T d = v - lookup_quarter(log_gamma_centre, place);
    T high = lookup_quarter(log_gamma_quarters + 16 * log_gamma_degree, place);
    for (int k = log_gamma_degree - 1; k >= 3; --k) high = fma_(high, d, lookup_quarter(log_gamma_quarters + 16 * k, place));
    Twofold<T> sum = {high, T(0.0)};
    for (int k = 2; k >= 0; --k) {
        const double* c = log_gamma_quarters + 16 * k;
        sum = sum * d + Twofold<T>{lookup_quarter(c, place), lookup_quarter(log_gamma_quarters_tail + 16 * k, place)};
    }
    return sum;
}

}  // namespace VMF_NAMESPACE
