// Two registers as one lane type. The formulas are long chains of dependent operations; two independent chains side by
// side keep the arithmetic units busy where one would wait for its own results.
#pragma once

#include "scalar.hpp"

namespace VMF_NAMESPACE {

template <class L>
struct Pair {
    L a, b;
    VMF_FN Pair() = default;
    VMF_FN Pair(L first, L second) : a(first), b(second) {}
    VMF_FN Pair(double c) : a(c), b(c) {}
};

template <class M>
struct PairMask {
    M a, b;
};

template <class L>
struct LaneTraits<Pair<L>> {
    static constexpr int width = 2 * LaneTraits<L>::width;
    VMF_FN static Pair<L> load(const double* p) {
        return {LaneTraits<L>::load(p), LaneTraits<L>::load(p + LaneTraits<L>::width)};
    }
    VMF_FN static void store(double* p, Pair<L> x) {
        LaneTraits<L>::store(p, x.a);
        LaneTraits<L>::store(p + LaneTraits<L>::width, x.b);
    }
    VMF_FN static void store_some(double* p, Pair<L> x, unsigned lanes) {
        LaneTraits<L>::store_some(p, x.a, first(lanes));
        LaneTraits<L>::store_some(p + LaneTraits<L>::width, x.b, second(lanes));
    }
    VMF_FN static void store_codes(unsigned char* p, Pair<L> x) {
        LaneTraits<L>::store_codes(p, x.a);
        LaneTraits<L>::store_codes(p + LaneTraits<L>::width, x.b);
    }
    VMF_FN static std::uint64_t matches(const unsigned char* codes, int wanted) {
        return LaneTraits<L>::matches(codes, wanted);
    }
    VMF_FN static int append(int* p, int first, std::uint64_t wanted) {
        return LaneTraits<L>::append(p, first, wanted);
    }
    VMF_FN static Pair<L> gather(const double* p, const int* numbers) {
        return {LaneTraits<L>::gather(p, numbers), LaneTraits<L>::gather(p, numbers + LaneTraits<L>::width)};
    }

private:
    VMF_FN static unsigned first(unsigned lanes) { return lanes & ((1u << LaneTraits<L>::width) - 1); }
    VMF_FN static unsigned second(unsigned lanes) { return lanes >> LaneTraits<L>::width; }
};
template <class M>
VMF_FN unsigned lane_bits(PairMask<M> m) {
    return lane_bits(m.a) | lane_bits(m.b) << LaneTraits<Lanes>::width;
}

#define VMF_PAIR_BINARY(op)                                  \
    template <class L>                                       \
    VMF_FN Pair<L> operator op(Pair<L> x, Pair<L> y) {       \
        return {x.a op y.a, x.b op y.b};                     \
    }
VMF_PAIR_BINARY(+)
VMF_PAIR_BINARY(-)
VMF_PAIR_BINARY(*)
VMF_PAIR_BINARY(/)
#undef VMF_PAIR_BINARY

#define VMF_PAIR_COMPARE(op)                                                           \
    template <class L>                                                                 \
    VMF_FN auto operator op(Pair<L> x, Pair<L> y)->PairMask<decltype(x.a op y.a)> {    \
        return {x.a op y.a, x.b op y.b};                                               \
    }
VMF_PAIR_COMPARE(<)
VMF_PAIR_COMPARE(<=)
VMF_PAIR_COMPARE(>)
VMF_PAIR_COMPARE(>=)
#undef VMF_PAIR_COMPARE

template <class L>
VMF_FN Pair<L> operator-(Pair<L> x) { return {-x.a, -x.b}; }
template <class M>
VMF_FN PairMask<M> operator&(PairMask<M> x, PairMask<M> y) { return {x.a & y.a, x.b & y.b}; }
template <class M>
VMF_FN PairMask<M> operator|(PairMask<M> x, PairMask<M> y) { return {x.a | y.a, x.b | y.b}; }
template <class M, class L>
VMF_FN Pair<L> select(PairMask<M> m, Pair<L> x, Pair<L> y) { return {select(m.a, x.a, y.a), select(m.b, x.b, y.b)}; }
template <class M>
VMF_FN bool any(PairMask<M> m) { return any(m.a) || any(m.b); }

#define VMF_PAIR_UNARY(name) \
    template <class L>       \
    VMF_FN Pair<L> name(Pair<L> x) { return {name(x.a), name(x.b)}; }
VMF_PAIR_UNARY(sqrt_)
VMF_PAIR_UNARY(abs_)
VMF_PAIR_UNARY(reciprocal_)
VMF_PAIR_UNARY(reciprocal_sqrt_)
VMF_PAIR_UNARY(coarse_reciprocal_)
VMF_PAIR_UNARY(leading_bits_)
VMF_PAIR_UNARY(round_)
VMF_PAIR_UNARY(sixteenths)
VMF_PAIR_UNARY(exponent_of)
VMF_PAIR_UNARY(mantissa_of)
#undef VMF_PAIR_UNARY

template <class L>
VMF_FN Pair<L> fma_(Pair<L> x, Pair<L> y, Pair<L> z) { return {fma_(x.a, y.a, z.a), fma_(x.b, y.b, z.b)}; }
template <class L>
VMF_FN Pair<L> fms_(Pair<L> x, Pair<L> y, Pair<L> z) { return {fms_(x.a, y.a, z.a), fms_(x.b, y.b, z.b)}; }
template <class L>
VMF_FN Pair<L> fnma_(Pair<L> x, Pair<L> y, Pair<L> z) { return {fnma_(x.a, y.a, z.a), fnma_(x.b, y.b, z.b)}; }
template <class L>
VMF_FN Pair<L> coarse_quotient_(Pair<L> x, Pair<L> y) { return {coarse_quotient_(x.a, y.a), coarse_quotient_(x.b, y.b)}; }
template <class L>
VMF_FN Pair<L> max_(Pair<L> x, Pair<L> y) { return {max_(x.a, y.a), max_(x.b, y.b)}; }
template <class L>
VMF_FN Pair<L> min_(Pair<L> x, Pair<L> y) { return {min_(x.a, y.a), min_(x.b, y.b)}; }
template <class L>
VMF_FN Pair<L> scale_(Pair<L> x, Pair<L> k) { return {scale_(x.a, k.a), scale_(x.b, k.b)}; }
template <class L>
VMF_FN Pair<L> scale_floor_(Pair<L> x, Pair<L> k) { return {scale_floor_(x.a, k.a), scale_floor_(x.b, k.b)}; }
template <class L>
VMF_FN Pair<L> lookup_sixteenth(const double* table, Pair<L> n) {
    return {lookup_sixteenth(table, n.a), lookup_sixteenth(table, n.b)};
}
template <class L>
VMF_FN Pair<L> lookup_quarter(const double* table, Pair<L> u) {
    return {lookup_quarter(table, u.a), lookup_quarter(table, u.b)};
}
template <class L>
VMF_FN Pair<L> lookup16(const double* table, Pair<L> m) { return {lookup16(table, m.a), lookup16(table, m.b)}; }

}  // namespace VMF_NAMESPACE
