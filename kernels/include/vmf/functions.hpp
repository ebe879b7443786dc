// Every public function: the order it works at, its region, its formula in each region, and its values at the ends.
//
//   order(a)       from the first argument to the order v (the vMF functions take the dimension)
//   region(v, x)   the table of regions.hpp that applies
//   at<R>(v, x)    the value in region R, any lane type
//   special(v, x)  the limits: x = 0 or infinite, v infinite, NaN in, NaN out, NaN for negative arguments
//   repairs        whether the function has zeros next to which at<R> loses digits. Then
//   doubtful<R>(v, x, y)    lanes in which the value y fell so near one that it has to be computed again,
//   has_finer<R>(), finer<R>(v, x), finer_doubtful<R>(v, x, y)   where a formula for lanes mends most of them,
//   debye_nests    whether at<R> of a Debye region gives the points of one with fewer terms the same bits as that one's
//   repaired(v, x)  does it in full, value by value (near_zero.hpp)
#pragma once

#include "beyond.hpp"
#include "debye_quick.hpp"
#include "interpolated.hpp"
#include "near_zero.hpp"
#include "regions.hpp"
#include "separated.hpp"
#include "small_order.hpp"

namespace VMF_NAMESPACE {

constexpr double infinity = VMF_INFINITY;

VMF_FN double not_a_number() { return from_bits(0x7ff8000000000000ULL); }
VMF_FN bool out_of_domain(double v, double x) { return !(v >= 0.0 && x >= 0.0); }

struct OfOrder {
    template <class T>
    VMF_FN static T order(T v) { return v; }
    static constexpr bool repairs = false;
    template <int R>
    static constexpr bool has_finer = false;
    static constexpr bool debye_nests = false;
    static constexpr bool of_k = false;
    // The regions below the Debye ones.
    static constexpr int first_region = region_shifted16;
    static constexpr int last_small_region = region_shifted8;
};

struct OfOrderK : OfOrder {
    static constexpr bool of_k = true;
    static constexpr int first_region = region_temme;
    static constexpr int last_small_region = region_quadrature8v;
};
template <class F>
constexpr bool uses_region(int r) {
    return (r >= F::first_region && r <= F::last_small_region) || (r >= region_debye20 && r < region_count);
}

// The terms each Debye region takes.
template <int R>
constexpr int terms_of() {
    return R == region_debye20 ? 20 : R == region_debye13 ? 13 : R == region_debye10 ? 10 : R == region_debye7 ? 7 : R == region_debye5 ? 5 : 4;
}

// The trapezoidal rule of each quadrature region.
template <int R>
constexpr bool is_quadrature() {
    return R >= region_quadrature1 && R <= region_quadrature8v;
}
template <int R>
constexpr auto rule_of() {
    if constexpr (R == region_quadrature1) return Quadrature1{};
    else if constexpr (R == region_quadrature3) return Quadrature3{};
    else if constexpr (R == region_quadrature8) return Quadrature8{};
    else if constexpr (R == region_quadrature3v) return Quadrature3v{};
    else return Quadrature8v{};
}
template <int R>
using RuleOf = decltype(rule_of<R>());

// The steps each shifted region takes.
template <int R>
constexpr bool is_shifted() {
    return R == region_shifted16 || R == region_shifted8;
}
template <int R>
constexpr int shift_of() {
    return R == region_shifted8 ? 8 : 16;
}

// The last term that each region of the power series takes.
template <int R>
constexpr int last_term_of() {
    return R == region_series9 ? 9 : R == region_series18 ? 18 : R == region_series26 ? 26 : 39;
}

template <bool scaled>
struct LogI : OfOrder {
    static constexpr int first_region = region_tiny;
    static constexpr int last_small_region = region_series39;
    static constexpr bool repairs = !scaled;  // log I - x < 0
    static constexpr bool debye_nests = !scaled;
    template <int R>
    static constexpr bool has_finer = repairs && R != region_series39;
    template <int R, class T>
    VMF_FN static auto doubtful(T v, T x, T y) { return doubtful_log_i<R>(v, x, y); }
    template <int R, class T>
    VMF_FN static T finer(T v, T x) {
        if constexpr (R >= region_debye20) return debye_log_i<terms_of<R>(), scaled>(v, x);
        else return finer_log_i<R>(v, x);
    }
    template <int R, class T>
    VMF_FN static auto finer_doubtful(T v, T x, T y) { return finer_doubtful_log_i<R>(v, x, y); }
    VMF_FN static double repaired(double v, double x) { return near_zero_log_i(v, x); }
    template <class T>
    VMF_FN static T region(T v, T x) {
        const T r = region_log_i(v, x);
        if constexpr (!scaled) return r;
        return select((v >= T(0x1p+44)) & (x > T(0x1p+10) * v), T(double(region_special)), r);
    }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (R == region_tiny) {
            return tiny_argument_log_i<scaled>(v, x);
        } else if constexpr (R >= region_series9 && R <= region_series39) {
            return power_series_log_i<last_term_of<R>(), scaled>(v, x);
        } else if constexpr (is_shifted<R>()) {  // for single.hpp
            return shifted_log_i<shift_of<R>(), scaled>(v, x);
        } else if constexpr (scaled || !quick_debye_serves<T>) {
            return debye_log_i<terms_of<R>(), scaled>(v, x);
        } else {
            return quick_debye_log<terms_of<R>(), 1>(v, x);
        }
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (v == infinity) return -infinity;
        if (x == 0.0) return v == 0.0 ? 0.0 : -infinity;
        if (x == infinity) return scaled ? -infinity : infinity;
        if (x < 1.0 && v < 1.0) return scaled ? near_zero_log_i(v, x) - x : near_zero_log_i(v, x);
        return beyond_log<false, scaled>(v, x);
    }
};

template <bool scaled>
struct LogK : OfOrderK {
    static constexpr int last_small_region = 7;
    static constexpr bool repairs = true;
    static constexpr bool debye_nests = !scaled;
    template <int R>
    static constexpr bool has_finer = R >= region_interpolated0 && (R < region_debye20 || !scaled);
    template <int R, class T>
    VMF_FN static auto doubtful(T v, T, T y) { return doubtful_log_k<R, scaled>(v, y); }
    template <int R, class T>
    VMF_FN static T finer(T v, T x) {
        if constexpr (R >= region_debye20) return debye_log_k<terms_of<R>(), scaled>(v, x);
        else return finer_log_k<R, scaled>(v, x);
    }
    template <int R, class T>
    VMF_FN static auto finer_doubtful(T v, T, T y) { return finer_doubtful_log_k<R>(v, y); }
    VMF_FN static double repaired(double v, double x) { return near_zero_log_k(v, x, scaled); }
    template <class T>
    VMF_FN static T region(T v, T x) { return region_log_k(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (R == region_separated) {
            return separated_log_k<scaled>(v, x);
        } else if constexpr (R == region_small_order) {
            return small_order_log_k<scaled>(v, x);
        } else if constexpr (R == region_temme_log_k) {
            return temme_log_k<scaled>(v, x);
        } else if constexpr (R == region_interpolated0) {
            return interpolated_log_k_near_zero<LogK0, scaled>(v, x);
        } else if constexpr (R == region_interpolated1) {
            return interpolated_log_k<LogK1, scaled>(v, x);
        } else if constexpr (R == region_interpolated3) {
            return interpolated_log_k<LogK3, scaled>(v, x);
        } else if constexpr (R == region_interpolated8) {
            return interpolated_log_k<LogK8, scaled>(v, x);
        } else if constexpr (scaled || !quick_debye_serves<T>) {
            return debye_log_k<terms_of<R>(), scaled>(v, x);
        } else {
            return quick_debye_log<terms_of<R>(), -1>(v, x);
        }
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (v == infinity || x == 0.0) return infinity;
        if (x == infinity) return -infinity;
        return beyond_log<true, scaled>(v, x);
    }
};

// I_v/I_(v-1) and its complement
template <bool complement>
struct IvRatio : OfOrder {
    static constexpr int last_small_region = complement ? region_half_order : region_shifted8;
    // The complement changes sign next to v = 1/2; half_order_iv_ratio_c knows that for x >= 22, tanh at 1/2 itself.
    static constexpr bool repairs = complement;
    template <int R, class T>
    VMF_FN static auto doubtful(T v, T x, T) {
        return (abs_(v - T(0.5)) < T(R == region_shifted16 ? 0x1p-10 : 0.0)) & (abs_(v - T(0.5)) > T(0.0)) & (x > T(6.0));
    }
    VMF_FN static double repaired(double v, double x) { return near_half_iv_ratio_c(v, x); }

    template <class T>
    VMF_FN static T region(T v, T x) {
        if constexpr (complement) return region_i_complement(v, x);
        else return region_i(v, x);
    }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (complement && R == region_half_order) {
            return half_order_iv_ratio_c(v, x);
        } else if constexpr (is_shifted<R>()) {
            if constexpr (complement) return shifted_iv_ratio_c<shift_of<R>()>(v, x);
            else return shifted_iv_ratio<shift_of<R>()>(v, x);
        } else {
            if constexpr (complement) return debye_iv_ratio_c<terms_of<R>()>(v, x);
            else return debye_iv_ratio<terms_of<R>()>(v, x);
        }
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (x == infinity) return complement ? 0.0 : 1.0;
        if (v == infinity) return complement ? 1.0 : 0.0;
        if (x == 0.0) {
            const double r = v == 0.0 ? infinity : 0.0;
            return complement ? 1.0 - r : r;
        }
        return complement ? beyond_iv_ratio_c(v, x) : beyond_iv_ratio(v, x);
    }
};

struct KvRatio : OfOrderK {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_k(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (R == region_temme) return temme_kv_ratio(v, x);
        else if constexpr (is_quadrature<R>()) return quadrature_kv_ratio<RuleOf<R>>(v, x);
        else return debye_kv_ratio<terms_of<R>()>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (v == infinity) return infinity;
        if (x == infinity) return 1.0;
        if (x == 0.0) return v > 0.5 ? infinity : (v == 0.5 ? 1.0 : 0.0);
        return beyond_kv_ratio(v, x);
    }
};

struct LogIvDx : OfOrder {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_i(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (is_shifted<R>()) return shifted_log_i_dx<shift_of<R>()>(v, x);
        else return debye_log_i_dx<terms_of<R>()>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (x == infinity) return 1.0;
        if (v == infinity) return infinity;
        if (x == 0.0) return v == 0.0 ? 0.0 : infinity;
        return beyond_log_i_dx(v, x);
    }
};

struct LogIvDv : OfOrder {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_i(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (is_shifted<R>()) return shifted_log_i_dv<shift_of<R>()>(v, x);
        else return debye_log_i_dv<terms_of<R>()>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (x == infinity) return 0.0;
        if (v == infinity || x == 0.0) return -infinity;
        return -beyond_asinh(v, x);
    }
};

struct LogKvDx : OfOrderK {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_k(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (R == region_temme) return temme_log_k_dx(v, x);
        else if constexpr (is_quadrature<R>()) return quadrature_log_k_dx<RuleOf<R>>(v, x);
        else return debye_log_k_dx<terms_of<R>()>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (x == infinity) return -1.0;
        if (v == infinity || x == 0.0) return -infinity;
        return -beyond_log_i_dx(v, x);
    }
};

struct LogKvDv : OfOrderK {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_k(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (R == region_temme) return temme_log_k_dv(v, x);
        else if constexpr (is_quadrature<R>()) return quadrature_log_k_dv<RuleOf<R>>(v, x);
        else return debye_log_k_dv<terms_of<R>()>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (v == 0.0 || x == infinity) return 0.0;
        if (v == infinity || x == 0.0) return infinity;
        return beyond_asinh(v, x);
    }
};

// The vMF functions take the dimension p >= 2; smaller ones become a negative order and so NaN.
struct OfDimension : OfOrder {
    template <class T>
    VMF_FN static T order(T p) { return fma_(T(0.5), p, T(-1.0)); }
};
struct OfDimensionUp : OfOrder {
    template <class T>
    VMF_FN static T order(T p) { return select(p < T(2.0), T(-1.0), T(0.5) * p); }
};

template <bool scaled>
struct LogNormalizer : OfDimension {
    static constexpr bool repairs = true;
    template <int R, class T>
    VMF_FN static auto doubtful(T v, T x, T y) { return doubtful_log_normalizer<scaled>(v, x, y); }
    VMF_FN static double repaired(double v, double x) { return near_zero_log_normalizer(v, x, scaled); }
    template <class T>
    VMF_FN static T region(T v, T x) { return region_vmf(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (is_shifted<R>()) return shifted_log_normalizer<shift_of<R>(), scaled>(v, x);
        else return debye_log_normalizer<terms_of<R>(), scaled>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (v == infinity) return infinity;
        if (x == infinity) return scaled ? infinity : -infinity;
        return beyond_log_normalizer<scaled>(v, x);
    }
};

struct Entropy : OfDimension {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_vmf(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (is_shifted<R>()) return shifted_entropy<shift_of<R>()>(v, x);
        else return debye_entropy<terms_of<R>()>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (v == infinity || x == infinity) return -infinity;
        return beyond_entropy(v, x);
    }
};

// A_p = I_(p/2)/I_(p/2-1), its complement and its derivative
template <bool complement>
struct MeanResultantLength : OfDimensionUp {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_vmf(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) { return IvRatio<complement>::template at<R>(v, x); }
    VMF_FN static double special(double v, double x) { return IvRatio<complement>::special(v, x); }
};

struct MeanResultantLengthDkappa : OfDimensionUp {
    template <class T>
    VMF_FN static T region(T v, T x) { return region_vmf(v, x); }
    template <int R, class T>
    VMF_FN static T at(T v, T x) {
        if constexpr (is_shifted<R>()) return shifted_ratio_dx<shift_of<R>()>(v, x);
        else return debye_ratio_dx<terms_of<R>()>(v, x);
    }
    VMF_FN static double special(double v, double x) {
        if (out_of_domain(v, x) || (v == infinity && x == infinity)) return not_a_number();
        if (v == infinity || x == infinity) return 0.0;
        return beyond_ratio_dx(v, x);
    }
};

// One value in region R, next to a zero too.
template <class F, int R>
VMF_FN double mended(double v, double x) {
    double y = F::template at<R>(v, x);
    if constexpr (F::repairs) {
        if (F::template doubtful<R>(v, x, y)) {
            if constexpr (F::template has_finer<R>) {
                y = F::template finer<R>(v, x);
                if (!F::template finer_doubtful<R>(v, x, y)) return y;
            }
            return F::repaired(v, x);
        }
    }
    return y;
}

// One value, any region: what CUDA threads and scalar callers use.
template <class F, int R = 1>
VMF_FN double value_in(int region, double v, double x) {
    if constexpr (R == region_count) {
        return F::special(v, x);
    } else if constexpr (uses_region<F>(R)) {
        return region == R ? mended<F, R>(v, x) : value_in<F, R + 1>(region, v, x);
    } else {
        return value_in<F, R + 1>(region, v, x);
    }
}
template <class F>
VMF_FN double value_at(double v, double x) {
    return value_in<F>(static_cast<int>(F::region(v, x)), v, x);
}

}  // namespace VMF_NAMESPACE
