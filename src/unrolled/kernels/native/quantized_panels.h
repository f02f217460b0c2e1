// Quantized weights as the products read them, and rows of numbers made int8.
#pragma once

#include "bfloat16_product.h"
#include "cells.h"
#include "int8_product.h"
#include "layer.h"
#include "multiply.h"

namespace unrolled::UNROLLED_ISA {

// One of a cell's matrices [gates H, depth]: vectors of units, those of a block's gates side by side, in groups of
// kGroup, the last filled up with zeros. A word is 32 bits of a row.
struct QuantizedMatrix {
  static constexpr int lanes = kLanes<float>;
  int bits;
  int64_t depth, words;
  int first, count, slots;  // a block's gates stand in the slots from `first` on
  int64_t vectors, groups;
  int32_t* panel;  // [groups][words][kGroup][lanes]
  float* scale;    // [groups][kGroup][lanes], and so on: for int8
  int32_t* start;  // -128 Σ w

  QuantizedMatrix(int bits, int64_t depth, int64_t blocks, int first, int count, int slots)
      : bits(bits), depth(depth), words(divide_up(depth * bits, 32)), first(first), count(count), slots(slots),
        vectors(blocks * count), groups(divide_up(vectors, kGroup)), panel(), scale(), start() {}

  int64_t size() const { return groups * kGroup * lanes * (words + (bits == 8 ? 2 : 0)); }

  // Returns where the memory ends that it takes.
  float* place(float* memory) {
    const int64_t sums = groups * kGroup * lanes;
    panel = reinterpret_cast<int32_t*>(memory);
    scale = memory + sums * words;
    start = reinterpret_cast<int32_t*>(scale + sums);
    return memory + size();
  }

  const int32_t* group(int64_t group) const { return panel + group * words * kGroup * lanes; }

  void pack(const void* weight, const float* scales, const int* gate, int64_t hidden) const {
    const int64_t row_bytes = depth * bits / 8;
    for (int64_t vector = 0; vector < groups * kGroup; ++vector)
      for (int lane = 0; lane < lanes; ++lane) {
        const int64_t unit = vector / count * lanes + lane, row = gate[vector % count] * hidden + unit;
        const bool known = vector < vectors && unit < hidden;
        const char* from = static_cast<const char*>(weight) + row * row_bytes;
        int32_t* to = panel + (vector / kGroup * words * kGroup + vector % kGroup) * lanes + lane;
        int32_t sum = 0;
        for (int64_t word = 0; word < words; ++word, to += kGroup * lanes) {
          const int64_t left = row_bytes - 4 * word;
          int8_t four[4] = {};
          if (known) std::memcpy(four, from + 4 * word, size_t(left < 4 ? left : 4));
          std::memcpy(to, four, sizeof four);
          sum += four[0] + four[1] + four[2] + four[3];
        }
        if (bits != 8) continue;
        scale[vector * lanes + lane] = known ? scales[row] : 0;
        start[vector * lanes + lane] = -128 * sum;
      }
  }
};

// All of a layer's, in one piece of memory: x, h, that of the candidate of the GRU that resets before, and the biases.
template <class Cell>
struct QuantizedPanels {
  static constexpr int lanes = kLanes<float>;
  static constexpr bool second_half = Cell::two_halves;
  static constexpr int candidate[] = {2};
  int64_t hidden, blocks;
  QuantizedMatrix x, h, second;
  float* biases = nullptr;

  QuantizedPanels(float* memory, int bits, int64_t input, int64_t hidden)
      : hidden(hidden),
        blocks(divide_up(hidden, lanes)),
        x(bits, input, blocks, Cell::x_first, Cell::x_count, Cell::slots),
        h(bits, hidden, blocks, Cell::h_first, Cell::h_count, Cell::slots),
        second(bits, hidden, second_half ? blocks : 0, 0, 1, Cell::slots) {
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

// pre += W x of up to four rows, for the vectors from `first`, with which a group begins, to before `end`; `apart` numbers
// lie between two blocks' pre-activations.
inline void multiply_group(const QuantizedMatrix& matrix, const Int8Product& product, const QuantizedRow* rows, int count,
                           int64_t apart, int64_t first, int64_t end) {
  constexpr int lanes = kLanes<float>, most = 4;
  const int known = int(end - first < kGroup ? end - first : kGroup);
  const int32_t* const panel = matrix.group(first / kGroup);
  alignas(64) int32_t sums[most * kGroup * lanes];
  int64_t place[kGroup], block = first / matrix.count;
  for (int v = 0, gate = int(first - block * matrix.count); v < known; ++v) {
    place[v] = block * apart + (matrix.first + gate) * lanes;
    if (++gate == matrix.count) gate = 0, ++block;
  }
  if (matrix.bits == 16) {
    const float* numbers[most] = {};
    float* to[most][kGroup];
    float* const unused = reinterpret_cast<float*>(sums);
    for (int lane = 0; lane < lanes; ++lane) unused[lane] = 0;
    for (int r = 0; r < count; ++r) {
      numbers[r] = static_cast<const float*>(rows[r].numbers);
      for (int v = 0; v < kGroup; ++v) to[r][v] = v < known ? rows[r].pre + place[v] : unused;
    }
    return bfloat16_group(count, to, numbers, panel, matrix.depth);
  }
  alignas(64) static constexpr int32_t zeros[kGroup * lanes] = {};
  const int8_t* numbers[most] = {};
  for (int r = 0; r < count; ++r) numbers[r] = static_cast<const int8_t*>(rows[r].numbers);
  product.form(count, sums, product.flips ? matrix.start + first * lanes : zeros, numbers, panel, matrix.words);
  for (int r = 0; r < count; ++r) {
    const Vec<float> one = broadcast(rows[r].scale);
    const auto add = [&](int v) __attribute__((always_inline)) {
      Int<float> whole;
      __builtin_memcpy(&whole, sums + (r * kGroup + v) * lanes, kVectorBytes);
      float* const pre = rows[r].pre + place[v];
      const Vec<float> scale = load(matrix.scale + (first + v) * lanes) * one;
      store(pre, fma(__builtin_convertvector(whole, Vec<float>), scale, load(pre)));
    };
    if (known == kGroup) {
#pragma GCC unroll 8
      for (int v = 0; v < kGroup; ++v) add(v);
    } else {
      for (int v = 0; v < known; ++v) add(v);
    }
  }
}

// The same of all rows, for the blocks from `block` to `end_block`, which begin with a group: done(first, end) for blocks
// whose pre-activations stand. All rows use a group's weights while these are there; `turned`: the last group comes first.
template <class Done>
void multiply_quantized(const QuantizedMatrix& matrix, const Int8Product& product, const QuantizedRow* rows, int64_t count,
                        int64_t apart, int64_t block, int64_t end_block, bool turned, const Done& done) {
  const int64_t begin = block * matrix.count, end = end_block * matrix.count, groups = divide_up(end - begin, kGroup);
  for (int64_t i = 0; i < groups; ++i) {
    const int64_t first = begin + (turned ? groups - 1 - i : i) * kGroup;
    for (int64_t row = 0, taken; row < count; row += taken) {
      taken = count - row >= 4 ? 4 : count - row >= 2 ? 2 : 1;
      multiply_group(matrix, product, rows + row, int(taken), apart, first, end);
    }
    const int64_t left = turned ? divide_up(first, matrix.count) : (first + kGroup < end ? first + kGroup : end) / matrix.count;
    turned ? done(left, end_block) : done(block, left);
    (turned ? end_block : block) = left;
  }
}

}  // namespace unrolled::UNROLLED_ISA
