// The weights as the products read them, and the gradients of the weights brought back into torch's layout.
#pragma once

#include <cstring>

#include "cells.h"
#include "layer.h"
#include "multiply.h"
#include "pairs.h"

namespace unrolled::UNROLLED_ISA {

// A square of numbers: rows become columns.
template <class Real>
UNROLLED_INLINE void transpose(Vec<Real> (&rows)[kLanes<Real>]) {
  constexpr int lanes = kLanes<Real>;
#pragma GCC unroll 8
  for (int pass = 1; pass < lanes; pass *= 2) {
    Vec<Real> next[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) next[i] = interleave<Real>(rows[i / 2], rows[i / 2 + lanes / 2], i % 2);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) rows[i] = next[i];
  }
}

// to[j * to_row + i] = from[i * from_row + j] for i below `rows` and j below `columns`: squares in registers, and what is
// left at the edges number by number.
template <class Real>
void copy_transposed(Real* __restrict to, int64_t to_row, const Real* from, int64_t from_row, int64_t rows,
                     int64_t columns) {
  constexpr int lanes = kLanes<Real>;
  for (int64_t i = 0; i < rows; i += lanes)
    for (int64_t j = 0; j < columns; j += lanes) {
      const Real* corner = from + i * from_row + j;
      Real* turned = to + j * to_row + i;
      if (rows - i >= lanes && columns - j >= lanes) {
        Vec<Real> square[lanes];
#pragma GCC unroll 16
        for (int k = 0; k < lanes; ++k) square[k] = load(corner + k * from_row);
        transpose<Real>(square);
#pragma GCC unroll 16
        for (int k = 0; k < lanes; ++k) store(turned + k * to_row, square[k]);
      } else {
        for (int64_t a = 0; a < lanes && i + a < rows; ++a)
          for (int64_t b = 0; b < lanes && j + b < columns; ++b) turned[b * to_row + a] = corner[a * from_row + b];
      }
    }
}

// to[k * to_row + lane] = from[lane * depth + k] for a vector's lanes, zeros in those from `known` on; k counts words where
// numbers are read in pairs.
template <class Real>
void pack_lanes(const Pairs& pairs, Real* to, int64_t to_row, const Real* from, int64_t known, int64_t depth) {
  constexpr int lanes = kLanes<Real>;
  if (known > lanes) known = lanes;
  for (int64_t k = 0; (pairs || known < lanes) && k < pairs.depth(depth); ++k) store(to + k * to_row, Vec<Real>{});
  if (!pairs) return copy_transposed(to, to_row, from, depth, known, depth);
  if constexpr (sizeof(Real) == 4) {
    constexpr int64_t piece = 4 * lanes;  // words
    alignas(64) Real words[lanes * piece];
    for (int part = 0; part < pairs.parts; ++part)
      for (int64_t k = 0; k < depth; k += 2 * piece) {
        const int64_t numbers = depth - k < 2 * piece ? depth - k : 2 * piece;
        for (int64_t lane = 0; lane < known; ++lane)
          pairs.put_part(words + lane * piece, from + lane * depth + k, numbers, part);
        copy_transposed(to + (part * pairs.words(depth) + k / 2) * to_row, to_row, words, piece, known, divide_up(numbers, 2));
      }
  }
}

// panel [depth][Count][lanes] of one block of units from weight [gates H, depth], and back.
template <class Real, int Count>
void pack_block(const Pairs& pairs, Real* panel, const Real* weight, const int (&gate)[Count], int64_t block, int64_t hidden,
                int64_t depth) {
  constexpr int lanes = kLanes<Real>;
  const int64_t unit = block * lanes;
  for (int v = 0; v < Count; ++v)
    pack_lanes(pairs, panel + v * lanes, Count * lanes, weight + (gate[v] * hidden + unit) * depth, hidden - unit, depth);
}

template <class Real, int Count>
void unpack_block(const Real* panel, Real* weight, const int (&gate)[Count], int64_t block, int64_t hidden,
                  int64_t depth) {
  constexpr int lanes = kLanes<Real>;
  const int64_t unit = block * lanes;
  const int64_t units = hidden - unit < lanes ? hidden - unit : lanes;
  for (int v = 0; v < Count; ++v)
    copy_transposed(weight + (gate[v] * hidden + unit) * depth, depth, panel + v * lanes, Count * lanes, depth, units);
}

// Panels of columns of weight [gates H, columns] for a product over the window's gates: group by group
// [blocks][Count][lanes][width][lanes]. `begin`, `end`: the vectors of columns, a whole number of groups.
template <class Real, int Count>
void pack_columns(Real* __restrict panels, const Real* weight, const int (&gate)[Count], int64_t hidden,
                  int64_t columns, int64_t begin, int64_t end) {
  constexpr int lanes = kLanes<Real>;
  const int64_t vectors = divide_up(columns, lanes), blocks = divide_up(hidden, lanes);
  const int64_t depth = blocks * Count * lanes;
  for (int64_t first = begin; first < end; first += kTileVectors) {
    const int64_t width = group_width(first, vectors) * lanes;
    const int64_t known = columns - first * lanes < width ? columns - first * lanes : width;
    Real* to = panels + first * depth * lanes;
    for (int64_t block = 0; block < blocks; ++block)
      for (int v = 0; v < Count; ++v)
        for (int64_t lane = 0; lane < lanes; ++lane, to += width) {
          const int64_t unit = block * lanes + lane;
          const int64_t copied = unit < hidden ? known : 0;
          if (copied > 0)
            std::memcpy(to, weight + (gate[v] * hidden + unit) * columns + first * lanes,
                        size_t(copied) * sizeof(Real));
          std::memset(to + copied, 0, size_t(width - copied) * sizeof(Real));
        }
  }
}

// The same of words, of two units each: group by group [part][words of blocks Count lanes units][width][lanes].
template <int Count>
void pack_columns(const Pairs& pairs, float* panels, const float* weight, const int (&gate)[Count], int64_t hidden,
                  int64_t columns, int64_t begin, int64_t end) {
  constexpr int lanes = kLanes<float>;
  const int64_t vectors = divide_up(columns, lanes), units = divide_up(hidden, lanes) * lanes;
  const int64_t words = pairs.words(units * Count);
  for (int64_t first = begin; first < end; first += kTileVectors) {
    const int64_t width = group_width(first, vectors) * lanes;
    const int64_t known = columns - first * lanes < width ? columns - first * lanes : width;
    float* to = panels + first * lanes * pairs.parts * words;
    std::memset(to, 0, size_t(width * pairs.parts * words) * sizeof(float));
    for (int part = 0; part < pairs.parts; ++part, to += words * width)
      for (int64_t block = 0; block < units; block += lanes)
        for (int v = 0; v < Count; ++v)
          for (int64_t lane = 0; lane < lanes && block + lane < hidden; lane += 2) {
            const int64_t unit = block + lane;
            const float* upper = weight + (gate[v] * hidden + unit) * columns + first * lanes;
            pairs.put_two_rows(to + (block * Count + v * lanes + lane) / 2 * width, upper,
                                unit + 1 < hidden ? upper + columns : nullptr, known, part);
          }
  }
}

// Of the panels of columns for a product over Count gates of so many units.
template <class Real>
int64_t columns_size(const Pairs& pairs, int64_t hidden, int64_t columns, int count) {
  constexpr int lanes = kLanes<Real>;
  return divide_up(columns, lanes) * lanes * pairs.depth(divide_up(hidden, lanes) * count * lanes);
}

// How many vectors of parameters a block of units has beside its weights and biases.
template <class Cell>
constexpr int unit_vectors() {
  if constexpr (Cell::whole_rows) return Cell::vectors;
  return 0;
}

// The panels of forward, in one piece of memory: those of x, those of h, the biases, the vectors of parameters, and
// those of a second product over columns [width][depth H]: the candidate's of the GRU that resets before, or the
// projection's of an LSTM.
template <class Cell, class Real>
struct Panels {
  static constexpr int lanes = kLanes<Real>;
  Real* data;
  int64_t blocks;                         // of units
  int64_t x_depth, h_depth, second_depth;  // of a row of x, of h and of what the second product takes

  static Panels of(Real* data, const Pairs& pairs, int64_t input, int64_t hidden, int64_t output) {
    return {data, divide_up(hidden, lanes), pairs.depth(input), pairs.depth(output), pairs.depth(hidden)};
  }
  int64_t size(int64_t output) const {
    const int64_t second = Cell::two_halves || Cell::whole_rows ? divide_up(output, lanes) * lanes * second_depth : 0;
    const int64_t of_unit = x_depth * Cell::x_count + h_depth * Cell::h_count + Cell::slots + unit_vectors<Cell>();
    return blocks * lanes * of_unit + second;
  }
  Real* x(int64_t block) const { return data + block * x_depth * Cell::x_count * lanes; }
  Real* h(int64_t block) const { return x(blocks) + block * h_depth * Cell::h_count * lanes; }
  Real* bias(int64_t block) const { return h(blocks) + block * Cell::slots * lanes; }
  Real* unit(int64_t block) const { return bias(blocks) + block * unit_vectors<Cell>() * lanes; }
  Real* second(int64_t first) const { return unit(blocks) + first * second_depth * lanes; }
};

// [vectors][lanes] of one block: the peepholes, weights and biases of the norms of an LSTM with options.
template <class Cell, class Real>
void pack_unit_vectors(Real* to, const Layer<Real>& layer, int64_t block) {
  constexpr int lanes = kLanes<Real>;
  const auto pack = [&](const Real* from, int count) {
    for (int v = 0; v < count; ++v)
      for (int lane = 0; lane < lanes; ++lane, ++to) {
        const int64_t unit = block * lanes + lane;
        *to = from && unit < layer.hidden ? from[v * layer.hidden + unit] : Real(0);
      }
  };
  pack(layer.options.peephole, Cell::peepholes);
  pack(layer.options.norm_weight, Cell::norms);
  pack(layer.options.norm_bias, Cell::norms);
}

template <class Cell, class Real>
void pack_bias(Real* to, const Layer<Real>& layer, int64_t block) {
  constexpr int lanes = kLanes<Real>;
  for (int slot = 0; slot < Cell::slots; ++slot)
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t unit = block * lanes + lane;
      Real bias = slot == Cell::forget_slot ? layer.forget_bias : Real(0);
      const int from_x = slot - Cell::x_first, from_h = slot - Cell::h_first;
      if (unit < layer.hidden) {
        if (layer.bias_ih && from_x >= 0 && from_x < Cell::x_count)
          bias += layer.bias_ih[Cell::x_gate[from_x] * layer.hidden + unit];
        if (layer.bias_hh && from_h >= 0 && from_h < Cell::h_count)
          bias += layer.bias_hh[Cell::h_gate[from_h] * layer.hidden + unit];
        if constexpr (Cell::two_halves)  // the candidate of the GRU that resets before: both its biases
          if (layer.bias_hh && slot == 0) bias += layer.bias_hh[Cell::candidate_gate * layer.hidden + unit];
      }
      to[slot * lanes + lane] = bias;
    }
}

// panel [depth][width][lanes] of the group of units that starts at block `first`, from weight [H, depth].
template <class Real>
void pack_group(const Pairs& pairs, Real* panel, const Real* weight, int64_t first, int64_t hidden, int64_t depth) {
  constexpr int lanes = kLanes<Real>;
  const int width = group_width(first, divide_up(hidden, lanes));
  for (int v = 0; v < width; ++v) {
    const int64_t unit = (first + v) * lanes;
    pack_lanes(pairs, panel + v * lanes, width * lanes, weight + unit * depth, hidden - unit, depth);
  }
}

}  // namespace unrolled::UNROLLED_ISA
