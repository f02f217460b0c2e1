// The instruction sets that were compiled, best first, and which of them this CPU can run.
#pragma once

#include "layer.h"

namespace unrolled {

struct Isa {
  const char* name;
  const char* needs;  // for messages: what the CPU must have
  bool (*runs_here)();
  int vector_bytes;
  Kernels<float> single_precision;
  Kernels<double> double_precision;
};

// Its kernels for a type of numbers.
template <class Real>
const Kernels<Real>& kernels_of(const Isa& isa) {
  if constexpr (sizeof(Real) == 4)
    return isa.single_precision;
  else
    return isa.double_precision;
}

// The table and its length. It does not change.
const Isa* isa_table(int& count);

}  // namespace unrolled
