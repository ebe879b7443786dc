// Rows of embeddings on the device, for NVRTC: their norms, the weighted sum of their directions and their distances from
// a direction. Row: VMF_ROW is float, double or half_bits (float16, read as its bits); compile with
//
//   --std=c++17 --device-as-default-execution-space --fmad=false -DVMF_ROW=float
//
// Rows lie row_stride elements apart, the elements of a row next to each other. All sums are in double and in an order
// that depends on the shape alone: the same input gives the same bits, on any card.

struct half_bits {
    unsigned short bits;
};

namespace vmf_cuda {

constexpr int block_threads = 256;
constexpr int warps = block_threads / 32;

__device__ __forceinline__ double widened(double a) { return a; }
// Conversions that keep subnormals: CuPy compiles with -ftz=true, which would make them 0.
#if defined(__CUDACC__)
__device__ __forceinline__ double widened(float a) {
    double wide;
    asm("cvt.f64.f32 %0, %1;" : "=d"(wide) : "f"(a));
    return wide;
}
__device__ __forceinline__ double widened(half_bits h) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(h.bits));
    return widened(value);
}
#else
__device__ __forceinline__ double widened(float a) { return static_cast<double>(a); }
// Exponent and fraction moved into place and rescaled, which serves subnormals too; infinity and NaN apart.
__device__ __forceinline__ double widened(half_bits h) {
    const unsigned magnitude = h.bits & 0x7fffu;
    const float value = magnitude >= 0x7c00u ? __uint_as_float(0x7f800000u | (magnitude & 0x3ffu) << 13)
                                             : __uint_as_float(magnitude << 13) * 0x1p+112f;
    return static_cast<double>(h.bits & 0x8000u ? -value : value);
}
#endif

// The sum over the block, in every thread; `scratch` holds one double a warp.
__device__ __forceinline__ double block_sum(double a, double* scratch) {
    for (int step = 16; step > 0; step >>= 1) a += __shfl_xor_sync(0xffffffffu, a, step);
    __syncthreads();
    if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = a;
    __syncthreads();
    double sum = scratch[0];
    for (int w = 1; w < warps; ++w) sum += scratch[w];
    return sum;
}

// Beyond these a sum of squares may have lost digits to overflow or underflow.
__device__ __forceinline__ bool usable(double squared_norm) {
    return squared_norm >= 0x1p-900 && squared_norm <= 0x1p+1000;
}

// One pack of elements, loaded at once where `wide`.
template <class Row>
struct alignas(16) Pack {
    static constexpr int size = 16 / sizeof(Row);
    Row at[size];
};
template <class Row>
__device__ __forceinline__ Pack<Row> load(const Row* row, int column, int dim, bool wide) {
    using P = Pack<Row>;
    if (wide && column + P::size <= dim) return *reinterpret_cast<const P*>(row + column);
    P p;
    for (int k = 0; k < P::size; ++k) p.at[k] = column + k < dim ? row[column + k] : Row{};
    return p;
}

// One pass: block b takes rows b, b + gridDim.x, ..., keeps a row in registers while its norm is added up, and adds its
// direction to its own partial sums, VMF_PACKS packs a thread: dim <= 256 * VMF_PACKS * Pack::size. Rows whose norm is not
// usable, or whose weight is 0, add nothing.
template <class Row, int packs>
__device__ __forceinline__ void sum_directions(const Row* rows, long long row_stride, const double* weights, long long n,
                                               int dim, bool wide, double* squared_norms, double* partial) {
    using P = Pack<Row>;
    __shared__ double scratch[warps];
    double sum[packs][P::size];
    for (int j = 0; j < packs; ++j)
        for (int k = 0; k < P::size; ++k) sum[j][k] = 0.0;

    for (long long i = blockIdx.x; i < n; i += gridDim.x) {
        const Row* row = rows + i * row_stride;
        P p[packs];
        for (int j = 0; j < packs; ++j) p[j] = load(row, (j * block_threads + threadIdx.x) * P::size, dim, wide);
        double square = 0.0;
        for (int j = 0; j < packs; ++j)
            for (int k = 0; k < P::size; ++k) square = ::fma(widened(p[j].at[k]), widened(p[j].at[k]), square);
        square = block_sum(square, scratch);
        if (threadIdx.x == 0) squared_norms[i] = square;
        const double weight = weights ? weights[i] : 1.0;
        if (!usable(square) || weight == 0.0) continue;
        const double factor = weight / ::sqrt(square);
        for (int j = 0; j < packs; ++j)
            for (int k = 0; k < P::size; ++k) sum[j][k] = ::fma(widened(p[j].at[k]), factor, sum[j][k]);
    }
    for (int j = 0; j < packs; ++j)
        for (int k = 0; k < P::size; ++k) {
            const int column = (j * block_threads + threadIdx.x) * P::size + k;
            if (column < dim) partial[static_cast<long long>(blockIdx.x) * dim + column] = sum[j][k];
        }
}

}  // namespace vmf_cuda

#ifdef VMF_PACKS
extern "C" __global__ void __launch_bounds__(256) sum_directions(const VMF_ROW* rows, long long row_stride,
                                                                 const double* weights, long long n, int dim, int wide,
                                                                 double* squared_norms, double* partial) {
    vmf_cuda::sum_directions<VMF_ROW, VMF_PACKS>(rows, row_stride, weights, n, dim, wide != 0, squared_norms, partial);
}
#endif

// Rows too long for the registers: the norms of some rows, one block a row, and then, the rows still in the second-level
// cache, their sum: thread t of block (b, c) adds column 256 c + t of rows b, b + gridDim.x, ... to its partial sum.
extern "C" __global__ void __launch_bounds__(256) squared_norms_of(const VMF_ROW* rows, long long row_stride, long long n,
                                                                   int dim, int wide, double* squared_norms) {
    using namespace vmf_cuda;
    __shared__ double scratch[warps];
    for (long long i = blockIdx.x; i < n; i += gridDim.x) {
        double square = 0.0;
        for (int c = threadIdx.x * Pack<VMF_ROW>::size; c < dim; c += block_threads * Pack<VMF_ROW>::size) {
            const Pack<VMF_ROW> p = load(rows + i * row_stride, c, dim, wide != 0);
            for (int k = 0; k < Pack<VMF_ROW>::size; ++k) square = ::fma(widened(p.at[k]), widened(p.at[k]), square);
        }
        square = block_sum(square, scratch);
        if (threadIdx.x == 0) squared_norms[i] = square;
    }
}

extern "C" __global__ void __launch_bounds__(256) add_directions(const VMF_ROW* rows, long long row_stride,
                                                                 const double* weights, const double* squared_norms,
                                                                 long long n, int dim, double* partial) {
    using namespace vmf_cuda;
    const int column = static_cast<int>(blockIdx.y) * block_threads + threadIdx.x;
    if (column >= dim) return;
    double* place = partial + static_cast<long long>(blockIdx.x) * dim + column;
    double sum = *place;
    for (long long i = blockIdx.x; i < n; i += gridDim.x) {
        const double square = squared_norms[i];
        const double weight = weights ? weights[i] : 1.0;
        if (!usable(square) || weight == 0.0) continue;
        sum = ::fma(widened(rows[i * row_stride + column]), weight / ::sqrt(square), sum);
    }
    *place = sum;
}

// The partial sums of a column in order, with the rounding errors in lo.
extern "C" __global__ void __launch_bounds__(256) merge_partial_sums(const double* partial, int parts, int dim, double* hi,
                                                                     double* lo) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= dim) return;
    double sum = 0.0, errors = 0.0;
    for (int part = 0; part < parts; ++part) {
        const double a = partial[static_cast<long long>(part) * dim + column];
        const double s = sum + a;
        const double t = s - sum;
        errors += (sum - (s - t)) + (a - t);
        sum = s;
    }
    hi[column] = sum;
    lo[column] = errors;
}

// 1 - u . m = |u - m|^2/2 of each row's direction u and the unit vector m, and the squared norm: the difference keeps its
// digits where u is near m. One block a row, which it reads twice, the second time from cache.
extern "C" __global__ void __launch_bounds__(256) dispersion_of_each(const VMF_ROW* rows, long long row_stride,
                                                                     const double* direction, long long n, int dim, int wide,
                                                                     double* squared_norms, double* dispersion) {
    using namespace vmf_cuda;
    __shared__ double scratch[warps];
    constexpr int size = Pack<VMF_ROW>::size;
    for (long long i = blockIdx.x; i < n; i += gridDim.x) {
        const VMF_ROW* row = rows + i * row_stride;
        double square = 0.0;
        for (int c = threadIdx.x * size; c < dim; c += block_threads * size) {
            const Pack<VMF_ROW> p = load(row, c, dim, wide != 0);
            for (int k = 0; k < size; ++k) square = ::fma(widened(p.at[k]), widened(p.at[k]), square);
        }
        square = block_sum(square, scratch);
        const double factor = 1.0 / ::sqrt(square);
        double distance = 0.0;
        for (int c = threadIdx.x * size; c < dim; c += block_threads * size) {
            const Pack<VMF_ROW> p = load(row, c, dim, wide != 0);
            for (int k = 0; k < size; ++k) {
                const double d = c + k < dim ? ::fma(widened(p.at[k]), factor, -direction[c + k]) : 0.0;
                distance = ::fma(d, d, distance);
            }
        }
        distance = block_sum(distance, scratch);
        if (threadIdx.x == 0) {
            squared_norms[i] = square;
            dispersion[i] = 0.5 * distance;
        }
    }
}
