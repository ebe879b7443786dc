// What differs between the compilers that read these headers: g++/clang for the CPU, NVRTC for CUDA.
//
// Every header is compiled once for each instruction set. VMF_NAMESPACE names that build, so that an inline function
// compiled with AVX-512 is never merged by the linker with the one compiled for the baseline.
#pragma once

#ifndef VMF_NAMESPACE
#define VMF_NAMESPACE vmf_scalar
#endif

#if defined(__CUDACC__)
#define VMF_FN __device__ __forceinline__
#define VMF_SLOW_FN __device__ __noinline__
#define VMF_TABLE __device__ static const
#else
#define VMF_FN inline __attribute__((always_inline))
#define VMF_SLOW_FN __attribute__((noinline))
#define VMF_TABLE static constexpr
#endif

#if defined(__CUDACC_RTC__)
using vmf_uint64 = unsigned long long;
#define VMF_INFINITY (1.0 / 0.0)
#else
#include <cmath>
#include <cstdint>
#include <cstring>
using vmf_uint64 = std::uint64_t;
#define VMF_INFINITY __builtin_huge_val()
#endif
