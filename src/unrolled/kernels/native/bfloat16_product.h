// Sums of products of float and bfloat16, in float and in the order of k: the bits that the float weights of the same
// value would give.
#pragma once

#include "products.h"
#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// A word holds two k of a weight's row, the first one low: a bfloat16 is the upper half of a float.
template <int R, int W>
UNROLLED_INLINE void bfloat16_half(Vec<float> (&sum)[R][W], const Int<float> (&weight)[W], const float* const* rows,
                                   int64_t k, bool second) {
#pragma GCC unroll 8
  for (int v = 0; v < W; ++v) {
    const Int<float> bits = second ? weight[v] & int32_t(0xffff0000) : weight[v] << 16;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r][v] = fma(broadcast(rows[r][k]), Vec<float>(bits), sum[r][v]);
  }
}

// Adds to W vectors of R rows, which stand at to[r][v], their products with a panel [words][kGroup][lanes].
template <int R, int W>
UNROLLED_INLINE void bfloat16_pass(float* const (*to)[kGroup], int first, const float* const* rows, const int32_t* panel,
                                   int64_t depth) {
  constexpr int lanes = kLanes<float>;
  Vec<float> sum[R][W];
  Int<float> weight[W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) sum[r][v] = load(to[r][first + v]);
  int64_t k = 0;
  panel += first * lanes;
  const auto take = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) __builtin_memcpy(&weight[v], panel + v * lanes, kVectorBytes);
    bfloat16_half<R, W>(sum, weight, rows, k, false);
  };
  for (; k + 1 < depth; k += 2, panel += kGroup * lanes) {
    take();
    bfloat16_half<R, W>(sum, weight, rows, k + 1, true);
  }
  if (k < depth) take();
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
