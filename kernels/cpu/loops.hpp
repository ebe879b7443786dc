// Array loops over the functions, written once over the lane type of the instruction set that includes this file.
//
// A block of elements most of which one Debye sum serves is computed where it lies, without a look at the elements before:
// the sum of more terms gives the points of a shorter one that one's very bits. So are 64 elements of one region. All
// others are sorted: each goes to the queue of its region, which is computed when it holds enough, whole registers again;
// the values next to a zero for which a finer formula for lanes exists go the same way. No register waits for two formulas,
// and only the last of a queue is computed half empty. A value depends on its own arguments alone, not on its neighbours.
// An element's result is written once all that is read of it has been: the output may be one of the inputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vmf/concentration.hpp"
#include "vmf/names.hpp"

#include "table.hpp"

namespace VMF_NAMESPACE {

#ifdef VMF_LANES
using Vector = VMF_LANES;
#else
using Vector = double;
#endif

using Memory = LaneTraits<Vector>;
constexpr int vector_width = Memory::width;
constexpr unsigned all_lanes = (1u << vector_width) - 1;
constexpr int block_registers = 64;
constexpr int block_size = block_registers * vector_width;
// A multiple of the width; no more registers than a block has.
constexpr int queue_size = vector_width == 1 ? block_registers : 128;
constexpr std::ptrdiff_t longest_run = std::ptrdiff_t(1) << 30;  // the numbers of elements are ints

// Elements of one region from here and there, by their numbers.
struct Queue {
    int number[queue_size + 2 * 64];
    int count = 0;
};

// Registers of one region: register k holds a[scale_a * offset[k]...] and x[scale_x * offset[k]...].
struct Batch {
    const double* a;
    const double* x;
    double* y;
    int scale_a, scale_x;
    int offset[block_registers];
    unsigned lanes[block_registers];  // of each register, the lanes that count
    int count = 0;
};

// Places in a batch's arrays.
struct Places {
    int place[block_size];
    int count = 0;

    // Those of the lanes of the register at i.
    void add(int i, unsigned lanes) {
        for (; lanes; lanes &= lanes - 1) place[count++] = i + __builtin_ctz(lanes);
    }
};

// What the loops need of a function, first argument raw (F::order is applied inside).
struct Formulas {
    void (*classify)(const double* a, int scale_a, const double* x, int scale_x, int n, unsigned char* code);
    void (*compute[region_count])(Batch&, Places& doubts);  // takes the lanes that are in doubt out of the batch
    // For the Debye sums that nest, else null; takes the lanes that the sum does not serve out of the batch, too.
    void (*served[region_count])(Batch&, Places& doubts, Places& unserved);
    void (*finer[region_count])(Batch&);             // for those, where a finer formula for lanes exists, else null
    double (*repaired)(double a, double x);
    double (*special)(double a, double x);
    int (*region)(double a, double x);
};

template <class F>
VMF_SLOW_FN void classify(const double* a, int scale_a, const double* x, int scale_x, int n, unsigned char* code) {
    for (int i = 0; i < n; i += vector_width) {
        const Vector v = F::order(Memory::load(a + scale_a * i));
        Memory::store_codes(code + i, F::region(v, Memory::load(x + scale_x * i)));
    }
}

template <class F, int R>
VMF_SLOW_FN void compute(Batch& b, [[maybe_unused]] Places& doubts) {
    for (int k = 0; k < b.count; ++k) {
        const int i = b.offset[k];
        const Vector v = F::order(Memory::load(b.a + b.scale_a * i));
        const Vector x = Memory::load(b.x + b.scale_x * i);
        const Vector y = F::template at<R>(v, x);
        if constexpr (F::repairs) {
            unsigned doubtful = lane_bits(F::template doubtful<R>(v, x, y)) & b.lanes[k];
            b.lanes[k] &= ~doubtful;
            doubts.add(i, doubtful);
        }
        if (b.lanes[k] == all_lanes) Memory::store(b.y + i, y);
        else Memory::store_some(b.y + i, y, b.lanes[k]);
    }
}

// As compute, for registers not looked at yet.
template <class F, int R>
VMF_SLOW_FN void served(Batch& b, [[maybe_unused]] Places& doubts, Places& unserved) {
    for (int k = 0; k < b.count; ++k) {
        const int i = b.offset[k];
        const Vector v = F::order(Memory::load(b.a + b.scale_a * i));
        const Vector x = Memory::load(b.x + b.scale_x * i);
        const Vector y = F::template at<R>(v, x);
        const unsigned good = lane_bits(debye_serves<terms_of<R>()>(v, x));
        unsigned doubtful = 0;
        if constexpr (F::repairs) doubtful = lane_bits(F::template doubtful<R>(v, x, y)) & good;
        b.lanes[k] = good & ~doubtful;
        Memory::store_some(b.y + i, y, b.lanes[k]);
        doubts.add(i, doubtful);
        unserved.add(i, all_lanes & ~good);
    }
}

template <class F, int R>
VMF_SLOW_FN void finer(Batch& b) {
    for (int k = 0; k < b.count; ++k) {
        const int i = b.offset[k];
        const Vector v = F::order(Memory::load(b.a + b.scale_a * i));
        const Vector x = Memory::load(b.x + b.scale_x * i);
        const Vector y = F::template finer<R>(v, x);
        Memory::store(b.y + i, y);
        unsigned doubtful = lane_bits(F::template finer_doubtful<R>(v, x, y)) & b.lanes[k];
        for (; doubtful; doubtful &= doubtful - 1) {
            const int lane = __builtin_ctz(doubtful);
            b.y[i + lane] = F::repaired(F::order(b.a[b.scale_a * i + lane]), b.x[b.scale_x * i + lane]);
        }
    }
}

template <class F, int R = 1>
constexpr void add_formulas(Formulas& f) {
    if constexpr (R < region_count) {
        if constexpr (uses_region<F>(R)) {
            f.compute[R] = compute<F, R>;
            if constexpr (F::template has_finer<R>) f.finer[R] = finer<F, R>;
            if constexpr (F::debye_nests && R > region_debye20) f.served[R] = served<F, R>;
        }
        add_formulas<F, R + 1>(f);
    }
}
template <class F>
double repaired(double a, double x) {
    if constexpr (F::repairs) return F::repaired(F::order(a), x);
    else return a + x;
}
template <class F>
double special(double a, double x) {
    return F::special(F::order(a), x);
}
template <class F>
int region_of(double a, double x) {
    return static_cast<int>(F::region(F::order(a), x));
}
template <class F>
constexpr Formulas formulas_of() {
    Formulas f = {classify<F>, {}, {}, {}, repaired<F>, special<F>, region_of<F>};
    add_formulas<F>(f);
    return f;
}
template <class F>
constexpr Formulas formulas = formulas_of<F>();

template <class Float>
double element(const char* first, std::ptrdiff_t step, std::ptrdiff_t number) {
    Float a;
    std::memcpy(&a, first + number * step, sizeof a);
    return static_cast<double>(a);
}

// One of the two arguments. `here` is what a block reads, an element every `scale` doubles: the caller's own array where
// that is made of doubles in a row, one register where all elements are the same, else a copy.
template <class Float>
class Argument {
public:
    const double* here;
    int scale = 1;

    Argument(const char* array, std::ptrdiff_t bytes) : here(copy), first(array), step(bytes) {
        straight = sizeof(Float) == sizeof(double) && step == sizeof(double);
        if (step == 0) {
            scale = 0;
            for (int k = 0; k < vector_width; ++k) copy[k] = element<Float>(first, 0, 0);
        }
    }
    // To elements i...i+n-1. n a multiple of the width, or less than it: then the register is filled up with 1, which
    // every formula takes.
    void move(std::ptrdiff_t i, int n) {
        if (scale == 0) return;
        if (straight && n >= vector_width) {
            here = reinterpret_cast<const double*>(first) + i;
            return;
        }
        here = copy;
        for (int k = 0; k < n; ++k) copy[k] = element<Float>(first, step, i + k);
        for (int k = n; k < vector_width; ++k) copy[k] = 1.0;
    }
    // n elements by their numbers, and copies of the last to fill the register; with scale 0 there is nothing to collect.
    void collect(const int* numbers, int n, double* to) const {
        if (straight) {
            const double* array = reinterpret_cast<const double*>(first);
            for (int k = 0; k < n; k += vector_width) Memory::store(to + k, Memory::gather(array, numbers + k));
        } else if (scale) {
            for (int k = 0; k < n; ++k) to[k] = element<Float>(first, step, numbers[k]);
            for (int k = n; k % vector_width; ++k) to[k] = to[n - 1];
        }
    }
    double at(std::ptrdiff_t i) const { return element<Float>(first, step, i); }

private:
    const char* first;
    std::ptrdiff_t step;
    bool straight;
    alignas(64) double copy[block_size];
};

template <class Float>
class Loop {
public:
    // n <= longest_run
    Loop(const Formulas& f, const char* a, std::ptrdiff_t a_step, const char* x, std::ptrdiff_t x_step, char* to,
         std::ptrdiff_t to_step)
        : formulas(f), left(a, a_step), right(x, x_step), out(to), out_step(to_step) {
        straight = sizeof(Float) == sizeof(double) && out_step == sizeof(double);
    }

    // Whether an argument outside the domain gave NaN.
    bool over(std::ptrdiff_t n) {
        std::ptrdiff_t i = 0;
        while (n - i >= vector_width) {
            const std::ptrdiff_t whole = (n - i) / vector_width * vector_width;
            const int m = static_cast<int>(whole < block_size ? whole : block_size);
            block(i, m);
            i += m;
        }
        if (i < n) block(i, static_cast<int>(n - i));
        for (int r = 0; r < region_count; ++r) {
            if (queues[r].count) drain(r, queues[r].count);
        }
        for (int r = 0; r < region_count; ++r) {
            if (waiting[r].count) mend(r);
        }
        return invalid;
    }

private:
    const Formulas& formulas;
    Argument<Float> left, right;
    char* out;
    std::ptrdiff_t out_step;
    bool straight;
    bool invalid = false;
    Batch batches[region_count];
    Queue queues[region_count];
    Queue waiting[region_count];  // for the finer formulas, by region
    Places doubts, unserved;
    alignas(64) double a_collected[queue_size];
    alignas(64) double x_collected[queue_size];
    alignas(64) double results[block_size > queue_size ? block_size : queue_size];

    void put(std::ptrdiff_t number, double y) {
        const Float f = static_cast<Float>(y);
        std::memcpy(out + number * out_step, &f, sizeof f);
    }

    // Elements first...first+n-1; all to the queues where n is less than the width.
    void block(std::ptrdiff_t first, int n) {
        left.move(first, n);
        right.move(first, n);
        alignas(64) unsigned char code[block_size + 64];
        for (Batch& b : batches) b.count = 0;
        const int most = n == block_size ? debye_of_most(code) : 0;
        if (most) {
            whole_block(most, first);
            return;
        }
        formulas.classify(left.here, left.scale, right.here, right.scale, n, code);
        for (int i = n; i < (n + 63) / 64 * 64; ++i) code[i] = region_count;

        for (int i = 0; i < n; i += 64) {
            if (i + 64 <= n && taken_whole(code + i, i)) continue;
            sort(code + i, static_cast<int>(first) + i);
        }
        for (int r = 1; r < region_count; ++r) {
            Batch& b = batches[r];
            if (b.count == 0) continue;
            point(b, first);
            formulas.compute[r](b, doubts);
            write(b, first);
            resolve(r, first);
        }
    }

    void whole_block(int most, std::ptrdiff_t first) {
        Batch& b = batches[most];
        for (; b.count < block_registers; ++b.count) b.offset[b.count] = b.count * vector_width;
        point(b, first);
        formulas.served[most](b, doubts, unserved);
        write(b, first);
        resolve(most, first);
        for (int k = 0; k < unserved.count; ++k) {
            const int number = static_cast<int>(first) + unserved.place[k];
            const int r = formulas.region(left.at(number), right.at(number));
            Queue& q = queues[r];
            q.number[q.count++] = number;
            if (q.count == queue_size) drain(r, queue_size);
        }
        unserved.count = 0;
    }

    // At the block's elements.
    void point(Batch& b, std::ptrdiff_t first) {
        b.a = left.here;
        b.x = right.here;
        b.y = straight ? reinterpret_cast<double*>(out) + first : results;
        b.scale_a = left.scale;
        b.scale_x = right.scale;
    }
    void write(const Batch& b, std::ptrdiff_t first) {
        if (straight) return;
        for (int k = 0; k < b.count; ++k) {
            for (unsigned lanes = b.lanes[k]; lanes; lanes &= lanes - 1) {
                const int i = b.offset[k] + __builtin_ctz(lanes);
                put(first + i, results[i]);
            }
        }
    }

    // 64 elements to the queues. Few of a region, or none, go without a branch on how many.
    void sort(const unsigned char* code, int first) {
        constexpr int few = 4;
        for (int r = 0; r < region_count; ++r) {
            std::uint64_t members = Memory::matches(code, r);
            Queue& q = queues[r];
            const int n = __builtin_popcountll(members);
            if (n > few) {
                Memory::append(q.number + q.count, first, members);
            } else {
                for (int k = 0; k < few; ++k, members &= members - 1) {
                    q.number[q.count + k] = first + __builtin_ctzll(members | std::uint64_t(1) << 63);
                }
            }
            q.count += n;
            if (q.count >= queue_size) drain(r, queue_size);
        }
    }

    // The Debye sum by which to try a whole block, 0 for none: the cheapest for 64 of its elements. The costs are tenths of
    // a nanosecond: of each sum, of an element that it does not serve after all, of an element that is sorted.
    int debye_of_most(unsigned char* code) {
        if (!formulas.served[region_debye4]) return 0;
        constexpr int apart = block_size / 64 * vector_width;
        for (int k = 0; k < 64 / vector_width; ++k) {
            const int i = k * apart;
            formulas.classify(left.here + left.scale * i, left.scale, right.here + right.scale * i, right.scale,
                              vector_width, code + k * vector_width);
        }
        constexpr int cost[region_count] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 50, 39, 33, 31};
        int best = 0, least = 75 * 64, members = 0;
        for (int r = region_debye4; r >= region_debye13; --r) {
            members += __builtin_popcountll(Memory::matches(code, r));
        }
        for (int r = region_debye13; r <= region_debye4; ++r) {
            const int whole = cost[r] * 64 + 300 * (64 - members);
            if (whole < least) {
                least = whole;
                best = r;
            }
            members -= __builtin_popcountll(Memory::matches(code, r));
        }
        return best;
    }

    // Takes 64 elements of one region at once.
    bool taken_whole(const unsigned char* code, int offset) {
        const int region = code[0];
        if (region == region_special || ~Memory::matches(code, region)) return false;
        Batch& b = batches[region];
        for (int k = 0; k < 64; k += vector_width) {
            b.offset[b.count] = offset + k;
            b.lanes[b.count++] = all_lanes;
        }
        return true;
    }

    // Computes the first n elements of a queue.
    void drain(int region, int n) {
        Queue& q = queues[region];
        if (region == region_special) {
            for (int k = 0; k < n; ++k) {
                const double a = left.at(q.number[k]);
                const double x = right.at(q.number[k]);
                const double y = formulas.special(a, x);
                invalid |= y != y && a == a && x == x;
                put(q.number[k], y);
            }
        } else {
            Batch b = collected(q, n);
            formulas.compute[region](b, doubts);
            // Those in doubt are overwritten nowhere before they are mended.
            if (doubts.count == 0 && straight) {
                double* const to = reinterpret_cast<double*>(out);
                for (int k = 0; k < n; ++k) to[q.number[k]] = results[k];
            } else if (doubts.count == 0) {
                for (int k = 0; k < n; ++k) put(q.number[k], results[k]);
            } else {
                for (int k = 0; k < b.count; ++k) {
                    for (unsigned lanes = b.lanes[k]; lanes; lanes &= lanes - 1) {
                        const int i = b.offset[k] + __builtin_ctz(lanes);
                        put(q.number[i], results[i]);
                    }
                }
                for (int k = 0; k < doubts.count; ++k) doubts.place[k] = q.number[doubts.place[k]];
                resolve(region, 0);
            }
        }
        q.count -= n;
        std::memmove(q.number, q.number + n, q.count * sizeof(int));
    }

    // The first n elements of a queue.
    Batch collected(Queue& q, int n) {
        for (int k = n; k % vector_width; ++k) q.number[k] = q.number[n - 1];
        left.collect(q.number, n, a_collected);
        right.collect(q.number, n, x_collected);
        Batch b;
        b.a = left.scale ? a_collected : left.here;
        b.x = right.scale ? x_collected : right.here;
        b.y = results;
        b.scale_a = left.scale;
        b.scale_x = right.scale;
        for (int k = 0; k < n; k += vector_width, ++b.count) {
            b.offset[b.count] = k;
            b.lanes[b.count] = n - k < vector_width ? (1u << (n - k)) - 1 : all_lanes;
        }
        return b;
    }

    // The elements in doubt that `served` or `compute` found. Finer Debye sums do not nest: each element goes to its own.
    void resolve(int region, std::ptrdiff_t first) {
        for (int k = 0; k < doubts.count; ++k) {
            const int number = doubts.place[k] + static_cast<int>(first);
            if (formulas.served[region]) region = formulas.region(left.at(number), right.at(number));
            Queue& w = waiting[region];
            if (formulas.finer[region]) {
                w.number[w.count++] = number;
                if (w.count == queue_size) mend(region);
            } else {
                put(number, formulas.repaired(left.at(number), right.at(number)));
            }
        }
        doubts.count = 0;
    }
    void mend(int region) {
        Queue& w = waiting[region];
        Batch b = collected(w, w.count);
        formulas.finer[region](b);
        for (int k = 0; k < w.count; ++k) put(w.number[k], results[k]);
        w.count = 0;
    }
};

template <class F, class Float>
bool run(const char* a, std::ptrdiff_t a_step, const char* x, std::ptrdiff_t x_step, char* out, std::ptrdiff_t out_step,
         std::ptrdiff_t n) {
    bool invalid = false;
    for (std::ptrdiff_t i = 0; i < n; i += longest_run) {
        Loop<Float> loop(formulas<F>, a + i * a_step, a_step, x + i * x_step, x_step, out + i * out_step, out_step);
        invalid |= loop.over(n - i < longest_run ? n - i : longest_run);
    }
    return invalid;
}

template <class F>
signed char region_code(double a, double x) {
    return static_cast<signed char>(region_of<F>(a, x));
}

template <class F>
constexpr LoopEntry entry(const char* name) {
    return {name, run<F, float>, run<F, double>, region_code<F>};
}

#define VMF_LOOP_ENTRY(name, ...) entry<__VA_ARGS__>(#name),
static const LoopEntry entries[] = {VMF_FUNCTIONS(VMF_LOOP_ENTRY)};
#undef VMF_LOOP_ENTRY

}  // namespace VMF_NAMESPACE
