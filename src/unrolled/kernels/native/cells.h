// The maths of one step of each cell, on vectors of units, forward beside backward.
//
// A step's pre-activations stand in `slots`. The product with x fills the window of slots that starts at x_first,
// the product with h the one at h_first, so that each is one contiguous piece of every panel; x_gate and h_gate
// say which of torch's gates a window's slots are. A step ends in two parts, begin and end, with one chain of
// dependent operations each: a tile does the first for all its rows and then the second, so that chains overlap.
#pragma once

#include "activations.h"

namespace unrolled::UNROLLED_ISA {

//     c' = f * c + i * g;   h' = o * tanh(c')
struct Lstm {
  static constexpr bool has_c = true, two_halves = false, whole_rows = false;
  static constexpr int gates = 4, slots = 4;
  static constexpr int x_first = 0, x_count = 4, h_first = 0, h_count = 4;
  static constexpr int x_gate[] = {0, 1, 2, 3}, h_gate[] = {0, 1, 2, 3};
  static constexpr int forget_slot = 1;

  // gate: pre-activations in, i, f, g, o out, as backward wants them.
  template <class Real>
  static UNROLLED_INLINE void begin(Vec<Real>* gate, Vec<Real>& c) {
    gate[0] = sigmoid<Real>(gate[0]);
    gate[1] = sigmoid<Real>(gate[1]);
    gate[2] = tanh<Real>(gate[2]);
    gate[3] = sigmoid<Real>(gate[3]);
    c = fma(gate[1], c, gate[0] * gate[2]);
  }

  template <class Real>
  static UNROLLED_INLINE Vec<Real> end(Vec<Real>* gate, Vec<Real>, Vec<Real> c) {
    return gate[3] * tanh<Real>(c);
  }

  // d_c: of c' in, of c out. d_gate: of the pre-activations. Returns what reaches h past the product with U.
  template <class Real>
  static UNROLLED_INLINE Vec<Real> backward(const Vec<Real>* gate, Vec<Real>, Vec<Real> c_before, Vec<Real> c, Vec<Real> d_h,
                            Vec<Real>& d_c, Vec<Real>* d_gate) {
    const Vec<Real> i = gate[0], f = gate[1], g = gate[2], o = gate[3];
    const Vec<Real> shown = tanh<Real>(c);
    d_c = d_c + through_tanh<Real>(d_h * o, shown);
    d_gate[0] = through_sigmoid<Real>(d_c * g, i);
    d_gate[1] = through_sigmoid<Real>(d_c * c_before, f);
    d_gate[2] = through_tanh<Real>(d_c * i, g);
    d_gate[3] = through_sigmoid<Real>(d_h * shown, o);
    d_c = d_c * f;
    return Vec<Real>{};
  }
};

// Slots n (its x part), r, z, m = U_n h + b_hn:
//     n = tanh(n + r * m);   h' = n + z * (h - n)
struct GruAfter {
  static constexpr bool has_c = false, two_halves = false, whole_rows = false;
  static constexpr int gates = 3, slots = 4;
  static constexpr int x_first = 0, x_count = 3, h_first = 1, h_count = 3;
  static constexpr int x_gate[] = {2, 0, 1}, h_gate[] = {0, 1, 2};
  static constexpr int forget_slot = -1;

  template <class Real>
  static UNROLLED_INLINE void begin(Vec<Real>* gate, Vec<Real>&) {
    gate[1] = sigmoid<Real>(gate[1]);
    gate[2] = sigmoid<Real>(gate[2]);
    gate[0] = fma(gate[1], gate[3], gate[0]);
  }

  template <class Real>
  static UNROLLED_INLINE Vec<Real> end(Vec<Real>* gate, Vec<Real> h, Vec<Real>) {
    const Vec<Real> n = gate[0] = tanh<Real>(gate[0]);
    return fma(gate[2], h - n, n);
  }

  template <class Real>
  static UNROLLED_INLINE Vec<Real> backward(const Vec<Real>* gate, Vec<Real> h, Vec<Real>, Vec<Real>, Vec<Real> d_h, Vec<Real>&,
                            Vec<Real>* d_gate) {
    const Vec<Real> n = gate[0], r = gate[1], z = gate[2], m = gate[3];
    d_gate[0] = through_tanh<Real>(fma(-d_h, z, d_h), n);
    d_gate[1] = through_sigmoid<Real>(d_gate[0] * m, r);
    d_gate[2] = through_sigmoid<Real>(d_h * (h - n), z);
    d_gate[3] = d_gate[0] * r;
    return d_h * z;
  }
};

// Slots n, r, z. The candidate waits for U_n (r * h), so a step has two halves:
//     r, z = σ(r), σ(z);   reset = r * h            |   n = tanh(n + U_n reset);   h' = n + z * (h - n)
struct GruBefore {
  static constexpr bool has_c = false, two_halves = true, whole_rows = false;
  static constexpr int gates = 3, slots = 3;
  static constexpr int x_first = 0, x_count = 3, h_first = 1, h_count = 2;
  static constexpr int x_gate[] = {2, 0, 1}, h_gate[] = {0, 1};
  static constexpr int forget_slot = -1;
  static constexpr int candidate_gate = 2;

  template <class Real>
  static UNROLLED_INLINE Vec<Real> reset(Vec<Real>* gate, Vec<Real> h) {
    gate[1] = sigmoid<Real>(gate[1]);
    gate[2] = sigmoid<Real>(gate[2]);
    return gate[1] * h;
  }

  template <class Real>
  static UNROLLED_INLINE Vec<Real> candidate(Vec<Real>* gate, Vec<Real> h) {
    const Vec<Real> n = gate[0] = tanh<Real>(gate[0]);
    return fma(gate[2], h - n, n);
  }

  // The half that does not need d_reset, the gradient of r * h. Returns what reaches h directly.
  template <class Real>
  static UNROLLED_INLINE Vec<Real> candidate_backward(const Vec<Real>* gate, Vec<Real> h, Vec<Real> d_h, Vec<Real>* d_gate) {
    const Vec<Real> n = gate[0], z = gate[2];
    d_gate[0] = through_tanh<Real>(fma(-d_h, z, d_h), n);
    d_gate[2] = through_sigmoid<Real>(d_h * (h - n), z);
    return d_h * z;
  }

  template <class Real>
  static UNROLLED_INLINE Vec<Real> reset_backward(const Vec<Real>* gate, Vec<Real> h, Vec<Real> d_reset, Vec<Real>* d_gate) {
    const Vec<Real> r = gate[1];
    d_gate[1] = through_sigmoid<Real>(d_reset * h, r);
    return d_reset * r;
  }
};

//     h' = φ(W x + U h + b)
template <bool Relu>
struct Rnn {
  static constexpr bool has_c = false, two_halves = false, whole_rows = false;
  static constexpr int gates = 1, slots = 1;
  static constexpr int x_first = 0, x_count = 1, h_first = 0, h_count = 1;
  static constexpr int x_gate[] = {0}, h_gate[] = {0};
  static constexpr int forget_slot = -1;

  template <class Real>
  static UNROLLED_INLINE void begin(Vec<Real>*, Vec<Real>&) {}

  template <class Real>
  static UNROLLED_INLINE Vec<Real> end(Vec<Real>* gate, Vec<Real>, Vec<Real>) {
    return gate[0] = Relu ? relu<Real>(gate[0]) : tanh<Real>(gate[0]);
  }

  template <class Real>
  static UNROLLED_INLINE Vec<Real> backward(const Vec<Real>* gate, Vec<Real>, Vec<Real>, Vec<Real>, Vec<Real> d_h, Vec<Real>&,
                            Vec<Real>* d_gate) {
    const Vec<Real> zero = {};
    d_gate[0] = Relu ? (gate[0] <= zero ? zero : d_h) : through_tanh<Real>(d_h, gate[0]);
    return zero;
  }
};

// The LSTM with options. A layer norm and a projection need all units of a row before the next can go on, so here
// stand the slots alone, and the maths in lstm_row.h. W x and U h that are normalised apart have slots of their own.
enum class Norm { none, gates, projections };

template <Norm kNorm>
struct LstmWithOptions {
  static constexpr Norm norm = kNorm;
  static constexpr bool has_c = true, two_halves = false, whole_rows = true;
  static constexpr int gates = 4, slots = norm == Norm::projections ? 8 : 4;
  static constexpr int x_first = 0, x_count = 4, h_first = slots - 4, h_count = 4;
  static constexpr int x_gate[] = {0, 1, 2, 3}, h_gate[] = {0, 1, 2, 3};
  static constexpr int forget_slot = -1;  // behind the layer norm

  static constexpr int norms = norm == Norm::none ? 0 : norm == Norm::gates ? 5 : 9;
  static constexpr int c_norm = norms - 1;                 // the last of them is that of c
  static constexpr int peepholes = 3;                      // of i, f and o
  static constexpr int vectors = peepholes + 2 * norms;    // of a unit: peepholes, weights and biases of the norms
  static constexpr int moments = norm == Norm::none ? 0 : norm == Norm::gates ? 5 : 3;  // of a row; c's are the last
  static constexpr double epsilon = norm == Norm::gates ? 1e-12 : 1e-5;  // of TensorFlow and of PyTorch
};

}  // namespace unrolled::UNROLLED_ISA
