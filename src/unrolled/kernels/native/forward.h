// A layer walks forward: each thread takes its tiles of sequences through all steps without waiting for another.
#pragma once

#include "forward_rows.h"
#include "lstm_row.h"
#include "preactivations.h"
#include "saved.h"
#include "states.h"
#include "team.h"

namespace unrolled::UNROLLED_ISA {

template <class Cell, class Real>
struct ForwardWalk {
  static constexpr int lanes = kLanes<Real>;
  const Layer<Real>& layer;
  const Forward<Real>& result;
  const Plan& plan;
  Panels<Cell, Real> panels;
  PreActivations<Cell, Real> pre_activations;
  Saved<Cell, Real> saved;
  bool keep;
  int64_t chunk;             // steps whose products with x are formed at once
  int64_t blocks, stride;    // of units, and the units of all blocks
  int64_t outputs;           // the numbers of h in whole vectors
  States<Cell, Real> states;
  ForwardRows<Real> factors = {};
  Real* second = {};         // [N][stride] what the second product takes: r * h of the GRU that resets before, m of an LSTM
  Real* scratch = {};        // [threads][rows of a tile][stride]

  // Where the step's gates go; without backward, to the place of the same step of the chunk before.
  Real* gates(int64_t step, int64_t block, int64_t slot) const {
    return saved.gates(keep ? step : step % chunk, block, slot);
  }

  // The weights of the share's blocks of units, or where threads share one copy, of every team-th block.
  void pack(const Plan::Share& share) const {
    for (int64_t block = share.first_block + share.thread; block < share.end_block; block += share.team) {
      pack_block(pre_activations.pairs, panels.x(block), layer.weight_ih, Cell::x_gate, block, layer.hidden, layer.input);
      pack_block(pre_activations.pairs, panels.h(block), layer.weight_hh, Cell::h_gate, block, layer.hidden, layer.output);
      pack_bias<Cell>(panels.bias(block), layer, block);
      if constexpr (Cell::whole_rows) pack_unit_vectors<Cell>(panels.unit(block), layer, block);
    }
    const Real* weight = second_weight();
    for (int64_t group = share.thread * kTileVectors; weight && group < outputs / lanes; group += share.team * kTileVectors)
      pack_group(pre_activations.pairs, panels.second(group), weight, group, layer.output, layer.hidden);
  }

  void read(Real* packed) { panels.data = pre_activations.panels.data = packed; }

  // [P, H] of the second product; null if there is none.
  const Real* second_weight() const {
    if constexpr (Cell::two_halves) return layer.weight_hh + Cell::candidate_gate * layer.hidden * layer.hidden;
    return layer.options.weight_hr;
  }

  void begin(int64_t slot) const {
    const bool reset = is_reset(layer, plan, slot, 0);
    std::memset(states.h(1, slot), 0, size_t(outputs) * sizeof(Real));
    states.put_h(0, slot, reset ? layer.reset_h : layer.h0, 0, outputs);
    states.put_c(slot, reset ? layer.reset_c : layer.c0, 0, blocks);
    zero_padding(result.out, plan, slot, layer.time, layer.output);
    if (Cell::has_c && result.c.data) zero_padding(result.c, plan, slot, layer.time, layer.hidden);
  }

  // The states before the step of the sequences that start anew there: of a share of the units its own.
  void reset(int64_t step, const Plan::Share& share) const {
    if (!layer.resets || step >= plan.steps) return;
    const int64_t begin = share.first_block * lanes;
    const int64_t end = share.end_block * lanes, end_of_h = plan.by_units ? end : outputs;
    for (int64_t i = 0; i < divide_up(plan.tiles, share.team); ++i) {
      const int64_t tile = plan.tile_of(i, share.thread, share.team);
      const int64_t first = plan.tile_begin(tile), rows = tile < plan.tiles ? plan.rows_at(tile, step) : 0;
      for (int64_t slot = first; slot < first + rows; ++slot) {
        if (!is_reset(layer, plan, slot, step)) continue;
        states.put_h(step, slot, layer.reset_h, begin, end_of_h);
        states.put_c(slot, layer.reset_c, share.first_block, share.end_block);
      }
    }
  }

  // The products with x of all steps from first_step to end_step, for the thread's blocks and tiles: where a step has
  // few rows, those of several steps use W while it is there.
  void read_ahead(int64_t first_step, int64_t end_step, const Plan::Share& share, int thread) const {
    for (int64_t block = share.first_block; block < share.end_block; ++block) {
      int64_t turn = 0;
      plan.each_tile_of_steps(first_step, end_step, share, [&](int rows, const int64_t* step, const int64_t* slot) {
        typename PreActivations<Cell, Real>::Tile tile;
        for (int r = 0; r < rows; ++r) {
          tile.pre[r] = gates(step[r], block, slot[r]);
          const Real* x = at(layer.x, plan.row[slot[r]], plan.time_of(slot[r], step[r]));
          tile.x[r] = factors.ahead(x, step[r], slot[r], thread, block == share.first_block);
        }
        pre_activations.multiply_x(tile, rows, block, block + 1 < share.end_block ? block + 1 : share.first_block, turn++);
      });
    }
  }

  // One step of some blocks of units for the slots from `first` on; of a cell with two halves the first, and of one that
  // needs whole rows the pre-activations alone.
  template <int Rows = 0, int Blocks = 1>
  void step_of_tile(int64_t step, int64_t block, int64_t first, int any_rows, int64_t turn, int64_t first_block = 0,
                    int thread = 0) const {
    const int rows = Rows ? Rows : any_rows;
    constexpr int64_t of_block = Cell::slots * lanes;
    alignas(64) Real own[(Rows ? Rows : sizeof(Real) == 4 ? kMostRows : kTileRows) * Blocks * of_block];
    const bool in_place = Cell::whole_rows || chunk > 1;
    typename PreActivations<Cell, Real>::Tile tile;
    tile.apart = in_place ? gates(step, 1, 0) - gates(step, 0, 0) : rows * of_block;
    for (int r = 0; r < rows; ++r) {
      tile.pre[r] = in_place ? gates(step, block, first + r) : own + r * of_block;
      tile.h[r] = states.h(step, first + r);
      if constexpr (Rows == 0) tile.h[r] = factors.h(tile.h[r], first + r, thread, block == first_block);
    }
    const int64_t next = block + Blocks < blocks ? block + Blocks : 0;
    if (chunk > 1) {
      pre_activations.template multiply_h<Rows, Blocks>(tile, rows, block, next, turn);
    } else {
      for (int r = 0; r < rows; ++r) {
        tile.x[r] = at(layer.x, plan.row[first + r], plan.time_of(first + r, step));
        if constexpr (Rows == 0) tile.x[r] = factors.x(tile.x[r], first + r, thread, block == first_block);
      }
      pre_activations.template multiply_both<Rows, Blocks>(tile, rows, block, next, turn);
    }
    if constexpr (!Cell::whole_rows) {
      for (int b = 0; b < Blocks; ++b)
        for (int r = 0; r < rows; ++r) begin_row(step, block + b, first + r, tile.pre[r] + b * tile.apart);
      if constexpr (!Cell::two_halves)
        for (int b = 0; b < Blocks; ++b)
          for (int r = 0; r < rows; ++r) end_row(step, block + b, first + r, tile.pre[r] + b * tile.apart);
    }
  }

  UNROLLED_INLINE void begin_row(int64_t step, int64_t block, int64_t slot, Real* pre) const {
    const int64_t unit = block * lanes;
    Vec<Real> gate[Cell::slots];
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) gate[v] = load(pre + v * lanes);
    if constexpr (Cell::two_halves) {
      const Vec<Real> before = load(states.h(step, slot) + unit);
      store(second + slot * stride + unit, Cell::template reset<Real>(gate, before));
      keep_gates(gates(step, block, slot), gate);
    } else {
      Vec<Real> state = {};
      if constexpr (Cell::has_c) state = load(states.c(slot, block));
      Cell::template begin<Real>(gate, state);
      if constexpr (Cell::has_c) {
        store(states.c(slot, block), state);
        keep_c(step, block, slot, state);
      }
      keep_gates(pre, gate);
    }
  }

  UNROLLED_INLINE void end_row(int64_t step, int64_t block, int64_t slot, const Real* pre) const {
    const int64_t unit = block * lanes;
    Vec<Real> gate[Cell::slots];
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) gate[v] = load(pre + v * lanes);
    const Vec<Real> before = load(states.h(step, slot) + unit);
    Vec<Real> state = {};
    if constexpr (Cell::has_c) state = load(states.c(slot, block));
    show(step, slot, unit, Cell::template end<Real>(gate, before, state));
    if (keep) keep_gates(gates(step, block, slot), gate);
  }

  UNROLLED_INLINE void keep_c(int64_t step, int64_t block, int64_t slot, Vec<Real> state) const {
    const int64_t unit = block * lanes;
    if (keep) store(saved.c(step, block, slot), state);
    if (result.c.data)
      store_first(at(result.c, plan.row[slot], plan.time_of(slot, step)) + unit, state, layer.hidden - unit);
  }

  static UNROLLED_INLINE void keep_gates(Real* to, const Vec<Real>* gate) {
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) store(to + v * lanes, gate[v]);
  }

  UNROLLED_INLINE void show(int64_t step, int64_t slot, int64_t unit, Vec<Real> after) const {
    store(states.h(step + 1, slot) + unit, after);
    const int64_t row = plan.row[slot], time = plan.time_of(slot, step), left = layer.output - unit;
    store_first(at(result.out, row, time) + unit, after, left);
    if (result.kept_h.data) store_first(at(result.kept_h, row, time) + unit, after, left);
  }

  // The second product of a tile, from[r] = `second` of its slots times the panels, starting from what begins(slot,
  // vector) gives: done(slot, vector, sum) for each vector of outputs.
  template <class Begins, class Done>
  void second_product(int64_t first, int rows, const Begins& begins, const Done& done) const {
    alignas(64) Real product[kMostRows * kTileVectors * lanes];
    const int64_t vectors = outputs / lanes;
    const Real* from[kMostRows];
    for (int r = 0; r < rows; ++r) from[r] = factors.second(second + (first + r) * stride, first + r);
    for (int64_t group = 0; group < vectors; group += kTileVectors) {
      const int width = group_width(group, vectors);
      Real* to[kMostRows];
      for (int r = 0; r < rows; ++r) {
        to[r] = product + r * kTileVectors * lanes;
        for (int v = 0; v < width; ++v) store(to[r] + v * lanes, begins(first + r, group + v));
      }
      const Factor<Real> factor = {from, {1, panels.second_depth, 0}, {panels.second(group), width * lanes, panels.second(group)}};
      if (factors) pre_activations.pairs.multiply(rows, width, Sums<Real>{to, to}, factor);
      else product_group<Real>(rows, width, to, true, width * lanes, factor);
      for (int r = 0; r < rows; ++r)
        for (int v = 0; v < width; ++v) done(first + r, group + v, load(to[r] + v * lanes));
    }
  }

  // What follows when all blocks of a tile's slots stand.
  void second_half(int64_t step, int64_t first, int rows, int thread) const {
    if constexpr (Cell::two_halves)
      second_product(
          first, rows, [&](int64_t slot, int64_t block) { return load(gates(step, block, slot)); },
          [&](int64_t slot, int64_t block, Vec<Real> sum) { candidate(step, block, slot, sum); });
    if constexpr (Cell::whole_rows) {
      whole_rows(step, first, rows, scratch + thread * plan.tile_rows * stride);
      if (!layer.options.weight_hr) return;
      second_product(
          first, rows, [](int64_t, int64_t) { return Vec<Real>{}; },
          [&](int64_t slot, int64_t vector, Vec<Real> sum) {
            if (keep) store(saved.projected(step, slot) + vector * lanes, sum);
            if (layer.options.proj_clip > 0) sum = clamp(sum, layer.options.proj_clip);
            show_zoned(step, slot, vector, sum);
          });
    }
  }

  // The rows of a tile take each pass together, block by block, as their numbers lie.
  void whole_rows(int64_t step, int64_t first, int rows, Real* o) const {
    if constexpr (Cell::whole_rows) {
      const LstmRow<Cell, Real> row = {layer, panels, blocks};
      Moments<Real> moments[kMostRows][saved.moments_width() / 2 + 1] = {};
      const auto each_row = [&](auto&& action) {
        for (int r = 0; r < rows; ++r) action(r, first + r, plan.row[first + r], plan.time_of(first + r, step));
      };
      each_row([&](int r, int64_t slot, int64_t, int64_t) {
        row.moments_of_gates(moments[r], [&](int64_t block) { return gates(step, block, slot); });
      });
      for (int64_t block = 0; block < blocks; ++block)
        each_row([&](int r, int64_t slot, int64_t n, int64_t t) {
          row.open(gates(step, block, slot), moments[r], states.c(slot, 0), second + slot * stride, o + r * stride,
                   row.noise(layer.options.g_noise, n, t), block);
        });
      each_row([&](int r, int64_t slot, int64_t, int64_t) {
        row.moments_of_c(moments[r], second + slot * stride);
        if (keep) std::memcpy(saved.moments(step, slot), moments[r], sizeof(Real) * saved.moments_width());
      });
      for (int64_t block = 0; block < blocks; ++block)
        each_row([&](int r, int64_t slot, int64_t n, int64_t t) {
          Real *state = states.c(slot, 0), *m = second + slot * stride;
          row.close(gates(step, block, slot), moments[r], state, m, o + r * stride,
                    row.noise(layer.options.c_noise, n, t), block);
          keep_c(step, block, slot, load(state + block * lanes));
          if (!layer.options.weight_hr) show_zoned(step, slot, block, load(m + block * lanes));
        });
    }
  }

  void show_zoned(int64_t step, int64_t slot, int64_t vector, Vec<Real> after) const {
    if constexpr (Cell::whole_rows) {
      const LstmRow<Cell, Real> row = {layer, panels, blocks};
      const Real* noise = row.noise(layer.options.h_noise, plan.row[slot], plan.time_of(slot, step));
      const Vec<Real> before = load(states.h(step, slot) + vector * lanes);
      show(step, slot, vector * lanes, row.zoned(before, after, noise, vector * lanes, layer.output - vector * lanes));
    }
  }

  void candidate(int64_t step, int64_t block, int64_t slot, Vec<Real> pre) const {
    if constexpr (Cell::two_halves) {
      const int64_t unit = block * lanes;
      Real* kept = gates(step, block, slot);
      Vec<Real> gate[] = {pre, load(kept + lanes), load(kept + 2 * lanes)};
      const Vec<Real> before = load(states.h(step, slot) + unit);
      show(step, slot, unit, Cell::template candidate<Real>(gate, before));
      store(kept, gate[0]);
    }
  }

  // Of a thread with one tile of one or two rows: takes several of its blocks in a pass, and returns the
  // first that is left.
  int64_t several_blocks(int64_t step, int64_t tile, const Plan::Share& share) const {
    const int rows = tile < plan.tiles ? plan.rows_at(tile, step) : 0;
    if (rows == 1) return several_blocks_of<1>(step, tile, share);
    return rows == 2 ? several_blocks_of<2>(step, tile, share) : share.first_block;
  }

  template <int R>
  int64_t several_blocks_of(int64_t step, int64_t tile, const Plan::Share& share) const {
    constexpr int together = blocks_of_pass(R, Cell::h_count);
    int64_t block = share.first_block;
    for (; block + together <= share.end_block; block += together)
      this->template step_of_tile<R, together>(step, block, plan.tile_begin(tile), R, 0);
    return block;
  }

  template <class Action>
  void each_slot(const Member& me, const Action& action) const {
    for (int64_t i = 0; i < divide_up(plan.tiles, me.team); ++i) {
      const int64_t tile = plan.tile_of(i, me.thread, me.team);
      if (tile >= plan.tiles) continue;
      for (int64_t slot = plan.tile_begin(tile); slot < plan.tile_begin(tile + 1); ++slot) action(slot);
    }
  }

  void walk(Member& me) const {
    each_slot(me, [&](int64_t slot) { begin(slot); });
    if (plan.by_units) me.meet();
    for (int64_t step = 0; step < plan.steps; ++step) {
      if (plan.by_units && !me.goes_on(step)) return;
      const Plan::Share share = plan.share(me.thread, me.team, blocks);
      if (chunk > 1 && step % chunk == 0)
        read_ahead(step, step + chunk < plan.steps ? step + chunk : plan.steps, share, me.thread);
      step_of_units(step, share, me.thread);
      if constexpr (Cell::two_halves || Cell::whole_rows)
        for (int64_t i = 0; i < divide_up(plan.tiles, me.team); ++i) {
          const int64_t tile = plan.tile_of(i, me.thread, me.team);
          if (tile < plan.tiles) second_half(step, plan.tile_begin(tile), plan.rows_at(tile, step), me.thread);
        }
      reset(step + 1, share);  // before the meeting: the next step reads all units of h
      if (plan.by_units && me.meet()) me.waited_too_long(step);
    }
    each_slot(me, [&](int64_t slot) { states.get(slot, result.h_n, result.c_n); });
  }

  // A thread's share of a step. Of weights that stay near, a tile takes all blocks while its h is there; of large ones,
  // all tiles take a block while its weights are there.
  void step_of_units(int64_t step, const Plan::Share& share, int thread) const {
    const int64_t tiles = divide_up(plan.tiles, share.team);
    int64_t block = share.first_block;
    if (tiles == 1 && !factors) block = several_blocks(step, plan.tile_of(0, share.thread, share.team), share);
    const auto take = [&](int64_t block, int64_t i) {
      const int64_t tile = plan.tile_of(i, share.thread, share.team);
      const int rows = tile < plan.tiles ? plan.rows_at(tile, step) : 0;
      if (rows > 0) this->template step_of_tile<>(step, block, plan.tile_begin(tile), rows, i, share.first_block, thread);
    };
    if (chunk == 1) {
      for (int64_t i = 0; i < tiles; ++i)
        for (int64_t unit = block; unit < share.end_block; ++unit) take(unit, i);
    } else {
      for (; block < share.end_block; ++block)
        for (int64_t i = 0; i < tiles; ++i) take(block, i);
    }
  }
};

template <class Cell, class Real>
bool forward(const Layer<Real>& layer, const Forward<Real>& result) {
  using Walk = ForwardWalk<Cell, Real>;
  constexpr int lanes = Walk::lanes;
  constexpr bool second = Cell::two_halves || Cell::whole_rows;
  const int64_t N = layer.batch, blocks = divide_up(layer.hidden, lanes), stride = blocks * lanes;
  const int64_t outputs = divide_up(layer.output, lanes) * lanes;
  Buffer<int64_t> order(plan_size(layer));
  if (!order) return false;
  const Pairs pairs = {layer.product, layer.parts};
  const Plan plan = make_plan<Cell>(layer, Sharing{1, 16, pairs ? 2 : 1, pairs.rows_of_tile()}, order);

  // Without backward the gates of a chunk have a place, and only if something reads them later.
  const bool keep = result.saved != nullptr;
  const int64_t chunk = plan.at_once;
  const int64_t width = Saved<Cell, Real>::width(layer.hidden, projected_width(layer));
  const int64_t step_gates = keep || !(second || chunk > 1) ? 0 : chunk * N * width;
  const Panels<Cell, Real> panels = Panels<Cell, Real>::of(result.packed, pairs, layer.input, layer.hidden, layer.output);
  const int64_t packed_size = panels.size(layer.output);
  ForwardRows<Real> factors(pairs, plan, panels, layer);
  const bool apart = packs_apart(plan, packed_size * int64_t(sizeof(Real)));
  const int64_t copies = apart && !result.packed_ready ? (plan.threads - 1) * packed_size : 0;
  States<Cell, Real> states(layer, plan);
  const int64_t scratch = Cell::whole_rows ? plan.threads * plan.tile_rows * stride : 0;
  Buffer<Real> memory(states.size() + N * stride * second + scratch + step_gates + copies + factors.size());
  if (!memory) return false;

  Real* part = memory;
  const auto take = [&part](int64_t size) { return (part += size) - size; };
  states.place(take(states.size()));
  factors.place(take(factors.size()));
  const Saved<Cell, Real> saved(keep ? result.saved : take(step_gates), N, layer.hidden, projected_width(layer));
  Walk walk = {layer, result, plan, panels, {panels, pairs}, saved, keep, chunk, blocks, stride, outputs, states, factors};
  walk.second = take(N * stride * second);
  walk.scratch = take(scratch);
  Real* const copy = take(copies);

  run_team(plan.threads, [&](Member& me) {
    const Products products(pairs);
    if (result.packed_ready) return walk.walk(me);
    if (!apart) {
      walk.pack(plan.share(me.thread, me.team, blocks));
      if (!plan.by_units) me.meet();
      return walk.walk(me);
    }
    Walk own = walk;
    if (me.thread > 0) own.read(copy + (me.thread - 1) * packed_size);
    own.pack({0, blocks, 0, 1});
    own.walk(me);
  });
  return true;
}

}  // namespace unrolled::UNROLLED_ISA
