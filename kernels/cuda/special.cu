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
// thread at a time and need x, out (and a) aligned to 16 bytes. float entry points take the path of single.hpp.
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

// 16 bytes, moved at once.
template <class Float>
struct alignas(16) Pack {
    static constexpr int size = 16 / sizeof(Float);
    Float at[size];
};

VMF_FN long long first_index() { return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; }
VMF_FN long long thread_count() { return static_cast<long long>(gridDim.x) * blockDim.x; }

// One loop over the elements so that the formulas are compiled once: element k of the pack of this round.
template <class F, class Float>
VMF_FN void one_order(const Float* a, Float a_value, const Float* x, Float* out, long long n) {
    using P = Pack<Float>;
    const Float order = a ? *a : a_value;
    for (long long i = first_index() * P::size; i < n; i += thread_count() * P::size) {
        P y;
        if (i + P::size <= n) {
            y = *reinterpret_cast<const P*>(x + i);
#pragma unroll 1
            for (int k = 0; k < P::size; ++k) y.at[k] = evaluate<F>(order, y.at[k]);
            *reinterpret_cast<P*>(out + i) = y;
        } else {
            for (long long j = i; j < n; ++j) out[j] = evaluate<F>(order, x[j]);
        }
    }
}

template <class F, class Float>
VMF_FN void paired(const Float* a, const Float* x, Float* out, long long n) {
    using P = Pack<Float>;
    for (long long i = first_index() * P::size; i < n; i += thread_count() * P::size) {
        if (i + P::size <= n) {
            const P v = *reinterpret_cast<const P*>(a + i);
            P y = *reinterpret_cast<const P*>(x + i);
#pragma unroll 1
            for (int k = 0; k < P::size; ++k) y.at[k] = evaluate<F>(v.at[k], y.at[k]);
            *reinterpret_cast<P*>(out + i) = y;
        } else {
            for (long long j = i; j < n; ++j) out[j] = evaluate<F>(a[j], x[j]);
        }
    }
}

}  // namespace vmf_cuda
