// How the products of int8 are called, and which of them: what knows no instruction set.
#pragma once

#include <cstdint>

namespace unrolled {

constexpr int kGroup = 8;  // vectors of sums that stand side by side in a panel of quantized weights, at most

// How many of a panel's 8 or 6 vectors a pass of some rows takes: of the widest registers there are twice as many.
constexpr int vectors_of_pass(int vector_bytes, int rows, int wide) {
  const int most = vector_bytes == 64 ? 16 : 8;
  return rows * wide <= most ? wide : rows * wide <= 2 * most ? wide / 2 : 2;
}

// form: sums [rows][kGroup][lanes] of the products of 1, 2 or 4 rows of `words` times four int8 with a panel
// [words][vectors][lanes] of such words, from what is at `start` [vectors][lanes] on; 8 or 6 vectors.
struct Int8Product {
  void (*form)(int rows, int vectors, int32_t* sums, const int32_t* start, const int8_t* const* x, const int32_t* panel,
               int64_t words);
  bool flips;  // it takes x plus 128, unsigned, and so sums start from -128 Σ w
};

// The product of int8 for vectors of so many bytes that is faster here than what every CPU with such vectors can do;
// null if there is none.
const Int8Product* faster_int8_product(int vector_bytes);

// Whether the above may give one, for tests and comparisons. Returns what held before.
bool allow_faster_products(bool allowed);

}  // namespace unrolled
