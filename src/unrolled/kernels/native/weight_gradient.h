// The gradients of weights and biases: sums over every step of every sequence of gate gradients times inputs.
//
// Each thread owns some pieces of the sums and adds to them in one order, so that no result depends on how many
// threads there are. A tile of sums stays in registers for up to kRunRows rows.
#pragma once

#include "cells.h"
#include "multiply.h"
#include "panels.h"

namespace unrolled::UNROLLED_ISA {

constexpr int kRunRows = 128;  // 32 KiB of gate gradients: they stay in L1 while all tiles of a block pass over them

// Consecutive slots of one step.
struct Run {
  int64_t step, first, count;
};

// sums[k][v] += Σ_r row_r[k] * gates_r[v] for K numbers k from `begin` on and W vectors v.
template <class Real, int K, int W>
UNROLLED_INLINE void add_rows(Vec<Real> (&sum)[K][W], const Real* const* rows, int64_t begin,
                                                    const Real* __restrict gates, int64_t stride, int64_t count) {
  for (int64_t r = 0; r < count; ++r, gates += stride) {
    const Real* row = rows[r] + begin;
    Vec<Real> gate[W];
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) gate[v] = load(gates + v * kLanes<Real>);
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const Vec<Real> number = broadcast(row[k]);
#pragma GCC unroll 8
      for (int v = 0; v < W; ++v) sum[k][v] = fma(number, gate[v], sum[k][v]);
    }
  }
}

// The sum of a run is formed on its own and then added: the error of long sums grows with the number of runs.
template <class Real>
inline void add_to(Real* sums, Vec<Real> sum) {
  store(sums, load(sums) + sum);
}

// A factor of the sums: the rows that stand beside the gate gradients of every (step, slot), and a window of slots.
template <class Real>
struct Factor {
  const Real* const* rows;  // [steps of the chunk][slots]
  int64_t depth;            // numbers of a row
  Real* sums;               // [blocks][depth][window][lanes]
};

// The gate gradients of some steps: [steps of the chunk][blocks][slots of the batch][slots of the cell][lanes].
template <class Cell, class Real>
struct GateGradients {
  static constexpr int lanes = kLanes<Real>;
  Real* data;
  int64_t slots, blocks;
  Real* operator()(int64_t step, int64_t block, int64_t slot) const {
    return data + ((step * blocks + block) * slots + slot) * Cell::slots * lanes;
  }
};

template <class Cell, class Real, int First, int Count>
struct WeightSums {
  static constexpr int lanes = kLanes<Real>;
  const GateGradients<Cell, Real>& d_gates;
  const Factor<Real>& factor;

  static int64_t tiles(int64_t depth) { return divide_up(depth, kTileRows); }

  template <int K, int Slot>
  void tile_pass(int64_t block, int64_t begin, const Run* runs, int run_count) const {
    if constexpr (Slot < Count) {
      constexpr int width = least(kTileVectors, Count - Slot);
      Real* sums = factor.sums + ((block * factor.depth + begin) * Count + Slot) * lanes;
      Vec<Real> sum[K][width];
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
        for (int v = 0; v < width; ++v) sum[k][v] = Vec<Real>{};
      for (int i = 0; i < run_count; ++i) {
        const Run run = runs[i];
        add_rows<Real, K, width>(sum, factor.rows + run.step * d_gates.slots + run.first, begin,
                                 d_gates(run.step, block, run.first) + (First + Slot) * lanes, Cell::slots * lanes,
                                 run.count);
      }
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
        for (int v = 0; v < width; ++v) add_to(sums + (k * Count + v) * lanes, sum[k][v]);
      tile_pass<K, Slot + width>(block, begin, runs, run_count);
    }
  }

  void tile(int64_t block, int64_t tile, const Run* runs, int run_count) const {
    const int64_t begin = tile * factor.depth / tiles(factor.depth);
    const int64_t end = (tile + 1) * factor.depth / tiles(factor.depth);
    switch (end - begin) {
      case 1: return tile_pass<1, 0>(block, begin, runs, run_count);
      case 2: return tile_pass<2, 0>(block, begin, runs, run_count);
      case 3: return tile_pass<3, 0>(block, begin, runs, run_count);
      case 4: return tile_pass<4, 0>(block, begin, runs, run_count);
      case 5: return tile_pass<5, 0>(block, begin, runs, run_count);
      case 6: return tile_pass<6, 0>(block, begin, runs, run_count);
    }
  }

  // The tile's sums, into torch's layout.
  void finish(int64_t block, int64_t tile, Real* weight, const int (&gate)[Count], int64_t hidden) const {
    const int64_t begin = tile * factor.depth / tiles(factor.depth);
    const int64_t end = (tile + 1) * factor.depth / tiles(factor.depth);
    unpack_block(factor.sums + block * factor.depth * Count * lanes, weight, gate, block, hidden, factor.depth, begin,
                 end);
  }
};

// sums [slots][lanes] of one block, for the biases.
template <class Cell, class Real>
void add_biases(Real* sums, const GateGradients<Cell, Real>& d_gates, int64_t block, const Run* runs,
                int run_count) {
  constexpr int lanes = kLanes<Real>;
  Vec<Real> sum[Cell::slots];
#pragma GCC unroll 8
  for (int v = 0; v < Cell::slots; ++v) sum[v] = Vec<Real>{};
  for (int i = 0; i < run_count; ++i) {
    const Real* gates = d_gates(runs[i].step, block, runs[i].first);
    for (int64_t r = 0; r < runs[i].count; ++r, gates += Cell::slots * lanes)
#pragma GCC unroll 8
      for (int v = 0; v < Cell::slots; ++v) sum[v] = sum[v] + load(gates + v * lanes);
  }
#pragma GCC unroll 8
  for (int v = 0; v < Cell::slots; ++v) add_to(sums + v * lanes, sum[v]);
}

}  // namespace unrolled::UNROLLED_ISA
