// The contract between the callers and the kernels: one recurrent layer over a whole batch of sequences.
//
// Letters: T time, N batch, I input, H hidden, G gates of the cell in torch's order (LSTM i, f, g, o; GRU r, z, n;
// RNN one). Every pointer belongs to the caller, none may be null unless said so, features are contiguous, and
// nothing is read or written past a sequence's length except the zeros that mark its end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unrolled {

enum class CellKind : int32_t { lstm, gru_after, gru_before, rnn_tanh, rnn_relu };

// Sequences in the caller's memory: element (n, t, i) lies at data[n * row + t * step + i].
template <class Real>
struct Steps {
  Real* data;
  int64_t row;
  int64_t step;
};

// What both directions of time, and both forward and backward, are told.
template <class Real>
struct Layer {
  CellKind kind;
  bool reverse;       // read each sequence from its last step to its first
  Real forget_bias;   // LSTM: added inside the forget gate's sigmoid
  int threads;        // at most so many; no result depends on it
  int64_t time, batch, input, hidden;
  const int64_t* lengths;  // [N], 0 to T in any order; null: all T
  Steps<const Real> x;     // [N, T, I]
  const Real* h0;          // [N, H]; null: zeros
  const Real* c0;          // [N, H], LSTM; null: zeros
  const Real* weight_ih;   // [G H, I]
  const Real* weight_hh;   // [G H, H]
  const Real* bias_ih;     // [G H]; null: none
  const Real* bias_hh;     // [G H]; null: none
};

template <class Real>
struct Forward {
  Steps<Real> out;  // [N, T, H] written: h of every step, 0 past each length
  Real* h_n;        // [N, H] written: h after each sequence's last step, h0 where the length is 0
  Real* c_n;        // [N, H] written, LSTM
  Steps<Real> c;    // [N, T, H] written: c of every step, 0 past each length; data null: not wanted
  Real* saved;      // saved_width() * N * T numbers written, for backward; null: not wanted. Its layout is the kernel's own.
  Real* packed;     // packed_size() numbers: the weights as the kernel reads them
  bool packed_ready;  // packed still holds these weights: weight_* and bias_* are not read
};

template <class Real>
struct Backward {
  Steps<const Real> out;  // [N, T, H] as forward wrote it
  const Real* saved;      // as forward wrote it
  Steps<const Real> d_out;  // [N, T, H] gradient of out; data null: zeros
  Steps<const Real> d_c;    // [N, T, H] gradient of c of every step, LSTM; data null: zeros
  const Real* d_h_n;        // [N, H]; null: zeros
  const Real* d_c_n;        // [N, H]; null: zeros
  Steps<Real> d_x;          // [N, T, I] written, 0 past each length; data null: not wanted
  Real* d_h0;               // [N, H] written
  Real* d_c0;               // [N, H] written, LSTM
  Real* d_weight_ih;        // [G H, I] written
  Real* d_weight_hh;        // [G H, H] written
  Real* d_bias_ih;          // [G H] written; null: not wanted
  Real* d_bias_hh;          // [G H] written; null: not wanted
};

// The kernels of one instruction set. Functions return false when memory runs out, and then have no result.
template <class Real>
struct Kernels {
  bool (*forward)(const Layer<Real>&, const Forward<Real>&);
  bool (*backward)(const Layer<Real>&, const Backward<Real>&);
  int64_t (*saved_width)(CellKind, int64_t hidden);
  int64_t (*packed_size)(CellKind, int64_t input, int64_t hidden);
};

}  // namespace unrolled
