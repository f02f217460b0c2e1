// The contract between the callers and the kernels: one recurrent layer over a whole batch of sequences.
//
// Letters: T time, N batch, I input, H hidden, P output (the width of h: H, or that of an LSTM's projection), G gates
// of the cell in torch's order (LSTM i, f, g, o; GRU r, z, n; RNN one). Every pointer belongs to the caller, none may
// be null unless said so, features are contiguous, and nothing is read or written past a sequence's length except the
// zeros that mark its end.
#pragma once

#include <cstddef>
#include <cstdint>

#include "products.h"

namespace unrolled {

// The last three are the LSTM with any of its options: without layer norm, with one of each gate, or with one of W x
// and one of U h.
enum class CellKind : int32_t {
  lstm, gru_after, gru_before, rnn_tanh, rnn_relu, lstm_options, lstm_norm_gates, lstm_norm_projections
};

// Sequences in the caller's memory: element (n, t, i) lies at data[n * row + t * step + i].
template <class Real>
struct Steps {
  Real* data;
  int64_t row;
  int64_t step;
};

// The weights of the first five kinds in fewer bits, where all else is float: int8, of which one in row r stands for
// scale[r] and whose products take rows of x and h as int8 too, or bfloat16. Null with `bits` 0: as Real.
struct QuantizedWeights {
  int bits = 0;  // of a weight: 8 or 16
  const void* ih = nullptr;         // [G H, I]
  const void* hh = nullptr;         // [G H, P]
  const float* scale_ih = nullptr;  // [G H], for int8
  const float* scale_hh = nullptr;
};

// The options of an LSTM, as cells/lstm.py defines them; null, or without effect as they stand here: off.
template <class Real>
struct LstmOptions {
  const Real* peephole = nullptr;   // [3, H] of i, f and o
  const Real* weight_hr = nullptr;  // [P, H] the projection
  // [5, H] of the gates and c for lstm_norm_gates; [9, H] of W x, U h and c for lstm_norm_projections
  const Real* norm_weight = nullptr;
  const Real* norm_bias = nullptr;
  // Uniform in [0, 1): a unit of g is dropped, or one of h or c keeps its old value, where the number is below the
  // probability. Without noise h and c are the means that zoneout gives.
  Steps<const Real> g_noise = {};  // [N, T, H]
  Steps<const Real> h_noise = {};  // [N, T, P]
  Steps<const Real> c_noise = {};  // [N, T, H]
  Real recurrent_dropout = 0;      // of g; needs its noise
  Real zoneout = 0;
  Real cell_clip = 0;              // 0: none
  Real proj_clip = 0;              // 0: none
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
  const Real* h0;          // [N, P]; null: zeros
  const Real* c0;          // [N, H], LSTM; null: zeros
  const Real* weight_ih;   // [G H, I]
  const Real* weight_hh;   // [G H, P]
  const Real* bias_ih;     // [G H]; null: none
  const Real* bias_hh;     // [G H]; null: none
  int64_t output;          // P
  LstmOptions<Real> options = {};
  // [N, T] without gaps: not 0 where the state before the step, as the layer reads them, is reset_h and reset_c; null:
  // nowhere
  const uint8_t* resets = nullptr;
  const Real* reset_h = nullptr;  // [N, P]; null: zeros
  const Real* reset_c = nullptr;  // [N, H], LSTM; null: zeros
  QuantizedWeights quantized = {};  // in the place of weight_ih and weight_hh, which then are null; without backward
  // How many bfloat16 stand for a number in the products of float, and what forms these; 0: none do. All else is Real.
  int parts = 0;
  const PairProduct* product = nullptr;
};

template <class Real>
struct Forward {
  Steps<Real> out;  // [N, T, P] written: h of every step, 0 past each length
  Real* h_n;        // [N, P] written: h after each sequence's last step, h0 where the length is 0
  Real* c_n;        // [N, H] written, LSTM
  Steps<Real> c;    // [N, T, H] written: c of every step, 0 past each length; data null: not wanted
  Real* saved;      // saved_width() * N * T numbers written, for backward; null: not wanted. Its layout is the kernel's own.
  Real* packed;     // packed_size() numbers: the weights as the kernel reads them
  bool packed_ready;  // packed still holds these weights: weight_* and bias_* are not read
  Steps<Real> kept_h;  // [N, T, P] written: out once more for backward, as out is the user's to change; data null: not wanted
};

template <class Real>
struct Backward {
  Steps<const Real> h;    // [N, T, P] kept_h as forward wrote it
  const Real* saved;      // as forward wrote it
  Steps<const Real> d_out;  // [N, T, P] gradient of out; data null: zeros
  Steps<const Real> d_c;    // [N, T, H] gradient of c of every step, LSTM; data null: zeros
  const Real* d_h_n;        // [N, P]; null: zeros
  const Real* d_c_n;        // [N, H]; null: zeros
  Steps<Real> d_x;          // [N, T, I] written, 0 past each length; data null: not wanted
  Real* d_h0;               // [N, P] written
  Real* d_c0;               // [N, H] written, LSTM
  Real* d_weight_ih;        // [G H, I] written
  Real* d_weight_hh;        // [G H, P] written
  Real* d_bias_ih;          // [G H] written; null: not wanted
  Real* d_bias_hh;          // [G H] written; null: not wanted
  Real* d_peephole = nullptr;     // these four: written, shaped as the options; null where there is no such option
  Real* d_weight_hr = nullptr;
  Real* d_norm_weight = nullptr;
  Real* d_norm_bias = nullptr;
  Real* d_reset_h = nullptr;  // [N, P] written; null where there is no such state
  Real* d_reset_c = nullptr;  // [N, H] written, LSTM; null where there is no such state
};

// The kernels of one instruction set. Functions return false when memory runs out, and then have no result.
template <class Real>
struct Kernels {
  bool (*forward)(const Layer<Real>&, const Forward<Real>&);
  bool (*backward)(const Layer<Real>&, const Backward<Real>&);
  int64_t (*saved_width)(CellKind, int64_t hidden, int64_t projected);  // 0: no projection
  int64_t (*packed_size)(const Layer<Real>&);
  // The products of pairs, as any CPU forms them: in the order of AVX512_BF16, and in that of AMX.
  PairProduct by_conversion, by_tiles;
};

}  // namespace unrolled
