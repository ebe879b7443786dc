#include "half.hpp"

#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "clones.hpp"

namespace nb = nanobind;

namespace {

// Exponent and significand of a float16 in the places of a float32 are a number 2^112 times too small, subnormal ones
// included; infinity and NaN, which then come to 2^16 or more, need all bits of the exponent.
VMF_CLONES void widen(const std::uint16_t* halves, float* wide, std::ptrdiff_t n) {
    for (std::ptrdiff_t i = 0; i < n; ++i) {
        const std::uint32_t h = halves[i];
        std::uint32_t bits = (h & 0x7fffu) << 13;
        float value;
        std::memcpy(&value, &bits, sizeof value);
        value *= 0x1p112f;
        std::memcpy(&bits, &value, sizeof value);
        bits |= value >= 65536.0f ? 0x7f800000u : 0u;
        bits |= (h & 0x8000u) << 16;
        std::memcpy(wide + i, &bits, sizeof bits);
    }
}

}  // namespace

void add_half(nb::module_& m) {
    using Halves = nb::ndarray<const std::uint16_t, nb::c_contig, nb::device::cpu>;
    using Wide = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
    m.def("widen_half",
          [](Halves halves, Wide wide) {
              if (halves.size() != wide.size()) throw nb::value_error("both arrays need the same size");
              nb::gil_scoped_release released;
              widen(halves.data(), wide.data(), static_cast<std::ptrdiff_t>(halves.size()));
          },
          nb::arg("halves").noconvert(), nb::arg("wide").noconvert(),
          "Write float16 numbers, given as their bits (uint16), as float32; C order. Releases the GIL.");
}
