// Forward-mode differentiation: a value and its derivative with respect to the order v.
#pragma once

#include "platform.hpp"

namespace VMF_NAMESPACE {

template <class T>
struct Dual {
    T value, slope;
    Dual() = default;
    VMF_FN Dual(T v, T s) : value(v), slope(s) {}
    VMF_FN explicit Dual(double c) : value(T(c)), slope(T(0.0)) {}
};

template <class T>
VMF_FN Dual<T> operator+(Dual<T> a, Dual<T> b) { return {a.value + b.value, a.slope + b.slope}; }
template <class T>
VMF_FN Dual<T> operator-(Dual<T> a, Dual<T> b) { return {a.value - b.value, a.slope - b.slope}; }
template <class T>
VMF_FN Dual<T> operator*(Dual<T> a, Dual<T> b) {
    return {a.value * b.value, fma_(a.value, b.slope, a.slope * b.value)};
}
template <class T>
VMF_FN Dual<T> operator/(Dual<T> a, Dual<T> b) {
    const T q = a.value / b.value;
    return {q, fnma_(q, b.slope, a.slope) / b.value};
}
template <class T>
VMF_FN Dual<T> fma_(Dual<T> a, Dual<T> b, Dual<T> c) {
    return {fma_(a.value, b.value, c.value), fma_(a.value, b.slope, fma_(a.slope, b.value, c.slope))};
}

// A constant as a plain number or as a dual without slope, so that one template serves both.
template <class N, class T>
struct Lift {
    VMF_FN static N constant(T a) { return a; }
};
template <class T>
struct Lift<Dual<T>, T> {
    VMF_FN static Dual<T> constant(T a) { return {a, T(0.0)}; }
};

}  // namespace VMF_NAMESPACE
