// Random bits: ChaCha with 8 rounds (Bernstein, ChaCha, a variant of Salsa20, 2008), 64 bits of key, and a counter. Block
// `counter` of stream `stream` is 16 words that depend on nothing else, so that any thread can compute any of them.
#pragma once

#include <cstdint>

#include "vectors.hpp"

namespace VMF_NAMESPACE {

constexpr int chacha_words = 16;

// Numbers are made of 16 blocks at a time: element 16 j + l of 256 words is word j of block l. The order is the same
// whatever the width of the registers.
constexpr int batch_blocks = 16;
constexpr int batch_words = chacha_words * batch_blocks;

template <int bits>
VMF_INLINE Word rotated(Word a) {
    return a << bits | a >> (32 - bits);
}

VMF_INLINE void quarter_round(Word& a, Word& b, Word& c, Word& d) {
    a += b, d = rotated<16>(d ^ a);
    c += d, b = rotated<12>(b ^ c);
    a += b, d = rotated<8>(d ^ a);
    c += d, b = rotated<7>(b ^ c);
}

// Blocks counter, counter + 1, ..., one a lane; the counter's lower half must not overflow on the way.
VMF_INLINE void chacha(std::uint64_t key, std::uint64_t stream, std::uint32_t counter, Word (&words)[chacha_words]) {
    const Word start[chacha_words] = {
        all(0x61707865u), all(0x3320646eu), all(0x79622d32u), all(0x6b206574u),  // "expand 32-byte k"
        all(static_cast<std::uint32_t>(key)), all(static_cast<std::uint32_t>(key >> 32)), all(0u), all(0u),
        all(0u), all(0u), all(0u), all(0u),
        all(counter) + lane_numbers(), all(0u),
        all(static_cast<std::uint32_t>(stream)), all(static_cast<std::uint32_t>(stream >> 32))};
    for (int i = 0; i < chacha_words; ++i) words[i] = start[i];
    for (int rounds = 0; rounds < 8; rounds += 2) {
        quarter_round(words[0], words[4], words[8], words[12]);
        quarter_round(words[1], words[5], words[9], words[13]);
        quarter_round(words[2], words[6], words[10], words[14]);
        quarter_round(words[3], words[7], words[11], words[15]);
        quarter_round(words[0], words[5], words[10], words[15]);
        quarter_round(words[1], words[6], words[11], words[12]);
        quarter_round(words[2], words[7], words[8], words[13]);
        quarter_round(words[3], words[4], words[9], words[14]);
    }
    for (int i = 0; i < chacha_words; ++i) words[i] += start[i];
}

}  // namespace VMF_NAMESPACE
