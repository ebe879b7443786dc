// float16 rows as float32, which NumPy converts one number at a time.
#pragma once

#include <nanobind/nanobind.h>

void add_half(nanobind::module_& m);
