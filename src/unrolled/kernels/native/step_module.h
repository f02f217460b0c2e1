// The door to Python of a single step.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "dispatch.h"

namespace unrolled {

// Adds the class Step<Real> to the module.
template <class Real>
void bind_step(nanobind::module_& m, const char* name, const Isa& (*isa_named)(const std::string&));

}  // namespace unrolled
