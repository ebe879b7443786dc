// What kernels/cuda/*.cu use of CUDA, for g++: a grid runs block by block, the threads of a block as fibers that take
// turns at every barrier. Included ahead of the kernels with -include.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct Index3 {
    unsigned x = 0, y = 0, z = 0;
};
static Index3 blockIdx, threadIdx, gridDim, blockDim;

namespace cuda_on_cpu {

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done = false;
    double exchanged = 0.0;
};
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static unsigned current;
static void (*body)(void**);
static void** arguments;

inline void barrier() { swapcontext(&fibers[current].context, &scheduler); }

inline void run_fiber() {
    body(arguments);
    fibers[current].done = true;
}

inline void run_block() {
    fibers.resize(blockDim.x);
    for (Fiber& fiber : fibers) {
        fiber.done = false;
        fiber.stack.resize(1 << 16);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, run_fiber, 0);
    }
    for (bool busy = true; busy;) {
        busy = false;
        for (current = 0; current < blockDim.x; ++current) {
            if (fibers[current].done) continue;
            threadIdx.x = current;
            swapcontext(&scheduler, &fibers[current].context);
            busy = true;
        }
    }
}

template <auto kernel, class... A, std::size_t... i>
void call(void (*)(A...), void** given, std::index_sequence<i...>) {
    kernel(*static_cast<A*>(given[i])...);
}
template <auto kernel, class... A>
void unpack(void (*shape)(A...), void** given) {
    call<kernel>(shape, given, std::index_sequence_for<A...>{});
}

template <auto kernel>
void launch(unsigned grid_x, unsigned grid_y, unsigned block, void** given) {
    gridDim = {grid_x, grid_y, 1};
    blockDim = {block, 1, 1};
    body = [](void** packed) { unpack<kernel>(kernel, packed); };
    arguments = given;
    for (blockIdx.y = 0; blockIdx.y < grid_y; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < grid_x; ++blockIdx.x) run_block();
}

}  // namespace cuda_on_cpu

inline void __syncthreads() { cuda_on_cpu::barrier(); }

inline double __shfl_xor_sync(unsigned, double a, int mask) {
    cuda_on_cpu::fibers[threadIdx.x].exchanged = a;
    cuda_on_cpu::barrier();
    const double other = cuda_on_cpu::fibers[threadIdx.x ^ static_cast<unsigned>(mask)].exchanged;
    cuda_on_cpu::barrier();
    return other;
}

inline float __uint_as_float(unsigned u) {
    float a;
    std::memcpy(&a, &u, sizeof a);
    return a;
}
