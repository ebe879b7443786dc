// Four doubles in one AVX register (needs AVX2 and FMA).
#pragma once

#include <immintrin.h>

#include "scalar.hpp"

namespace VMF_NAMESPACE {

struct Lanes {
    __m256d r;
    VMF_FN Lanes() = default;
    VMF_FN Lanes(__m256d a) : r(a) {}
    VMF_FN Lanes(double a) : r(_mm256_set1_pd(a)) {}
};
struct Mask {
    __m256d m;
};

template <>
struct LaneTraits<Lanes> {
    static constexpr int width = 4;
    VMF_FN static Lanes load(const double* p) { return _mm256_loadu_pd(p); }
    VMF_FN static void store(double* p, Lanes a) { _mm256_storeu_pd(p, a.r); }
    VMF_FN static void store_some(double* p, Lanes a, unsigned lanes) {
        const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
        const __m256i wanted = _mm256_and_si256(_mm256_set1_epi64x(lanes), bit);
        _mm256_maskstore_pd(p, _mm256_cmpeq_epi64(wanted, bit), a.r);
    }
    VMF_FN static void store_codes(unsigned char* p, Lanes a) {
        const __m128i bytes = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
        const int codes = _mm_cvtsi128_si32(_mm_shuffle_epi8(_mm256_cvttpd_epi32(a.r), bytes));
        std::memcpy(p, &codes, 4);
    }
    VMF_FN static std::uint64_t matches(const unsigned char* codes, int wanted) {
        const __m256i w = _mm256_set1_epi8(static_cast<char>(wanted));
        const __m256i* p = reinterpret_cast<const __m256i*>(codes);
        const int low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(p), w));
        const int high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(p + 1), w));
        return static_cast<std::uint32_t>(low) | static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32;
    }
    VMF_FN static int append(int* p, int first, std::uint64_t wanted) {
        return LaneTraits<double>::append(p, first, wanted);
    }
    // Four loads: as fast as the processor's own gather, which some have slowed down for safety.
    VMF_FN static Lanes gather(const double* p, const int* numbers) {
        return _mm256_setr_pd(p[numbers[0]], p[numbers[1]], p[numbers[2]], p[numbers[3]]);
    }
};
VMF_FN unsigned lane_bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_pd(m.m)); }

VMF_FN Lanes operator+(Lanes a, Lanes b) { return _mm256_add_pd(a.r, b.r); }
VMF_FN Lanes operator-(Lanes a, Lanes b) { return _mm256_sub_pd(a.r, b.r); }
VMF_FN Lanes operator*(Lanes a, Lanes b) { return _mm256_mul_pd(a.r, b.r); }
VMF_FN Lanes operator/(Lanes a, Lanes b) { return _mm256_div_pd(a.r, b.r); }
VMF_FN Lanes operator-(Lanes a) { return _mm256_xor_pd(a.r, _mm256_set1_pd(-0.0)); }
VMF_FN Mask operator<(Lanes a, Lanes b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_LT_OQ)}; }
VMF_FN Mask operator<=(Lanes a, Lanes b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_LE_OQ)}; }
VMF_FN Mask operator>(Lanes a, Lanes b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_GT_OQ)}; }
VMF_FN Mask operator>=(Lanes a, Lanes b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_GE_OQ)}; }
VMF_FN Mask operator&(Mask a, Mask b) { return {_mm256_and_pd(a.m, b.m)}; }
VMF_FN Mask operator|(Mask a, Mask b) { return {_mm256_or_pd(a.m, b.m)}; }
VMF_FN Lanes select(Mask m, Lanes a, Lanes b) { return _mm256_blendv_pd(b.r, a.r, m.m); }
VMF_FN bool any(Mask m) { return _mm256_movemask_pd(m.m) != 0; }

VMF_FN Lanes fma_(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_pd(a.r, b.r, c.r); }
VMF_FN Lanes fms_(Lanes a, Lanes b, Lanes c) { return _mm256_fmsub_pd(a.r, b.r, c.r); }
VMF_FN Lanes fnma_(Lanes a, Lanes b, Lanes c) { return _mm256_fnmadd_pd(a.r, b.r, c.r); }
VMF_FN Lanes sqrt_(Lanes a) { return _mm256_sqrt_pd(a.r); }
VMF_FN Lanes reciprocal_(Lanes a) { return Lanes(1.0) / a; }
VMF_FN Lanes reciprocal_sqrt_(Lanes a) { return Lanes(1.0) / sqrt_(a); }
VMF_FN Lanes coarse_quotient_(Lanes a, Lanes b) { return a / b; }
VMF_FN Lanes coarse_reciprocal_(Lanes a) { return Lanes(1.0) / a; }
VMF_FN Lanes leading_bits_(Lanes a) {
    const __m256i up = _mm256_add_epi64(_mm256_castpd_si256(a.r), _mm256_set1_epi64x(0x0000800000000000LL));
    return _mm256_castsi256_pd(_mm256_and_si256(up, _mm256_set1_epi64x(-0x0001000000000000LL)));
}
VMF_FN Lanes abs_(Lanes a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a.r); }
VMF_FN Lanes max_(Lanes a, Lanes b) { return _mm256_max_pd(a.r, b.r); }
VMF_FN Lanes min_(Lanes a, Lanes b) { return _mm256_min_pd(a.r, b.r); }
VMF_FN Lanes round_(Lanes a) { return _mm256_round_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

VMF_FN Lanes exponent_of(Lanes a) {
    const Mask tiny = a < Lanes(2.2250738585072014e-308);
    const Lanes b = select(tiny, a * Lanes(18014398509481984.0), a);
    // The biased exponent in the low mantissa bits of 2^52 is the number itself.
    const __m256i e = _mm256_srli_epi64(_mm256_castpd_si256(b.r), 52);
    const __m256d d = _mm256_castsi256_pd(_mm256_or_si256(e, _mm256_set1_epi64x(0x4330000000000000LL)));
    return Lanes(d) - select(tiny, Lanes(4503599627370496.0 + 1023.0 + 54.0), Lanes(4503599627370496.0 + 1023.0));
}
VMF_FN Lanes mantissa_of(Lanes a) {
    const Lanes b = select(a < Lanes(2.2250738585072014e-308), a * Lanes(18014398509481984.0), a);
    const __m256i m = _mm256_and_si256(_mm256_castpd_si256(b.r), _mm256_set1_epi64x(0x000fffffffffffffLL));
    return _mm256_castsi256_pd(_mm256_or_si256(m, _mm256_set1_epi64x(0x3ff0000000000000LL)));
}
VMF_FN Lanes scale_(Lanes a, Lanes k) {
    // k + 1.5 * 2^52 holds k + 1023 in its low bits once 1023 is added; two steps keep each factor in range.
    const Lanes half = round_(k * Lanes(0.5));
    const Lanes shift(6755399441055744.0 + 1023.0);
    const __m256i first = _mm256_slli_epi64(_mm256_castpd_si256((half + shift).r), 52);
    const __m256i second = _mm256_slli_epi64(_mm256_castpd_si256(((k - half) + shift).r), 52);
    return a * Lanes(_mm256_castsi256_pd(first)) * Lanes(_mm256_castsi256_pd(second));
}
VMF_FN Lanes sixteenths(Lanes a) { return round_(a); }
VMF_FN Lanes lookup_sixteenth(const double* table, Lanes n) {
    const __m256i bits = _mm256_castpd_si256(_mm256_add_pd(n.r, _mm256_set1_pd(6755399441055744.0)));
    return _mm256_i64gather_pd(table, _mm256_and_si256(bits, _mm256_set1_epi64x(15)), 8);
}
VMF_FN Lanes scale_floor_(Lanes a, Lanes k) {
    return scale_(a, Lanes(_mm256_floor_pd(k.r)));
}
VMF_FN Lanes lookup_quarter(const double* table, Lanes u) {
    const __m256i i = _mm256_and_si256(_mm256_srli_epi64(_mm256_castpd_si256(u.r), 50), _mm256_set1_epi64x(15));
    return _mm256_i64gather_pd(table, i, 8);
}
VMF_FN Lanes lookup16(const double* table, Lanes m) {
    const __m256i i = _mm256_and_si256(_mm256_srli_epi64(_mm256_castpd_si256(m.r), 48), _mm256_set1_epi64x(15));
    return _mm256_i64gather_pd(table, i, 8);
}

}  // namespace VMF_NAMESPACE
