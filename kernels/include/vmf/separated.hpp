// log K_v(x) for x < 1/2 where (x/2)^(2v) no longer counts beside 1, which parts the two solutions that make up K:
//
//   K_v(x) = (1/2) Gamma(v) (x/2)^-v S,   S = sum_k y^k/(k! (1 - v)_k),   y = x^2/4     (DLMF 10.27.4, 10.25.2),
//
// with the terms k > v - 1/4 next to nothing. Those with k near v are large at an integer v, where the other solution
// takes them back: here v - k is kept from falling below 1/4. Seven terms, as one quotient; where
// v (2 - floor(log2 x)) >= 33, log K is >= 19.8 and truncation with what is left out < 2^-53 of it.
#pragma once

#include "log_gamma.hpp"

namespace VMF_NAMESPACE {

// log K_v(x) or log K_v(x) + x
template <bool scaled, class T>
VMF_FN T separated_log_k(T v, T x) {
    const T half = max_(T(0.5) * x, T(smallest_to_square));
    const T y = half * half;
    T denominator = T(6.0) * max_(v - T(6.0), T(0.25));
    T numerator = denominator - y;
    for (int k = 5; k >= 1; --k) {
        const T c = T(double(k)) * max_(v - T(double(k)), T(0.25));
        denominator = denominator * c;
        numerator = fnma_(y, numerator, denominator);
    }
    // log K = log(2^v Gamma(1 + v)) - v log x + log(S/(2 v))
    const LogGamma<T> gamma = log_gamma(v);
    const LogParts<T> of_x = log_parts<10>(x);
    const LogParts<T> of_s = log_parts<9>(numerator * reciprocal_(denominator * (v + v)));
    const T log_x = of_x.whole + (of_x.f + of_x.rest);
    const Twofold<T> power = two_product(v, log_x);
    const Twofold<T> whole = two_difference(gamma.whole + of_s.whole, power.hi);
    const T rest = fma_(gamma.slope, gamma.d, gamma.rest) + (of_s.f + of_s.rest);
    return whole.hi + (scaled ? (whole.lo - power.lo) + (rest + x) : (whole.lo - power.lo) + rest);
}

}  // namespace VMF_NAMESPACE
