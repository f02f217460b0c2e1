// The gradients of lstm_row.h: a row of units, backward through one step.
//
// A layer norm y = x̂ w + b, x̂ = (x - mean) s, over n numbers has
//     d_x = s (d_y w - Σ d_y w / n - x̂ Σ d_y w x̂ / n)
// so its sums must stand before any d_x does: the row is passed over once for each norm behind another.
#pragma once

#include "lstm_row.h"

namespace unrolled::UNROLLED_ISA {

constexpr int kScratchRows = 6;  // of a row: i, f, g, two gradients, and the c before the first step

// Which of a unit's vectors of parameters have gradients, and where their sums stand.
template <class Cell>
struct UnitSums {
  int place[Cell::vectors];  // -1: there is no such parameter
  int count = 0;

  // W x and U h are added behind their norms, so the gradients of their biases are the same.
  static constexpr bool bias_is_shared(int which) { return Cell::norm == Norm::projections && which >= 4 && which < 8; }

  template <class Real>
  explicit UnitSums(const LstmOptions<Real>& options) {
    for (int v = 0; v < Cell::vectors; ++v) {
      const int bias = v - Cell::peepholes - Cell::norms;
      const bool there = v < Cell::peepholes ? options.peephole != nullptr : bias < 0 || options.norm_bias;
      place[v] = !there ? -1 : bias_is_shared(bias) ? place[v - 4] : count++;
    }
  }
};

// The two sums of a layer norm's backward.
template <class Real>
struct NormSums {
  Vec<Real> d = {}, d_x = {};
  Real mean_d = 0, mean_d_x = 0;

  UNROLLED_INLINE void add(Vec<Real> d_y, Vec<Real> x) {
    d = d + d_y;
    d_x = fma(d_y, x, d_x);
  }
  UNROLLED_INLINE void finish(int64_t numbers) {
    mean_d = total<Real>(d) / Real(numbers);
    mean_d_x = total<Real>(d_x) / Real(numbers);
  }
  // d_y: times the norm's weight; x: normalised.
  UNROLLED_INLINE Vec<Real> through(Vec<Real> d_y, Vec<Real> x, Real scale) const {
    return broadcast(scale) * (fma(-x, broadcast(mean_d_x), d_y) - broadcast(mean_d));
  }
};

// One row at one step. The rows of a tile take each pass together, block by block, as their numbers lie.
template <class Cell, class Real>
struct LstmRowBackward {
  static constexpr int lanes = kLanes<Real>;
  static constexpr Norm norm = Cell::norm;
  using V = Vec<Real>;

  const LstmRow<Cell, Real>* row;
  const UnitSums<Cell>* kept;
  Moments<Real> moments[Cell::moments + 1];
  const Real *g_noise, *c_noise;
  const Real* pre;       // what forward kept of the first block, [slots][lanes]; the next is `apart` further
  int64_t apart;
  const Real* c;         // the state before; the next block's is `c_apart` further
  int64_t c_apart;
  Real* d_gates;         // [slots][lanes] written; the next block's are `d_apart` further
  int64_t d_apart;
  Real* scratch;         // [kScratchRows][stride]
  int64_t stride;
  Real* m;               // [stride] d_m in; written: h but for projection and zoneout
  Real* d_c;             // [stride] gradient of the state after the step in, of that before out
  Real* sums;            // [blocks][kept.count][lanes] gradients of peepholes and norms, of this slot: added to
  NormSums<Real> of_c = {}, of_gate[4] = {};  // of_gate: of x and h, if those are normalised apart

  // What a block's step was.
  struct Step {
    V gate[4];  // i, f, g, o
    V c_before, c_raw, c_open, c_after;  // c_raw: f c + i g; c_open: before the clip; c_after: behind it
  };

  static void run(LstmRowBackward* rows, int count) {
    const int64_t blocks = rows[0].row->blocks;
    const auto pass = [&](auto&& action) {
      for (int64_t block = 0; block < blocks; ++block)
        for (int r = 0; r < count; ++r) action(rows[r], block);
    };
    if constexpr (norm == Norm::none) {
      pass([](LstmRowBackward& row, int64_t block) { row.whole(block); });
    } else {
      pass([](LstmRowBackward& row, int64_t block) { row.open(block); });
      for (int r = 0; r < count; ++r) rows[r].of_c.finish(rows[r].row->layer.hidden);
      pass([](LstmRowBackward& row, int64_t block) { row.close(block); });
      constexpr int norms = norm == Norm::gates ? 4 : 2, gates_of_norm = norm == Norm::gates ? 1 : 4;
      for (int r = 0; r < count; ++r)
        for (int k = 0; k < norms; ++k) rows[r].of_gate[k].finish(gates_of_norm * rows[r].row->layer.hidden);
      pass([](LstmRowBackward& row, int64_t block) { row.through_gates(block); });
    }
  }

 private:
  UNROLLED_INLINE const Real* pre_of(int64_t block) const { return pre + block * apart; }
  UNROLLED_INLINE V c_before(int64_t block) const { return load(c + block * c_apart); }
  UNROLLED_INLINE Real* at_row(int which, int64_t block) const { return scratch + which * stride + block * lanes; }
  UNROLLED_INLINE void add(int64_t block, int vector, V d) const {
    if (kept->place[vector] < 0) return;
    Real* to = sums + (block * kept->count + kept->place[vector]) * lanes;
    store(to, load(to) + d);
  }
  UNROLLED_INLINE void add_norm(int64_t block, int which, V d, V x) const {
    add(block, Cell::peepholes + which, d * x);
    if (!UnitSums<Cell>::bias_is_shared(which)) add(block, Cell::peepholes + Cell::norms + which, d);
  }
  UNROLLED_INLINE const Moments<Real>& of_c_norm() const { return moments[Cell::moments - 1]; }

  UNROLLED_INLINE void cell_state(Step& was, int64_t block) const {
    was.c_before = c_before(block);
    was.c_raw = fma(was.gate[1], was.c_before, was.gate[0] * row->dropped(was.gate[2], g_noise, block));
    was.c_open = norm == Norm::gates ? row->c_normalised(was.c_raw, moments, block) : was.c_raw;
    was.c_after = row->clipped(was.c_open);
  }

  UNROLLED_INLINE void whole(int64_t block) {
    Step was;
    for (int k = 0; k < 4; ++k) was.gate[k] = load(pre_of(block) + k * lanes);
    cell_state(was, block);
    V d_o, direct, d = shown(was, block, d_o);
    d = after(was, block, d, d_o, direct);
    gates(was, block, d, d_o, direct);
  }

  // The step again from its pre-activations, and backward as far as the norm of c.
  UNROLLED_INLINE void open(int64_t block) {
    Step was;
    row->normalised(was.gate, pre_of(block), moments, block);
    row->activate(was.gate, c_before(block), block);
    cell_state(was, block);
    was.gate[3] = row->output_gate(was.gate[3], was.c_after, block);
    V d_o, d = shown(was, block, d_o);
    if constexpr (norm == Norm::gates) {
      V direct;
      d = after(was, block, d, d_o, direct);
      store(d_c + block * lanes, direct);
      add_c_norm(block, d, was.c_raw);
    } else {
      add_c_norm(block, d, was.c_after);
    }
    for (int k = 0; k < 3; ++k) store(at_row(k, block), was.gate[k]);
    store(at_row(3, block), d_o);
    store(at_row(4, block), d);
  }

  // From the norm of c to the gates.
  UNROLLED_INLINE void close(int64_t block) {
    Step was;
    for (int k = 0; k < 3; ++k) was.gate[k] = load(at_row(k, block));
    cell_state(was, block);
    const V d_o = load(at_row(3, block)), x = of_c_norm().normalise(norm == Norm::gates ? was.c_raw : was.c_after);
    V d = of_c.through(load(at_row(4, block)) * row->weight(block, Cell::c_norm), x, of_c_norm().scale);
    V direct = load(d_c + block * lanes);
    if constexpr (norm == Norm::projections) d = after(was, block, d, d_o, direct);
    gates(was, block, d, d_o, direct);
    const Real* from = pre_of(block);
    const Real* d_gate = d_gates + block * d_apart;
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) {
      const V d_y = load(d_gate + (v % 4) * lanes), x_hat = x_of(from, v, block);
      add_norm(block, v, d_y, x_hat);
      of_gate[sum_of(v)].add(d_y * row->weight(block, v), x_hat);
    }
  }

  // Through the norms of the pre-activations.
  UNROLLED_INLINE void through_gates(int64_t block) {
    Real* to = d_gates + block * d_apart;
#pragma GCC unroll 8
    for (int v = Cell::slots - 1; v >= 0; --v) {  // the last first: both halves come from the first four
      const V d = load(to + (v % 4) * lanes) * row->weight(block, v), x = x_of(pre_of(block), v, block);
      store(to + v * lanes, keep_first<Real>(of_gate[sum_of(v)].through(d, x, moments[sum_of(v)].scale), row->known(block)));
    }
  }

  UNROLLED_INLINE void add_c_norm(int64_t block, V d, V c_seen) {
    const V x = keep_first<Real>(of_c_norm().normalise(c_seen), row->known(block));
    d = keep_first<Real>(d, row->known(block));
    add_norm(block, Cell::c_norm, d, x);
    of_c.add(d * row->weight(block, Cell::c_norm), x);
  }

  // From m: the gradient of what tanh saw, and of the output gate's pre-activation. Leaves m in the place of d_m.
  UNROLLED_INLINE V shown(const Step& was, int64_t block, V& d_o) {
    const V d_m = load(m + block * lanes), o = was.gate[3];
    const V tanh_c = tanh<Real>(norm == Norm::projections ? row->c_normalised(was.c_after, moments, block) : was.c_after);
    store(m + block * lanes, o * tanh_c);
    d_o = keep_first<Real>(through_sigmoid<Real>(d_m * tanh_c, o), row->known(block));
    return keep_first<Real>(through_tanh<Real>(d_m * o, tanh_c), row->known(block));
  }

  // The gradient of c before its clip, from that of what tanh saw; `direct`: what zoneout hands to the state before.
  UNROLLED_INLINE V after(const Step& was, int64_t block, V d_after, V d_o, V& direct) const {
    V d = load(d_c + block * lanes);
    const Real z = row->layer.options.zoneout;
    direct = V{};
    if (z != 0 && c_noise) {
      const Int<Real> kept = below(c_noise, block * lanes, row->known(block), z);
      direct = kept ? d : V{};
      d = kept ? V{} : d;
    } else if (z != 0) {
      direct = broadcast(z) * d;
      d = broadcast(1 - z) * d;
    }
    d = d + d_after;
    if (row->layer.options.peephole) {
      d = fma(row->peephole(block, 2), d_o, d);
      add(block, 2, d_o * was.c_after);
    }
    const Real bound = row->layer.options.cell_clip;
    if (bound > 0) d = (was.c_open > broadcast(bound)) | (was.c_open < broadcast(-bound)) ? V{} : d;
    return d;
  }

  // From the gradient of f c + i g to those of the pre-activations behind their norms, and of the c before.
  UNROLLED_INLINE void gates(const Step& was, int64_t block, V d, V d_o, V direct) const {
    Real* to = d_gates + block * d_apart;
    const V i = was.gate[0], f = was.gate[1], g = was.gate[2];
    const V d_i = through_sigmoid<Real>(d * row->dropped(g, g_noise, block), i);
    const V d_f = through_sigmoid<Real>(d * was.c_before, f);
    const V d_g = through_tanh<Real>(row->dropped(d * i, g_noise, block), g);
    direct = fma(d, f, direct);
    if (row->layer.options.peephole) {
      direct = fma(row->peephole(block, 1), d_f, fma(row->peephole(block, 0), d_i, direct));
      add(block, 0, d_i * was.c_before);
      add(block, 1, d_f * was.c_before);
    }
    const int64_t known = row->known(block);
    store(d_c + block * lanes, keep_first<Real>(direct, known));
    store(to, keep_first<Real>(d_i, known));
    store(to + lanes, keep_first<Real>(d_f, known));
    store(to + 2 * lanes, keep_first<Real>(d_g, known));
    store(to + 3 * lanes, keep_first<Real>(d_o, known));
  }

  // Which of the sums and of the norms is the one of slot v.
  static constexpr int sum_of(int v) { return norm == Norm::gates ? v : v / 4; }

  UNROLLED_INLINE V x_of(const Real* pre, int v, int64_t block) const {
    return keep_first<Real>(moments[sum_of(v)].normalise(load(pre + v * lanes)), row->known(block));
  }
};

}  // namespace unrolled::UNROLLED_ISA
