// log I_v(x) where both v and x are small and the logarithm can be arbitrarily close to 0 (v < 1/16, x < 1):
//
//   log I_v(x) = v (log(x/2) - log Gamma(1 + v)/v) + log(1 + s),   s = sum_{k>=1} (x^2/4)^k/(k! (v+1)_k)   (DLMF 10.25.2)
//
// Each term keeps its own relative accuracy: log I_0(x) = x^2/4 - ... is right to the last digits down to underflow.
// log Gamma(1 + v)/v by its Taylor series (DLMF 5.7.3), 15 terms; s as one quotient of polynomials, 9 terms.
#pragma once

#include "power_series.hpp"

namespace VMF_NAMESPACE {

template <class T>
struct NearOrigin {
    T power;   // v log(x/2) - log Gamma(1 + v)
    T series;  // log(1 + s)
};

template <class T>
VMF_FN NearOrigin<T> near_origin_terms(T v, T x) {
    T ratio = T(log_gamma_ratio[15]);
    for (int k = 14; k >= 0; --k) ratio = fma_(ratio, v, T(log_gamma_ratio[k]));

    const T s = power_series_less_one<9>(v, x);
    const Twofold<T> one_plus = fast_two_sum(T(1.0), s);
    const T series = select(s < T(0x1p-60), s, log_twofold(one_plus).hi);
    const T log_half = log_half_of(x).hi;
    return {v * (log_half - ratio), series};
}

}  // namespace VMF_NAMESPACE
