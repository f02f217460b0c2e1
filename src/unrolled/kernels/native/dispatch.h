// The instruction sets that were compiled, best first, and which of them this CPU can run.
#pragma once

#include "layer.h"

namespace unrolled {

struct Isa {
  const char* name;
  const char* needs;  // for messages: what the CPU must have
  bool (*runs_here)();
  Kernels<float> single_precision;
  Kernels<double> double_precision;
};

// The table and its length. It does not change.
const Isa* isa_table(int& count);

}  // namespace unrolled
