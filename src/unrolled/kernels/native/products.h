// How the products with quantized weights are called: ten lines that know no instruction set.
#pragma once

#include <cstdint>

namespace unrolled {

constexpr int kGroup = 8;  // vectors of sums that stand side by side in a panel of quantized weights

// add: to sums [rows][kGroup][lanes] of 32 bits, for 1, 2 or 4 rows, their products with a panel [words][kGroup][lanes]
// of 32 bits.
struct QuantizedProduct {
  void (*add)(int rows, void* sums, const void* const* x, const void* panel, int64_t words);
  bool flips;  // int8: it takes x plus 128, unsigned, and so sums start from -128 Σ w
};

// The product of int8 for vectors of so many bytes that is faster here than what every CPU with such vectors can do;
// null if there is none.
const QuantizedProduct* faster_int8_product(int vector_bytes);

// Whether the above may give one, for tests and comparisons. Returns what held before.
bool allow_faster_products(bool allowed);

}  // namespace unrolled
