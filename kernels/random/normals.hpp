// Standard normal numbers by the transformation of Box and Muller (Annals of Mathematical Statistics 29, 1958, 610-611):
//
//     (x, y) = sqrt(-2 log u) (cos a, sin a),   u uniform in (0, 1), a uniform in [0, 2 pi).
//
// log u is e log 2 + 2 artanh((m - 1)/(m + 1)) with u = 2^e m and m in [sqrt(1/2), sqrt(2)), whose series in
// ((m - 1)/(m + 1))^2 < 0.0295 is cut below rounding; sine and cosine are Taylor's series on [-pi/4, pi/4]. Operations are
// rounded as written (-ffp-contract=off), so that every machine draws the same bits.
#pragma once

#include "chacha.hpp"

namespace VMF_NAMESPACE {

// What differs between the types. u is made of as many bits as its logarithm can use: 31 for float, so that the largest
// number is 6.6, 52 for double (8.5); neither 0 nor 1 occurs. Conversions of 64-bit integers and their arithmetic shifts are
// made of what AVX2 has: additions to the bits of 2^52.
template <class Float>
struct Normal;

template <>
struct Normal<float> {
    using Vector = Single;
    using Bits = Word;
    static constexpr int bits = 32, words = 1;
    static constexpr int log_terms = 5, sine_terms = 5;
    static constexpr float log_2 = 0x1.62e430p-1f;

    static VMF_INLINE Vector uniform(Bits w) {
        return __builtin_convertvector(bits_as<Int>(w >> 1), Vector) * (0x1p-31f * (1.0f - 0x1p-24f)) + 0x1p-33f;
    }
    // u = 2^exponent m, m in [sqrt(1/2), sqrt(2)).
    static VMF_INLINE void split(Vector u, Vector& exponent, Vector& m) {
        const Int e = (bits_as<Int>(u) - 0x3f3504f3) >> 23;
        m = bits_as<Vector>(bits_as<Int>(u) - (e << 23));
        exponent = __builtin_convertvector(e, Vector);
    }
    // Radians of a signed part of a turn, in units of 2^-32 turns.
    static VMF_INLINE Vector radians(Bits part) { return __builtin_convertvector(bits_as<Int>(part), Vector) * 0x1.921fb6p-30f; }
};

template <>
struct Normal<double> {
    using Vector = Double;
    using Bits = LongWord;
    static constexpr int bits = 64, words = 2;
    static constexpr int log_terms = 11, sine_terms = 9;
    static constexpr double log_2 = 0x1.62e42fefa39efp-1;

    static VMF_INLINE Vector uniform(Bits w) {
        return bits_as<Vector>(w >> 12 | 0x3ff0000000000000u) - (1.0 - 0x1p-53);
    }
    static VMF_INLINE void split(Vector u, Vector& exponent, Vector& m) {
        const Bits e = (bits_as<Bits>(u) - 0x3fe6a09e667f3bcdu + (1024ull << 52)) >> 52;  // 1024 more than it is
        m = bits_as<Vector>(bits_as<Bits>(u) - (e << 52) + (1024ull << 52));
        exponent = bits_as<Vector>(e | 0x4330000000000000u) - (0x1p52 + 1024.0);
    }
    static VMF_INLINE Vector radians(Bits part) {
        const Bits shifted = (part + (1ull << 61)) >> 10;  // in [0, 2^52)
        return (bits_as<Vector>(shifted | 0x4330000000000000u) - (0x1p52 + 0x1p51)) * 0x1.921fb54442d18p-52;
    }
};

template <class Float>
VMF_INLINE typename Normal<Float>::Vector logarithm(typename Normal<Float>::Vector u) {
    using N = Normal<Float>;
    typename N::Vector exponent, m;
    N::split(u, exponent, m);
    const auto s = (m - Float(1)) / (m + Float(1)), z = s * s;
    auto series = z * (Float(1) / (2 * N::log_terms - 1)) + Float(1) / (2 * N::log_terms - 3);
    for (int k = N::log_terms - 3; k >= 0; --k) series = series * z + Float(1) / (2 * k + 1);
    return exponent * N::log_2 + Float(2) * s * series;
}

// Two registers of normal numbers from two of random bits.
template <class Float>
VMF_INLINE void normal_pair(typename Normal<Float>::Bits of_radius, typename Normal<Float>::Bits of_angle,
                            typename Normal<Float>::Vector& x, typename Normal<Float>::Vector& y) {
    using N = Normal<Float>;
    using Bits = typename N::Bits;
    const auto radius = square_root(Float(-2) * logarithm<Float>(N::uniform(of_radius)));

    // The nearest multiple of a quarter turn, and what is left.
    constexpr int quarter = N::bits - 2;
    const Bits half_quarter = (Bits{} + 1) << (quarter - 1);
    const Bits quadrant = (of_angle + half_quarter) >> quarter;
    const auto a = N::radians(of_angle - (quadrant << quarter)), z = a * a;
    auto sine = Float(1) - z * (Float(1) / (2 * N::sine_terms * (2 * N::sine_terms + 1)));
    auto cosine = Float(1) - z * (Float(1) / (2 * N::sine_terms * (2 * N::sine_terms - 1)));
    for (int k = N::sine_terms - 1; k > 0; --k) {
        sine = Float(1) - sine * z * (Float(1) / (2 * k * (2 * k + 1)));
        cosine = Float(1) - cosine * z * (Float(1) / (2 * k * (2 * k - 1)));
    }
    const Bits s = bits_as<Bits>(sine * a), c = bits_as<Bits>(cosine), odd = -(quadrant & 1);
    const Bits sign_x = ((quadrant + 1) & 2) << (N::bits - 2), sign_y = (quadrant & 2) << (N::bits - 2);
    x = radius * bits_as<typename N::Vector>(((c & ~odd) | (s & odd)) ^ sign_x);
    y = radius * bits_as<typename N::Vector>(((s & ~odd) | (c & odd)) ^ sign_y);
}

// Normal numbers that a batch of words gives.
template <class Float>
constexpr int batch_size = batch_words / Normal<Float>::words;

// The first `count` batches of normal numbers of a stream.
template <class Float>
void normal_batches(Float* out, std::uint64_t key, std::uint64_t stream, int count) {
    using Bits = typename Normal<Float>::Bits;
    constexpr int row = batch_size<Float> / chacha_words;
    for (int batch = 0; batch < count; ++batch, out += batch_size<Float>) {
        for (int part = 0; part < batch_blocks; part += word_lanes) {
            Word words[chacha_words];
            chacha(key, stream, static_cast<std::uint32_t>(batch * batch_blocks + part), words);
            for (int j = 0; j < chacha_words; j += 2) {
                typename Normal<Float>::Vector x, y;
                normal_pair<Float>(bits_as<Bits>(words[j]), bits_as<Bits>(words[j + 1]), x, y);
                Float* to = out + j * row + part / Normal<Float>::words;
                std::memcpy(to, &x, sizeof x);
                std::memcpy(to + row, &y, sizeof y);
            }
        }
    }
}

}  // namespace VMF_NAMESPACE
