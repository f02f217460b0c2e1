// Sums of products of pairs, in float and in the order of k: those of the numbers in the upper halves of the words come
// before those in the lower ones, each fused. The bits are those of AVX512_BF16, whose instruction does the same.
//
// The body is compiled in each instruction set's file, by conversion, and once more for CPUs with that instruction.
#pragma once

#include "multiply.h"
#include "products.h"

namespace unrolled::UNROLLED_ISA {

UNROLLED_INLINE Vec<float> upper_halves(Vec<float> words) { return Vec<float>(Int<float>(words) & int32_t(0xffff0000)); }
UNROLLED_INLINE Vec<float> lower_halves(Vec<float> words) {
  typedef uint32_t Bits __attribute__((vector_size(kVectorBytes)));
  return Vec<float>(Bits(words) << 16);
}

// As an integer: arithmetic with floats may change bits that are no number.
UNROLLED_INLINE Vec<float> broadcast_word(const float* from) {
  int32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return Vec<float>(word - Int<float>{});
}

// sum[r][v] += Σ x_r w_v of the two numbers of each word.
template <int R, int W>
UNROLLED_INLINE void add_pairs(Vec<float> (&sum)[R][W], const Vec<float> (&x)[R], const Vec<float> (&weight)[W]) {
#if defined(__AVX512BF16__)
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], __m512bh(x[r]), __m512bh(weight[v]));
#else
  const auto add = [&](auto&& half) __attribute__((always_inline)) {
    Vec<float> halves[W];
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) halves[v] = half(weight[v]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<float> number = half(x[r]);
#pragma GCC unroll 8
      for (int v = 0; v < W; ++v) sum[r][v] = fma(number, halves[v], sum[r][v]);
    }
  };
  add(upper_halves);
  add(lower_halves);
#endif
}

// The vectors from `first` on.
template <int R, int W>
[[gnu::noinline]] void pair_tile(const PairSums& sums, int first) {
  Vec<float> sum[R][W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v)
      sum[r][v] = sums.from ? load(sums.from[r] + (first + v) * kLanes<float>) : Vec<float>{};
  const auto add = [&](const PairTerms& terms, const PairTerm& term) __attribute__((always_inline)) {
    const float *panel = term.panel + first * kLanes<float>, *ahead = terms.ahead + (term.panel - terms.term->panel);
    const float* row[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) row[r] = sums.x[r] + term.shift;
    for (int64_t k = 0; k < terms.words; ++k, panel += terms.stride, ahead += terms.stride) {
      if constexpr (R > 1) {
        __builtin_prefetch(ahead, 0, 2);
        if constexpr (W > 2) __builtin_prefetch(ahead + kLanes<float>, 0, 2);
      }
      Vec<float> x[R], weight[W];
#pragma GCC unroll 8
      for (int v = 0; v < W; ++v) weight[v] = load(panel + v * kLanes<float>);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) x[r] = broadcast_word(row[r] + k);
      add_pairs<R, W>(sum, x, weight);
    }
  };
  for (const PairTerms* terms = sums.terms; terms < sums.terms + sums.count; ++terms)
    for (int t = 0; t < terms->count; ++t) add(*terms, terms->term[t]);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) store(sums.to[r] + (first + v) * kLanes<float>, sum[r][v]);
}

template <int W>
void pair_rows(const PairSums& sums, int first) {
  switch (sums.rows) {
    case 1: return pair_tile<1, W>(sums, first);
    case 2: return pair_tile<2, W>(sums, first);
    case 3: return pair_tile<3, W>(sums, first);
    case 4: return pair_tile<4, W>(sums, first);
    case 5: return pair_tile<5, W>(sums, first);
    case 6: return pair_tile<6, W>(sums, first);
  }
}

inline void pair_sums(const PairSums& sums) {
  for (int first = 0; first < sums.vectors; first += kTileVectors) switch (sums.vectors - first) {
      case 1: pair_rows<1>(sums, first); break;
#if UNROLLED_TILE_VECTORS > 2
      case 2: pair_rows<2>(sums, first); break;
      case 3: pair_rows<3>(sums, first); break;
#endif
      default: pair_rows<kTileVectors>(sums, first);
    }
}

}  // namespace unrolled::UNROLLED_ISA
