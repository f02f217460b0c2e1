// A model's layers one step at a time: each keeps its packed weights and its state from step to step.
#pragma once

#include <vector>

#include "layer.h"

namespace unrolled {

// Value 0 is the input of the step; part p, a layer or the sum of two values, gives value p + 1; the last value is the
// output. All memory is the caller's, [N, width] without gaps.
template <class Real>
class Stream {
 public:
  struct Part {
    Layer<Real> layer;  // its weights and options; sizes and inputs are set at each step
    Real* packed;       // as Forward has it, ready; null: the part is a sum
    int from, other;    // the value that it reads, and for a sum the second
    int64_t width;      // of what it gives
    Real* h[2];         // before and after a step, in turn; a sum writes its value to h[0]
    Real* c[2];         // LSTM; else null
  };

  Stream(const Kernels<Real>& kernels, std::vector<Part> parts, int64_t batch)
      : kernels_(kernels), parts_(std::move(parts)), values_(parts_.size() + 1), batch_(batch) {}

  // Which of h and c hold the state.
  int turn() const { return turn_; }

  // x: the sequences' numbers of this step, `row` apart; out [N, width of the last value] is written. Returns false
  // when memory runs out, and then has done nothing.
  bool step(const Real* x, int64_t row, Real* out, int threads) {
    values_[0] = {x, row};
    for (size_t p = 0; p < parts_.size(); ++p) {
      Part& part = parts_[p];
      Real* last = p + 1 == parts_.size() ? out : nullptr;
      Real* to = last ? last : part.h[part.packed ? 1 - turn_ : 0];
      if (!part.packed)
        add(part, to);
      else if (!walk(part, to, threads))
        return false;
      values_[p + 1] = {to, part.width};
    }
    turn_ = 1 - turn_;
    return true;
  }

 private:
  struct Value {
    const Real* data;
    int64_t row;
  };

  bool walk(Part& part, Real* to, int threads) {
    Layer<Real>& layer = part.layer;
    layer.threads = threads;
    layer.time = 1;
    layer.batch = batch_;
    layer.lengths = nullptr;
    layer.resets = nullptr;
    layer.x = {values_[part.from].data, values_[part.from].row, 0};
    layer.h0 = part.h[turn_];
    layer.c0 = part.c[turn_];
    Forward<Real> result{};
    result.out = {to, part.width, part.width};
    result.h_n = part.h[1 - turn_];
    result.c_n = part.c[1 - turn_];
    result.packed = part.packed;
    result.packed_ready = true;
    return kernels_.forward(layer, result);
  }

  void add(const Part& part, Real* to) const {
    const Value a = values_[part.from], b = values_[part.other];
    for (int64_t n = 0; n < batch_; ++n)
      for (int64_t i = 0; i < part.width; ++i)
        to[n * part.width + i] = a.data[n * a.row + i] + b.data[n * b.row + i];
  }

  Kernels<Real> kernels_;
  std::vector<Part> parts_;
  std::vector<Value> values_;
  int64_t batch_;
  int turn_ = 0;
};

}  // namespace unrolled
