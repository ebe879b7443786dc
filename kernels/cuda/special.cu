// The functions of vmf.special as CUDA kernels, for NVRTC. Each function gives two entry points, NAME_double and
// NAME_float, of
//
//   (const Float* a, long long a_stride, const Float* x, long long x_stride, Float* out, long long n)
//
//   out[i] = NAME(a[i * a_stride], x[i * x_stride]),  0 <= i < n,
//
// strides in elements; stride 0 repeats one order or dimension. Any grid will do: each thread takes every k-th element, k
// the number of threads. float entry points compute in double and round once.
//
//   nvrtc options: --std=c++17 --device-as-default-execution-space --fmad=false -I <kernels/include>
//
// --fmad=false because compensated arithmetic needs every rounding where it is written. -DVMF_FUNCTION=log_iv compiles
// that function alone: a second or two instead of half a minute.
#define VMF_NAMESPACE vmf_cuda

#include "vmf/lanes/scalar.hpp"
#include "vmf/names.hpp"

namespace vmf_cuda {

template <class F, class Float>
__device__ void evaluate(const Float* a, long long a_stride, const Float* x, long long x_stride, Float* out,
                         long long n) {
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        const double v = F::order(static_cast<double>(a[i * a_stride]));
        out[i] = static_cast<Float>(value_at<F>(v, static_cast<double>(x[i * x_stride])));
    }
}

namespace formula {
#define VMF_FORMULA(name, ...) using name = __VA_ARGS__;
VMF_FUNCTIONS(VMF_FORMULA)
}  // namespace formula

}  // namespace vmf_cuda

#define VMF_ENTRY_POINT(name, Float)                                                                                  \
    extern "C" __global__ void name##_##Float(const Float* a, long long a_stride, const Float* x, long long x_stride, \
                                              Float* out, long long n) {                                              \
        vmf_cuda::evaluate<vmf_cuda::formula::name, Float>(a, a_stride, x, x_stride, out, n);                         \
    }
#define VMF_ENTRY_POINTS(name, ...) VMF_ENTRY_POINT(name, double) VMF_ENTRY_POINT(name, float)

#ifdef VMF_FUNCTION
#define VMF_EXPANDED(name) VMF_ENTRY_POINTS(name)
VMF_EXPANDED(VMF_FUNCTION)
#else
VMF_FUNCTIONS(VMF_ENTRY_POINTS)
#endif
