// The extension module vmf._core: the functions as NumPy ufuncs, and the pass that sums rows of embeddings.
//
// They are real ufuncs, made through NumPy's C interface rather than through array arguments of nanobind: broadcasting,
// out=, where=, dtype rules and the `invalid` error state are then NumPy's own.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "accumulate.hpp"
#include "half.hpp"
#include "portions.hpp"
#include "table.hpp"

namespace nb = nanobind;

namespace {

#ifdef VMF_X86
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#endif

std::vector<LoopTable> available_tables() {
    std::vector<LoopTable> tables;
#ifdef VMF_X86
    __builtin_cpu_init();
    if (has_avx512()) tables.push_back(avx512_loops());
    if (has_avx2()) tables.push_back(avx2_loops());
#endif
    tables.push_back(scalar_loops());
    return tables;
}

const std::vector<LoopTable>& tables() {
    static const std::vector<LoopTable> all = available_tables();
    return all;
}

std::atomic<int> chosen_table{0};
constexpr npy_intp least_share = 20000;  // elements for which another thread is worth its start
constexpr npy_intp least_portion = 2048;
constexpr npy_intp portions_a_thread = 16;

LoopFunction loop_of(std::size_t function, bool single) {
    const LoopEntry& e = tables()[chosen_table.load(std::memory_order_relaxed)].entries[function];
    return single ? e.float_loop : e.double_loop;
}

// NumPy hands over an input that shares memory with the output where an element at a time in order would do. The loops
// read ahead and several threads run at once: unless the two are the same elements, the input is copied.
class Input {
public:
    const char* first;
    npy_intp step;

    Input(const char* array, npy_intp bytes, const char* out, npy_intp out_step, npy_intp n, npy_intp size)
        : first(array), step(bytes) {
        const char* low = std::min(array, array + (n - 1) * bytes);
        const char* high = std::max(array, array + (n - 1) * bytes) + size;
        const char* out_low = std::min(out, out + (n - 1) * out_step);
        const char* out_high = std::max(out, out + (n - 1) * out_step) + size;
        if (high <= out_low || out_high <= low || (array == out && bytes == out_step)) return;
        const npy_intp count = bytes == 0 ? 1 : n;
        copy.resize(count * size);
        for (npy_intp i = 0; i < count; ++i) std::memcpy(&copy[i * size], array + i * bytes, size);
        first = copy.data();
        step = bytes == 0 ? 0 : size;
    }
    Input(const Input&) = delete;

private:
    std::vector<char> copy;
};

template <bool single>
void ufunc_loop(char** args, const npy_intp* dimensions, const npy_intp* steps, void* data) {
    const npy_intp n = dimensions[0];
    if (n == 0) return;
    const npy_intp size = single ? sizeof(float) : sizeof(double);
    const Input a(args[0], steps[0], args[2], steps[2], n, size);
    const Input x(args[1], steps[1], args[2], steps[2], n, size);
    const LoopFunction loop = loop_of(reinterpret_cast<std::size_t>(data), single);
    std::atomic<bool> invalid{false};
    const npy_intp many = thread_count.load(std::memory_order_relaxed) * portions_a_thread * least_portion;
    in_portions(n, least_share, least_portion * std::max<npy_intp>(1, n / many), [&](npy_intp begin, npy_intp count) {
        if (loop(a.first + begin * a.step, a.step, x.first + begin * x.step, x.step, args[2] + begin * steps[2], steps[2],
                 count)) {
            invalid.store(true, std::memory_order_relaxed);
        }
    });
    // Idle lanes and guarded branches raise flags that mean nothing: only the domain error is reported.
    std::feclearexcept(FE_ALL_EXCEPT);
    if (invalid.load(std::memory_order_relaxed)) std::feraiseexcept(FE_INVALID);
}

void add_ufuncs(nb::module_& m) {
    static PyUFuncGenericFunction loops[2] = {ufunc_loop<true>, ufunc_loop<false>};
    static const char types[6] = {NPY_FLOAT, NPY_FLOAT, NPY_FLOAT, NPY_DOUBLE, NPY_DOUBLE, NPY_DOUBLE};
    static std::vector<void*> data;  // two pointers a function; must outlive the ufuncs
    const LoopTable& t = tables().back();
    data.resize(2 * t.count);
    for (int i = 0; i < t.count; ++i) {
        data[2 * i] = data[2 * i + 1] = reinterpret_cast<void*>(static_cast<std::size_t>(i));
        PyObject* f = PyUFunc_FromFuncAndData(loops, &data[2 * i], const_cast<char*>(types), 2, 2, 1, PyUFunc_None,
                                              t.entries[i].name, "See vmf.special.", 0);
        if (!f) throw nb::python_error();
        m.attr(t.entries[i].name) = nb::steal(f);
    }
}

// VMF_NUM_THREADS, else the processors this process may use (its affinity mask, where the C library reads it).
int initial_threads() {
    const int processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    const char* requested = std::getenv("VMF_NUM_THREADS");
    if (!requested || !*requested) return processors;
    char* end = nullptr;
    const long asked = std::strtol(requested, &end, 10);
    if (*end || asked < 1 || asked > 65536) {
        const std::string text = std::string("VMF_NUM_THREADS=") + requested + " is not a number of threads; ignored";
        if (PyErr_WarnEx(PyExc_RuntimeWarning, text.c_str(), 1) < 0) throw nb::python_error();
        return processors;
    }
    return static_cast<int>(asked);
}

int import_numpy() {
    import_array1(-1);
    import_umath1(-1);
    return 0;
}

using Points = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::object region(const std::string& name, const Points& a, const Points& x) {
    if (a.shape(0) != x.shape(0)) throw nb::value_error("a and x must have the same length");
    const LoopTable& t = tables().back();
    for (int i = 0; i < t.count; ++i) {
        if (name != t.entries[i].name) continue;
        npy_intp n = static_cast<npy_intp>(a.shape(0));
        PyObject* codes = PyArray_SimpleNew(1, &n, NPY_INT8);
        if (!codes) throw nb::python_error();
        npy_int8* out = static_cast<npy_int8*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(codes)));
        for (npy_intp k = 0; k < n; ++k) out[k] = t.entries[i].region(a.data()[k], x.data()[k]);
        return nb::steal(codes);
    }
    throw nb::value_error(("no function named " + name).c_str());
}

}  // namespace

NB_MODULE(_core, m) {
    if (import_numpy() < 0) throw nb::python_error();
    thread_count = initial_threads();
    add_ufuncs(m);
    m.def("region", &region, nb::arg("name"), nb::arg("a"), nb::arg("x"),
          "int8 codes of the formulas that serve the points (kernels/include/vmf/regions.hpp); float64 arrays.");
    m.def("get_num_threads", [] { return thread_count.load(); });
    m.def("set_num_threads", [](int n) {
        if (n < 1) throw nb::value_error("the number of threads must be at least 1");
        thread_count = n;
    }, nb::arg("n"));
    m.def("instruction_sets", [] {
        nb::list names;
        for (const LoopTable& t : tables()) names.append(t.instruction_set);
        return names;
    }, "Instruction sets this processor can run, best first.");
    m.def("get_instruction_set", [] { return std::string(tables()[chosen_table].instruction_set); });
    m.def("set_instruction_set", [](const std::string& name) {
        for (std::size_t i = 0; i < tables().size(); ++i) {
            if (name == tables()[i].instruction_set) {
                chosen_table = static_cast<int>(i);
                return;
            }
        }
        throw nb::value_error(("no instruction set named " + name + " on this processor").c_str());
    }, nb::arg("name"));
    add_accumulate(m);
    add_half(m);
}
