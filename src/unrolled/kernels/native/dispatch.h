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
  PairProduct product = {};  // of bfloat16, if it has one of its own
  bool is_stand_in = false;  // for hardware that may not be there: nobody gets it who does not ask for it by name
};

// Its kernels for a type of numbers.
template <class Real>
const Kernels<Real>& kernels_of(const Isa& isa) {
  if constexpr (sizeof(Real) == 4)
    return isa.single_precision;
  else
    return isa.double_precision;
}

// Says what forms the products of a layer whose numbers are some bfloat16 each.
template <class Real>
void choose_product(const Isa& isa, Layer<Real>& layer) {
  if (layer.parts == 0) return;
  const PairProduct* faster = faster_pair_product(isa.vector_bytes);
  layer.product = isa.product.form ? &isa.product : faster ? faster : &isa.single_precision.by_conversion;
}

// Its name, "" if these are formed by conversion.
inline const char* hardware_product(const Isa& isa) {
  const PairProduct* faster = faster_pair_product(isa.vector_bytes);
  if (isa.product.form) return isa.is_stand_in ? "" : isa.product.name;
  return faster ? faster->name : "";
}

// The table and its length. It does not change.
const Isa* isa_table(int& count);

}  // namespace unrolled
