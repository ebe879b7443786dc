// Eight doubles in one AVX-512 register (needs AVX512F, DQ and VL).
#pragma once

#include <immintrin.h>

#include "scalar.hpp"

namespace VMF_NAMESPACE {

struct Lanes {
    __m512d r;
    VMF_FN Lanes() = default;
    VMF_FN Lanes(__m512d a) : r(a) {}
    VMF_FN Lanes(double a) : r(_mm512_set1_pd(a)) {}
};
struct Mask {
    __mmask8 m;
};

template <>
struct LaneTraits<Lanes> {
    static constexpr int width = 8;
    VMF_FN static Lanes load(const double* p) { return _mm512_loadu_pd(p); }
    VMF_FN static void store(double* p, Lanes a) { _mm512_storeu_pd(p, a.r); }
    VMF_FN static void store_codes(int* p, Lanes a) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvttpd_epi32(a.r));
    }
};

VMF_FN Lanes operator+(Lanes a, Lanes b) { return _mm512_add_pd(a.r, b.r); }
VMF_FN Lanes operator-(Lanes a, Lanes b) { return _mm512_sub_pd(a.r, b.r); }
VMF_FN Lanes operator*(Lanes a, Lanes b) { return _mm512_mul_pd(a.r, b.r); }
VMF_FN Lanes operator/(Lanes a, Lanes b) { return _mm512_div_pd(a.r, b.r); }
VMF_FN Lanes operator-(Lanes a) { return _mm512_xor_pd(a.r, _mm512_set1_pd(-0.0)); }
VMF_FN Mask operator<(Lanes a, Lanes b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LT_OQ)}; }
VMF_FN Mask operator<=(Lanes a, Lanes b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LE_OQ)}; }
VMF_FN Mask operator>(Lanes a, Lanes b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_GT_OQ)}; }
VMF_FN Mask operator>=(Lanes a, Lanes b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_GE_OQ)}; }
VMF_FN Mask operator&(Mask a, Mask b) { return {static_cast<__mmask8>(a.m & b.m)}; }
VMF_FN Mask operator|(Mask a, Mask b) { return {static_cast<__mmask8>(a.m | b.m)}; }
VMF_FN Lanes select(Mask m, Lanes a, Lanes b) { return _mm512_mask_blend_pd(m.m, b.r, a.r); }
VMF_FN bool any(Mask m) { return m.m != 0; }

VMF_FN Lanes fma_(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_pd(a.r, b.r, c.r); }
VMF_FN Lanes fms_(Lanes a, Lanes b, Lanes c) { return _mm512_fmsub_pd(a.r, b.r, c.r); }
VMF_FN Lanes fnma_(Lanes a, Lanes b, Lanes c) { return _mm512_fnmadd_pd(a.r, b.r, c.r); }
VMF_FN Lanes sqrt_(Lanes a) { return _mm512_sqrt_pd(a.r); }

// Fourteen bits from the processor and two Newton steps: a quarter of the time of a division. Within an ulp for normal
// results; every use corrects the quotient by its remainder.
VMF_FN Lanes reciprocal_(Lanes a) {
    const __m512d one = _mm512_set1_pd(1.0);
    __m512d r = _mm512_rcp14_pd(a.r);
    __m512d e = _mm512_fnmadd_pd(a.r, r, one);
    r = _mm512_fmadd_pd(r, e, r);
    e = _mm512_fnmadd_pd(a.r, r, one);
    return _mm512_fmadd_pd(r, e, r);
}
VMF_FN Lanes reciprocal_sqrt_(Lanes a) {
    const __m512d half = _mm512_set1_pd(0.5);
    __m512d r = _mm512_rsqrt14_pd(a.r);
    __m512d h = _mm512_mul_pd(a.r, half);
    __m512d e = _mm512_fnmadd_pd(_mm512_mul_pd(h, r), r, half);  // (1 - a r^2)/2
    r = _mm512_fmadd_pd(r, e, r);
    e = _mm512_fnmadd_pd(_mm512_mul_pd(h, r), r, half);
    return _mm512_fmadd_pd(r, e, r);
}
VMF_FN Lanes abs_(Lanes a) { return _mm512_abs_pd(a.r); }
VMF_FN Lanes max_(Lanes a, Lanes b) { return _mm512_max_pd(a.r, b.r); }
VMF_FN Lanes min_(Lanes a, Lanes b) { return _mm512_min_pd(a.r, b.r); }
VMF_FN Lanes round_(Lanes a) { return _mm512_roundscale_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
VMF_FN Lanes exponent_of(Lanes a) { return _mm512_getexp_pd(a.r); }
VMF_FN Lanes mantissa_of(Lanes a) { return _mm512_getmant_pd(a.r, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); }
VMF_FN Lanes scale_(Lanes a, Lanes k) { return _mm512_scalef_pd(a.r, k.r); }

VMF_FN Lanes sixteenths(Lanes a) { return round_(a); }
VMF_FN Lanes lookup_sixteenth(const double* table, Lanes n) {
    // Adding 1.5 * 2^52 leaves the integer in the low bits; the permutation reads four of them.
    const __m512i i = _mm512_castpd_si512(_mm512_add_pd(n.r, _mm512_set1_pd(6755399441055744.0)));
    return _mm512_permutex2var_pd(_mm512_loadu_pd(table), i, _mm512_loadu_pd(table + 8));
}
VMF_FN Lanes scale_floor_(Lanes a, Lanes k) { return _mm512_scalef_pd(a.r, k.r); }

VMF_FN Lanes lookup16(const double* table, Lanes m) {
    const __m512i i = _mm512_srli_epi64(_mm512_castpd_si512(m.r), 48);
    return _mm512_permutex2var_pd(_mm512_loadu_pd(table), i, _mm512_loadu_pd(table + 8));
}

}  // namespace VMF_NAMESPACE
