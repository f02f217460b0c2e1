// The weights as the way back reads them, and the products with them.
#pragma once

#include "panels.h"
#include "plan.h"
#include "weight_gradient.h"

namespace unrolled::UNROLLED_ISA {

template <class Cell, class Real>
struct BackwardPanels {
  static constexpr int lanes = kLanes<Real>;
  const Layer<Real>& layer;
  const Plan& plan;
  bool wants_x, has_second;
  Pairs pairs;
  Real* h = {};       // U, for d_h; without the candidate's part where that has panels of its own
  Real* x = {};       // W, for d_x
  Real* second = {};  // U_n of the GRU that resets before, or the projection of an LSTM
  Real* unit = {};    // the unit vectors of every block, of an LSTM with options
  Real* rows = {};    // [regions][steps at once][N][row_depth] rows of gradients as pairs; a region for each thread that shares units

  int64_t h_size() const { return columns_size<Real>(pairs, layer.hidden, layer.output, Cell::h_count); }
  int64_t x_size() const { return wants_x ? columns_size<Real>(pairs, layer.hidden, layer.input, Cell::x_count) : 0; }
  int64_t second_size() const { return has_second ? columns_size<Real>(pairs, layer.output, layer.hidden, 1) : 0; }
  bool apart() const { return packs_apart(plan, (h_size() + x_size() + second_size()) * int64_t(sizeof(Real))); }

  // Of the longest row of gradients as pairs.
  int64_t row_depth() const {
    const int64_t outputs = divide_up(layer.output, lanes) * lanes, units = divide_up(layer.hidden, lanes) * lanes * Cell::slots;
    return pairs ? pairs.depth(units > outputs ? units : outputs) : 0;
  }

  // take(size) hands out memory.
  template <class Take>
  void lay_out(const Take& take) {
    const int64_t copies = apart() ? plan.threads : 1;
    h = take(h_size() * copies);
    x = take(x_size() * copies);
    second = take(second_size() * copies);
    unit = take(divide_up(layer.hidden, lanes) * lanes * unit_vectors<Cell>());
    rows = take((plan.by_units ? plan.threads : 1) * plan.at_once * plan.slots * row_depth());
  }

  // From here on what the thread packs and reads, where each has a copy.
  void take_copy(int64_t thread) {
    if (!apart()) return;
    h += thread * h_size();
    x += thread * x_size();
    second += thread * second_size();
  }

  // The weights of the columns that the thread's products give; where threads share one copy, some of all.
  void pack(int thread, int team) const {
    const int64_t H = layer.hidden, I = layer.input, P = layer.output;
    const bool all = apart();
    const auto share = [&](int64_t columns, auto&& pack_group_of) {
      const int64_t vectors = divide_up(columns, lanes);
      const Plan::Share mine = all ? Plan::Share{0, vectors, 0, 1} : plan.share(thread, team, vectors);
      for (int64_t first = mine.first_block + mine.thread * kTileVectors; first < mine.end_block;
           first += mine.team * kTileVectors)
        pack_group_of(first, first + kTileVectors < vectors ? first + kTileVectors : vectors);
    };
    share(P, [&](int64_t begin, int64_t end) { pack(h, layer.weight_hh, Cell::h_gate, H, P, begin, end); });
    if (has_second)
      share(H, [&](int64_t begin, int64_t end) {
        pack(second, Cell::two_halves ? layer.weight_hh : layer.options.weight_hr, SecondProduct<Cell>::gate, P, H, begin,
             end);
      });
    if (wants_x)
      share(I, [&](int64_t begin, int64_t end) { pack(x, layer.weight_ih, Cell::x_gate, H, I, begin, end); });
    if constexpr (Cell::whole_rows)
      for (int64_t block = thread; block < units().blocks; block += team)
        pack_unit_vectors<Cell>(units().unit(block), layer, block);
  }

  template <int Count>
  void pack(Real* panels, const Real* weight, const int (&gate)[Count], int64_t hidden, int64_t columns, int64_t begin,
            int64_t end) const {
    if constexpr (sizeof(Real) == 4)
      if (pairs) return pack_columns(pairs, panels, weight, gate, hidden, columns, begin, end);
    pack_columns(panels, weight, gate, hidden, columns, begin, end);
  }

  // Panels that hold nothing but the unit vectors.
  Panels<Cell, Real> units() const {
    const int64_t blocks = divide_up(layer.hidden, lanes);
    return {unit - blocks * Cell::slots * lanes, blocks, 0, 0, 0};
  }

  // to(step, slot) (+)= a row of pieces, from(step, slot), times panels, for a thread's rows of the steps from
  // first_step to end_step.
  template <class From, class To>
  void product(int64_t first_step, int64_t end_step, Pieces pieces, const From& from_row, const Real* panels,
               int64_t columns, bool add, int thread, int team, const To& to_row) const {
    const int64_t vectors = divide_up(columns, lanes);
    const int64_t of_row = pairs.depth(pieces.count * pieces.length), depth = of_row * lanes;  // of a column of vectors
    const Plan::Share share = plan.share(thread, team, vectors);
    const auto row_of = [&](int64_t step, int64_t slot) {
      const int64_t region = plan.by_units ? thread * plan.at_once : 0;
      return rows + ((region + step - first_step) * plan.slots + slot) * row_depth();
    };
    for (int64_t first = share.first_block; first < share.end_block; first += kTileVectors) {
      const int64_t next = first + 2 * kTileVectors <= share.end_block ? first + kTileVectors : share.first_block;
      const int width = group_width(first, vectors);
      int64_t turn = 0;
      plan.each_tile_of_steps(first_step, end_step, share, [&](int count, const int64_t* step, const int64_t* slot) {
        Real* to[kMostRows];
        const Real* from[kMostRows];
        for (int r = 0; r < count; ++r) {
          to[r] = to_row(step[r], slot[r]) + first * lanes;
          from[r] = from_row(step[r], slot[r]);
          if constexpr (sizeof(Real) == 4)
            if (pairs) {
              Real* const row = row_of(step[r], slot[r]);
              if (first == share.first_block) pairs.put_row(row, from[r], pieces);
              from[r] = row;
            }
        }
        const Real* ahead = lines_of<Real>(panels + next * depth, turn++, group_width(next, vectors) * lanes);
        const Panel<Real> panel = {panels + first * depth, width * lanes, ahead};
        const int64_t left = columns - first * lanes;
        if (pairs) pairs.multiply_group<Real>(count, width, to, add, left, {from, {1, of_row, 0}, panel});
        else product_group<Real>(count, width, to, add, left, {from, pieces, panel});
      });
    }
  }
};

}  // namespace unrolled::UNROLLED_ISA
