// Registers of 32- and 64-bit lanes as GCC and Clang offer them on every machine (vector_size): operators act on each lane,
// a comparison gives a mask of all bits. VMF_WIDTH is their size in bytes: 16, 32 or 64.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define VMF_INLINE inline __attribute__((always_inline))
#define VMF_RESTRICT __restrict__

namespace VMF_NAMESPACE {

typedef std::uint32_t Word __attribute__((vector_size(VMF_WIDTH)));
typedef std::int32_t Int __attribute__((vector_size(VMF_WIDTH)));
typedef std::uint64_t LongWord __attribute__((vector_size(VMF_WIDTH)));
typedef std::int64_t LongInt __attribute__((vector_size(VMF_WIDTH)));
typedef float Single __attribute__((vector_size(VMF_WIDTH)));
typedef double Double __attribute__((vector_size(VMF_WIDTH)));

constexpr int word_lanes = VMF_WIDTH / 4;

VMF_INLINE Word all(std::uint32_t a) { return Word{} + a; }

VMF_INLINE Word lane_numbers() {
    Word lanes{};
    for (int l = 0; l < word_lanes; ++l) lanes[l] = static_cast<std::uint32_t>(l);
    return lanes;
}

// The same bits as another type of the same size.
template <class To, class From>
VMF_INLINE To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "sizes differ");
    To to;
    std::memcpy(&to, &from, sizeof(To));
    return to;
}

template <class Vector>
VMF_INLINE Vector square_root(Vector a) {
    for (unsigned l = 0; l < sizeof(Vector) / sizeof(a[0]); ++l) a[l] = std::sqrt(a[l]);
    return a;
}

}  // namespace VMF_NAMESPACE
