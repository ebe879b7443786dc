// The pass over embeddings that every fit makes: squared norm of each row and the weighted sum of the unit rows.
#pragma once

#include <nanobind/nanobind.h>

void add_accumulate(nanobind::module_& m);
