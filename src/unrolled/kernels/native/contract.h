// The contract of layer.h where Python hands tensors over: each is looked at once, whoever calls. What cannot be right
// is an error that names the tensor; what is right but lies otherwise in memory is left to Python, which copies it.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <vector>

#include "dispatch.h"
#include "tensors.h"

namespace unrolled {

// How the letters of layer.h stand in this call.
struct Sizes {
  CellKind kind;
  bool batch_first;
  int64_t time, batch, input, hidden, output, gates;
  bool projects;
  bool has_reset_h, has_reset_c;  // an empty batch has such states, too

  bool has_c() const { return gates == 4; }
};

// A layer as a kernel takes it. `ready` is false where Python must copy something first: the rest then means nothing.
template <class Real>
struct Checked {
  Sizes sizes;
  Layer<Real> layer;
  std::vector<int64_t> lengths;  // these two are the layer's own: nobody can change them behind its back
  std::vector<uint8_t> resets;
  bool ready = true;

  Checked() = default;
  Checked(const Checked&) = delete;
};

// fields: the tuple `Layer` of kernels/native_call.py.
template <class Real>
void check(nanobind::tuple fields, int threads, Checked<Real>& checked);

// The gradients of forward's results as backward takes them; data null for None.
template <class Real>
struct Incoming {
  Steps<const Real> out, c;
  const Real *h_n, *c_n;
};

// gradients: the tuple `Incoming` of kernels/native_call.py. Sets `checked.ready`.
template <class Real>
Incoming<Real> check_incoming(nanobind::tuple gradients, Checked<Real>& checked);

// A tensor of x's kind of numbers in one piece of `count`; null: it must be copied first.
const void* check_run(nanobind::handle tensor, const char* name, Numbers numbers, int64_t count);

// The kind of numbers of x, the second of a layer's fields.
Numbers numbers_of(nanobind::tuple fields);

}  // namespace unrolled
