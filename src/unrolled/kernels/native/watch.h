// What a kept packing of weights is asked before each step, in nanoseconds: whether someone wants to see torch's own
// operators (kernels/readable.py says who that may be), and whether the weights are still those that were packed
// (kernels/watch.py says what counts). Any function here needs the interpreter.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <vector>

namespace unrolled {

// Whether torch.jit.trace or a dispatch mode records torch's operators.
bool is_recorded();

// Whether anybody at all wants them: one who records, autocast, torch.func, forward-mode derivatives, a function mode.
bool is_watched();

bool is_grad_enabled();
bool requires_grad(nanobind::handle tensor);

// A place in a model, a key of one of its dictionaries, with what was there when the weights were packed: a module, or a
// tensor with its version (-1 if it has none).
struct Slot {
  nanobind::object holder, name, value;
  int64_t version;

  bool moved() const;
};

// slots: of kernels/watch.py.
std::vector<Slot> slots_of(nanobind::list slots);

}  // namespace unrolled
