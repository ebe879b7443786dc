// Counts the floating-point operations of the kernels and measures the multiply-add rate of one thread.
//
// The headers are templates over the lane type; here it is a double that counts. An addition, a multiplication, a
// division, a root count one, a fused multiply-add two; moves, comparisons and table look-ups nothing.
#include <chrono>

#include "vmf/concentration.hpp"
#include "vmf/lanes/scalar.hpp"

namespace VMF_NAMESPACE {

static long operations = 0;

struct Counted {
    double r;
    Counted() = default;
    Counted(double a) : r(a) {}
};

static Counted counted(double r, int n) {
    operations += n;
    return r;
}

static Counted operator+(Counted a, Counted b) { return counted(a.r + b.r, 1); }
static Counted operator-(Counted a, Counted b) { return counted(a.r - b.r, 1); }
static Counted operator*(Counted a, Counted b) { return counted(a.r * b.r, 1); }
static Counted operator/(Counted a, Counted b) { return counted(a.r / b.r, 1); }
static Counted operator-(Counted a) { return -a.r; }
static bool operator<(Counted a, Counted b) { return a.r < b.r; }
static bool operator<=(Counted a, Counted b) { return a.r <= b.r; }
static bool operator>(Counted a, Counted b) { return a.r > b.r; }
static bool operator>=(Counted a, Counted b) { return a.r >= b.r; }
static Counted select(bool m, Counted a, Counted b) { return m ? a : b; }
static Counted fma_(Counted a, Counted b, Counted c) { return counted(fma_(a.r, b.r, c.r), 2); }
static Counted fms_(Counted a, Counted b, Counted c) { return counted(fms_(a.r, b.r, c.r), 2); }
static Counted fnma_(Counted a, Counted b, Counted c) { return counted(fnma_(a.r, b.r, c.r), 2); }
static Counted sqrt_(Counted a) { return counted(sqrt_(a.r), 1); }
static Counted reciprocal_(Counted a) { return counted(1.0 / a.r, 1); }
static Counted reciprocal_sqrt_(Counted a) { return counted(reciprocal_sqrt_(a.r), 2); }
static Counted coarse_quotient_(Counted a, Counted b) { return counted(a.r / b.r, 1); }
static Counted coarse_reciprocal_(Counted a) { return counted(1.0 / a.r, 1); }
static Counted leading_bits_(Counted a) { return leading_bits_(a.r); }
static Counted abs_(Counted a) { return abs_(a.r); }
static Counted max_(Counted a, Counted b) { return max_(a.r, b.r); }
static Counted min_(Counted a, Counted b) { return min_(a.r, b.r); }
static Counted round_(Counted a) { return counted(round_(a.r), 1); }
static Counted exponent_of(Counted a) { return exponent_of(a.r); }
static Counted mantissa_of(Counted a) { return mantissa_of(a.r); }
static Counted scale_(Counted a, Counted k) { return scale_(a.r, k.r); }
static Counted sixteenths(Counted a) { return counted(sixteenths(a.r), 1); }
static Counted lookup_sixteenth(const double* table, Counted n) { return lookup_sixteenth(table, n.r); }
static Counted lookup_quarter(const double* table, Counted u) { return lookup_quarter(table, u.r); }
static Counted scale_floor_(Counted a, Counted k) { return scale_floor_(a.r, k.r); }
static Counted lookup16(const double* table, Counted m) { return lookup16(table, m.r); }

template <class F, int R = 1>
void run(int region, double v, double x) {
    if constexpr (R < region_count) {
        if constexpr (uses_region<F>(R)) {
            if (region == R) {
                F::template at<R>(Counted(v), Counted(x));
                return;
            }
        }
        run<F, R + 1>(region, v, x);
    }
}

// Operations of all n points together.
template <class F>
long total(const double* a, const double* x, long n) {
    operations = 0;
    for (long i = 0; i < n; ++i) {
        const double v = F::order(a[i]);
        run<F>(static_cast<int>(F::region(v, x[i])), v, x[i]);
    }
    return operations;
}

}  // namespace VMF_NAMESPACE

using namespace VMF_NAMESPACE;

#define VMF_COUNT(name, F) \
    extern "C" long count_##name(const double* a, const double* x, long n) { return total<F>(a, x, n); }
VMF_COUNT(log_iv, LogI<false>)
VMF_COUNT(log_ive, LogI<true>)
VMF_COUNT(log_kv, LogK<false>)
VMF_COUNT(log_kve, LogK<true>)
VMF_COUNT(iv_ratio, IvRatio<false>)
VMF_COUNT(iv_ratio_c, IvRatio<true>)
VMF_COUNT(kv_ratio, KvRatio)
VMF_COUNT(log_normalizer, LogNormalizer<false>)
VMF_COUNT(mean_resultant_length, MeanResultantLength<false>)

// GFLOP/s of independent multiply-adds in the widest registers the compiler was told of.
extern "C" double multiply_add_rate() {
#if defined(__AVX512F__)
    constexpr int width = 8;
#elif defined(__AVX__)
    constexpr int width = 4;
#else
    constexpr int width = 2;
#endif
    typedef double Register __attribute__((vector_size(8 * width)));
    constexpr int chains = 12;
    constexpr long rounds = 4000000;
    double best = 0.0;
    for (int attempt = 0; attempt < 5; ++attempt) {
        Register a[chains];
        for (int k = 0; k < chains; ++k) a[k] = Register{} + (1.0 + k);
        const Register b = Register{} + 0.999999999;
        const Register c = Register{} + 1e-9;
        const auto start = std::chrono::steady_clock::now();
        for (long i = 0; i < rounds; ++i) {
            for (int k = 0; k < chains; ++k) a[k] = a[k] * b + c;
            asm volatile("" : "+v"(a[0]), "+v"(a[1]), "+v"(a[2]), "+v"(a[3]), "+v"(a[4]), "+v"(a[5]));
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        Register sum = a[0];
        for (int k = 1; k < chains; ++k) sum += a[k];
        asm volatile("" : : "v"(sum));
        const double rate = 2.0 * width * chains * rounds / seconds * 1e-9;
        if (rate > best) best = rate;
    }
    return best;
}
