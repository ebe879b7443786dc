// log K_v(x) for v <= 1/2 and x < 2^-27, by the two leading terms of its two solutions (DLMF 10.27.4, 10.25.2):
//
//   K_v(x) = sqrt(pi v/sin(pi v)) sinh(z)/v,   z = v (rho - log x),   rho = log 2 + log(Gamma(1 + v)/Gamma(1 - v))/(2 v),
//
//   log K = z + log((1 - exp(-2 z))/(2 v)) - log(sin(pi v)/(pi v))/2.
//
// What is left out is x^2/4 of K. rho and the last logarithm are polynomials in v^2 (coefficients.hpp). log K > 2.9.
#pragma once

#include "log_gamma.hpp"

namespace VMF_NAMESPACE {

// 1 - exp(-u), 0 <= u < 700, relatively accurate: as exp_, with what 2^(i/16) leaves over.
template <class T>
VMF_FN T one_less_exp_minus(T u) {
    const T n = sixteenths(u * T(-23.083120654223414));
    const T r = -fma_(n, T(ln2_sixteenth_tail), fma_(n, T(ln2_sixteenth_head), u));
    const T rr = r * r;
    const T even = fma_(fma_(rr, T(1.0 / 720.0), T(1.0 / 24.0)), rr, T(0.5));
    const T odd = fma_(fma_(rr, T(1.0 / 5040.0), T(1.0 / 120.0)), rr, T(1.0 / 6.0));
    const T p = fma_(fma_(odd, r, even), rr, r);
    const T k = n * T(0.0625);
    const T power = scale_floor_(lookup_sixteenth(exp_sixteenths, n), k);
    const T tail = scale_floor_(lookup_sixteenth(exp_sixteenths_tail, n), k);
    return (T(1.0) - power) - fma_(power, p, tail);
}

// log K_v(x) or log K_v(x) + x
template <bool scaled, class T>
VMF_FN T small_order_log_k(T order, T x) {
    const T v = max_(order, T(0x1p-200));
    const T vv = v * v;
    T rho = T(small_order_rho[small_order_degree]);
    T factor = T(small_order_factor[small_order_degree]);
    for (int k = small_order_degree - 1; k >= 0; --k) {
        rho = fma_(rho, vv, T(small_order_rho[k]));
        factor = fma_(factor, vv, T(small_order_factor[k]));
    }
    const LogParts<T> of_x = log_parts<10>(x);
    const T z = v * ((rho - of_x.whole) - (of_x.f + of_x.rest));
    const LogParts<T> l = log_parts<9>(one_less_exp_minus(z + z) * reciprocal_(v + v));
    const T rest = l.f + (l.rest + factor);
    return (z + l.whole) + (scaled ? rest + x : rest);
}

}  // namespace VMF_NAMESPACE
