// The rows that forward multiplies, as its products read them: as they are, or as words of pairs that are put down here.
#pragma once

#include "panels.h"
#include "plan.h"

namespace unrolled::UNROLLED_ISA {

// Each function returns what the products read of a row, whose words it puts down where it is read `first`. Threads that
// share the units have a region each. Of a step with products of its own, those of x stand before those of h.
template <class Real>
class ForwardRows {
 public:
  ForwardRows() = default;  // of a walk that has products of its own
  template <class Cell>
  ForwardRows(const Pairs& pairs, const Plan& plan, const Panels<Cell, Real>& panels, const Layer<Real>& layer)
      : pairs_(pairs), slots_(plan.slots), input_(layer.input), output_(layer.output), hidden_(layer.hidden) {
    if (!pairs) return;
    x_depth_ = panels.x_depth, h_depth_ = panels.h_depth;
    second_depth_ = Cell::two_halves || Cell::whole_rows ? panels.second_depth : 0;
    steps_ = plan.at_once > 1 ? plan.at_once : 0;
    regions_ = plan.by_units ? plan.threads : 1;
  }

  explicit operator bool() const { return bool(pairs_); }
  int64_t size() const { return regions_ * slots_ * (steps_ * x_depth_ + x_depth_ + h_depth_) + slots_ * second_depth_; }
  void place(Real* memory) {
    ahead_ = memory;
    step_ = ahead_ + regions_ * slots_ * steps_ * x_depth_;
    second_ = step_ + regions_ * slots_ * (x_depth_ + h_depth_);
  }

  // Of x, some steps at once.
  UNROLLED_INLINE const Real* ahead(const Real* x, int64_t step, int64_t slot, int thread, bool first) const {
    if (!pairs_) return x;
    return put(ahead_ + ((region(thread) * steps_ + step % steps_) * slots_ + slot) * x_depth_, x, input_, first);
  }
  // Of a step's x and h.
  UNROLLED_INLINE const Real* x(const Real* x, int64_t slot, int thread, bool first) const {
    return pairs_ ? put(step_row(slot, thread), x, input_, first) : x;
  }
  UNROLLED_INLINE const Real* h(const Real* h, int64_t slot, int thread, bool first) const {
    return pairs_ ? put(step_row(slot, thread) + x_depth_, h, output_, first) : h;
  }
  UNROLLED_INLINE const Real* second(const Real* row, int64_t slot) const {
    return pairs_ ? put(second_ + slot * second_depth_, row, hidden_, true) : row;
  }

 private:
  int64_t region(int thread) const { return regions_ > 1 ? thread : 0; }
  Real* step_row(int64_t slot, int thread) const {
    return step_ + (region(thread) * slots_ + slot) * (x_depth_ + h_depth_);
  }
  Real* put(Real* to, const Real* from, int64_t numbers, bool first) const {
    if constexpr (sizeof(Real) == 4)
      if (first) pairs_.put_row(to, from, numbers);
    return to;
  }

  Pairs pairs_ = {};
  int64_t slots_ = 0, input_ = 0, output_ = 0, hidden_ = 0;
  int64_t x_depth_ = 0, h_depth_ = 0, second_depth_ = 0, steps_ = 0, regions_ = 0;
  Real *ahead_ = {}, *step_ = {}, *second_ = {};
};

}  // namespace unrolled::UNROLLED_ISA
