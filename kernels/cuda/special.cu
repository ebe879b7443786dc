// The functions of vmf.special as CUDA kernels, for NVRTC. Each function gives six entry points, for three layouts and
// two types:
//
//   NAME_one_order_FLOAT(const Float* a, Float a_value, const Float* x, Float* out, long long n)
//       out[i] = NAME(a[0], x[i]); a null pointer takes a_value
//   NAME_paired_FLOAT(const Float* a, const Float* x, Float* out, long long n)
//       out[i] = NAME(a[i], x[i])
//   NAME_strided_FLOAT(const Float* a, Float a_value, const Float* x, Float x_value, Float* out, long long n,
//                      n1, n2, n3,  a0..a3, x0..x3, out0..out3)
//       four dimensions, the last with stride index 3; n elements in all, n1..n3 the sizes of the last three; strides in
//       elements, 0 where an argument is repeated
//
// Any grid will do: each thread takes every k-th element, k the number of threads; the first two layouts move 16 bytes a
// thread at a time and need a, x and out aligned to 16 bytes. float entry points take the path of single.hpp.
//
//   nvrtc options: --std=c++17 --device-as-default-execution-space --fmad=false -I <kernels/include>
//
// --fmad=false because compensated arithmetic needs every rounding where it is written. -DVMF_FUNCTION=log_iv compiles
// that function alone; with -DVMF_LAYOUT=paired -DVMF_FLOAT=double nothing but that one entry point.
#define VMF_NAMESPACE vmf_cuda

#include "vmf/single.hpp"

namespace vmf_cuda {

template <class F>
VMF_FN double evaluate(double a, double x) {
    return value_at<F>(F::order(a), x);
}
template <class F>
VMF_FN float evaluate(float a, float x) {
    return single_value<F>(a, x);
}

// Blocks of 256 threads to fit on a multiprocessor: at most 128 registers a thread for double, 80 for float. Without it
// the rare calls next to zeros, which take 160, would decide for all.
template <class Float>
constexpr int blocks_wanted = sizeof(Float) == 8 ? 2 : 3;

// 16 bytes, moved at once.
template <class Float>
struct alignas(16) Pack {
    static constexpr int size = 16 / sizeof(Float);
    Float at[size];
};

VMF_FN long long first_index() { return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; }
VMF_FN long long thread_count() { return static_cast<long long>(gridDim.x) * blockDim.x; }

// Element k without indexing: an indexed array would live in memory.
VMF_FN double element(const Pack<double>& p, int k) { return k == 0 ? p.at[0] : p.at[1]; }
VMF_FN float element(const Pack<float>& p, int k) {
    return k == 0 ? p.at[0] : k == 1 ? p.at[1] : k == 2 ? p.at[2] : p.at[3];
}
template <class Float>
VMF_FN void set_element(Pack<Float>& p, int k, Float y) {
    for (int j = 0; j < Pack<Float>::size; ++j) p.at[j] = j == k ? y : p.at[j];
}

// The pack at i; what lies beyond n is 1.
template <class Float>
VMF_FN Pack<Float> load(const Float* from, long long i, long long n) {
    if (i + Pack<Float>::size <= n) return *reinterpret_cast<const Pack<Float>*>(from + i);
    Pack<Float> p;
    for (int k = 0; k < Pack<Float>::size; ++k) p.at[k] = i + k < n ? from[i + k] : Float(1);
    return p;
}
template <class Float>
VMF_FN void store(Float* to, long long i, long long n, const Pack<Float>& p) {
    if (i + Pack<Float>::size <= n) {
        *reinterpret_cast<Pack<Float>*>(to + i) = p;
    } else {
        for (int k = 0; k < Pack<Float>::size; ++k) {
            if (i + k < n) to[i + k] = p.at[k];
        }
    }
}

// The formulas stand once in each kernel: the loop over a pack is not unrolled.
template <class F, class Float>
VMF_FN void one_order(const Float* a, Float a_value, const Float* x, Float* out, long long n) {
    const Float order = a ? *a : a_value;
    for (long long i = first_index() * Pack<Float>::size; i < n; i += thread_count() * Pack<Float>::size) {
        Pack<Float> p = load(x, i, n);
#pragma unroll 1
        for (int k = 0; k < Pack<Float>::size; ++k) set_element(p, k, evaluate<F>(order, element(p, k)));
        store(out, i, n, p);
    }
}

template <class F, class Float>
VMF_FN void paired(const Float* a, const Float* x, Float* out, long long n) {
    for (long long i = first_index() * Pack<Float>::size; i < n; i += thread_count() * Pack<Float>::size) {
        const Pack<Float> v = load(a, i, n);
        Pack<Float> p = load(x, i, n);
#pragma unroll 1
        for (int k = 0; k < Pack<Float>::size; ++k) set_element(p, k, evaluate<F>(element(v, k), element(p, k)));
        store(out, i, n, p);
    }
}

// i = ((i0 n1 + i1) n2 + i2) n3 + i3; Index is 32 bits wide where that is enough, since division is slow.
struct Strides {
    long long s0, s1, s2, s3;
    template <class Index>
    VMF_FN long long offset(Index i0, Index i1, Index i2, Index i3) const {
        return static_cast<long long>(i0) * s0 + static_cast<long long>(i1) * s1 + static_cast<long long>(i2) * s2 +
               static_cast<long long>(i3) * s3;
    }
};

struct Offsets {
    long long a, x, out;
};
template <class Index>
VMF_FN Offsets offsets_of(Index i, Index n1, Index n2, Index n3, const Strides& a, const Strides& x, const Strides& out) {
    const Index i3 = i % n3;
    i /= n3;
    const Index i2 = i % n2;
    i /= n2;
    const Index i1 = i % n1;
    const Index i0 = i / n1;
    return {a.offset(i0, i1, i2, i3), x.offset(i0, i1, i2, i3), out.offset(i0, i1, i2, i3)};
}

template <class F, class Float>
VMF_FN void strided(const Float* a, Float a_value, const Float* x, Float x_value, Float* out, long long n, long long n1,
                    long long n2, long long n3, Strides of_a, Strides of_x, Strides of_out) {
    for (long long i = first_index(); i < n; i += thread_count()) {
        const Offsets p = n <= 0xffffffffLL ? offsets_of<unsigned>(static_cast<unsigned>(i), static_cast<unsigned>(n1),
                                                               static_cast<unsigned>(n2), static_cast<unsigned>(n3),
                                                               of_a, of_x, of_out)
                                          : offsets_of<long long>(i, n1, n2, n3, of_a, of_x, of_out);
        out[p.out] = evaluate<F>(a ? a[p.a] : a_value, x ? x[p.x] : x_value);
    }
}

namespace formula {
#define VMF_FORMULA(name, ...) using name = __VA_ARGS__;
VMF_FUNCTIONS(VMF_FORMULA)
}  // namespace formula

}  // namespace vmf_cuda

#define VMF_ENTRY_one_order(name, Float)                                                                                \
    extern "C" __global__ void __launch_bounds__(256, vmf_cuda::blocks_wanted<Float>) name##_one_order_##Float(const Float* a, Float a_value, const Float* x, Float* out,      \
                                                        long long n) {                                                  \
        vmf_cuda::one_order<vmf_cuda::formula::name>(a, a_value, x, out, n);                                            \
    }
#define VMF_ENTRY_paired(name, Float)                                                                                   \
    extern "C" __global__ void __launch_bounds__(256, vmf_cuda::blocks_wanted<Float>) name##_paired_##Float(const Float* a, const Float* x, Float* out, long long n) {         \
        vmf_cuda::paired<vmf_cuda::formula::name>(a, x, out, n);                                                        \
    }
#define VMF_ENTRY_strided(name, Float)                                                                                  \
    extern "C" __global__ void __launch_bounds__(256, vmf_cuda::blocks_wanted<Float>) name##_strided_##Float(                                                                  \
        const Float* a, Float a_value, const Float* x, Float x_value, Float* out, long long n, long long n1,            \
        long long n2, long long n3, long long a0, long long a1, long long a2, long long a3, long long x0, long long x1, \
        long long x2, long long x3, long long out0, long long out1, long long out2, long long out3) {                   \
        vmf_cuda::strided<vmf_cuda::formula::name>(a, a_value, x, x_value, out, n, n1, n2, n3, {a0, a1, a2, a3},        \
                                                   {x0, x1, x2, x3}, {out0, out1, out2, out3});                         \
    }

#define VMF_JOINED(layout, name, Float) VMF_ENTRY_##layout(name, Float)
#define VMF_ENTRY(layout, name, Float) VMF_JOINED(layout, name, Float)
#define VMF_OF_TYPE(name, Float) \
    VMF_ENTRY(one_order, name, Float) VMF_ENTRY(paired, name, Float) VMF_ENTRY(strided, name, Float)
#define VMF_ENTRY_POINTS(name, ...) VMF_OF_TYPE(name, double) VMF_OF_TYPE(name, float)
#define VMF_EXPANDED(name) VMF_ENTRY_POINTS(name)

#if defined(VMF_LAYOUT)
VMF_ENTRY(VMF_LAYOUT, VMF_FUNCTION, VMF_FLOAT)
#elif defined(VMF_FUNCTION)
VMF_EXPANDED(VMF_FUNCTION)
#else
VMF_FUNCTIONS(VMF_ENTRY_POINTS)
#endif
