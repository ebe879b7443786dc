// What each instruction set's build hands to the module: one entry a function.
#pragma once

#include <cstddef>

// Returns true if a finite argument outside the domain gave NaN.
using LoopFunction = bool (*)(const char* a, std::ptrdiff_t a_step, const char* x, std::ptrdiff_t x_step, char* out,
                              std::ptrdiff_t out_step, std::ptrdiff_t n);

struct LoopEntry {
    const char* name;
    LoopFunction float_loop;
    LoopFunction double_loop;
    signed char (*region)(double a, double x);
};

struct LoopTable {
    const LoopEntry* entries;
    int count;
    const char* instruction_set;
};

LoopTable scalar_loops();
#ifdef VMF_X86
LoopTable avx2_loops();
LoopTable avx512_loops();
#endif
