// Sums of products of float and bfloat16, in float and in the order of k: the bits that the float weights of the same
// value would give.
#pragma once

#include "products.h"
#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// Sums that some rows start from, or that they become: those of a block's slot lie at of[row] + block * apart + slot * lanes.
template <class Number>
struct Slots {
  Number* const* of;
  int64_t apart;
};

// Of R rows, the vectors from V to before V + W of a panel [words][Wide][lanes]: the products of each, on what is at
// `from`. Its: the window of slots of each block whose vectors stand side by side. A word holds two k of a weight's row,
// the first one low: a bfloat16 is the upper half of a float.
template <class Its, int Wide, int R, int V, int W>
UNROLLED_INLINE void bfloat16_pass(const Slots<float>& to, const Slots<const float>& from, const float* const* rows,
                                   const int32_t* panel, int64_t depth) {
  constexpr int lanes = kLanes<float>;
  const auto place = [](int v, int64_t apart) __attribute__((always_inline)) {
    return v / Its::count * apart + (Its::first + v % Its::count) * lanes;
  };
  Vec<float> sum[R][W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) sum[r][v] = load(from.of[r] + place(V + v, from.apart));
  panel += V * lanes;
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
  for (; k + 1 < depth; k += 2, panel += Wide * lanes) take(k, true);
  if (k < depth) take(k, false);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) store(to.of[r] + place(V + v, to.apart), sum[r][v]);
}

// All of a panel's vectors, in passes whose sums stay in registers.
template <class Its, int Wide, int R, int V = 0>
void bfloat16_rows(const Slots<float>& to, const Slots<const float>& from, const float* const* rows, const int32_t* panel,
                   int64_t depth) {
  constexpr int pass = vectors_of_pass(kVectorBytes, R, Wide);
  bfloat16_pass<Its, Wide, R, V, R == 1 ? Wide : pass>(to, from, rows, panel, depth);
  if constexpr (R > 1 && V + pass < Wide) bfloat16_rows<Its, Wide, R, V + pass>(to, from, rows, panel, depth);
}

// Of 1, 2 or 4 rows of `depth` numbers.
template <class Its, int Wide>
void bfloat16_group(int count, const Slots<float>& to, const Slots<const float>& from, const float* const* rows,
                    const int32_t* panel, int64_t depth) {
  if (count == 1) return bfloat16_rows<Its, Wide, 1>(to, from, rows, panel, depth);
  if (count == 2) return bfloat16_rows<Its, Wide, 2>(to, from, rows, panel, depth);
  bfloat16_rows<Its, Wide, 4>(to, from, rows, panel, depth);
}

}  // namespace unrolled::UNROLLED_ISA
