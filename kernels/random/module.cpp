// The extension module vmf._random: rows of random directions and of normal numbers, on several threads.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "directions.hpp"

namespace nb = nanobind;

namespace {

template <class Element, int dimensions>
using Array = nb::ndarray<Element, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;

std::vector<DirectionTable> available_tables() {
    std::vector<DirectionTable> tables;
#ifdef VMF_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
        tables.push_back(avx512_directions());
    }
    if (__builtin_cpu_supports("avx2")) tables.push_back(avx2_directions());
#endif
    tables.push_back(portable_directions());
    return tables;
}

const std::vector<DirectionTable>& tables() {
    static const std::vector<DirectionTable> all = available_tables();
    return all;
}

void run(const DirectionTable& t, const Rows<float>& rows, long long first, long long last, float* noise) {
    t.single(rows, first, last, noise);
}
void run(const DirectionTable& t, const Rows<double>& rows, long long first, long long last, double* noise) {
    t.wide(rows, first, last, noise);
}

// Numbers worth a thread: one takes about 20 us to start.
constexpr long long least_share = 1 << 17;

template <class Float>
void fill(const DirectionTable& table, const Rows<Float>& rows, int threads) {
    if (rows.count == 0) return;
    const long long group = group_rows(rows.dim), groups = (rows.count + group - 1) / group;
    const long long worth = std::max(1LL, rows.count * rows.dim / least_share);
    const long long used = std::min({static_cast<long long>(std::max(1, threads)), groups, worth});
    // Threads take what is left, a little at a time: one that the system stops holds the others up by no more than that.
    const long long portion = std::max(1LL, groups / (16 * used));
    std::atomic<long long> next{0};
    const auto work = [&] {
        std::vector<Float> noise(static_cast<std::size_t>(group * rows.dim + 256));
        for (long long first = next.fetch_add(portion); first < groups; first = next.fetch_add(portion)) {
            run(table, rows, first, std::min(first + portion, groups), noise.data());
        }
    };
    nb::gil_scoped_release released;
    std::vector<std::thread> workers;
    for (long long t = 1; t < used; ++t) workers.emplace_back(work);
    work();
    for (std::thread& worker : workers) worker.join();
}

const DirectionTable& table_named(const std::string& name) {
    if (name.empty()) return tables().front();
    for (const DirectionTable& t : tables()) {
        if (name == t.instruction_set) return t;
    }
    throw nb::value_error(("no instruction set named " + name + " on this processor").c_str());
}

template <class Float>
void fill_normals(Array<Float, 2> out, std::uint64_t key, int threads, const std::string& instruction_set) {
    const Rows<Float> rows = {out.data(), static_cast<long long>(out.shape(0)), static_cast<int>(out.shape(1)),
                              nullptr, nullptr, 1, key};
    if (rows.dim < 1) throw nb::value_error("rows need one column or more");
    fill(table_named(instruction_set), rows, threads);
}

template <class Float>
void fill_directions(Array<Float, 2> out, Array<const double, 1> angle, Array<const Float, 2> mean, std::uint64_t key,
                     int threads, const std::string& instruction_set) {
    const Rows<Float> rows = {out.data(), static_cast<long long>(out.shape(0)), static_cast<int>(out.shape(1)),
                              angle.data(), mean.data(), static_cast<long long>(mean.shape(0)), key};
    if (rows.dim < 2) throw nb::value_error("a direction needs dimension 2 or more");
    if (angle.shape(0) != out.shape(0)) throw nb::value_error("there must be one angle a row");
    if (mean.shape(1) != out.shape(1) || (rows.count > 0 && mean.shape(0) == 0)) {
        throw nb::value_error("there must be a mean direction, of the dimension of the rows");
    }
    fill(table_named(instruction_set), rows, threads);
}

template <class Float>
void add(nb::module_& m) {
    m.def("fill_normals", &fill_normals<Float>, nb::arg("out").noconvert(), nb::arg("key"), nb::arg("threads") = 1,
          nb::arg("instruction_set") = "", "Fill (rows, columns) with standard normal numbers.");
    m.def("fill_directions", &fill_directions<Float>, nb::arg("out").noconvert(), nb::arg("angle").noconvert(),
          nb::arg("mean").noconvert(), nb::arg("key"), nb::arg("threads") = 1, nb::arg("instruction_set") = "",
          "Fill (rows, dim) with unit vectors at given angles from the rows of `mean`, taken in turn; the tangents are made "
          "of the numbers that fill_normals gives for the same key.");
}

}  // namespace

NB_MODULE(_random, m) {
    add<float>(m);
    add<double>(m);
    m.def("instruction_sets", [] {
        nb::list names;
        for (const DirectionTable& t : tables()) names.append(t.instruction_set);
        return names;
    }, "Instruction sets this processor can run, best first; all give the same bits.");
}
