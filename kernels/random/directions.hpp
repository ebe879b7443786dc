// Rows of random directions, as each instruction set's build offers them to the module.
#pragma once

#include <cstdint>

// Row r is mean cos(angle[r]) + y sin(angle[r]), y uniform among the unit vectors orthogonal to the mean direction, which is
// number r modulo `means`. Without angles the rows are plain standard normal numbers.
template <class Float>
struct Rows {
    Float* out;
    long long count;
    int dim;
    const double* angle;
    const Float* mean;
    long long means;
    std::uint64_t key;
};

// Rows are drawn in groups of this many, each from a stream of its own, so that they do not depend on who draws which.
inline int group_rows(int dim) { return dim < 4096 ? 4096 / dim : 1; }

// Fill the rows of groups first, ..., last - 1; `noise` is where normal numbers may lie: group_rows(dim) * dim + 256.
struct DirectionTable {
    void (*single)(const Rows<float>& rows, long long first, long long last, float* noise);
    void (*wide)(const Rows<double>& rows, long long first, long long last, double* noise);
    const char* instruction_set;
};

DirectionTable portable_directions();
#ifdef VMF_X86
DirectionTable avx2_directions();
DirectionTable avx512_directions();
#endif
