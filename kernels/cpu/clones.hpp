// One function compiled for several instruction sets, of which the processor's is chosen when the module is loaded.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define VMF_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define VMF_CLONES
#endif
