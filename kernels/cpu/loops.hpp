// Array loops over the functions, written once over the lane type of the instruction set that includes this file.
//
// A block of elements is classified, gathered region by region, computed in whole registers and scattered back, so that
// no register holds two regions. Blocks that lie in one region skip the sort.
#pragma once

#include <cstddef>

#include "vmf/concentration.hpp"
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

// [begin, end) in region R. The last register may reach into the next region, which is computed later and overwrites
// what was written there; past the end of the block lies padding.
template <class F, int R>
VMF_SLOW_FN void compute(Block& b, int begin, int end) {
    for (int i = begin; i < end; i += vector_width) {
        const Vector v = LaneTraits<Vector>::load(b.v + i);
        const Vector x = LaneTraits<Vector>::load(b.x + i);
        LaneTraits<Vector>::store(b.y + i, F::template at<R>(v, x));
    }
}

template <class F, int R = 1>
void compute_region(int region, Block& b, int begin, int end) {
    if constexpr (R < region_count) {
        if constexpr (uses_region<F>(R)) {
            if (region == R) return compute<F, R>(b, begin, end);
        }
        return compute_region<F, R + 1>(region, b, begin, end);
    }
}

template <class Float>
double as_double(const char* p) {
    Float a;
    std::memcpy(&a, p, sizeof a);
    return static_cast<double>(a);
}

template <class F, class Float>
struct Loop {
    static void block(const char* a, std::ptrdiff_t a_step, const char* x, std::ptrdiff_t x_step, char* out,
                      std::ptrdiff_t out_step, int n, bool& invalid) {
        Block b;
        alignas(64) double region[padded_size];
        for (int i = 0; i < n; ++i) b.v[i] = as_double<Float>(a + i * a_step);
        for (int i = 0; i < n; ++i) b.x[i] = as_double<Float>(x + i * x_step);
        for (int i = n; i < n + vector_width; ++i) b.v[i] = b.x[i] = 1.0;

        int count[region_count + 1] = {};
        for (int i = 0; i < n; i += vector_width) {
            const Vector v = F::order(LaneTraits<Vector>::load(b.v + i));
            LaneTraits<Vector>::store(b.v + i, v);
            LaneTraits<Vector>::store(region + i, F::region(v, LaneTraits<Vector>::load(b.x + i)));
        }
        alignas(64) unsigned char code[block_size];
        for (int i = 0; i < n; ++i) code[i] = static_cast<unsigned char>(static_cast<int>(region[i]));
        for (int i = 0; i < n; ++i) ++count[code[i] + 1];

        const int first = code[0];
        if (count[first + 1] == n) {
            finish(first, b, 0, n, invalid);
            for (int i = 0; i < n; ++i) put(out + i * out_step, b.y[i]);
            return;
        }
        int start[region_count + 1];
        start[0] = 0;
        for (int r = 0; r < region_count; ++r) start[r + 1] = start[r] + count[r + 1];
        int next[region_count];
        for (int r = 0; r < region_count; ++r) next[r] = start[r];
        Block s;
        short place[block_size];
        for (int i = 0; i < n; ++i) {
            const int k = next[code[i]]++;
            place[i] = static_cast<short>(k);
            s.v[k] = b.v[i];
            s.x[k] = b.x[i];
        }
        for (int i = n; i < n + vector_width; ++i) s.v[i] = s.x[i] = 1.0;
        for (int r = 0; r < region_count; ++r) {
            if (start[r + 1] > start[r]) finish(r, s, start[r], start[r + 1], invalid);
        }
        for (int i = 0; i < n; ++i) put(out + i * out_step, s.y[place[i]]);
    }

    static void put(char* p, double y) {
        const Float f = static_cast<Float>(y);
        std::memcpy(p, &f, sizeof f);
    }

    static void finish(int region, Block& b, int begin, int end, bool& invalid) {
        if (region == region_special) {
            for (int i = begin; i < end; ++i) {
                b.y[i] = F::special(b.v[i], b.x[i]);
                invalid |= b.y[i] != b.y[i] && b.v[i] == b.v[i] && b.x[i] == b.x[i];
            }
            return;
        }
        compute_region<F>(region, b, begin, end);
    }

    static bool run(const char* a, std::ptrdiff_t a_step, const char* x, std::ptrdiff_t x_step, char* out,
                    std::ptrdiff_t out_step, std::ptrdiff_t n) {
        bool invalid = false;
        for (std::ptrdiff_t i = 0; i < n; i += block_size) {
            const int m = static_cast<int>(n - i < block_size ? n - i : block_size);
            block(a + i * a_step, a_step, x + i * x_step, x_step, out + i * out_step, out_step, m, invalid);
        }
        return invalid;
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

// In the order of the list of names in vmf/special/_table.py; the module looks them up by name.
static const LoopEntry entries[] = {
    entry<LogI<false>>("log_iv"),
    entry<LogI<true>>("log_ive"),
    entry<LogK<false>>("log_kv"),
    entry<LogK<true>>("log_kve"),
    entry<IvRatio<false>>("iv_ratio"),
    entry<IvRatio<true>>("iv_ratio_c"),
    entry<KvRatio>("kv_ratio"),
    entry<LogIvDx>("log_iv_dx"),
    entry<LogIvDv>("log_iv_dv"),
    entry<LogKvDx>("log_kv_dx"),
    entry<LogKvDv>("log_kv_dv"),
    entry<LogNormalizer<false>>("log_normalizer"),
    entry<LogNormalizer<true>>("log_normalizer_e"),
    entry<MeanResultantLength<false>>("mean_resultant_length"),
    entry<MeanResultantLength<true>>("mean_resultant_length_c"),
    entry<MeanResultantLengthDkappa>("mean_resultant_length_dkappa"),
    entry<Entropy>("entropy"),
    entry<Concentration<false>>("concentration"),
    entry<Concentration<true>>("concentration_c"),
};

}  // namespace VMF_NAMESPACE
