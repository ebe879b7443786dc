// Unevaluated sums hi + lo of two doubles, |lo| <= ulp(hi)/2: about 106 bits.
//
// Knuth's two-sum, Dekker's fast two-sum and the two-product through fma are exact, barring overflow and underflow
// (T. J. Dekker, Numer. Math. 18, 1971; D. E. Knuth, TAOCP 2, 4.2.2). The products, quotients and roots below keep a
// relative error of a few 2^-104. They need -ffp-contract=off and no -ffast-math.
#pragma once

#include "lanes/scalar.hpp"

namespace VMF_NAMESPACE {

template <class T>
struct Twofold {
    T hi, lo;
};

template <class T>
VMF_FN Twofold<T> two_sum(T a, T b) {
    const T s = a + b;
    const T t = s - a;
    return {s, (a - (s - t)) + (b - t)};
}

// Exact where |a| >= |b| or a = 0.
template <class T>
VMF_FN Twofold<T> fast_two_sum(T a, T b) {
    const T s = a + b;
    return {s, b - (s - a)};
}

// a - b
template <class T>
VMF_FN Twofold<T> two_difference(T a, T b) {
    const T s = a - b;
    const T t = s - a;
    return {s, (a - (s - t)) - (b + t)};
}

template <class T>
VMF_FN Twofold<T> two_product(T a, T b) {
    const T p = a * b;
    return {p, fms_(a, b, p)};
}

template <class T>
VMF_FN Twofold<T> operator+(Twofold<T> a, Twofold<T> b) {
    const Twofold<T> s = two_sum(a.hi, b.hi);
    const Twofold<T> t = two_sum(a.lo, b.lo);
    const Twofold<T> u = fast_two_sum(s.hi, s.lo + t.hi);
    return fast_two_sum(u.hi, u.lo + t.lo);
}

template <class T>
VMF_FN Twofold<T> operator+(Twofold<T> a, T b) {
    const Twofold<T> s = two_sum(a.hi, b);
    return fast_two_sum(s.hi, s.lo + a.lo);
}

template <class T>
VMF_FN Twofold<T> operator-(Twofold<T> a) {
    return {-a.hi, -a.lo};
}

template <class T>
VMF_FN Twofold<T> operator-(Twofold<T> a, Twofold<T> b) {
    return a + (-b);
}

template <class T>
VMF_FN Twofold<T> operator*(Twofold<T> a, T b) {
    const Twofold<T> p = two_product(a.hi, b);
    return fast_two_sum(p.hi, fma_(a.lo, b, p.lo));
}

template <class T>
VMF_FN Twofold<T> operator*(Twofold<T> a, Twofold<T> b) {
    const Twofold<T> p = two_product(a.hi, b.hi);
    return fast_two_sum(p.hi, fma_(a.hi, b.lo, fma_(a.lo, b.hi, p.lo)));
}

// One long division step and its remainder, correct to a few 2^-104.
template <class T>
VMF_FN Twofold<T> operator/(Twofold<T> a, Twofold<T> b) {
    const T reciprocal = reciprocal_(b.hi);
    const T q = a.hi * reciprocal;
    const T remainder = fnma_(q, b.hi, a.hi) + fnma_(q, b.lo, a.lo);
    return fast_two_sum(q, remainder * reciprocal);
}

template <class T>
VMF_FN Twofold<T> square(Twofold<T> a) {
    const Twofold<T> p = two_product(a.hi, a.hi);
    return fast_two_sum(p.hi, fma_(a.hi + a.hi, a.lo, p.lo));
}

// a^N by repeated squaring, N fixed at compile time.
template <int N, class T>
VMF_FN Twofold<T> power(Twofold<T> a) {
    if constexpr (N == 1) {
        return a;
    } else if constexpr (N % 2 == 0) {
        return square(power<N / 2>(a));
    } else {
        return power<N - 1>(a) * a;
    }
}

}  // namespace VMF_NAMESPACE
