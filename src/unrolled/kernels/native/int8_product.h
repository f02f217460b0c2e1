// Sums of products of int8, exact in int32, and so the same on every instruction set.
//
// A word holds four k of a weight's row; a vector of words has as many units as lanes, and 8 or 6 vectors stand side by
// side. The body is compiled in each instruction set's file and, for CPUs that multiply and add four int8 in one
// instruction, once more in a file of its own; dispatch.cpp chooses.
#pragma once

#include "products.h"
#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// sum + Σ x * w of each lane's word.
#if defined(__AVX512VNNI__)
constexpr bool kFlips = true;  // the instruction takes x as unsigned
UNROLLED_INLINE Int<float> add_products(Int<float> sum, Int<float> x, Int<float> w) {
  return Int<float>(_mm512_dpbusd_epi32(__m512i(sum), __m512i(x), __m512i(w)));
}
#elif defined(__AVXVNNI__)
constexpr bool kFlips = true;
UNROLLED_INLINE Int<float> add_products(Int<float> sum, Int<float> x, Int<float> w) {
  return Int<float>(_mm256_dpbusd_avx_epi32(__m256i(sum), __m256i(x), __m256i(w)));
}
#elif defined(__AVX512BW__)
constexpr bool kFlips = false;
UNROLLED_INLINE Int<float> add_products(Int<float> sum, Int<float> x, Int<float> w) {  // |x| times w with the sign of x
  const __m512i zero = _mm512_setzero_si512(), signed_w = _mm512_mask_sub_epi8(__m512i(w), _mm512_movepi8_mask(__m512i(x)), zero, __m512i(w));
  const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(__m512i(x)), signed_w);  // 2 * 127 * 127 fits
  return sum + Int<float>(_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
#elif defined(__AVX2__)
constexpr bool kFlips = false;
UNROLLED_INLINE Int<float> add_products(Int<float> sum, Int<float> x, Int<float> w) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(__m256i(x)), _mm256_sign_epi8(__m256i(w), __m256i(x)));
  return sum + Int<float>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#elif defined(__SSE2__)
constexpr bool kFlips = false;
UNROLLED_INLINE __m128i low_half(__m128i v) { return _mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8); }
UNROLLED_INLINE __m128i high_half(__m128i v) { return _mm_srai_epi16(_mm_unpackhi_epi8(v, v), 8); }
UNROLLED_INLINE Int<float> add_products(Int<float> sum, Int<float> x, Int<float> w) {
  const __m128i four = low_half(__m128i(x));  // each word of x is the same
  const __m128 low = __m128(_mm_madd_epi16(four, low_half(__m128i(w))));
  const __m128 high = __m128(_mm_madd_epi16(four, high_half(__m128i(w))));
  return sum + Int<float>(_mm_shuffle_ps(low, high, 0x88)) + Int<float>(_mm_shuffle_ps(low, high, 0xdd));
}
#elif defined(__aarch64__)
constexpr bool kFlips = false;
UNROLLED_INLINE Int<float> add_products(Int<float> sum, Int<float> x, Int<float> w) {
  const int8x16_t four = int8x16_t(x), row = int8x16_t(w);
  const int16x8_t low = vmull_s8(vget_low_s8(four), vget_low_s8(row)), high = vmull_high_s8(four, row);
  return sum + Int<float>(vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}
#else
constexpr bool kFlips = false;
UNROLLED_INLINE Int<float> add_products(Int<float> sum, Int<float> x, Int<float> w) {
  int8_t four[kVectorBytes], row[kVectorBytes];
  __builtin_memcpy(four, &x, sizeof x);
  __builtin_memcpy(row, &w, sizeof w);
  for (int i = 0; i < kVectorBytes; ++i) sum[i / 4] += int32_t(four[i]) * row[i];
  return sum;
}
#endif

// W of the `Wide` vectors of a panel, and as many of sums[r], for R rows of words; the pointers stand at the first of these.
template <int R, int W, int Wide>
UNROLLED_INLINE void int8_pass(int32_t* sums, const int32_t* start, const int8_t* const* rows, const int32_t* panel,
                               int64_t words) {
  constexpr int lanes = kLanes<float>;
  Int<float> sum[R][W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) __builtin_memcpy(&sum[r][v], start + v * lanes, kVectorBytes);
  for (int64_t k = 0; k < words; ++k, panel += Wide * lanes) {
    Int<float> weight[W];
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) __builtin_memcpy(&weight[v], panel + v * lanes, kVectorBytes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      int32_t word;
      __builtin_memcpy(&word, rows[r] + 4 * k, sizeof word);
      const Int<float> x = word - Int<float>{};
#pragma GCC unroll 8
      for (int v = 0; v < W; ++v) sum[r][v] = add_products(sum[r][v], x, weight[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) __builtin_memcpy(sums + (r * kGroup + v) * lanes, &sum[r][v], kVectorBytes);
}

// Of 1, 2 or 4 rows, in passes whose sums stay in registers.
template <int Wide>
void int8_rows(int count, int32_t* sums, const int32_t* start, const int8_t* const* rows, const int32_t* panel,
               int64_t words) {
  constexpr int lanes = kLanes<float>;
  constexpr int of_two = vectors_of_pass(kVectorBytes, 2, Wide), of_four = vectors_of_pass(kVectorBytes, 4, Wide);
  if (count == 1) return int8_pass<1, Wide, Wide>(sums, start, rows, panel, words);
  if (count == 2)
    for (int v = 0; v < Wide * lanes; v += of_two * lanes) int8_pass<2, of_two, Wide>(sums + v, start + v, rows, panel + v, words);
  else
    for (int v = 0; v < Wide * lanes; v += of_four * lanes) int8_pass<4, of_four, Wide>(sums + v, start + v, rows, panel + v, words);
}

inline void int8_group(int count, int vectors, int32_t* sums, const int32_t* start, const int8_t* const* rows,
                       const int32_t* panel, int64_t words) {
  if (vectors == kGroup) return int8_rows<kGroup>(count, sums, start, rows, panel, words);
  int8_rows<6>(count, sums, start, rows, panel, words);
}

}  // namespace unrolled::UNROLLED_ISA
