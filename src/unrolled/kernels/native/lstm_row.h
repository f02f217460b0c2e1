// An LSTM with options: what a step does with a row of units when all their pre-activations stand.
//
//     i, f, g = σ(a_i + p_i c), σ(a_f + forget bias + p_f c), tanh(a_g)
//     c'      = clip(LN(f c + i drop(g)))            the norm with Norm::gates
//     m       = σ(a_o + p_o c') tanh(LN(c'))         the norm with Norm::projections
//
// with a = LN(W x + U h), or LN(W x) + LN(U h). What the next step sees of c' may be held back by zoneout. Backward
// is in lstm_row_backward.h.
#pragma once

#include "activations.h"
#include "panels.h"
#include "plan.h"

namespace unrolled::UNROLLED_ISA {

// The sum of the lanes, always in the same order.
template <class Real>
UNROLLED_INLINE Real total(Vec<Real> v) {
  Real lane[kLanes<Real>];
  store(lane, v);
#pragma GCC unroll 4
  for (int half = kLanes<Real> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

// Of the numbers that a layer norm sees: y = (x - mean) * scale.
template <class Real>
struct Moments {
  Real mean, scale;
  UNROLLED_INLINE Vec<Real> normalise(Vec<Real> x) const { return (x - broadcast(mean)) * broadcast(scale); }
};

// A mask of noise: the lanes in which it is below the probability.
template <class Real>
UNROLLED_INLINE Int<Real> below(const Real* noise, int64_t unit, int64_t known, Real probability) {
  return load_first(noise + unit, known) < broadcast(probability);
}

template <class Cell, class Real>
struct LstmRow {
  static constexpr int lanes = kLanes<Real>;
  static constexpr Norm norm = Cell::norm;
  const Layer<Real>& layer;
  const Panels<Cell, Real>& panels;
  int64_t blocks;

  using V = Vec<Real>;

  UNROLLED_INLINE V peephole(int64_t block, int which) const { return load(panels.unit(block) + which * lanes); }
  UNROLLED_INLINE V weight(int64_t block, int which) const {
    return load(panels.unit(block) + (Cell::peepholes + which) * lanes);
  }
  UNROLLED_INLINE V bias(int64_t block, int which) const {
    return load(panels.unit(block) + (Cell::peepholes + Cell::norms + which) * lanes);
  }
  int64_t known(int64_t block) const { return layer.hidden - block * lanes; }

  // Over `count` vectors of every block, vector(block, v).
  template <class Vector>
  UNROLLED_INLINE Moments<Real> moments_of(int count, const Vector& vector) const {
    V sum = {}, squares = {};
    for (int64_t block = 0; block < blocks; ++block)
      for (int v = 0; v < count; ++v) sum = sum + vector(block, v);
    const Real numbers = Real(count * layer.hidden), mean = total<Real>(sum) / numbers;
    for (int64_t block = 0; block < blocks; ++block)
      for (int v = 0; v < count; ++v) {
        const V d = keep_first<Real>(vector(block, v) - broadcast(mean), known(block));
        squares = fma(d, d, squares);
      }
    return {mean, 1 / Real(__builtin_sqrt(total<Real>(squares) / numbers + Real(Cell::epsilon)))};
  }

  void moments_of_c(Moments<Real>* moments, const Real* c_open) const {
    if constexpr (norm != Norm::none)
      moments[Cell::moments - 1] = moments_of(1, [&](int64_t block, int) { return load(c_open + block * lanes); });
  }

  // Of everything but c; `gates` stand for block b at pre(b), [slots][lanes].
  template <class Pre>
  UNROLLED_INLINE void moments_of_gates(Moments<Real>* moments, const Pre& pre) const {
    if constexpr (norm == Norm::gates)
      for (int k = 0; k < 4; ++k)
        moments[k] = moments_of(1, [&](int64_t block, int) { return load(pre(block) + k * lanes); });
    if constexpr (norm == Norm::projections)
      for (int k = 0; k < 2; ++k)
        moments[k] = moments_of(4, [&](int64_t block, int v) { return load(pre(block) + (4 * k + v) * lanes); });
  }

  // The pre-activations of a block behind their norms.
  UNROLLED_INLINE void normalised(V* a, const Real* pre, const Moments<Real>* moments, int64_t block) const {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      a[k] = load(pre + k * lanes);
      if constexpr (norm == Norm::gates) a[k] = fma(moments[k].normalise(a[k]), weight(block, k), bias(block, k));
      if constexpr (norm == Norm::projections)
        a[k] = fma(moments[0].normalise(a[k]), weight(block, k), bias(block, k)) +
               fma(moments[1].normalise(load(pre + (4 + k) * lanes)), weight(block, 4 + k), bias(block, 4 + k));
    }
  }

  // i, f, g of pre-activations behind their norms.
  UNROLLED_INLINE void activate(V* a, V c_before, int64_t block) const {
    a[1] = a[1] + broadcast(layer.forget_bias);
    if (layer.options.peephole) {
      a[0] = fma(peephole(block, 0), c_before, a[0]);
      a[1] = fma(peephole(block, 1), c_before, a[1]);
    }
    a[0] = sigmoid<Real>(a[0]);
    a[1] = sigmoid<Real>(a[1]);
    a[2] = tanh<Real>(a[2]);
  }

  UNROLLED_INLINE V output_gate(V a, V c, int64_t block) const {
    return sigmoid<Real>(layer.options.peephole ? fma(peephole(block, 2), c, a) : a);
  }

  UNROLLED_INLINE V c_normalised(V c, const Moments<Real>* moments, int64_t block) const {
    if constexpr (norm == Norm::none) return c;
    else return fma(moments[Cell::moments - 1].normalise(c), weight(block, Cell::c_norm), bias(block, Cell::c_norm));
  }

  UNROLLED_INLINE V clipped(V c) const { return layer.options.cell_clip > 0 ? clamp(c, layer.options.cell_clip) : c; }

  // Noise of the row, null where there is none.
  const Real* noise(Steps<const Real> steps, int64_t row, int64_t time) const {
    return steps.data ? at(steps, row, time) : nullptr;
  }

  UNROLLED_INLINE V dropped(V g, const Real* noise, int64_t block) const {
    if (!noise) return g;
    const Real p = layer.options.recurrent_dropout;
    return below(noise, block * lanes, known(block), p) ? V{} : g * broadcast(1 / (1 - p));
  }

  // What zoneout leaves of a step from `old` to `after`.
  UNROLLED_INLINE V zoned(V old, V after, const Real* noise, int64_t unit, int64_t known) const {
    const Real z = layer.options.zoneout;
    if (z == 0) return after;
    if (noise) return below(noise, unit, known, z) ? old : after;
    return fma(broadcast(z), old, broadcast(1 - z) * after);
  }

  // Forward: moments_of_gates(), then open() for every block, moments_of_c() and close() for every block.
  // pre: pre-activations in, what backward keeps out. c: [stride] of the row, before in, after out. m: [stride]
  // written, c' until close() and then h but for projection and zoneout. o: [stride] for the time being.
  UNROLLED_INLINE void open(Real* pre, const Moments<Real>* moments, const Real* c, Real* m, Real* o,
                            const Real* g_noise, int64_t block) const {
    const V c_before = load(c + block * lanes);
    V gate[4];
    normalised(gate, pre, moments, block);
    activate(gate, c_before, block);
    const V c_after = fma(gate[1], c_before, gate[0] * dropped(gate[2], g_noise, block));
    store(m + block * lanes, norm == Norm::gates ? c_after : clipped(c_after));
    store(o + block * lanes, gate[3]);
    if constexpr (norm == Norm::none)
      for (int k = 0; k < 3; ++k) store(pre + k * lanes, gate[k]);
  }

  UNROLLED_INLINE void close(Real* pre, const Moments<Real>* moments, Real* c, Real* m, const Real* o,
                             const Real* c_noise, int64_t block) const {
    V c_after = load(m + block * lanes);
    if constexpr (norm == Norm::gates) c_after = clipped(c_normalised(c_after, moments, block));
    const V gate = output_gate(load(o + block * lanes), c_after, block);
    const V shown = norm == Norm::projections ? c_normalised(c_after, moments, block) : c_after;
    store(m + block * lanes, gate * tanh<Real>(shown));
    store(c + block * lanes, zoned(load(c + block * lanes), c_after, c_noise, block * lanes, known(block)));
    if constexpr (norm == Norm::none) store(pre + 3 * lanes, gate);
  }
};

}  // namespace unrolled::UNROLLED_ISA
