// Written by scripts/generate_single_coefficients.py, which says what each table is; do not edit.
#pragma once

#include "platform.hpp"

namespace VMF_NAMESPACE {

// 1/m to seven bits for m in [1 + i/16, 1 + (i+1)/16)
VMF_TABLE float single_log_reciprocal[16] = {
    0x1.0000000000000p+0f, 0x1.d400000000000p-1f, 0x1.bc00000000000p-1f, 0x1.a400000000000p-1f,
    0x1.9000000000000p-1f, 0x1.7c00000000000p-1f, 0x1.6c00000000000p-1f, 0x1.5c00000000000p-1f,
    0x1.5000000000000p-1f, 0x1.4000000000000p-1f, 0x1.3400000000000p-1f, 0x1.2800000000000p-1f,
    0x1.2000000000000p-1f, 0x1.1400000000000p-1f, 0x1.0c00000000000p-1f, 0x1.0000000000000p-1f,
};

// -log of it, less log 2 where m >= 1.4375
VMF_TABLE float single_log_offset[16] = {
    0.0f, 0x1.700d300000000p-4f, 0x1.23d7120000000p-3f, 0x1.95a5ae0000000p-3f,
    0x1.f991c60000000p-3f, 0x1.314f1e0000000p-2f, 0x1.5d5bde0000000p-2f, -0x1.3a64c60000000p-2f,
    -0x1.1675ca0000000p-2f, -0x1.c8ff7c0000000p-3f, -0x1.7ab8900000000p-3f, -0x1.2955300000000p-3f,
    -0x1.e270760000000p-4f, -0x1.341d7a0000000p-4f, -0x1.7745900000000p-5f, 0.0f,
};

// what the floats above leave over
VMF_TABLE float single_log_offset_tail[16] = {
    0.0f, 0x1.5d581c0000000p-29f, 0x1.4938400000000p-28f, -0x1.847f400000000p-30f,
    0x1.9676700000000p-28f, 0x1.d35ce40000000p-30f, -0x1.4d41a00000000p-31f, 0x1.52d7420000000p-27f,
    -0x1.7574c20000000p-27f, -0x1.e6a6880000000p-29f, -0x1.086c840000000p-30f, 0x1.f802b80000000p-29f,
    -0x1.c55e5c0000000p-29f, 0x1.3c85c60000000p-29f, 0x1.39a4600000000p-30f, 0.0f,
};

// -log of it, less log 2 where m >= 1.4375, + log(two_pi)
VMF_TABLE float single_log_offset_two_pi[16] = {
    0x1.d67f1c0000000p+0f, 0x1.ed7ff00000000p+0f, 0x1.faf9fe0000000p+0f, 0x1.0499ea0000000p+1f,
    0x1.0ad8aa0000000p+1f, 0x1.1169720000000p+1f, 0x1.16eb0a0000000p+1f, 0x1.87e5ec0000000p+0f,
    0x1.90e1aa0000000p+0f, 0x1.9d5f2c0000000p+0f, 0x1.a7280a0000000p+0f, 0x1.b154760000000p+0f,
    0x1.b858160000000p+0f, 0x1.c33d440000000p+0f, 0x1.cac4f00000000p+0f, 0x1.d67f1c0000000p+0f,
};

// what the floats above leave over
VMF_TABLE float single_log_offset_two_pi_tail[16] = {
    0x1.0c97d60000000p-25f, -0x1.bb25500000000p-26f, 0x1.b5bede0000000p-25f, -0x1.bfc6120000000p-24f,
    0x1.5fb3520000000p-24f, 0x1.b32bdc0000000p-29f, 0x1.d8b4040000000p-31f, -0x1.9eb2580000000p-25f,
    -0x1.4315680000000p-27f, 0x1.ee2d6e0000000p-25f, 0x1.0454720000000p-25f, 0x1.2c18020000000p-25f,
    -0x1.cfbe100000000p-25f, 0x1.e060320000000p-25f, 0x1.664f9a0000000p-29f, 0x1.0c97d60000000p-25f,
};

// -log of it, less log 2 where m >= 1.4375, + log(two_over_pi)
VMF_TABLE float single_log_offset_two_over_pi[16] = {
    -0x1.ce6bb20000000p-2f, -0x1.7268660000000p-2f, -0x1.3c802a0000000p-2f, -0x1.0398dc0000000p-2f,
    -0x1.a3459e0000000p-3f, -0x1.3a39280000000p-3f, -0x1.c43f520000000p-4f, -0x1.84683c0000000p-1f,
    -0x1.7270be0000000p-1f, -0x1.5975b80000000p-1f, -0x1.45e3fe0000000p-1f, -0x1.318b260000000p-1f,
    -0x1.2383e80000000p-1f, -0x1.0db9880000000p-1f, -0x1.fd54640000000p-2f, -0x1.ce6bb20000000p-2f,
};

// what the floats above leave over
VMF_TABLE float single_log_offset_two_over_pi_tail[16] = {
    -0x1.6a84c60000000p-28f, -0x1.77b16e0000000p-29f, 0x1.ef59be0000000p-27f, 0x1.1a2db60000000p-27f,
    0x1.5f8d4e0000000p-31f, -0x1.eb5b1a0000000p-29f, 0x1.af4c1a0000000p-30f, 0x1.3b29c00000000p-28f,
    -0x1.155b920000000p-26f, -0x1.2eec040000000p-27f, 0x1.94d8060000000p-26f, 0x1.e45f260000000p-26f,
    -0x1.34cfd00000000p-30f, -0x1.6620f20000000p-27f, -0x1.1c1bae0000000p-28f, -0x1.6a84c60000000p-28f,
};

// -log of it, less log 2 where m >= 1.4375, + log(half_over_pi)
VMF_TABLE float single_log_offset_half_over_pi[16] = {
    -0x1.d67f1c0000000p+0f, -0x1.bf7e4a0000000p+0f, -0x1.b2043a0000000p+0f, -0x1.a3ca660000000p+0f,
    -0x1.974ce40000000p+0f, -0x1.8a2b540000000p+0f, -0x1.7f28260000000p+0f, -0x1.128c260000000p+1f,
    -0x1.0e0e480000000p+1f, -0x1.07cf860000000p+1f, -0x1.02eb180000000p+1f, -0x1.fba9c20000000p+0f,
    -0x1.f4a6240000000p+0f, -0x1.e9c0f40000000p+0f, -0x1.e2394a0000000p+0f, -0x1.d67f1c0000000p+0f,
};

// what the floats above leave over
VMF_TABLE float single_log_offset_half_over_pi_tail[16] = {
    -0x1.0c97d60000000p-25f, 0x1.093dac0000000p-25f, -0x1.8dc33a0000000p-27f, -0x1.98bbd00000000p-25f,
    0x1.4c6dee0000000p-26f, -0x1.fdfcf00000000p-25f, 0x1.ee33220000000p-25f, -0x1.dbf1020000000p-24f,
    0x1.960af80000000p-25f, -0x1.5811f80000000p-28f, 0x1.7592620000000p-24f, -0x1.da2f560000000p-26f,
    0x1.71243a0000000p-29f, -0x1.c67bd20000000p-28f, 0x1.fd354c0000000p-25f, -0x1.0c97d60000000p-25f,
};

// ln 2 = head + tail; head has 15 bits: its multiples by exponents are exact.
constexpr float single_ln2_head = 0x1.62e4000000000p-1f;
constexpr float single_ln2_tail = 0x1.7f7d1c0000000p-20f;

// Step 0.359375, 17 nodes to the left and 13 to the right.
constexpr float single_quadrature_1_step = 0x1.7000000000000p-2f;
constexpr int single_quadrature_1_left = 17;
constexpr int single_quadrature_1_right = 13;
// cosh u - 1
VMF_TABLE float single_quadrature_1_cosh[17] = {
    0x1.0b5be60000000p-4f, 0x1.1415ac0000000p-2f, 0x1.4786840000000p-1f, 0x1.394d840000000p+0f,
    0x1.0c94e60000000p+1f, 0x1.b048c00000000p+1f, 0x1.4e909c0000000p+2f, 0x1.f904d60000000p+2f,
    0x1.76e0cc0000000p+3f, 0x1.132e800000000p+4f, 0x1.90efda0000000p+4f, 0x1.228f960000000p+5f,
    0x1.a3a11e0000000p+5f, 0x1.2e42fc0000000p+6f, 0x1.b2b0a20000000p+6f, 0x1.3831a00000000p+7f,
    0x1.c00f400000000p+7f,
};

// sinh u - u
VMF_TABLE float single_quadrature_1_sinh[17] = {
    0x1.fe3dfc0000000p-8f, 0x1.041b900000000p-4f, 0x1.c54e100000000p-3f, 0x1.18feb40000000p-1f,
    0x1.22b6de0000000p+0f, 0x1.0d77940000000p+1f, 0x1.d0c92a0000000p+1f, 0x1.7d68840000000p+2f,
    0x1.2e1e280000000p+3f, 0x1.d27bc20000000p+3f, 0x1.61613a0000000p+4f, 0x1.07f4260000000p+5f,
    0x1.862df60000000p+5f, 0x1.1e1c4c0000000p+6f, 0x1.a11bf80000000p+6f, 0x1.2eaffe0000000p+7f,
    0x1.b5d61c0000000p+7f,
};

// exp(u), the nodes to the left
VMF_TABLE float single_quadrature_1_exp[17] = {
    0x1.6eb3fc0000000p+0f, 0x1.06a3920000000p+1f, 0x1.7836820000000p+1f, 0x1.0d73380000000p+2f,
    0x1.81f82a0000000p+2f, 0x1.1470140000000p+3f, 0x1.8bfa980000000p+3f, 0x1.1b9b560000000p+4f,
    0x1.963f7a0000000p+4f, 0x1.22f6300000000p+5f, 0x1.a0c88a0000000p+5f, 0x1.2a81de0000000p+6f,
    0x1.ab978a0000000p+6f, 0x1.323fa40000000p+7f, 0x1.b6ae4c0000000p+7f, 0x1.3a30d00000000p+8f,
    0x1.c20eae0000000p+8f,
};

// exp(-u), the nodes to the right
VMF_TABLE float single_quadrature_1_exp_minus[13] = {
    0x1.656f000000000p-1f, 0x1.f30ec80000000p-2f, 0x1.5c66020000000p-2f, 0x1.e671500000000p-3f,
    0x1.53977a0000000p-3f, 0x1.da257c0000000p-4f, 0x1.4b01ee0000000p-4f, 0x1.ce29380000000p-5f,
    0x1.42a3f00000000p-5f, 0x1.c27a840000000p-6f, 0x1.3a7c180000000p-6f, 0x1.b7176a0000000p-7f,
    0x1.3289060000000p-7f,
};

// Step 0.265625, 19 nodes to the left and 10 to the right.
constexpr float single_quadrature_4_step = 0x1.1000000000000p-2f;
constexpr int single_quadrature_4_left = 19;
constexpr int single_quadrature_4_right = 10;
// cosh u - 1
VMF_TABLE float single_quadrature_4_cosh[19] = {
    0x1.22b4080000000p-5f, 0x1.27dc7a0000000p-3f, 0x1.56b2b80000000p-2f, 0x1.3d3b560000000p-1f,
    0x1.04fbcc0000000p+0f, 0x1.900af80000000p+0f, 0x1.24d4e20000000p+1f, 0x1.9f82580000000p+1f,
    0x1.2061660000000p+2f, 0x1.8a04020000000p+2f, 0x1.0a14240000000p+3f, 0x1.644e0e0000000p+3f,
    0x1.da17120000000p+3f, 0x1.39e59a0000000p+4f, 0x1.9e298c0000000p+4f, 0x1.107a8c0000000p+5f,
    0x1.65c8540000000p+5f, 0x1.d50bfe0000000p+5f, 0x1.33158c0000000p+6f,
};

// sinh u - u
VMF_TABLE float single_quadrature_4_sinh[19] = {
    0x1.9add0a0000000p-9f, 0x1.9f3baa0000000p-6f, 0x1.6494a60000000p-4f, 0x1.b128460000000p-3f,
    0x1.b499f00000000p-2f, 0x1.88110e0000000p-1f, 0x1.45c9380000000p+0f, 0x1.0038c40000000p+1f,
    0x1.830a260000000p+1f, 0x1.1b85ac0000000p+2f, 0x1.95b64a0000000p+2f, 0x1.1cfbf00000000p+3f,
    0x1.8a93d20000000p+3f, 0x1.0e02380000000p+4f, 0x1.6e1d5a0000000p+4f, 0x1.ecbaac0000000p+4f,
    0x1.4991ee0000000p+5f, 0x1.b6bad20000000p+5f, 0x1.22def60000000p+6f,
};

// exp(u), the nodes to the left
VMF_TABLE float single_quadrature_4_exp[19] = {
    0x1.4de30e0000000p+0f, 0x1.b3787e0000000p+0f, 0x1.1bfafc0000000p+1f, 0x1.72615a0000000p+1f,
    0x1.e311240000000p+1f, 0x1.3b04e00000000p+2f, 0x1.9adcbe0000000p+2f, 0x1.0beec60000000p+3f,
    0x1.5d733c0000000p+3f, 0x1.c7c4d80000000p+3f, 0x1.2937a40000000p+4f, 0x1.83a4fe0000000p+4f,
    0x1.f995720000000p+4f, 0x1.49b3e80000000p+5f, 0x1.ae03720000000p+5f, 0x1.186bf20000000p+6f,
    0x1.6dbd200000000p+6f, 0x1.dd03680000000p+6f, 0x1.3712420000000p+7f,
};

// exp(-u), the nodes to the right
VMF_TABLE float single_quadrature_4_exp_minus[10] = {
    0x1.8890640000000p-1f, 0x1.2cfd400000000p-1f, 0x1.cd8d8e0000000p-2f, 0x1.61e28a0000000p-2f,
    0x1.0f553e0000000p-2f, 0x1.a013920000000p-3f, 0x1.3f04520000000p-3f, 0x1.e9328c0000000p-4f,
    0x1.7714a80000000p-4f, 0x1.1f95980000000p-4f,
};

}  // namespace VMF_NAMESPACE
