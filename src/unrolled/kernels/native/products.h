// How the products in fewer bits are called, and which of them: what knows no instruction set.
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

// A term of a sum of products of pairs: the words of row r stand at x[r] + shift, the panel's at `panel`.
struct PairTerm {
  int64_t shift;
  const float* panel;
};

// to[r][v] = from[r][v], or zero if `from` is null, plus the products of each term's rows of words with its panel
// [words][stride], of whose words the first `vectors` vectors are read. A word holds two bfloat16 (pairs.h); where they
// stand as floats, they are nothing but bits.
struct PairSums {
  int rows, vectors;
  float* const* to;
  const float* const* from;
  const float* const* x;
  const PairTerm* terms;
  int count;
  int64_t words, stride;
  const float* ahead;  // what to fetch meanwhile, as in multiply.h
};

struct PairProduct {
  const char* name;
  void (*form)(const PairSums&);
  int rows;     // a tile has up to so many
  int granule;  // rows and panels have a multiple of so many words
  void (*begin)() = nullptr;  // before a thread's first product, and after its last one
  void (*end)() = nullptr;
};

// The product of pairs for vectors of so many bytes that is faster here than the one by conversion, whose bits it gives;
// null if there is none.
const PairProduct* faster_pair_product(int vector_bytes);

// Whether the above may give any, for tests and comparisons. Returns what held before.
bool allow_faster_products(bool allowed);

}  // namespace unrolled
