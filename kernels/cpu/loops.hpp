// Array loops over the functions, written once over the lane type of the instruction set that includes this file.
//
// A block of elements is classified; the region that holds most of it is computed in whole registers where it lies, and
// the others are gathered, computed and scattered back, so that no register waits for two formulas.
#pragma once

#include <cstddef>

#include "vmf/concentration.hpp"
#include "vmf/names.hpp"

#include "table.hpp"

namespace VMF_NAMESPACE {

#ifdef VMF_LANES
using Vector = VMF_LANES;
#else
using Vector = double;
#endif

constexpr int block_size = 1024;
constexpr int vector_width = LaneTraits<Vector>::width;
constexpr int padded_size = block_size + vector_width;

struct Block {
    alignas(64) double v[padded_size];
    alignas(64) double x[padded_size];
    alignas(64) double y[padded_size];
};

// Doubtful values of one region that did not fill a register: they wait for those of later blocks.
struct Waiting {
    alignas(64) double v[3 * vector_width];
    alignas(64) double x[3 * vector_width];
    std::ptrdiff_t place[3 * vector_width];
    int count = 0;
};

// Where the values of a block go: element k of it is element first + index[k] of the output.
struct Places {
    const int* index;
    const int* code;  // the regions of the elements where strangers lie among them, else null
    std::ptrdiff_t first;
    Waiting* waiting;  // by region
};

template <class F, int R>
void mend(const double* v, const double* x, double* y, int n) {
    for (int i = 0; i < n; i += vector_width) {
        const Vector finer = F::template finer<R>(LaneTraits<Vector>::load(v + i), LaneTraits<Vector>::load(x + i));
        LaneTraits<Vector>::store(y + i, finer);
    }
    for (int i = 0; i < n; ++i) {
        if (F::template finer_doubtful<R>(x[i], y[i])) y[i] = F::repaired(v[i], x[i]);
    }
}

// The doubtful ones of a block again: where a finer formula for lanes serves, whole registers now and the rest later.
template <class F, int R>
VMF_SLOW_FN void repair(Block& b, const int* doubtful, int n, const Places& places) {
    int done = 0;
    if constexpr (F::template has_finer<R>) {
        alignas(64) double v[vector_width];
        alignas(64) double x[vector_width];
        alignas(64) double y[vector_width];
        for (; done + vector_width <= n; done += vector_width) {
            for (int k = 0; k < vector_width; ++k) {
                v[k] = b.v[doubtful[done + k]];
                x[k] = b.x[doubtful[done + k]];
            }
            mend<F, R>(v, x, y, vector_width);
            for (int k = 0; k < vector_width; ++k) b.y[doubtful[done + k]] = y[k];
        }
        Waiting& w = places.waiting[R];
        for (; done < n; ++done, ++w.count) {
            w.v[w.count] = b.v[doubtful[done]];
            w.x[w.count] = b.x[doubtful[done]];
            w.place[w.count] = places.first + (places.index ? places.index[doubtful[done]] : doubtful[done]);
        }
    }
    for (; done < n; ++done) b.y[doubtful[done]] = F::repaired(b.v[doubtful[done]], b.x[doubtful[done]]);
}

// [begin, end) in region R. The last register reaches into the padding behind, which the next region overwrites.
template <class F, int R>
VMF_SLOW_FN void compute(Block& b, int begin, int end, [[maybe_unused]] const Places& places) {
    [[maybe_unused]] int doubtful[padded_size];
    [[maybe_unused]] int n = 0;
    for (int i = begin; i < end; i += vector_width) {
        const Vector v = LaneTraits<Vector>::load(b.v + i);
        const Vector x = LaneTraits<Vector>::load(b.x + i);
        const Vector y = F::template at<R>(v, x);
        LaneTraits<Vector>::store(b.y + i, y);
        if constexpr (F::repairs) {
            if (any(F::template doubtful<R>(v, x, y))) {
                for (int k = i; k < i + vector_width && k < end; ++k) {
                    const bool stranger = places.code && places.code[k] != R;
                    if (!stranger && F::template doubtful<R>(b.v[k], b.x[k], b.y[k])) doubtful[n++] = k;
                }
            }
        }
    }
    if constexpr (F::repairs) {
        if (n > 0) repair<F, R>(b, doubtful, n, places);
    }
}

template <class F, int R = 1>
void compute_region(int region, Block& b, int begin, int end, const Places& places) {
    if constexpr (R < region_count) {
        if constexpr (uses_region<F>(R)) {
            if (region == R) return compute<F, R>(b, begin, end, places);
        }
        return compute_region<F, R + 1>(region, b, begin, end, places);
    }
}

// The limits and, after the vector loops, whatever they leave to be done value by value.
template <class F>
bool finish_region(int region, Block& b, int begin, int end, const Places& places) {
    bool invalid = false;
    if (region == region_special) {
        for (int i = begin; i < end; ++i) {
            b.y[i] = F::special(b.v[i], b.x[i]);
            invalid |= b.y[i] != b.y[i] && b.v[i] == b.v[i] && b.x[i] == b.x[i];
        }
    } else {
        compute_region<F>(region, b, begin, end, places);
    }
    return invalid;
}

// Indices of the elements in region r, in order; written past the count by one at most.
inline int matches(const int* code, int n, int r, int* index) {
    int k = 0;
#if defined(__AVX512F__)
    const __m512i wanted = _mm512_set1_epi32(r);
    __m512i here = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int i = 0; i < n; i += 16) {
        const __mmask16 inside = n - i >= 16 ? 0xffff : static_cast<__mmask16>((1u << (n - i)) - 1);
        const __mmask16 m = _mm512_mask_cmpeq_epi32_mask(inside, _mm512_loadu_si512(code + i), wanted);
        _mm512_storeu_si512(index + k, _mm512_maskz_compress_epi32(m, here));
        k += __builtin_popcount(m);
        here = _mm512_add_epi32(here, _mm512_set1_epi32(16));
    }
#else
    for (int i = 0; i < n; ++i) {
        index[k] = i;
        k += code[i] == r;
    }
#endif
    return k;
}

template <class Float>
void load(double* to, const char* from, std::ptrdiff_t step, int n) {
    if (step == 0) {
        Float a;
        std::memcpy(&a, from, sizeof a);
        for (int i = 0; i < n; ++i) to[i] = static_cast<double>(a);
    } else if (step == static_cast<std::ptrdiff_t>(sizeof(Float))) {
        for (int i = 0; i < n; ++i) {
            Float a;
            std::memcpy(&a, from + i * sizeof(Float), sizeof a);
            to[i] = static_cast<double>(a);
        }
    } else {
        for (int i = 0; i < n; ++i) {
            Float a;
            std::memcpy(&a, from + i * step, sizeof a);
            to[i] = static_cast<double>(a);
        }
    }
    for (int i = n; i < n + vector_width; ++i) to[i] = 1.0;
}

template <class F, class Float>
struct Loop {
    static bool block(const char* a, std::ptrdiff_t a_step, const char* x, std::ptrdiff_t x_step, char* out,
                      std::ptrdiff_t out_step, int n, std::ptrdiff_t first, Waiting* waiting) {
        Block b;
        load<Float>(b.v, a, a_step, n);
        load<Float>(b.x, x, x_step, n);

        alignas(64) int code[padded_size + 16];
        for (int i = 0; i < n; i += vector_width) {
            const Vector v = F::order(LaneTraits<Vector>::load(b.v + i));
            LaneTraits<Vector>::store(b.v + i, v);
            LaneTraits<Vector>::store_codes(code + i, F::region(v, LaneTraits<Vector>::load(b.x + i)));
        }
        int count[region_count] = {};
        unsigned present = 0;
        for (int i = 0; i < n; ++i) present |= 1u << code[i];
        int most = region_special;
        for (int r = 0; r < region_count; ++r) {
            if (!(present >> r & 1)) continue;
            for (int i = 0; i < n; ++i) count[r] += code[i] == r;
            if (count[r] > count[most] || count[most] == 0) most = r;
        }

        // A region that holds most of the block is computed where it lies, strangers included, unless its formula is dear;
        // the others are gathered.
        bool invalid = false;
        const int least = most > region_debye20 ? n / 2 : n - n / 8;
        const bool in_place = count[most] == n || (count[most] >= least && most != region_special);
        if (in_place) {
            invalid = finish_region<F>(most, b, 0, n, Places{nullptr, code, first, waiting});
            if (out_step == static_cast<std::ptrdiff_t>(sizeof(Float))) {
                for (int i = 0; i < n; ++i) put(out + i * sizeof(Float), b.y[i]);
            } else {
                for (int i = 0; i < n; ++i) put(out + i * out_step, b.y[i]);
            }
        }
        Block s;
        int index[padded_size + 16];
        for (int r = 0; r < region_count; ++r) {
            if (!(present >> r & 1) || (in_place && r == most)) continue;
            const int m = matches(code, n, r, index);
            for (int k = 0; k < m; ++k) s.v[k] = b.v[index[k]];
            for (int k = 0; k < m; ++k) s.x[k] = b.x[index[k]];
            for (int k = m; k < m + vector_width; ++k) s.v[k] = s.x[k] = 1.0;
            invalid |= finish_region<F>(r, s, 0, m, Places{index, nullptr, first, waiting});
            for (int k = 0; k < m; ++k) put(out + index[k] * out_step, s.y[k]);
        }
        return invalid;
    }

    static void put(char* p, double y) {
        const Float f = static_cast<Float>(y);
        std::memcpy(p, &f, sizeof f);
    }

    static bool run(const char* a, std::ptrdiff_t a_step, const char* x, std::ptrdiff_t x_step, char* out,
                    std::ptrdiff_t out_step, std::ptrdiff_t n) {
        bool invalid = false;
        Waiting waiting[region_debye20];
        for (std::ptrdiff_t i = 0; i < n; i += block_size) {
            const int m = static_cast<int>(n - i < block_size ? n - i : block_size);
            invalid |= block(a + i * a_step, a_step, x + i * x_step, x_step, out + i * out_step, out_step, m, i, waiting);
            if constexpr (F::repairs) flush(waiting, vector_width, out, out_step);
        }
        if constexpr (F::repairs) flush(waiting, 1, out, out_step);
        return invalid;
    }

    // The waiting values of every region that has at least so many.
    template <int R = 1>
    static void flush(Waiting* waiting, int least, char* out, std::ptrdiff_t out_step) {
        if constexpr (R < region_debye20) {
            if constexpr (F::template has_finer<R>) {
                Waiting& w = waiting[R];
                if (w.count >= least) {
                    alignas(64) double y[3 * vector_width];
                    for (int k = w.count; k < w.count + vector_width; ++k) w.v[k] = w.x[k] = 1.0;
                    mend<F, R>(w.v, w.x, y, w.count);
                    for (int k = 0; k < w.count; ++k) put(out + w.place[k] * out_step, y[k]);
                    w.count = 0;
                }
            }
            flush<R + 1>(waiting, least, out, out_step);
        }
    }
};

template <class F>
signed char region_code(double a, double x) {
    return static_cast<signed char>(F::region(F::order(a), x));
}

template <class F>
constexpr LoopEntry entry(const char* name) {
    return {name, Loop<F, float>::run, Loop<F, double>::run, region_code<F>};
}

#define VMF_LOOP_ENTRY(name, ...) entry<__VA_ARGS__>(#name),
static const LoopEntry entries[] = {VMF_FUNCTIONS(VMF_LOOP_ENTRY)};
#undef VMF_LOOP_ENTRY

}  // namespace VMF_NAMESPACE
