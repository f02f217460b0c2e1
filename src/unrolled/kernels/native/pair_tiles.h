// Sums of products of pairs as AMX forms them, by conversion: the judge of the hardware, and its stand-in for tests.
//
// An instruction takes 16 words of each row. Their upper halves have a sum of their own, and their lower ones; each of
// these starts from zero, and both together are added to what stands there. Denormals are zero.
#pragma once

#include "pair_product.h"

namespace unrolled::UNROLLED_ISA {

constexpr int kTileWords = 16, kRowsOfTiles = 32;

inline void pair_sums_by_tiles(const PairSums& sums) {
  constexpr int lanes = kLanes<float>;
  for (int r = 0; r < sums.rows; ++r)
    for (int v = 0; v < sums.vectors; ++v) {
      Vec<float> sum = sums.from ? load(sums.from[r] + v * lanes) : Vec<float>{};
      for (int64_t first = 0; first < sums.words; first += kTileWords)
        for (const PairTerm* term = sums.terms; term < sums.terms + sums.count; ++term) {
          Vec<float> upper = {}, lower = {};
          for (int64_t k = first; k < first + kTileWords; ++k) {
            const Vec<float> x = broadcast_word(sums.x[r] + term->shift + k), weight = load(term->panel + k * sums.stride + v * lanes);
            upper = fma(upper_halves(x), upper_halves(weight), upper);
            lower = fma(lower_halves(x), lower_halves(weight), lower);
          }
          sum = sum + (upper + lower);
        }
      store(sums.to[r] + v * lanes, sum);
    }
}

}  // namespace unrolled::UNROLLED_ISA
