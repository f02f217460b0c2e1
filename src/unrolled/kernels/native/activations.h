// Sigmoid and tanh on vectors, and their gradients. NaN stays NaN, infinities give the limits, and the error is
// a few units in the last place over the whole range, near zero included.
//
// Both come from e^y - 1, with y = n ln2 + r, |r| <= ln2 / 2:
//     e^y - 1 = 2^n q(r) + (2^n - 1)        q(r) = e^r - 1, a polynomial that is exact to first order
#pragma once

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
struct Exponential;

template <>
struct Exponential<float> {
  static constexpr float limit = 87.0f;
  static constexpr float tanh_limit = 18.1f;      // e^18.1 + 2 rounds to e^18.1
  static constexpr float rounder = 12582912.0f;   // 1.5 * 2^23: adding it rounds to a whole number
  static constexpr float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr int terms = 5;
  // (e^r - 1 - r) / r^2: the polynomial whose greatest error relative to e^r - 1 on |r| <= ln2 / 2 is least, 1.4e-8
  static constexpr float q[terms] = {0.5f, 0.16666541993618011f, 0.04166628047823906f, 0.008366644382476807f,
                                     0.0013946554390713573f};
};

template <>
struct Exponential<double> {
  static constexpr double limit = 708.0;
  static constexpr double tanh_limit = 38.2;
  static constexpr double rounder = 6755399441055744.0;
  static constexpr double ln2_high = 0.69314718036912382, ln2_low = 1.9082149292705877e-10;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr int terms = 11;
  static constexpr double q[terms] = {
      1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,        1.0 / 720,          1.0 / 5040,
      1.0 / 40320,   1.0 / 362880,   1.0 / 3628800,   1.0 / 39916800,   1.0 / 479001600};
};

template <class Real>
UNROLLED_INLINE Vec<Real> clamp(Vec<Real> x, Real bound) {
  return at_least(at_most(x, broadcast(bound)), broadcast(-bound));
}

// e^y = scale + grown, with scale = 2^n exactly, so that e^y - 1 = (scale - 1) + grown loses nothing near zero.
template <class Real>
UNROLLED_INLINE void exponential(Vec<Real> y, Vec<Real>& scale, Vec<Real>& grown) {
  using E = Exponential<Real>;
  const Vec<Real> rounder = broadcast(E::rounder);
  const Vec<Real> shifted = fma(y, broadcast(Real(1.4426950408889634)), rounder);
  const Vec<Real> n = shifted - rounder;
  Vec<Real> r = fma(n, broadcast(-E::ln2_high), y);
  r = fma(n, broadcast(-E::ln2_low), r);

  Vec<Real> q = broadcast(E::q[E::terms - 1]);
#pragma GCC unroll 16
  for (int term = E::terms - 2; term >= 0; --term) q = fma(q, r, broadcast(E::q[term]));
  q = fma(q * r, r, r);

  Int<Real> bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << E::mantissa) + ((Int<Real>{} + E::bias) << E::mantissa);
  __builtin_memcpy(&scale, &bits, sizeof bits);
  grown = scale * q;
}

// σ(x) = 1 / (1 + e^-x)
template <class Real>
UNROLLED_INLINE Vec<Real> sigmoid(Vec<Real> x) {
  Vec<Real> scale, grown;
  exponential<Real>(-clamp(x, Exponential<Real>::limit), scale, grown);
  return broadcast(Real(1)) / ((broadcast(Real(1)) + scale) + grown);
}

// tanh(x) = t / (t + 2), t = e^2x - 1
template <class Real>
UNROLLED_INLINE Vec<Real> tanh(Vec<Real> x) {
  Vec<Real> scale, grown;
  exponential<Real>(clamp(x + x, Exponential<Real>::tanh_limit), scale, grown);
  const Vec<Real> t = (scale - broadcast(Real(1))) + grown;
  return t / (t + broadcast(Real(2)));
}

template <class Real>
UNROLLED_INLINE Vec<Real> relu(Vec<Real> x) {
  return x < Vec<Real>{} ? Vec<Real>{} : x;
}

// dσ = d σ (1 - σ)
template <class Real>
UNROLLED_INLINE Vec<Real> through_sigmoid(Vec<Real> d, Vec<Real> value) {
  return d * fma(-value, value, value);
}

// dtanh = d (1 - tanh²)
template <class Real>
UNROLLED_INLINE Vec<Real> through_tanh(Vec<Real> d, Vec<Real> value) {
  return fma(-(d * value), value, d);
}

}  // namespace unrolled::UNROLLED_ISA
