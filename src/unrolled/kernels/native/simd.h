// Vectors of one instruction set: the compiler's vector extensions, and the few things that these cannot say.
// Contraction is off in every kernel: a product is fused with a sum where, and only where, fma() stands, so that
// a row's result does not depend on which copy of the code computed it.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

// For what must stand in the caller's loop: a call would send every vector through memory.
#define UNROLLED_INLINE inline __attribute__((always_inline))

namespace unrolled::UNROLLED_ISA {

constexpr int kVectorBytes = UNROLLED_VECTOR_BYTES;

template <class Real>
struct Simd;

template <>
struct Simd<float> {
  typedef float Vec __attribute__((vector_size(kVectorBytes)));
  typedef int32_t Int __attribute__((vector_size(kVectorBytes)));
};

template <>
struct Simd<double> {
  typedef double Vec __attribute__((vector_size(kVectorBytes)));
  typedef int64_t Int __attribute__((vector_size(kVectorBytes)));
};

template <class Real>
using Vec = typename Simd<Real>::Vec;
template <class Real>
using Int = typename Simd<Real>::Int;

template <class Real>
constexpr int kLanes = kVectorBytes / int(sizeof(Real));

template <class Real>
UNROLLED_INLINE Vec<Real> broadcast(Real value) {
  return value - Vec<Real>{};
}

template <class Real>
UNROLLED_INLINE Vec<Real> load(const Real* from) {
  Vec<Real> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <class Real>
UNROLLED_INLINE void store(Real* to, Vec<Real> v) {
  __builtin_memcpy(to, &v, sizeof v);
}

// a * b + c, rounded once where the instruction set can.
#if defined(__AVX512F__)
UNROLLED_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
UNROLLED_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__FMA__)
UNROLLED_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
UNROLLED_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
#elif defined(__aarch64__)
UNROLLED_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return vfmaq_f32(c, a, b); }
UNROLLED_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return vfmaq_f64(c, a, b); }
#else
UNROLLED_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return a * b + c; }
UNROLLED_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return a * b + c; }
#endif

// x, or the bound that it passes; NaN, which passes none, stays.
#if defined(__AVX512F__)
UNROLLED_INLINE Vec<float> at_most(Vec<float> x, Vec<float> bound) { return _mm512_min_ps(bound, x); }
UNROLLED_INLINE Vec<float> at_least(Vec<float> x, Vec<float> bound) { return _mm512_max_ps(bound, x); }
#elif defined(__AVX2__)
UNROLLED_INLINE Vec<float> at_most(Vec<float> x, Vec<float> bound) { return _mm256_min_ps(bound, x); }
UNROLLED_INLINE Vec<float> at_least(Vec<float> x, Vec<float> bound) { return _mm256_max_ps(bound, x); }
#else
UNROLLED_INLINE Vec<float> at_most(Vec<float> x, Vec<float> bound) { return x > bound ? bound : x; }
UNROLLED_INLINE Vec<float> at_least(Vec<float> x, Vec<float> bound) { return x < bound ? bound : x; }
#endif
UNROLLED_INLINE Vec<double> at_most(Vec<double> x, Vec<double> bound) { return x > bound ? bound : x; }
UNROLLED_INLINE Vec<double> at_least(Vec<double> x, Vec<double> bound) { return x < bound ? bound : x; }

// The first `count` lanes from memory, zeros in the others; memory past them is not touched.
template <class Real>
UNROLLED_INLINE Vec<Real> load_first(const Real* from, int64_t count) {
  if (count >= kLanes<Real>) return load(from);
  Vec<Real> v = {};
  for (int lane = 0; lane < kLanes<Real> && lane < count; ++lane) v[lane] = from[lane];
  return v;
}

template <class Real>
UNROLLED_INLINE void store_first(Real* to, Vec<Real> v, int64_t count) {
  if (count >= kLanes<Real>) return store(to, v);
  for (int lane = 0; lane < kLanes<Real> && lane < count; ++lane) to[lane] = v[lane];
}

#if defined(__AVX512F__)
UNROLLED_INLINE unsigned first_lanes(int64_t count) { return (1u << count) - 1u; }

template <>
UNROLLED_INLINE Vec<float> load_first<float>(const float* from, int64_t count) {
  if (count >= 16) return load(from);
  return _mm512_maskz_loadu_ps(__mmask16(first_lanes(count)), from);
}

template <>
UNROLLED_INLINE Vec<double> load_first<double>(const double* from, int64_t count) {
  if (count >= 8) return load(from);
  return _mm512_maskz_loadu_pd(__mmask8(first_lanes(count)), from);
}

template <>
UNROLLED_INLINE void store_first<float>(float* to, Vec<float> v, int64_t count) {
  if (count >= 16) return store(to, v);
  _mm512_mask_storeu_ps(to, __mmask16(first_lanes(count)), v);
}

template <>
UNROLLED_INLINE void store_first<double>(double* to, Vec<double> v, int64_t count) {
  if (count >= 8) return store(to, v);
  _mm512_mask_storeu_pd(to, __mmask8(first_lanes(count)), v);
}
#endif

// The lanes of a and b by turns, out of the first half of both, or the second.
template <class Real>
UNROLLED_INLINE Vec<Real> interleave(Vec<Real> a, Vec<Real> b, bool second) {
  constexpr int lanes = kLanes<Real>;
  const int first = second ? lanes / 2 : 0;
#ifdef __clang__
  Vec<Real> mixed = {};
  for (int i = 0; i < lanes; ++i) mixed[i] = i % 2 ? b[first + i / 2] : a[first + i / 2];
  return mixed;
#else
  Int<Real> from = {};
  for (int i = 0; i < lanes; ++i) from[i] = first + i / 2 + (i % 2 ? lanes : 0);
  return __builtin_shuffle(a, b, from);
#endif
}

// Lanes from `count` on become zero: what stands in the lanes that pad a vector may be NaN, and 0 * NaN is NaN.
template <class Real>
UNROLLED_INLINE Vec<Real> keep_first(Vec<Real> v, int64_t count) {
  if (count >= kLanes<Real>) return v;
  Int<Real> lane = {};
  for (int i = 0; i < kLanes<Real>; ++i) lane[i] = i;
  return lane < Int<Real>{} + decltype(lane[0] + 0)(count) ? v : Vec<Real>{};
}

// Flushes denormals to zero while it lives: a state that decays towards zero must not cost a hundred times more.
class FlushDenormals {
 public:
#if defined(__x86_64__) || defined(__i386__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#elif defined(__aarch64__)
  FlushDenormals() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
    __asm__ volatile("msr fpcr, %0" : : "r"(before_ | (uint64_t(1) << 24)));
  }
  ~FlushDenormals() { __asm__ volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  uint64_t before_;
#endif
};

}  // namespace unrolled::UNROLLED_ISA
