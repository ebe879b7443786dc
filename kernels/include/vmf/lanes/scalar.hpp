// One double: the lane type of CUDA threads, of the portable CPU build and of everything that is computed value by value.
//
// A lane type offers the operators + - * /, comparisons that give a mask, and the functions below. The region headers
// are templates over it and never name an instruction set.
#pragma once

#include "../platform.hpp"

namespace VMF_NAMESPACE {

VMF_FN vmf_uint64 bits_of(double a) {
#if defined(__CUDACC__)
    return static_cast<vmf_uint64>(__double_as_longlong(a));
#else
    vmf_uint64 u;
    std::memcpy(&u, &a, sizeof u);
    return u;
#endif
}

VMF_FN double from_bits(vmf_uint64 u) {
#if defined(__CUDACC__)
    return __longlong_as_double(static_cast<long long>(u));
#else
    double a;
    std::memcpy(&a, &u, sizeof a);
    return a;
#endif
}

// How many doubles a lane type holds, and how they come from and go to memory; store_some stores the lanes whose bits are
// set. Three more serve the sorting of elements by region: store_codes writes small integers as bytes, matches says which
// of 64 of these are a wanted one, and append writes first + k for every bit k of such a set and returns how many; it may
// overwrite the 64 places behind the last.
template <class T>
struct LaneTraits;
#if !defined(__CUDACC__)
template <>
struct LaneTraits<double> {
    static constexpr int width = 1;
    VMF_FN static double load(const double* p) { return *p; }
    VMF_FN static void store(double* p, double a) { *p = a; }
    VMF_FN static void store_some(double* p, double a, unsigned lanes) {
        if (lanes) *p = a;
    }
    VMF_FN static void store_codes(unsigned char* p, double a) { *p = static_cast<unsigned char>(a); }
    VMF_FN static std::uint64_t matches(const unsigned char* codes, int wanted) {
        std::uint64_t all = 0;
        for (int k = 0; k < 64; ++k) all |= static_cast<std::uint64_t>(codes[k] == wanted) << k;
        return all;
    }
    VMF_FN static int append(int* p, int first, std::uint64_t wanted) {
        int n = 0;
        for (; wanted; wanted &= wanted - 1) p[n++] = first + __builtin_ctzll(wanted);
        return n;
    }
    VMF_FN static double gather(const double* p, const int* numbers) { return p[*numbers]; }
};
VMF_FN unsigned lane_bits(bool m) { return m; }
#endif

VMF_FN double select(bool m, double a, double b) { return m ? a : b; }
VMF_FN bool any(bool m) { return m; }
VMF_FN double fma_(double a, double b, double c) { return ::fma(a, b, c); }
VMF_FN double fms_(double a, double b, double c) { return ::fma(a, b, -c); }   // a b - c
VMF_FN double fnma_(double a, double b, double c) { return ::fma(-a, b, c); }  // c - a b
VMF_FN double sqrt_(double a) { return ::sqrt(a); }
// To about an ulp: every use corrects the quotient by its remainder.
VMF_FN double reciprocal_(double a) { return 1.0 / a; }
VMF_FN double reciprocal_sqrt_(double a) { return 1.0 / ::sqrt(a); }
// a/b to 2^-12, 1/a to 2^-27, where the processor has a quick way; and the number with a mantissa of four bits next to a.
VMF_FN double coarse_quotient_(double a, double b) { return a / b; }
VMF_FN double coarse_reciprocal_(double a) { return 1.0 / a; }
VMF_FN double leading_bits_(double a) {
    return from_bits((bits_of(a) + 0x0000800000000000ULL) & 0xffff000000000000ULL);
}
VMF_FN double abs_(double a) { return ::fabs(a); }
VMF_FN double max_(double a, double b) { return a > b ? a : b; }
VMF_FN double min_(double a, double b) { return a < b ? a : b; }

// Squares of x below 2^-bound no longer count, but would be subnormal, for which processors need a hundred cycles.
constexpr double smallest_to_square = 0x1p-250;

// Nearest integer, ties to even; |a| < 2^51.
VMF_FN double round_(double a) {
    const double shift = 6755399441055744.0;  // 1.5 * 2^52
    return (a + shift) - shift;
}

// floor(log2 a) and a / 2^floor(log2 a) in [1, 2) for finite a > 0, subnormals included.
VMF_FN double exponent_of(double a) {
    const bool tiny = a < 2.2250738585072014e-308;
    const double b = tiny ? a * 18014398509481984.0 : a;  // 2^54
    const double e = static_cast<double>(static_cast<long long>(bits_of(b) >> 52)) - 1023.0;
    return tiny ? e - 54.0 : e;
}
VMF_FN double mantissa_of(double a) {
    const double b = a < 2.2250738585072014e-308 ? a * 18014398509481984.0 : a;
    return from_bits((bits_of(b) & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL);
}

// a * 2^k for integral k with |k| <= 2000, in two steps so that neither factor leaves the range.
VMF_FN double scale_(double a, double k) {
    const double half = round_(0.5 * k);
    const double first = from_bits(static_cast<vmf_uint64>(static_cast<long long>(half) + 1023) << 52);
    const double second = from_bits(static_cast<vmf_uint64>(static_cast<long long>(k - half) + 1023) << 52);
    return a * first * second;
}

// For the exponential: a rounded to an integer n (|a| < 2^50), table[n mod 16], and a * 2^floor(k).
VMF_FN double sixteenths(double a) { return round_(a); }
VMF_FN double lookup_sixteenth(const double* table, double n) {
    return table[static_cast<long long>(n) & 15];
}
VMF_FN double scale_floor_(double a, double k) { return scale_(a, ::floor(k)); }

// table[i], i the top four bits of the mantissa of m.
VMF_FN double lookup16(const double* table, double m) { return table[(bits_of(m) >> 48) & 15]; }

// table[i], i the last two bits of the exponent of u and the top two of its mantissa: the quarter of its octave.
VMF_FN double lookup_quarter(const double* table, double u) { return table[(bits_of(u) >> 50) & 15]; }

}  // namespace VMF_NAMESPACE
