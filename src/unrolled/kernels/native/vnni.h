// The body of the files for CPUs that multiply and add four int8 in one instruction: their product of int8, and nothing
// else.
#pragma once

#include "int8_product.h"

namespace unrolled {

Int8Product UNROLLED_PRODUCT() { return {UNROLLED_ISA::int8_group, UNROLLED_ISA::kFlips}; }

}  // namespace unrolled
