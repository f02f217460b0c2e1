// The matrix products: rows of numbers times panels of packed weights, a tile of rows at a time.
//
// A tile is up to kTileRows rows by up to kTileVectors vectors, small enough that every sum stays in a register
// for the whole product: each step of the inner loop loads the vectors of one k and broadcasts one number of each
// row. A row's sums are formed in the order of k, whatever tile the row is in.
#pragma once

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

constexpr int64_t kLineBytes = 64;
constexpr int kTileRows = 6;
constexpr int kTileVectors = UNROLLED_TILE_VECTORS;

constexpr int least(int a, int b) { return a < b ? a : b; }
constexpr int greatest(int a, int b) { return a > b ? a : b; }
constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// sum[r][b][first + v] += Σ_k rows[r][k] * panel_b[k][v] for v in [0, Count) and each of the panels, which lie `apart`
// numbers from one another; `stride` numbers lie between two k. On the way one line of each k is fetched from `ahead`,
// the panel whose turn comes next: weights that do not fit into the second cache then arrive while this panel's are
// used. One row uses each number of a panel once, which the processor foresees better by itself.
template <class Real, int R, int W, int First, int Count, int Blocks = 1>
UNROLLED_INLINE void multiply(Vec<Real> (&sum)[R][W], const Real* const (&rows)[R],
                                                    const Real* __restrict panel, int64_t stride, int64_t depth,
                                    const Real* ahead, int64_t apart = 0) {
  if constexpr (Count > 0) {
    for (int64_t k = 0; k < depth; ++k, panel += stride, ahead += stride) {
      if constexpr (R > 1) __builtin_prefetch(ahead, 0, 2);
      Vec<Real> weight[Blocks * Count];
#pragma GCC unroll 16
      for (int i = 0; i < Blocks * Count; ++i)
        weight[i] = load(panel + i / Count * apart + i % Count * kLanes<Real>);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Vec<Real> number = broadcast(rows[r][k]);
#pragma GCC unroll 16
        for (int i = 0; i < Blocks * Count; ++i) {
          Vec<Real>& to = sum[r][i / Count * (W / Blocks) + First + i % Count];
          to = fma(number, weight[i], to);
        }
      }
    }
  }
}

// Where the i-th tile that uses a panel begins to fetch the next one: each takes other lines of each k.
template <class Real>
UNROLLED_INLINE const Real* lines_of(const Real* next, int64_t tile, int64_t stride) {
  const int64_t line = kLineBytes / int64_t(sizeof(Real)), lines = stride / line;
  return next + (lines > 0 ? tile % lines : 0) * line;
}

// One operand of preactivate(): rows of `depth` numbers, and the panel [depth][window][lanes] of their weights.
template <class Real, int R>
struct Operand {
  const Real* rows[R];
  const Real* panel;
  int64_t depth;
  int64_t apart;      // numbers from the panel of one block of units to the next block's
  const Real* ahead;  // what to fetch meanwhile: somewhere in a panel of the same size
};

// A sum waits four cycles for its last product, so a pass needs several: with one or two rows it takes all slots, and
// several blocks of units, until they keep up with the second cache or are as many as registers hold.
constexpr int kSums = least(8, 256 / kVectorBytes);

template <class Cell, int R>
constexpr int kPassSlots = R <= 2 ? Cell::slots : kTileVectors;
template <class Cell, int R>
constexpr int kPassBlocks = greatest(1, kSums / (R * Cell::h_count));

// pre[block][r][slot] = bias[slot] + W x + U h for the tile's rows and some blocks of units, in passes of kPassSlots.
template <class Cell, class Real, int R, int Blocks, int Slot = 0>
UNROLLED_INLINE void preactivate(Real* __restrict pre, const Real* bias,
                                                       const Operand<Real, R>& x, const Operand<Real, R>& h) {
  if constexpr (Slot < Cell::slots) {
    constexpr int lanes = kLanes<Real>, width = least(kPassSlots<Cell, R>, Cell::slots - Slot), end = Slot + width;
    constexpr int x_begin = greatest(Slot, Cell::x_first), x_end = least(end, Cell::x_first + Cell::x_count);
    constexpr int h_begin = greatest(Slot, Cell::h_first), h_end = least(end, Cell::h_first + Cell::h_count);

    Vec<Real> sum[R][Blocks * width];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int i = 0; i < Blocks * width; ++i)
        sum[r][i] = load(bias + (i / width * Cell::slots + Slot + i % width) * lanes);

    multiply<Real, R, Blocks * width, x_begin - Slot, greatest(0, x_end - x_begin), Blocks>(
        sum, x.rows, x.panel + (x_begin - Cell::x_first) * lanes, Cell::x_count * lanes, x.depth, x.ahead, x.apart);
    multiply<Real, R, Blocks * width, h_begin - Slot, greatest(0, h_end - h_begin), Blocks>(
        sum, h.rows, h.panel + (h_begin - Cell::h_first) * lanes, Cell::h_count * lanes, h.depth, h.ahead, h.apart);

#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int i = 0; i < Blocks * width; ++i)
        store(pre + ((i / width * R + r) * Cell::slots + Slot + i % width) * lanes, sum[r][i]);
    preactivate<Cell, Real, R, Blocks, end>(pre, bias, x, h);
  }
}

// A matrix whose rows come in pieces: number k of piece p of a row lies at row[p * piece_stride + k].
struct Pieces {
  int64_t count, length, stride;
};

// to[r][0 .. columns) = rows[r] times panel [pieces][length][W][lanes], or that added to what stands there.
template <class Real, int R, int W>
inline void product_tile(Real* const* to, bool add, int64_t columns, const Real* const* rows, Pieces pieces,
                         const Real* __restrict panel, const Real* ahead) {
  constexpr int lanes = kLanes<Real>;
  Vec<Real> sum[R][W];
  const Real* row[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    row[r] = rows[r];
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v)
      sum[r][v] = add ? load_first(to[r] + v * lanes, columns - v * lanes) : Vec<Real>{};
  }
  for (int64_t piece = 0; piece < pieces.count; ++piece) {
    multiply<Real, R, W, 0, W>(sum, row, panel, W * lanes, pieces.length, ahead);
    panel += pieces.length * W * lanes;
    ahead += pieces.length * W * lanes;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) row[r] += pieces.stride;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) store_first(to[r] + v * lanes, sum[r][v], columns - v * lanes);
}

template <class Real, int W>
inline void product_rows(int rows_count, Real* const* to, bool add, int64_t columns, const Real* const* rows,
                         Pieces pieces, const Real* panel, const Real* ahead) {
  switch (rows_count) {
    case 1: return product_tile<Real, 1, W>(to, add, columns, rows, pieces, panel, ahead);
    case 2: return product_tile<Real, 2, W>(to, add, columns, rows, pieces, panel, ahead);
    case 3: return product_tile<Real, 3, W>(to, add, columns, rows, pieces, panel, ahead);
    case 4: return product_tile<Real, 4, W>(to, add, columns, rows, pieces, panel, ahead);
    case 5: return product_tile<Real, 5, W>(to, add, columns, rows, pieces, panel, ahead);
    case 6: return product_tile<Real, 6, W>(to, add, columns, rows, pieces, panel, ahead);
  }
}

// The group of columns that starts at vector `first` of `vectors` is this wide; its panel starts at
// first * depth * lanes.
inline int group_width(int64_t first, int64_t vectors) {
  return vectors - first < kTileVectors ? int(vectors - first) : kTileVectors;
}

// product_tile() for one group of columns of a tile; columns counts from the group's first.
template <class Real>
inline void product_group(int rows_count, int width, Real* const* to, bool add, int64_t columns,
                          const Real* const* rows, Pieces pieces, const Real* panel, const Real* ahead) {
  switch (width) {
    case 1: return product_rows<Real, 1>(rows_count, to, add, columns, rows, pieces, panel, ahead);
    case 2: return product_rows<Real, 2>(rows_count, to, add, columns, rows, pieces, panel, ahead);
#if UNROLLED_TILE_VECTORS > 2
    case 3: return product_rows<Real, 3>(rows_count, to, add, columns, rows, pieces, panel, ahead);
    case 4: return product_rows<Real, 4>(rows_count, to, add, columns, rows, pieces, panel, ahead);
#endif
  }
}

}  // namespace unrolled::UNROLLED_ISA
