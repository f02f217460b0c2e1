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
constexpr int kMostRows = 32;  // of the tiles of products in fewer bits
constexpr int kTileVectors = UNROLLED_TILE_VECTORS;

constexpr int least(int a, int b) { return a < b ? a : b; }
constexpr int greatest(int a, int b) { return a > b ? a : b; }
constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// sum[r][b][First + v] += Σ_k rows[r][k] * panel_b[k][v] for W vectors v of each of the panels, which lie `apart` numbers
// from one another; All vectors of a block have sums; `stride` numbers lie between two k. On the way lines of each k are fetched from `ahead`, the panel whose
// turn comes next: weights that do not fit into the second cache then arrive while this panel's are used. One row uses
// each number of a panel once, which the processor foresees better by itself.
template <class Real, int R, int W, int Blocks, int First = 0, int All = W>
UNROLLED_INLINE void multiply(Vec<Real> (&sum)[R][Blocks * All], const Real* const (&rows)[R], const Real* __restrict panel,
                              int64_t stride, int64_t apart, const Real* ahead, int64_t depth) {
  for (int64_t k = 0; k < depth; ++k, panel += stride, ahead += stride) {
    if constexpr (R > 1) {
      __builtin_prefetch(ahead, 0, 2);
      if constexpr (Blocks * W > 2) __builtin_prefetch(ahead + kLanes<Real>, 0, 2);
    }
    Vec<Real> weight[Blocks * W];
#pragma GCC unroll 16
    for (int i = 0; i < Blocks * W; ++i) weight[i] = load(panel + i / W * apart + i % W * kLanes<Real>);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<Real> number = broadcast(rows[r][k]);
#pragma GCC unroll 16
      for (int i = 0; i < Blocks * W; ++i) {
        Vec<Real>& to = sum[r][i / W * All + First + i % W];
        to = fma(number, weight[i], to);
      }
    }
  }
}

// Where the i-th tile that uses a panel begins to fetch the next one: each takes two lines of each k, in turn.
template <class Real>
UNROLLED_INLINE const Real* lines_of(const Real* next, int64_t tile, int64_t stride) {
  const int64_t line = kLineBytes / int64_t(sizeof(Real)), lines = stride / line;
  return next + (lines > 1 ? 2 * tile % lines : 0) * line;
}

// A matrix whose rows come in pieces: number k of piece p of a row lies at row[p * piece_stride + k].
struct Pieces {
  int64_t count, length, stride;
};

// Weights as the products read them: some vectors of each k.
template <class Real>
struct Panel {
  const Real* data;
  int64_t stride;     // numbers from one k to the next
  const Real* ahead;  // what to fetch meanwhile: somewhere in a panel of the same size
  int64_t apart = 0;  // numbers from one block's panel to the next one's
};

// Where the sums of a tile go, and what they start from: those of row r and block b stand at to[r] + b * to_apart, and
// start from what is at from[r] + b * from_apart, or from zero if `from` is null.
template <class Real>
struct Sums {
  Real* const* to;
  const Real* const* from;
  int64_t to_apart = 0, from_apart = 0;
  int64_t shift = 0;  // the first of them that a pass takes, of a panel's vectors too
};

// One factor of a product: rows and their weights.
template <class Real>
struct Factor {
  const Real* const* rows;
  Pieces pieces;
  Panel<Real> panel;
};

template <class Real, int R, int W, int Blocks>
UNROLLED_INLINE void load_sums(Vec<Real> (&sum)[R][Blocks * W], const Sums<Real>& sums) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int i = 0; i < Blocks * W; ++i)
      sum[r][i] = sums.from ? load(sums.from[r] + sums.shift + i / W * sums.from_apart + i % W * kLanes<Real>) : Vec<Real>{};
}

template <class Real, int R, int W, int Blocks>
UNROLLED_INLINE void store_sums(const Vec<Real> (&sum)[R][Blocks * W], const Sums<Real>& sums) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int i = 0; i < Blocks * W; ++i)
      store(sums.to[r] + sums.shift + i / W * sums.to_apart + i % W * kLanes<Real>, sum[r][i]);
}

// Sums of R rows times W vectors of each of some blocks, over one factor after another.
template <class Real, int R, int W, int Blocks = 1>
UNROLLED_INLINE void product_here(const Sums<Real>& sums, const Factor<Real>* factors, int count) {
  Vec<Real> sum[R][Blocks * W];
  load_sums<Real, R, W, Blocks>(sum, sums);
  for (const Factor<Real>* factor = factors; factor < factors + count; ++factor) {
    const Panel<Real>& panel = factor->panel;
    const Real *weights = panel.data + sums.shift, *ahead = panel.ahead, *row[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) row[r] = factor->rows[r];
    for (int64_t piece = 0; piece < factor->pieces.count; ++piece) {
      multiply<Real, R, W, Blocks>(sum, row, weights, panel.stride, panel.apart, ahead, factor->pieces.length);
      weights += factor->pieces.length * panel.stride;
      ahead += factor->pieces.length * panel.stride;
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) row[r] += factor->pieces.stride;
    }
  }
  store_sums<Real, R, W, Blocks>(sum, sums);
}

// A factor, of one piece, that has a part in Count of all the vectors from First on.
template <int kFirst, int kCount>
struct Window {
  static constexpr int first = kFirst, count = kCount;
};

// Sums of R rows times All vectors of each of some blocks, over two factors with a window of the vectors each.
template <class Real, int R, int All, class One, class Other, int Blocks = 1>
UNROLLED_INLINE void product_of_windows(const Sums<Real>& sums, const Factor<Real>& one, const Factor<Real>& other) {
  Vec<Real> sum[R][Blocks * All];
  load_sums<Real, R, All, Blocks>(sum, sums);
  const auto add = [&](auto window, const Factor<Real>& factor) __attribute__((always_inline)) {
    using Its = decltype(window);
    const Real* row[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) row[r] = factor.rows[r];
    multiply<Real, R, Its::count, Blocks, Its::first, All>(sum, row, factor.panel.data, factor.panel.stride,
                                                           factor.panel.apart, factor.panel.ahead, factor.pieces.length);
  };
  add(One{}, one);
  add(Other{}, other);
  store_sums<Real, R, All, Blocks>(sum, sums);
}

template <class Real, int R, int All, class One, class Other>
[[gnu::noinline]] void tile_of_windows(const Sums<Real>& sums, const Factor<Real>& one, const Factor<Real>& other) {
  product_of_windows<Real, R, All, One, Other>(sums, one, other);
}

// The same as one function for all cells.
template <class Real, int R, int W>
[[gnu::noinline]] void product_tile(const Sums<Real>& sums, const Factor<Real>* factors, int count) {
  product_here<Real, R, W>(sums, factors, count);
}

template <class Real, int W>
void product_rows(int rows, const Sums<Real>& sums, const Factor<Real>* factors, int count = 1) {
  switch (rows) {
    case 1: return product_tile<Real, 1, W>(sums, factors, count);
    case 2: return product_tile<Real, 2, W>(sums, factors, count);
    case 3: return product_tile<Real, 3, W>(sums, factors, count);
    case 4: return product_tile<Real, 4, W>(sums, factors, count);
    case 5: return product_tile<Real, 5, W>(sums, factors, count);
    case 6: return product_tile<Real, 6, W>(sums, factors, count);
  }
}

// The group of columns that starts at vector `first` of `vectors` is this wide; its panel starts at
// first * depth * lanes.
inline int group_width(int64_t first, int64_t vectors) {
  return vectors - first < kTileVectors ? int(vectors - first) : kTileVectors;
}

// For `width` vectors, up to kTileVectors.
template <class Real>
void product_vectors(int rows, int width, const Sums<Real>& sums, const Factor<Real>& factor) {
  switch (width) {
    case 1: return product_rows<Real, 1>(rows, sums, &factor);
    case 2: return product_rows<Real, 2>(rows, sums, &factor);
#if UNROLLED_TILE_VECTORS > 2
    case 3: return product_rows<Real, 3>(rows, sums, &factor);
    case 4: return product_rows<Real, 4>(rows, sums, &factor);
#endif
  }
}

// action(sums) for `width` vectors of sums of which only `columns` numbers of each row are there: to[r] (+)= its sums. Of a
// row that is no whole vectors the action has a place beside it.
template <class Real, int MostRows, class Action>
UNROLLED_INLINE void in_whole_vectors(int rows, int width, Real* const* to, bool add, int64_t columns, const Action& action) {
  const int64_t all = width * kLanes<Real>;
  if (columns >= all) return action(Sums<Real>{to, add ? to : nullptr});
  Real whole[MostRows * kTileVectors * kLanes<Real>] = {};
  Real* padded[MostRows];
  for (int r = 0; r < rows; ++r) {
    padded[r] = whole + r * all;
    if (add) __builtin_memcpy(padded[r], to[r], size_t(columns) * sizeof(Real));
  }
  action(Sums<Real>{padded, add ? padded : nullptr});
  for (int r = 0; r < rows; ++r) __builtin_memcpy(to[r], padded[r], size_t(columns) * sizeof(Real));
}

template <class Real>
void product_group(int rows, int width, Real* const* to, bool add, int64_t columns, const Factor<Real>& factor) {
  in_whole_vectors<Real, kTileRows>(rows, width, to, add, columns, [&](const Sums<Real>& sums) {
    product_vectors<Real>(rows, width, sums, factor);
  });
}

// A sum waits four cycles for its last product, so a pass needs several: with one or two rows it takes all vectors of
// a window of slots, and several blocks of units, until they keep up with the second cache or are as many as
// registers hold.
constexpr int kSums = least(8, 256 / kVectorBytes);
constexpr int blocks_of_pass(int rows, int width) { return greatest(1, kSums / (rows * width)); }

// For the W vectors of a window of slots, in passes of kTileVectors where there are many rows.
template <class Real, int W, int Slot = 0>
void product_window(int rows, Sums<Real> sums, const Factor<Real>* factors, int count) {
  if constexpr (W <= kTileVectors) {
    return product_rows<Real, W>(rows, sums, factors, count);
  } else if constexpr (Slot < W) {
    if (rows == 1) return product_tile<Real, 1, W>(sums, factors, count);
    if (rows == 2) return product_tile<Real, 2, W>(sums, factors, count);
    constexpr int width = least(kTileVectors, W - Slot);
    product_rows<Real, width>(rows, sums, factors, count);
    sums.shift += width * kLanes<Real>;
    product_window<Real, W, Slot + width>(rows, sums, factors, count);
  }
}

}  // namespace unrolled::UNROLLED_ISA
