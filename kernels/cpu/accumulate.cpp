#include "accumulate.hpp"

#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

#include "clones.hpp"
#include "portions.hpp"

namespace nb = nanobind;

namespace {

// Rows added before the block goes into the compensated total: few enough that a block's own rounding stays at n 2^-53
// of a small n, many enough that the two-sum costs nothing.
constexpr std::ptrdiff_t rows_a_block = 64;
constexpr std::ptrdiff_t rows_at_once = 4;
// Numbers for which another thread is worth its start: they take 0.3 ms.
constexpr std::ptrdiff_t least_share_elements = 1 << 19;

template <class Float>
inline double squared_norm(const Float* row, std::ptrdiff_t dimension) {
    constexpr int parts = 32;  // independent sums, so that the additions vectorise in a fixed order
    double sum[parts] = {};
    std::ptrdiff_t j = 0;
    for (; j + parts <= dimension; j += parts) {
        for (int k = 0; k < parts; ++k) {
            const double a = static_cast<double>(row[j + k]);
            sum[k] += a * a;
        }
    }
    for (int k = 0; j < dimension; ++j, ++k) sum[k] += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    for (int half = parts / 2; half >= 1; half /= 2) {
        for (int k = 0; k < half; ++k) sum[k] += sum[k + half];
    }
    return sum[0];
}

template <class Float>
inline void add_rows(const Float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, const double* scale,
                     double* block) {
    if (count == rows_at_once) {
        const Float* a = rows;
        const Float* b = rows + dimension;
        const Float* c = rows + 2 * dimension;
        const Float* d = rows + 3 * dimension;
        for (std::ptrdiff_t j = 0; j < dimension; ++j) {
            block[j] += (scale[0] * static_cast<double>(a[j]) + scale[1] * static_cast<double>(b[j])) +
                        (scale[2] * static_cast<double>(c[j]) + scale[3] * static_cast<double>(d[j]));
        }
        return;
    }
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        for (std::ptrdiff_t j = 0; j < dimension; ++j) {
            block[j] += scale[i] * static_cast<double>(rows[i * dimension + j]);
        }
    }
}

template <class Float>
inline void row_sums(const Float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, const double* weights,
                     double* sum, double* sum_lo, double* norms) {
    std::vector<double> block(static_cast<std::size_t>(dimension));
    for (std::ptrdiff_t start = 0; start < count; start += rows_a_block) {
        const std::ptrdiff_t stop = start + rows_a_block < count ? start + rows_a_block : count;
        for (double& b : block) b = 0.0;
        for (std::ptrdiff_t i = start; i < stop; i += rows_at_once) {
            const std::ptrdiff_t m = i + rows_at_once <= stop ? rows_at_once : stop - i;
            double scale[rows_at_once];
            for (std::ptrdiff_t k = 0; k < m; ++k) {
                norms[i + k] = squared_norm(rows + (i + k) * dimension, dimension);
                scale[k] = 1.0 / std::sqrt(norms[i + k]);
                if (weights) scale[k] *= weights[i + k];
            }
            add_rows(rows + i * dimension, m, dimension, scale, block.data());
        }
        for (std::ptrdiff_t j = 0; j < dimension; ++j) {
            const double s = sum[j] + block[j];
            const double t = s - sum[j];
            sum_lo[j] += (sum[j] - (s - t)) + (block[j] - t);
            sum[j] = s;
        }
    }
}

// A coordinate u of a unit row becomes a whole multiple of 2^-31 and, for what that leaves, one of 2^-62: together u rounded
// to the nearest multiple of 2^-62. Adding 1.5 2^21, whose last bit is worth 2^-31, rounds to the first, and likewise below.
constexpr double upper_magic = 1.5 * 2097152.0;    // 2^21
constexpr double lower_magic = 1.5 / 1024.0;       // 2^-10

inline std::uint64_t bits_of(double x) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

// Adds the unit row's coordinates to the totals. The bits of x + magic count its multiples from those of the magic number
// on; unsigned, so that sums wrap, and unwrap when the magic number is taken away as often as it was added.
inline void add_whole(double u, std::uint64_t& upper, std::uint64_t& lower) {
    const double shifted = u + upper_magic;
    upper += bits_of(shifted);
    lower += bits_of((u - (shifted - upper_magic)) + lower_magic);
}

template <class Float>
inline void add_rows_exactly(const Float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, const double* scale,
                             std::uint64_t* upper, std::uint64_t* lower) {
    if (count == rows_at_once) {
        const Float* a = rows;
        const Float* b = rows + dimension;
        const Float* c = rows + 2 * dimension;
        const Float* d = rows + 3 * dimension;
        for (std::ptrdiff_t j = 0; j < dimension; ++j) {
            std::uint64_t u = upper[j], l = lower[j];
            add_whole(scale[0] * static_cast<double>(a[j]), u, l);
            add_whole(scale[1] * static_cast<double>(b[j]), u, l);
            add_whole(scale[2] * static_cast<double>(c[j]), u, l);
            add_whole(scale[3] * static_cast<double>(d[j]), u, l);
            upper[j] = u;
            lower[j] = l;
        }
        return;
    }
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        for (std::ptrdiff_t j = 0; j < dimension; ++j) {
            add_whole(scale[i] * static_cast<double>(rows[i * dimension + j]), upper[j], lower[j]);
        }
    }
}

// Whole numbers: their sums do not depend on who adds which rows.
template <class Float>
inline void exact_row_sums(const Float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, std::int64_t* upper,
                           std::int64_t* lower, double* norms) {
    std::vector<std::uint64_t> totals(2 * static_cast<std::size_t>(dimension));
    std::uint64_t* const high = totals.data();
    std::uint64_t* const low = high + dimension;
    for (std::ptrdiff_t i = 0; i < count; i += rows_at_once) {
        const std::ptrdiff_t m = i + rows_at_once <= count ? rows_at_once : count - i;
        double scale[rows_at_once];
        for (std::ptrdiff_t k = 0; k < m; ++k) {
            norms[i + k] = squared_norm(rows + (i + k) * dimension, dimension);
            scale[k] = 1.0 / std::sqrt(norms[i + k]);
        }
        add_rows_exactly(rows + i * dimension, m, dimension, scale, high, low);
    }
    const std::uint64_t n = static_cast<std::uint64_t>(count);
    for (std::ptrdiff_t j = 0; j < dimension; ++j) {
        upper[j] += static_cast<std::int64_t>(high[j] - n * bits_of(upper_magic));
        lower[j] += static_cast<std::int64_t>(low[j] - n * bits_of(lower_magic));
    }
}

VMF_CLONES void row_sums_float(const float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, const double* weights,
                               double* sum, double* sum_lo, double* norms) {
    row_sums(rows, count, dimension, weights, sum, sum_lo, norms);
}
VMF_CLONES void row_sums_double(const double* rows, std::ptrdiff_t count, std::ptrdiff_t dimension,
                                const double* weights, double* sum, double* sum_lo, double* norms) {
    row_sums(rows, count, dimension, weights, sum, sum_lo, norms);
}

VMF_CLONES void exact_row_sums_float(const float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension,
                                     std::int64_t* upper, std::int64_t* lower, double* norms) {
    exact_row_sums(rows, count, dimension, upper, lower, norms);
}
VMF_CLONES void exact_row_sums_double(const double* rows, std::ptrdiff_t count, std::ptrdiff_t dimension,
                                      std::int64_t* upper, std::int64_t* lower, double* norms) {
    exact_row_sums(rows, count, dimension, upper, lower, norms);
}

template <class Float>
inline void scale_rows(const Float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, double* units, double* norms) {
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        const Float* row = rows + i * dimension;
        double* unit = units + i * dimension;
        norms[i] = squared_norm(row, dimension);
        const double scale = 1.0 / std::sqrt(norms[i]);
        for (std::ptrdiff_t j = 0; j < dimension; ++j) unit[j] = scale * static_cast<double>(row[j]);
    }
}

VMF_CLONES void unit_rows_float(const float* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, double* units,
                                double* norms) {
    scale_rows(rows, count, dimension, units, norms);
}
VMF_CLONES void unit_rows_double(const double* rows, std::ptrdiff_t count, std::ptrdiff_t dimension, double* units,
                                 double* norms) {
    scale_rows(rows, count, dimension, units, norms);
}

template <class Float>
using Matrix = nb::ndarray<const Float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Units = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Column = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Whole = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Weights = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class Float, class Sum>
void checked(Sum sum_rows, const Matrix<Float>& rows, nb::object weights, Column& sum, Column& sum_lo, Column& norms) {
    const auto count = static_cast<std::ptrdiff_t>(rows.shape(0));
    const auto dimension = static_cast<std::ptrdiff_t>(rows.shape(1));
    const double* w = nullptr;
    Weights held;
    if (!weights.is_none()) {
        held = nb::cast<Weights>(weights);
        if (static_cast<std::ptrdiff_t>(held.shape(0)) != count) throw nb::value_error("weights: one a row");
        w = held.data();
    }
    if (static_cast<std::ptrdiff_t>(sum.shape(0)) != dimension ||
        static_cast<std::ptrdiff_t>(sum_lo.shape(0)) != dimension ||
        static_cast<std::ptrdiff_t>(norms.shape(0)) != count) {
        throw nb::value_error("resultant: one a column; squared_norms: one a row");
    }
    nb::gil_scoped_release released;
    sum_rows(rows.data(), count, dimension, w, sum.data(), sum_lo.data(), norms.data());
}

template <class Float, class Sum>
void checked_exact(Sum sum_rows, const Matrix<Float>& rows, Whole& upper, Whole& lower, Column& norms) {
    const auto count = static_cast<std::ptrdiff_t>(rows.shape(0));
    const auto dimension = static_cast<std::ptrdiff_t>(rows.shape(1));
    if (static_cast<std::ptrdiff_t>(upper.shape(0)) != dimension ||
        static_cast<std::ptrdiff_t>(lower.shape(0)) != dimension ||
        static_cast<std::ptrdiff_t>(norms.shape(0)) != count) {
        throw nb::value_error("upper, lower: one a column; squared_norms: one a row");
    }
    nb::gil_scoped_release released;
    const std::ptrdiff_t least_share = std::max(rows_a_block, least_share_elements / dimension);
    std::mutex adding;
    in_portions(count, least_share, std::max(rows_a_block, least_share / 4), [&](std::ptrdiff_t begin, std::ptrdiff_t n) {
        std::vector<std::int64_t> own(2 * static_cast<std::size_t>(dimension));
        sum_rows(rows.data() + begin * dimension, n, dimension, own.data(), own.data() + dimension, norms.data() + begin);
        const std::lock_guard<std::mutex> lock(adding);
        for (std::ptrdiff_t j = 0; j < dimension; ++j) {
            upper.data()[j] += own[j];
            lower.data()[j] += own[dimension + j];
        }
    });
}

template <class Float, class Scale>
void checked_units(Scale scale_rows_of, const Matrix<Float>& rows, Units& units, Column& norms) {
    const auto count = static_cast<std::ptrdiff_t>(rows.shape(0));
    const auto dimension = static_cast<std::ptrdiff_t>(rows.shape(1));
    if (units.shape(0) != rows.shape(0) || units.shape(1) != rows.shape(1) || norms.shape(0) != rows.shape(0)) {
        throw nb::value_error("units: the shape of rows; squared_norms: one a row");
    }
    nb::gil_scoped_release released;
    scale_rows_of(rows.data(), count, dimension, units.data(), norms.data());
}

}  // namespace

void add_accumulate(nb::module_& m) {
    const char* doc =
        "Add sum_i w_i x_i/|x_i| to resultant + resultant_lo and write sum_j x_ij^2 to squared_norms.\n\n"
        "rows (n, dim) float32 or float64, C order; weights (n,) float64 or None; resultant, resultant_lo (dim,) and\n"
        "squared_norms (n,) float64, written in place. Releases the GIL.";
    m.def("row_sums",
          [](Matrix<float> rows, nb::object weights, Column sum, Column sum_lo, Column norms) {
              checked(row_sums_float, rows, weights, sum, sum_lo, norms);
          },
          nb::arg("rows").noconvert(), nb::arg("weights").none(), nb::arg("resultant").noconvert(),
          nb::arg("resultant_lo").noconvert(), nb::arg("squared_norms").noconvert(), doc);
    m.def("row_sums",
          [](Matrix<double> rows, nb::object weights, Column sum, Column sum_lo, Column norms) {
              checked(row_sums_double, rows, weights, sum, sum_lo, norms);
          },
          nb::arg("rows").noconvert(), nb::arg("weights").none(), nb::arg("resultant").noconvert(),
          nb::arg("resultant_lo").noconvert(), nb::arg("squared_norms").noconvert());
    const char* exact_doc =
        "Add sum_i x_i/|x_i| to upper 2^-31 + lower 2^-62, each coordinate rounded to a multiple of 2^-62 and then added\n"
        "without rounding, and write sum_j x_ij^2 to squared_norms.\n\n"
        "rows (n, dim) float32 or float64, C order, n below 2^31; upper, lower (dim,) int64 and squared_norms (n,) float64,\n"
        "written in place. Releases the GIL.";
    m.def("exact_row_sums",
          [](Matrix<float> rows, Whole upper, Whole lower, Column norms) {
              checked_exact(exact_row_sums_float, rows, upper, lower, norms);
          },
          nb::arg("rows").noconvert(), nb::arg("upper").noconvert(), nb::arg("lower").noconvert(),
          nb::arg("squared_norms").noconvert(), exact_doc);
    m.def("exact_row_sums",
          [](Matrix<double> rows, Whole upper, Whole lower, Column norms) {
              checked_exact(exact_row_sums_double, rows, upper, lower, norms);
          },
          nb::arg("rows").noconvert(), nb::arg("upper").noconvert(), nb::arg("lower").noconvert(),
          nb::arg("squared_norms").noconvert());
    const char* unit_doc =
        "Write x_i/|x_i| to units and sum_j x_ij^2 to squared_norms.\n\n"
        "rows (n, dim) float32 or float64, C order; units (n, dim) and squared_norms (n,) float64. Releases the GIL.";
    m.def("unit_rows",
          [](Matrix<float> rows, Units units, Column norms) { checked_units(unit_rows_float, rows, units, norms); },
          nb::arg("rows").noconvert(), nb::arg("units").noconvert(), nb::arg("squared_norms").noconvert(), unit_doc);
    m.def("unit_rows",
          [](Matrix<double> rows, Units units, Column norms) { checked_units(unit_rows_double, rows, units, norms); },
          nb::arg("rows").noconvert(), nb::arg("units").noconvert(), nb::arg("squared_norms").noconvert());
}
