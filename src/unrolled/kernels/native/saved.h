// What forward keeps for backward, and the states before each step as backward finds them.
#pragma once

#include "plan.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
int64_t projected_width(const Layer<Real>& layer) {
  return layer.options.weight_hr ? layer.output : 0;
}

// What forward keeps for backward: of each step and block of units the slots' gates, then their c; and then what an
// LSTM with options keeps of each slot's row: the moments of its norms and its projection.
template <class Cell, class Real>
struct Saved {
  static constexpr int lanes = kLanes<Real>, kept = Cell::slots + (Cell::has_c ? 1 : 0);
  Real* data;
  int64_t slots, blocks, of_row;

  // projected: the width of the projection, 0 if there is none.
  Saved(Real* data, int64_t slots, int64_t hidden, int64_t projected)
      : data(data), slots(slots), blocks(divide_up(hidden, lanes)), of_row(row_width(projected)) {}

  static int64_t row_width(int64_t projected) { return divide_up(projected, lanes) * lanes + moments_width(); }
  static int64_t width(int64_t hidden, int64_t projected) {
    return divide_up(hidden, lanes) * kept * lanes + row_width(projected);
  }
  Real* step_of(int64_t step) const { return data + step * slots * (blocks * kept * lanes + of_row); }
  Real* gates(int64_t step, int64_t block, int64_t slot) const {
    return step_of(step) + (block * slots * kept + slot * Cell::slots) * lanes;
  }
  Real* c(int64_t step, int64_t block, int64_t slot) const {
    return step_of(step) + (block * slots * kept + slots * Cell::slots + slot) * lanes;
  }
  Real* projected(int64_t step, int64_t slot) const {
    return step_of(step) + slots * blocks * kept * lanes + slot * of_row;
  }
  Real* moments(int64_t step, int64_t slot) const { return projected(step, slot) + of_row - moments_width(); }
  static constexpr int moments_width() {
    if constexpr (Cell::whole_rows) return int(divide_up(2 * Cell::moments, lanes)) * lanes;
    return 0;
  }
};

// The h and c before a step: those that the step before has left, or given ones where a sequence begins or is reset.
template <class Cell, class Real>
struct StatesBefore {
  static constexpr int lanes = kLanes<Real>;
  const Layer<Real>& layer;
  const Plan& plan;
  Saved<Cell, Real> saved;
  Steps<const Real> h_of_steps;  // [N, T, P]
  const Real* zeros = {};        // [P in whole vectors]

  // Whether the state before the step is that of the step before.
  bool is_kept(int64_t step, int64_t slot) const { return step > 0 && !is_reset(layer, plan, slot, step); }

  const Real* h(int64_t step, int64_t slot) const {
    if (is_kept(step, slot)) return at(h_of_steps, plan.row[slot], plan.time_of(slot, step - 1));
    const Real* given = is_reset(layer, plan, slot, step) ? layer.reset_h : layer.h0;
    return given ? given + plan.row[slot] * layer.output : zeros;
  }

  Vec<Real> c(int64_t step, int64_t block, int64_t slot) const {
    if (is_kept(step, slot)) return load(saved.c(step - 1, block, slot));
    const Real* given = given_c(step, slot);
    return given ? load_first(given + block * lanes, layer.hidden - block * lanes) : Vec<Real>{};
  }

  // A c that was given, in whole vectors.
  const Real* c_in_vectors(int64_t step, int64_t slot, Real* to) const {
    const Real* given = given_c(step, slot);
    std::memset(to, 0, size_t(saved.blocks * lanes) * sizeof(Real));
    if (given) std::memcpy(to, given, size_t(layer.hidden) * sizeof(Real));
    return to;
  }

 private:
  // The slot's row of the given states; null: zeros.
  const Real* given_c(int64_t step, int64_t slot) const {
    const Real* given = is_reset(layer, plan, slot, step) ? layer.reset_c : layer.c0;
    return given ? given + plan.row[slot] * layer.hidden : nullptr;
  }
};

}  // namespace unrolled::UNROLLED_ISA
