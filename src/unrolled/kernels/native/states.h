// The states of a forward walk, from one step to the next.
#pragma once

#include "plan.h"

namespace unrolled::UNROLLED_ISA {

// h before and after a step, and c, of each slot in whole vectors. What one thread writes stands apart from what another
// one uses: where threads share out the units, the c of a block stand together, else those of a slot.
template <class Cell, class Real>
class States {
 public:
  static constexpr int lanes = kLanes<Real>;

  States(const Layer<Real>& layer, const Plan& plan)
      : layer_(layer),
        plan_(plan),
        blocks_(divide_up(layer.hidden, lanes)),
        h_row_(divide_up(layer.output, lanes) * lanes + plan.apart<Real>()),
        c_row_(plan.by_units ? lanes : blocks_ * lanes + plan.apart<Real>()),
        c_block_(plan.by_units ? plan.slots * lanes + plan.apart<Real>() : lanes) {}

  // The numbers of all of them, which place() says the place of.
  int64_t size() const { return 2 * size_of_h() + Cell::has_c * (plan_.by_units ? blocks_ * c_block_ : plan_.slots * c_row_); }
  void place(Real* memory) {
    h_[0] = memory;
    h_[1] = memory + size_of_h();
    c_ = memory + 2 * size_of_h();
  }

  UNROLLED_INLINE Real* h(int64_t step, int64_t slot) const { return h_[step % 2] + slot * h_row_; }
  UNROLLED_INLINE Real* c(int64_t slot, int64_t block) const { return c_ + slot * c_row_ + block * c_block_; }

  // The numbers [begin, end) of the slot's row of states [N, P] before the step; zeros from null.
  void put_h(int64_t step, int64_t slot, const Real* states, int64_t begin, int64_t end) const {
    const int64_t P = layer_.output, known = P < end ? P : end;
    Real* to = h(step, slot);
    std::memset(to + begin, 0, size_t(end - begin) * sizeof(Real));
    if (states && known > begin)
      std::memcpy(to + begin, states + plan_.row[slot] * P + begin, size_t(known - begin) * sizeof(Real));
  }

  // Some blocks of the slot's row of states [N, H]; zeros from null.
  void put_c(int64_t slot, const Real* states, int64_t first_block, int64_t end_block) const {
    const int64_t H = layer_.hidden;
    for (int64_t block = first_block; Cell::has_c && block < end_block; ++block) {
      const int64_t unit = block * lanes;
      store(c(slot, block), states ? load_first(states + plan_.row[slot] * H + unit, H - unit) : Vec<Real>{});
    }
  }

  // Those after the slot's last step, into its rows of h_n [N, P] and, with c, c_n [N, H].
  void get(int64_t slot, Real* h_n, Real* c_n) const {
    const int64_t H = layer_.hidden, P = layer_.output, row = plan_.row[slot];
    std::memcpy(h_n + row * P, h(plan_.length[slot], slot), size_t(P) * sizeof(Real));
    for (int64_t block = 0; Cell::has_c && block < blocks_; ++block)
      store_first(c_n + row * H + block * lanes, load(c(slot, block)), H - block * lanes);
  }

 private:
  int64_t size_of_h() const { return plan_.slots * h_row_; }

  const Layer<Real>& layer_;
  const Plan& plan_;
  int64_t blocks_, h_row_, c_row_, c_block_;
  Real* h_[2] = {};
  Real* c_ = nullptr;
};

}  // namespace unrolled::UNROLLED_ISA
