// One step of layers on top of one another, with packed weights and a state that comes from the caller and goes to it.
#pragma once

#include <cstddef>
#include <vector>

#include "layer.h"
#include "memory.h"

namespace unrolled {

// Letters as in layer.h; D directions, one or two; a state has a place for each layer and direction, [L D, N, width].
template <class Real>
class LayerStep {
 public:
  struct Part {
    Layer<Real> layer;  // its weights and options; sizes and inputs are set at each step
    int64_t gates;
    Real* packed;  // as Forward has it, ready
  };

  // parts: each layer's directions, layer by layer; all memory is the caller's. Nothing here changes from step to step, so
  // that several threads may take one at a time each.
  LayerStep(const Kernels<Real>& kernels, std::vector<Part> parts, int directions)
      : kernels_(kernels), parts_(std::move(parts)), directions_(directions) {}

  const Layer<Real>& first() const { return parts_[0].layer; }
  int64_t places() const { return int64_t(parts_.size()); }
  int64_t width() const { return first().output * directions_; }  // of what the last layer gives

  int64_t multiplications(int64_t batch) const {
    int64_t sum = 0;
    for (const Part& part : parts_) sum += part.gates * part.layer.hidden * (part.layer.input + part.layer.output);
    return sum * batch;
  }

  struct Given {
    const Real* x;  // [N, I], rows `row` apart
    int64_t row;
    const Real *h, *c;  // null: zeros
  };
  struct Taken {
    Real *out, *h, *c;  // out [N, D P], which may be h if there is one place; c: LSTM, else null
  };

  // Returns false when memory runs out, and then there is no result.
  bool take(int64_t batch, const Given& given, const Taken& taken, int threads) const {
    const size_t layers = parts_.size() / size_t(directions_);
    const int64_t size = batch * width();
    const Block between(layers > 1 ? size_t(2 * size) * sizeof(Real) : 0);
    if (!between.memory) return false;
    Real* const places[] = {static_cast<Real*>(between.memory), static_cast<Real*>(between.memory) + size};
    const Real* x = given.x;
    int64_t row = given.row;
    for (size_t l = 0; l < layers; ++l) {
      Real* to = l + 1 == layers ? taken.out : places[l % 2];
      for (int d = 0; d < directions_; ++d)
        if (!walk(l * size_t(directions_) + size_t(d), x, row, to + d * first().output, batch, given, taken, threads))
          return false;
      x = to, row = width();
    }
    return true;
  }

 private:
  struct Block {
    explicit Block(size_t bytes) : memory(take_memory(bytes)) {}
    ~Block() { give_memory(memory); }
    Block(const Block&) = delete;
    void* const memory;
  };

  bool walk(size_t place, const Real* x, int64_t row, Real* to, int64_t batch, const Given& given, const Taken& taken,
            int threads) const {
    const Part& part = parts_[place];
    const int64_t h = int64_t(place) * batch * part.layer.output, c = int64_t(place) * batch * part.layer.hidden;
    Layer<Real> layer = part.layer;
    layer.threads = threads;
    layer.time = 1;
    layer.batch = batch;
    layer.lengths = nullptr;
    layer.x = {x, row, 0};
    layer.h0 = given.h ? given.h + h : nullptr;
    layer.c0 = given.c ? given.c + c : nullptr;
    Forward<Real> result{};
    result.out = {to, width(), width()};
    result.h_n = taken.h + h;
    result.c_n = taken.c ? taken.c + c : nullptr;
    result.packed = part.packed;
    result.packed_ready = true;
    return kernels_.forward(layer, result);
  }

  Kernels<Real> kernels_;
  std::vector<Part> parts_;
  int directions_;
};

}  // namespace unrolled
