// What a step adds up before its maths: bias + W x + U h, of a tile of rows and a block of units, or several blocks.
#pragma once

#include "panels.h"

namespace unrolled::UNROLLED_ISA {

template <class Cell, class Real>
struct PreActivations {
  static constexpr int lanes = kLanes<Real>;
  Panels<Cell, Real> panels;
  Pairs pairs = {};

  // A tile of rows before a block of units, or several: where its pre-activations stand, x and h, and their products.
  struct Tile {
    Real* pre[kMostRows];
    int64_t apart;  // from one block's pre-activations to the next one's
    const Real *x[kMostRows], *h[kMostRows], *bias[kMostRows];
  };

  Factor<Real> by_x(const Tile& tile, int64_t block, int64_t next, int64_t turn) const {
    constexpr int64_t width = Cell::x_count * lanes;
    return {tile.x, {1, panels.x_depth, 0},
            {panels.x(block), width, lines_of<Real>(panels.x(next), turn, width), panels.x(1) - panels.x(0)}};
  }

  Factor<Real> by_h(const Tile& tile, int64_t block, int64_t next, int64_t turn) const {
    constexpr int64_t width = Cell::h_count * lanes;
    return {tile.h, {1, panels.h_depth, 0},
            {panels.h(block), width, lines_of<Real>(panels.h(next), turn, width), panels.h(1) - panels.h(0)}};
  }

  // pre = bias + W x in the slots of the cell that x has a part in, and the bias in the others.
  template <int Rows = 0, int Blocks = 1>
  UNROLLED_INLINE void multiply_x(Tile& tile, int rows, int64_t block, int64_t next, int64_t turn) const {
    constexpr int64_t of_block = Cell::slots * lanes, first = Cell::x_first * lanes, end = first + Cell::x_count * lanes;
    Real* pre[kMostRows];
    for (int r = 0; r < rows; ++r) {
      tile.bias[r] = panels.bias(block) + first;
      pre[r] = tile.pre[r] + first;
      for (int64_t other = 0; other < of_block; other += lanes)
        for (int b = 0; b < Blocks && (other < first || other >= end); ++b)
          store(tile.pre[r] + b * tile.apart + other, load(panels.bias(block + b) + other));
    }
    const Factor<Real> factor = by_x(tile, block, next, turn);
    product<Cell::x_count, Rows, Blocks>(rows, {pre, tile.bias, tile.apart, of_block}, &factor, 1);
  }

  // pre += U h in the slots that h has a part in.
  template <int Rows = 0, int Blocks = 1>
  UNROLLED_INLINE void multiply_h(Tile& tile, int rows, int64_t block, int64_t next, int64_t turn) const {
    Real* pre[kMostRows];
    for (int r = 0; r < rows; ++r) pre[r] = tile.pre[r] + Cell::h_first * lanes;
    const Factor<Real> factor = by_h(tile, block, next, turn);
    product<Cell::h_count, Rows, Blocks>(rows, {pre, pre, tile.apart, tile.apart}, &factor, 1);
  }

  // pre = bias + W x + U h, in one pass where both have a part in every slot, or where registers hold the sums of all. Of
  // one or two rows each product has a loop of its own: one loop for both costs a step of one row a fiftieth.
  template <int Rows = 0, int Blocks = 1>
  UNROLLED_INLINE void multiply_both(Tile& tile, int rows, int64_t block, int64_t next, int64_t turn) const {
    if constexpr (Rows == 0 && Cell::x_count == Cell::slots && Cell::h_count == Cell::slots) {
      for (int r = 0; r < rows; ++r) tile.bias[r] = panels.bias(block);
      const Factor<Real> factors[] = {by_x(tile, block, next, turn), by_h(tile, block, next, turn)};
      constexpr int64_t of_block = Cell::slots * lanes;
      product<Cell::slots, Rows, Blocks>(rows, {tile.pre, tile.bias, tile.apart, of_block}, factors, 2);
    } else {
      using X = Window<Cell::x_first, Cell::x_count>;
      using H = Window<Cell::h_first, Cell::h_count>;
      if constexpr (Rows > 0 || Cell::slots <= kTileVectors) {
        for (int r = 0; r < rows; ++r) tile.bias[r] = panels.bias(block);
        const Factor<Real> x = by_x(tile, block, next, turn), h = by_h(tile, block, next, turn);
        const Sums<Real> sums = {tile.pre, tile.bias, tile.apart, Cell::slots * lanes};
        if constexpr (Rows > 0) return product_of_windows<Real, Rows, Cell::slots, X, H, Blocks>(sums, x, h);
        if (rows == 6) return tile_of_windows<Real, 6, Cell::slots, X, H>(sums, x, h);
        if (rows == 5) return tile_of_windows<Real, 5, Cell::slots, X, H>(sums, x, h);
        if (rows == 4) return tile_of_windows<Real, 4, Cell::slots, X, H>(sums, x, h);
      }
      multiply_x<Rows, Blocks>(tile, rows, block, next, turn);
      multiply_h<Rows, Blocks>(tile, rows, block, next, turn);
    }
  }

  // In the caller's code where there are one or two rows: a call would cost a step of one row a twentieth.
  template <int W, int Rows, int Blocks>
  UNROLLED_INLINE void product(int rows, const Sums<Real>& sums, const Factor<Real>* factors, int count) const {
    if constexpr (Rows > 0) return product_here<Real, Rows, W, Blocks>(sums, factors, count);
    else if (pairs) return pairs.multiply(rows, W, sums, *factors);
    else return product_window<Real, W>(rows, sums, factors, count);
  }
};

}  // namespace unrolled::UNROLLED_ISA
