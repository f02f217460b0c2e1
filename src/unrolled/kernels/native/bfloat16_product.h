// Sums of products of float and bfloat16, in float and in the order of k: the bits that the float weights of the same
// value would give.
#pragma once

#include "products.h"
#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// Adds to W vectors of R rows, which stand at to[r][v], their products with a panel [words][kGroup][lanes]. A word holds two
// k of a weight's row, the first one low: a bfloat16 is the upper half of a float.
template <int R, int W>
UNROLLED_INLINE void bfloat16_pass(float* const (*to)[kGroup], int first, const float* const* rows, const int32_t* panel,
                                   int64_t depth) {
  constexpr int lanes = kLanes<float>;
  Vec<float> sum[R][W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) sum[r][v] = load(to[r][first + v]);
  panel += first * lanes;
  const auto take = [&](int64_t k, bool both) __attribute__((always_inline)) {
    Vec<float> one[R], other[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) one[r] = broadcast(rows[r][k]), other[r] = broadcast(both ? rows[r][k + 1] : 0.0f);
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) {
      Int<float> words;
      __builtin_memcpy(&words, panel + v * lanes, kVectorBytes);
#if defined(__x86_64__)
      __asm__("" : "+v"(words));  // once: both halves would else read it from memory
#endif
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[r][v] = fma(one[r], Vec<float>(words << 16), sum[r][v]);
#pragma GCC unroll 8
      for (int r = 0; both && r < R; ++r) sum[r][v] = fma(other[r], Vec<float>(words & int32_t(0xffff0000)), sum[r][v]);
    }
  };
  int64_t k = 0;
  for (; k + 1 < depth; k += 2, panel += kGroup * lanes) take(k, true);
  if (k < depth) take(k, false);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) store(to[r][first + v], sum[r][v]);
}

// Of 1, 2 or 4 rows of `depth` numbers, in passes whose sums stay in registers.
inline void bfloat16_group(int count, float* const (*to)[kGroup], const float* const* rows, const int32_t* panel,
                           int64_t depth) {
  constexpr int wide = kVectorBytes == 64 ? 2 : 1;
  if (count == 1) return bfloat16_pass<1, kGroup>(to, 0, rows, panel, depth);
  if (count == 2)
    for (int v = 0; v < kGroup; v += 4 * wide) bfloat16_pass<2, 4 * wide>(to, v, rows, panel, depth);
  else
    for (int v = 0; v < kGroup; v += 2 * wide) bfloat16_pass<4, 2 * wide>(to, v, rows, panel, depth);
}

}  // namespace unrolled::UNROLLED_ISA
