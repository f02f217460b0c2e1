// Quantized weights as the products read them, and rows of numbers made int8.
#pragma once

#include "bfloat16_product.h"
#include "cells.h"
#include "int8_product.h"
#include "layer.h"
#include "multiply.h"

namespace unrolled::UNROLLED_ISA {

// One of a cell's matrices [gates H, depth]: the vectors of units of some blocks' gates side by side, in groups of whole
// blocks, the last ones filled up with zeros. A word is 32 bits of a row. Its: the window of a block's slots that the
// gates are of.
template <class Its>
struct QuantizedMatrix {
  static constexpr int lanes = kLanes<float>, group_blocks = kGroup / Its::count, wide = group_blocks * Its::count;
  int bits;
  int64_t depth, words, groups;
  int32_t* data = nullptr;  // of each group: words [words][wide][lanes]; for int8 then scales and -128 Σ w, [wide][lanes]

  // blocks: whole groups.
  QuantizedMatrix(int bits, int64_t depth, int64_t blocks)
      : bits(bits), depth(depth), words(divide_up(depth * bits, 32)), groups(blocks / group_blocks) {}

  int64_t group_size() const { return (words + (bits == 8 ? 2 : 0)) * wide * lanes; }
  int64_t size() const { return groups * group_size(); }

  // Returns where the memory ends that it takes.
  float* place(float* memory) {
    data = reinterpret_cast<int32_t*>(memory);
    return memory + size();
  }

  // That of a group's first block.
  const int32_t* panel(int64_t block) const { return data + block / group_blocks * group_size(); }
  const float* scale(const int32_t* panel) const { return reinterpret_cast<const float*>(panel + words * wide * lanes); }
  const int32_t* start(const int32_t* panel) const { return panel + (words + 1) * wide * lanes; }

  void pack(const void* weight, const float* scales, const int* gate, int64_t hidden) const {
    const int64_t row_bytes = depth * bits / 8;
    for (int64_t vector = 0; vector < groups * wide; ++vector)
      for (int lane = 0; lane < lanes; ++lane) {
        const int64_t unit = vector / Its::count * lanes + lane, row = gate[vector % Its::count] * hidden + unit;
        const char* from = static_cast<const char*>(weight) + row * row_bytes;
        int32_t* to = data + vector / wide * group_size() + vector % wide * lanes + lane;
        int32_t sum = 0;
        for (int64_t word = 0; word < words; ++word, to += wide * lanes) {
          const int64_t left = row_bytes - 4 * word;
          int8_t four[4] = {};
          if (unit < hidden) std::memcpy(four, from + 4 * word, size_t(left < 4 ? left : 4));
          std::memcpy(to, four, sizeof four);
          sum += four[0] + four[1] + four[2] + four[3];
        }
        if (bits != 8) continue;
        const float scale = unit < hidden ? scales[row] : 0;
        std::memcpy(to, &scale, sizeof scale);
        to[wide * lanes] = -128 * sum;
      }
  }
};

// All of a layer's, in one piece of memory: x, h, that of the candidate of the GRU that resets before, and the biases. They
// are of whole spans of blocks, which hold whole groups of every matrix.
template <class Cell>
struct QuantizedPanels {
  static constexpr int lanes = kLanes<float>;
  static constexpr int candidate[] = {2};
  using X = QuantizedMatrix<Window<Cell::x_first, Cell::x_count>>;
  using H = QuantizedMatrix<Window<Cell::h_first, Cell::h_count>>;
  using Second = QuantizedMatrix<Window<0, 1>>;
  static constexpr int span = greatest(greatest(X::group_blocks, H::group_blocks), Cell::two_halves ? Second::group_blocks : 1);
  static_assert(span % X::group_blocks == 0 && span % H::group_blocks == 0);
  int64_t blocks;
  X x;
  H h;
  Second second;
  float* biases = nullptr;

  QuantizedPanels(float* memory, int bits, int64_t input, int64_t hidden)
      : blocks(divide_up(divide_up(hidden, lanes), span) * span),
        x(bits, input, blocks),
        h(bits, hidden, blocks),
        second(bits, hidden, Cell::two_halves ? blocks : 0) {
    if (memory) biases = second.place(h.place(x.place(memory)));
  }

  int64_t size() const { return x.size() + h.size() + second.size() + blocks * Cell::slots * lanes; }
  float* bias(int64_t block) const { return biases + block * Cell::slots * lanes; }
};

// A row of numbers as int8 in whole vectors, of which one stands for the scale that is returned: see quantize_rows in
// cells/quantized.py. flip: 0, or -128 for numbers that are to be unsigned.
inline float quantize_row(int8_t* __restrict to, const float* from, int64_t depth, int8_t flip) {
  constexpr int lanes = kLanes<float>;
  typedef int8_t Bytes __attribute__((vector_size(lanes)));
  constexpr int32_t infinity = 0x7f800000, smallest = 0x0d800000;  // 2^-100
  Int<float> most = {};
  for (int64_t k = 0; k < depth; k += lanes) {  // the bits of what is larger are more, and those of NaN most
    const Int<float> bits = Int<float>(load_first(from + k, depth - k)) & 0x7fffffff;
    most = bits > most ? bits : most;
  }
  int32_t largest = 0;
  for (int lane = 0; lane < lanes; ++lane) largest = most[lane] > largest ? most[lane] : largest;
  float bound;
  __builtin_memcpy(&bound, &largest, sizeof bound);
  if (largest < smallest || largest >= infinity) {
    for (int64_t k = 0; k < depth; k += lanes) std::memset(to + k, flip, lanes);
    return largest < smallest ? 0.0f : __builtin_nanf("");
  }
  const Vec<float> factor = broadcast(127.0f / bound), rounder = broadcast(Exponential<float>::rounder);
  for (int64_t k = 0; k < depth; k += lanes) {
    const Int<float> whole = Int<float>(load_first(from + k, depth - k) * factor + rounder) ^ int32_t(flip);
    const Bytes bytes = __builtin_convertvector(whole, Bytes);
    std::memcpy(to + k, &bytes, sizeof bytes);
  }
  return bound / 127.0f;
}

// A row of a product: its numbers, int8 or float, what one of these stands for, and its pre-activations.
struct QuantizedRow {
  const void* numbers;
  float scale;
  float* pre;
  int64_t slot;
};

// The products of up to four rows with the group of vectors that begins with a block: what they make of the pre-activations,
// which lie `apart` from block to block, or of biases [blocks][slots][lanes] if these are given.
template <class Its>
void multiply_group(const QuantizedMatrix<Its>& matrix, const Int8Product& product, const QuantizedRow* rows, int count,
                    int64_t apart, int64_t block, const float* bias, int64_t bias_apart) {
  using Matrix = QuantizedMatrix<Its>;
  constexpr int lanes = kLanes<float>, most = 4;
  const int32_t* const panel = matrix.panel(block);
  float* to[most] = {};
  const float* from[most] = {};
  for (int r = 0; r < count; ++r) {
    to[r] = rows[r].pre + block * apart;
    from[r] = bias ? bias + block * bias_apart : to[r];
  }
  const int64_t from_apart = bias ? bias_apart : apart;
  if (matrix.bits == 16) {
    const float* numbers[most] = {};
    for (int r = 0; r < count; ++r) numbers[r] = static_cast<const float*>(rows[r].numbers);
    return bfloat16_group<Its, Matrix::wide>(count, {to, apart}, {from, from_apart}, numbers, panel, matrix.depth);
  }
  alignas(64) int32_t sums[most * kGroup * lanes];
  alignas(64) static constexpr int32_t zeros[kGroup * lanes] = {};
  const int8_t* numbers[most] = {};
  for (int r = 0; r < count; ++r) numbers[r] = static_cast<const int8_t*>(rows[r].numbers);
  product.form(count, Matrix::wide, sums, product.flips ? matrix.start(panel) : zeros, numbers, panel, matrix.words);
  for (int r = 0; r < count; ++r) {
    const Vec<float> one = broadcast(rows[r].scale);
#pragma GCC unroll 8
    for (int v = 0; v < Matrix::wide; ++v) {
      const int64_t b = v / Its::count, slot = (Its::first + v % Its::count) * lanes;
      Int<float> whole;
      __builtin_memcpy(&whole, sums + (r * kGroup + v) * lanes, kVectorBytes);
      const Vec<float> scale = load(matrix.scale(panel) + v * lanes) * one;
      store(to[r] + b * apart + slot, fma(__builtin_convertvector(whole, Vec<float>), scale, load(from[r] + b * from_apart + slot)));
    }
  }
}

// The same of all rows, for blocks in whole groups: all rows use a group's weights while these are there.
template <class Its>
void multiply_groups(const QuantizedMatrix<Its>& matrix, const Int8Product& product, const QuantizedRow* rows, int64_t count,
                     int64_t apart, int64_t block, int64_t end_block, const float* bias, int64_t bias_apart) {
  for (; block < end_block; block += QuantizedMatrix<Its>::group_blocks)
    for (int64_t row = 0, taken; row < count; row += taken) {
      taken = count - row >= 4 ? 4 : count - row >= 2 ? 2 : 1;
      multiply_group(matrix, product, rows + row, int(taken), apart, block, bias, bias_apart);
    }
}

}  // namespace unrolled::UNROLLED_ISA
