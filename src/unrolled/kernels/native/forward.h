// A layer walks forward: each thread takes its tiles of sequences through all steps without waiting for another.
#pragma once

#include "panels.h"
#include "plan.h"
#include "team.h"

namespace unrolled::UNROLLED_ISA {

template <class Cell, class Real>
struct ForwardWalk {
  static constexpr int lanes = kLanes<Real>;
  const Layer<Real>& layer;
  const Forward<Real>& result;
  const Plan& plan;
  Panels<Cell, Real> panels;
  int64_t blocks, stride;    // of units, and the units of all blocks
  Real* h[2];                // [N][stride] before and after the step, by the step's parity
  Real* c;                   // [N][stride]
  Real* reset;               // [N][stride] r * h of the GRU that resets before
  Saved<Cell, Real> saved;
  bool keep;

  // Where the step's gates go: without backward, every step's to the same place, and only if a second half reads it.
  Real* gates(int64_t step, int64_t block, int64_t slot) const {
    return saved.gates(keep ? step : 0, block, slot);
  }

  void pack(int thread, int team) const {
    for (int64_t block = thread; block < blocks; block += team) {
      pack_block(panels.x(block), layer.weight_ih, Cell::x_gate, block, layer.hidden, layer.input);
      pack_block(panels.h(block), layer.weight_hh, Cell::h_gate, block, layer.hidden, layer.hidden);
      pack_bias<Cell>(panels.bias(block), layer, block);
      if constexpr (Cell::two_halves)
        if (block % kTileVectors == 0)
          pack_group(panels.candidate(block),
                     layer.weight_hh + Cell::candidate_gate * layer.hidden * layer.hidden, block, layer.hidden,
                     layer.hidden);
    }
  }

  void begin(int64_t slot) const {
    const int64_t H = layer.hidden, from = plan.row[slot] * H, to = slot * stride;
    const size_t bytes = size_t(H) * sizeof(Real);
    std::memset(h[0] + to, 0, size_t(stride) * sizeof(Real));
    std::memset(h[1] + to, 0, size_t(stride) * sizeof(Real));
    if (layer.h0) std::memcpy(h[0] + to, layer.h0 + from, bytes);
    if constexpr (Cell::has_c) {
      std::memset(c + to, 0, size_t(stride) * sizeof(Real));
      if (layer.c0) std::memcpy(c + to, layer.c0 + from, bytes);
    }
    zero_padding(result.out, plan, slot, layer.time, H);
    if (Cell::has_c && result.c.data) zero_padding(result.c, plan, slot, layer.time, H);
  }

  void end(int64_t slot) const {
    const int64_t H = layer.hidden, to = plan.row[slot] * H, from = slot * stride;
    const size_t bytes = size_t(H) * sizeof(Real);
    std::memcpy(result.h_n + to, h[plan.length[slot] % 2] + from, bytes);
    if (Cell::has_c) std::memcpy(result.c_n + to, c + from, bytes);
  }

  // One step of some blocks of units for R slots from `first` on; of a cell with two halves the first.
  template <int R, int Blocks = 1>
  void tile(int64_t step, int64_t block, int64_t first, int64_t turn) const {
    alignas(64) Real pre[Blocks * R * Cell::slots * lanes];
    Operand<Real, R> x, before;
    for (int r = 0; r < R; ++r) {
      x.rows[r] = at(layer.x, plan.row[first + r], plan.time_of(first + r, step));
      before.rows[r] = h[step % 2] + (first + r) * stride;
    }
    const int64_t next = block + Blocks < blocks ? block + Blocks : 0;
    x.panel = panels.x(block), x.depth = layer.input;
    x.apart = panels.x(1) - panels.x(0), before.apart = panels.h(1) - panels.h(0);
    x.ahead = lines_of<Real>(panels.x(next), turn, Cell::x_count * lanes);
    before.ahead = lines_of<Real>(panels.h(next), turn, Cell::h_count * lanes);
    before.panel = panels.h(block), before.depth = layer.hidden;
    preactivate<Cell, Real, R, Blocks>(pre, panels.bias(block), x, before);
    for (int i = 0; i < Blocks * R; ++i)
      begin_row(step, block + i / R, first + i % R, pre + i * Cell::slots * lanes);
    if constexpr (!Cell::two_halves)
      for (int i = 0; i < Blocks * R; ++i)
        end_row(step, block + i / R, first + i % R, pre + i * Cell::slots * lanes);
  }

  UNROLLED_INLINE void begin_row(int64_t step, int64_t block, int64_t slot, Real* pre) const {
    const int64_t unit = block * lanes;
    Vec<Real> gate[Cell::slots];
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) gate[v] = load(pre + v * lanes);
    if constexpr (Cell::two_halves) {
      const Vec<Real> before = load(h[step % 2] + slot * stride + unit);
      store(reset + slot * stride + unit, Cell::template reset<Real>(gate, before));
      keep_gates(gates(step, block, slot), gate);
    } else {
      Vec<Real> state = {};
      if constexpr (Cell::has_c) state = load(c + slot * stride + unit);
      Cell::template begin<Real>(gate, state);
      if constexpr (Cell::has_c) {
        store(c + slot * stride + unit, state);
        if (keep) store(saved.c(step, block, slot), state);
        if (result.c.data)
          store_first(at(result.c, plan.row[slot], plan.time_of(slot, step)) + unit, state, layer.hidden - unit);
      }
      keep_gates(pre, gate);
    }
  }

  UNROLLED_INLINE void end_row(int64_t step, int64_t block, int64_t slot, const Real* pre) const {
    const int64_t unit = block * lanes;
    Vec<Real> gate[Cell::slots];
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) gate[v] = load(pre + v * lanes);
    const Vec<Real> before = load(h[step % 2] + slot * stride + unit);
    Vec<Real> state = {};
    if constexpr (Cell::has_c) state = load(c + slot * stride + unit);
    show(step, slot, unit, Cell::template end<Real>(gate, before, state));
    if (keep) keep_gates(gates(step, block, slot), gate);
  }

  static UNROLLED_INLINE void keep_gates(Real* to, const Vec<Real>* gate) {
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) store(to + v * lanes, gate[v]);
  }

  UNROLLED_INLINE void show(int64_t step, int64_t slot, int64_t unit, Vec<Real> after) const {
    store(h[(step + 1) % 2] + slot * stride + unit, after);
    store_first(at(result.out, plan.row[slot], plan.time_of(slot, step)) + unit, after, layer.hidden - unit);
  }

  // The second half: reset, of all units, has become U_n (r * h), and the candidate can be finished.
  void second_half(int64_t step, int64_t first, int rows) const {
    alignas(64) Real product[kTileRows * kTileVectors * lanes];
    for (int64_t group = 0; group < blocks; group += kTileVectors) {
      const int width = group_width(group, blocks);
      const Real* from[kTileRows];
      Real* to[kTileRows];
      for (int r = 0; r < rows; ++r) {
        from[r] = reset + (first + r) * stride;
        to[r] = product + r * kTileVectors * lanes;
        for (int v = 0; v < width; ++v)
          store(to[r] + v * lanes, load(gates(step, group + v, first + r)));
      }
      product_group<Real>(rows, width, to, true, width * lanes, from, {1, layer.hidden, 0},
                          panels.candidate(group), panels.candidate(group));
      for (int r = 0; r < rows; ++r)
        for (int v = 0; v < width; ++v) candidate(step, group + v, first + r, load(to[r] + v * lanes));
    }
  }

  void candidate(int64_t step, int64_t block, int64_t slot, Vec<Real> pre) const {
    if constexpr (Cell::two_halves) {
      const int64_t unit = block * lanes;
      Real* kept = gates(step, block, slot);
      Vec<Real> gate[] = {pre, load(kept + lanes), load(kept + 2 * lanes)};
      const Vec<Real> before = load(h[step % 2] + slot * stride + unit);
      show(step, slot, unit, Cell::template candidate<Real>(gate, before));
      store(kept, gate[0]);
    }
  }

  void block_of_tile(int64_t step, int64_t block, int64_t first, int rows, int64_t turn) const {
    switch (rows) {
      case 1: return tile<1>(step, block, first, turn);
      case 2: return tile<2>(step, block, first, turn);
      case 3: return tile<3>(step, block, first, turn);
      case 4: return tile<4>(step, block, first, turn);
      case 5: return tile<5>(step, block, first, turn);
      case 6: return tile<6>(step, block, first, turn);
    }
  }

  // Of a thread with one tile of one or two rows: takes as many blocks at a time as kPassBlocks says, and returns how
  // many blocks are done.
  int64_t several_blocks(int64_t step, int64_t tile) const {
    const int rows = tile < plan.tiles ? plan.rows_at(tile, step) : 0;
    return rows == 1 ? several_blocks_of<1>(step, tile) : rows == 2 ? several_blocks_of<2>(step, tile) : 0;
  }

  template <int R>
  int64_t several_blocks_of(int64_t step, int64_t tile) const {
    constexpr int together = kPassBlocks<Cell, R>;
    int64_t done = 0;
    if constexpr (together > 1)
      for (; done + together <= blocks; done += together) this->template tile<R, together>(step, done, plan.tile_begin(tile), 0);
    return done;
  }

  void walk(int thread, int team) const {
    const int64_t mine = divide_up(plan.tiles, team);
    for (int64_t i = 0; i < mine; ++i) {
      const int64_t tile = plan.tile_of(i, thread, team);
      if (tile >= plan.tiles) continue;
      for (int64_t slot = plan.tile_begin(tile); slot < plan.tile_begin(tile + 1); ++slot) begin(slot);
    }
    for (int64_t step = 0; step < plan.steps; ++step) {
      int64_t block = mine == 1 ? several_blocks(step, plan.tile_of(0, thread, team)) : 0;
      for (; block < blocks; ++block)
        for (int64_t i = 0; i < mine; ++i) {
          const int64_t tile = plan.tile_of(i, thread, team);
          if (tile < plan.tiles) block_of_tile(step, block, plan.tile_begin(tile), plan.rows_at(tile, step), i);
        }
      if constexpr (Cell::two_halves)
        for (int64_t i = 0; i < mine; ++i) {
          const int64_t tile = plan.tile_of(i, thread, team);
          if (tile < plan.tiles) second_half(step, plan.tile_begin(tile), plan.rows_at(tile, step));
        }
    }
    for (int64_t i = 0; i < mine; ++i) {
      const int64_t tile = plan.tile_of(i, thread, team);
      if (tile >= plan.tiles) continue;
      for (int64_t slot = plan.tile_begin(tile); slot < plan.tile_begin(tile + 1); ++slot) end(slot);
    }
  }
};

template <class Cell, class Real>
bool forward(const Layer<Real>& layer, const Forward<Real>& result) {
  using Walk = ForwardWalk<Cell, Real>;
  const int64_t N = layer.batch, blocks = divide_up(layer.hidden, Walk::lanes), stride = blocks * Walk::lanes;
  Buffer<int64_t> order(plan_size(layer));
  if (!order) return false;
  const Plan plan = make_plan(layer, order);

  const bool keep = result.saved != nullptr;
  Buffer<Real> states(N * stride * (2 + Cell::has_c + Cell::two_halves));
  Buffer<Real> step_gates(keep || !Cell::two_halves ? 0 : N * Saved<Cell, Real>::width(layer.hidden));
  if (!states || !step_gates) return false;

  Real* part = states;
  const auto take = [&part, size = N * stride] { return (part += size) - size; };
  Walk walk = {layer, result, plan, {result.packed, layer.input, layer.hidden, blocks}, blocks, stride,
               {take(), take()}, nullptr, nullptr, {keep ? result.saved : step_gates, N, blocks}, keep};
  if (Cell::has_c) walk.c = take();
  if (Cell::two_halves) walk.reset = take();

  run_team(plan.threads, [&](int thread, int team) {
    if (!result.packed_ready) {
      walk.pack(thread, team);
      wait_for_team(team);
    }
    walk.walk(thread, team);
  });
  return true;
}

}  // namespace unrolled::UNROLLED_ISA
