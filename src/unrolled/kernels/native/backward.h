// A layer walks backward, a chunk of steps at a time: first the rows (each thread its tiles of sequences, as in
// forward), then, when all have finished the chunk, the weights (each thread its pieces of the sums).
#pragma once

#include "panels.h"
#include "plan.h"
#include "team.h"
#include "weight_gradient.h"

namespace unrolled::UNROLLED_ISA {

constexpr int64_t kChunkBytes = 2 << 20;  // gate gradients of a chunk: they are read again while in the caches

template <class Cell, class Real>
struct BackwardWalk {
  static constexpr int lanes = kLanes<Real>;
  const Layer<Real>& layer;
  const Backward<Real>& result;
  const Plan& plan;
  int64_t blocks, stride, chunk;       // units in blocks, units of all blocks, steps in a chunk
  Saved<Cell, Real> saved;
  GateGradients<Cell, Real> d_gates = {};   // of a chunk
  Real* d_h = {};                           // [N][stride]
  Real* d_c = {};                           // [N][stride]
  Real* h_panels = {};                      // U, for d_h; without the candidate's part where that has panels of its own
  Real* x_panels = {};                      // W, for d_x
  Real* candidate_panels = {};              // U_n of the GRU that resets before
  Real* reset = {};                         // [chunk][N][stride] r * h of the same
  Real* d_reset = {};                       // [N][stride]
  const Real** x_rows = {};                 // [chunk][N] x of every (step, slot)
  const Real** h_rows = {};                 // [chunk][N] h before the step
  const Real** reset_rows = {};             // [chunk][N] r * h
  Real* zeros = {};                         // [H] the h before the first step, if none was given
  Factor<Real> by_x = {}, by_h = {}, by_reset = {};
  Real* bias_sums = {};                     // [blocks][slots][lanes]

  static constexpr int candidate_of[1] = {2};

  void pack(int thread, int team) const {
    const int64_t H = layer.hidden, I = layer.input;
    const auto share = [&](int64_t columns, auto&& pack_group_of) {
      const int64_t vectors = divide_up(columns, lanes), groups = divide_up(vectors, kTileVectors);
      for (int64_t group = thread; group < groups; group += team) {
        const int64_t begin = group * kTileVectors;
        pack_group_of(begin, begin + kTileVectors < vectors ? begin + kTileVectors : vectors);
      }
    };
    share(H, [&](int64_t begin, int64_t end) {
      pack_columns(h_panels, layer.weight_hh, Cell::h_gate, H, H, begin, end);
      if constexpr (Cell::two_halves)
        pack_columns(candidate_panels, layer.weight_hh, candidate_of, H, H, begin, end);
    });
    if (result.d_x.data)
      share(I, [&](int64_t begin, int64_t end) {
        pack_columns(x_panels, layer.weight_ih, Cell::x_gate, H, I, begin, end);
      });
    for (int64_t block = thread; block < blocks; block += team) {
      clear(by_x, block, Cell::x_count);
      clear(by_h, block, Cell::h_count);
      if (Cell::two_halves) clear(by_reset, block, 1);
      std::memset(bias_sums + block * Cell::slots * lanes, 0, sizeof(Real) * Cell::slots * lanes);
    }
  }

  static void clear(const Factor<Real>& factor, int64_t block, int count) {
    const int64_t size = factor.depth * count * lanes;
    std::memset(factor.sums + block * size, 0, size_t(size) * sizeof(Real));
  }

  void begin(int64_t slot) const {
    const int64_t H = layer.hidden, from = plan.row[slot] * H, to = slot * stride;
    std::memset(d_h + to, 0, size_t(stride) * sizeof(Real));
    if (result.d_h_n) std::memcpy(d_h + to, result.d_h_n + from, size_t(H) * sizeof(Real));
    if (Cell::has_c) {
      std::memset(d_c + to, 0, size_t(stride) * sizeof(Real));
      if (result.d_c_n) std::memcpy(d_c + to, result.d_c_n + from, size_t(H) * sizeof(Real));
    }
    if (result.d_x.data) zero_padding(result.d_x, plan, slot, layer.time, layer.input);
  }

  void end(int64_t slot) const {
    const int64_t H = layer.hidden, to = plan.row[slot] * H, from = slot * stride;
    std::memcpy(result.d_h0 + to, d_h + from, size_t(H) * sizeof(Real));
    if (Cell::has_c) std::memcpy(result.d_c0 + to, d_c + from, size_t(H) * sizeof(Real));
  }

  const Real* h_before(int64_t step, int64_t slot) const {
    if (step > 0) return at(result.out, plan.row[slot], plan.time_of(slot, step - 1));
    return layer.h0 ? layer.h0 + plan.row[slot] * layer.hidden : zeros;
  }

  Vec<Real> c_before(int64_t step, int64_t block, int64_t slot) const {
    if (step > 0) return load(saved.c(step - 1, block, slot));
    const int64_t unit = block * lanes;
    return layer.c0 ? load_first(layer.c0 + plan.row[slot] * layer.hidden + unit, layer.hidden - unit) : Vec<Real>{};
  }

  // Where the slot's factors of the weight gradients stand at this step.
  void note_rows(int64_t step, int64_t chunk_step, int64_t slot) const {
    const int64_t place = chunk_step * plan.slots + slot;
    x_rows[place] = at(layer.x, plan.row[slot], plan.time_of(slot, step));
    h_rows[place] = h_before(step, slot);
    if (Cell::two_halves) reset_rows[place] = reset + place * stride;
  }

  // The gate gradients of one slot and block at one step; of a cell with two halves those that do not wait for d_reset.
  UNROLLED_INLINE void gate_gradients(int64_t step, int64_t chunk_step, int64_t block, int64_t slot) const {
    const int64_t row = plan.row[slot], time = plan.time_of(slot, step);
    const int64_t unit = block * lanes, known = layer.hidden - unit, place = slot * stride + unit;
    const Real* kept = saved.gates(step, block, slot);
    Vec<Real> gate[Cell::slots], d_gate[Cell::slots];
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) gate[v] = load(kept + v * lanes);
    Vec<Real> h = {};
    if constexpr (!Cell::has_c) h = load_first(h_rows[chunk_step * plan.slots + slot] + unit, known);
    Vec<Real> d = load(d_h + place);
    if (result.d_out.data) d = d + load_first(at(result.d_out, row, time) + unit, known);
    if constexpr (Cell::two_halves) {
      d_gate[1] = Vec<Real>{};
      store(d_h + place, keep_first<Real>(Cell::template candidate_backward<Real>(gate, h, d, d_gate), known));
      store(reset + (chunk_step * plan.slots + slot) * stride + unit, gate[1] * h);
    } else if constexpr (Cell::has_c) {
      Vec<Real> d_state = load(d_c + place);
      if (result.d_c.data) d_state = d_state + load_first(at(result.d_c, row, time) + unit, known);
      store(d_h + place, Cell::template backward<Real>(gate, h, c_before(step, block, slot),
                                                       load(saved.c(step, block, slot)), d, d_state, d_gate));
      store(d_c + place, keep_first<Real>(d_state, known));
    } else {
      Vec<Real> none = {};
      store(d_h + place, keep_first<Real>(Cell::template backward<Real>(gate, h, none, none, d, none, d_gate), known));
    }
    Real* to = d_gates(chunk_step, block, slot);
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) store(to + v * lanes, keep_first<Real>(d_gate[v], known));
  }

  // The second half: d_reset has arrived.
  void slot_reset(int64_t step, int64_t chunk_step, int64_t slot) const {
    if constexpr (Cell::two_halves) {
      const Real* before = h_before(step, slot);
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t unit = block * lanes, known = layer.hidden - unit, place = slot * stride + unit;
        const Real* kept = saved.gates(step, block, slot);
        const Vec<Real> gate[] = {Vec<Real>{}, load(kept + lanes)};
        Vec<Real> d_gate[2];
        const Vec<Real> direct = Cell::template reset_backward<Real>(gate, load_first(before + unit, known),
                                                                      load(d_reset + place), d_gate);
        store(d_h + place, load(d_h + place) + keep_first<Real>(direct, known));
        store(d_gates(chunk_step, block, slot) + lanes, keep_first<Real>(d_gate[1], known));
      }
    }
  }

  // to[slot] (+)= the gate gradients of `count` slots of the cell from `gate` on, times panels, for a thread's tiles.
  template <class Place>
  void product(int64_t step, int64_t chunk_step, int gate, int count, const Real* panels, int64_t columns, bool add,
               int thread, int team, const Place& place) const {
    const int64_t vectors = divide_up(columns, lanes), mine = divide_up(plan.tiles, team);
    const Pieces pieces = {blocks, count * lanes, plan.slots * Cell::slots * lanes};
    const int64_t depth = blocks * count * lanes * lanes;  // numbers of a column of vectors
    for (int64_t first = 0; first < vectors; first += kTileVectors) {
      const int64_t next = first + 2 * kTileVectors <= vectors ? first + kTileVectors : 0;
      for (int64_t i = 0; i < mine; ++i) {
        const int64_t tile = plan.tile_of(i, thread, team);
        const int rows = tile < plan.tiles ? plan.rows_at(tile, step) : 0;
        if (rows == 0) continue;
        const int64_t slot = plan.tile_begin(tile);
        Real* to[kTileRows];
        const Real* from[kTileRows];
        for (int r = 0; r < rows; ++r) {
          to[r] = place(slot + r) + first * lanes;
          from[r] = d_gates(chunk_step, 0, slot + r) + gate * lanes;
        }
        product_group<Real>(rows, group_width(first, vectors), to, add, columns - first * lanes, from, pieces,
                            panels + first * depth,
                            lines_of<Real>(panels + next * depth, i, group_width(next, vectors) * lanes));
      }
    }
  }

  template <class Action>
  void each_slot(int64_t step, int thread, int team, const Action& action) const {
    for (int64_t i = 0; i < divide_up(plan.tiles, team); ++i) {
      const int64_t tile = plan.tile_of(i, thread, team);
      if (tile >= plan.tiles) continue;
      const int64_t begin = plan.tile_begin(tile);
      const int64_t end = step < 0 ? plan.tile_begin(tile + 1) : begin + plan.rows_at(tile, step);
      for (int64_t slot = begin; slot < end; ++slot) action(slot);
    }
  }

  void step_rows(int64_t step, int64_t chunk_step, int thread, int team) const {
    each_slot(step, thread, team, [&](int64_t slot) { note_rows(step, chunk_step, slot); });
    for (int64_t block = 0; block < blocks; ++block)  // outside: the slots of one block lie side by side
      each_slot(step, thread, team, [&](int64_t slot) { gate_gradients(step, chunk_step, block, slot); });
    if constexpr (Cell::two_halves) {
      product(step, chunk_step, 0, 1, candidate_panels, stride, false, thread, team,
              [&](int64_t slot) { return d_reset + slot * stride; });
      each_slot(step, thread, team, [&](int64_t slot) { slot_reset(step, chunk_step, slot); });
    }
    product(step, chunk_step, Cell::h_first, Cell::h_count, h_panels, stride, true, thread, team,
            [&](int64_t slot) { return d_h + slot * stride; });
    if (result.d_x.data)
      product(step, chunk_step, Cell::x_first, Cell::x_count, x_panels, layer.input, false, thread, team,
              [&](int64_t slot) { return at(result.d_x, plan.row[slot], plan.time_of(slot, step)); });
  }

  // Pieces of the sums: of each block its tiles of x, of h, of the reset h, and its biases.
  int64_t pieces_of_block() const {
    return WeightSums<Cell, Real, 0, 1>::tiles(by_x.depth) + WeightSums<Cell, Real, 0, 1>::tiles(by_h.depth) +
           (Cell::two_halves ? WeightSums<Cell, Real, 0, 1>::tiles(by_reset.depth) : 0) + 1;
  }

  using XSums = WeightSums<Cell, Real, Cell::x_first, Cell::x_count>;
  using HSums = WeightSums<Cell, Real, Cell::h_first, Cell::h_count>;
  using ResetSums = WeightSums<Cell, Real, 0, 1>;

  // on_x(block, tile), on_h, on_reset or on_bias(block) for each of the thread's pieces.
  template <class OnX, class OnH, class OnReset, class OnBias>
  void each_piece(int thread, int team, const OnX& on_x, const OnH& on_h, const OnReset& on_reset,
                  const OnBias& on_bias) const {
    const int64_t of_block = pieces_of_block(), all = blocks * of_block;
    const int64_t x_end = XSums::tiles(by_x.depth), h_end = x_end + HSums::tiles(by_h.depth);
    for (int64_t i = thread * all / team; i < (thread + 1) * all / team; ++i) {
      const int64_t block = i / of_block, piece = i % of_block;
      if (piece < x_end) on_x(block, piece);
      else if (piece < h_end) on_h(block, piece - x_end);
      else if (piece < of_block - 1) on_reset(block, piece - h_end);
      else on_bias(block);
    }
  }

  void add_run(const Run* runs, int count, int thread, int team) const {
    const XSums x_sums = {d_gates, by_x};
    const HSums h_sums = {d_gates, by_h};
    const ResetSums reset_sums = {d_gates, by_reset};
    each_piece(
        thread, team, [&](int64_t block, int64_t tile) { x_sums.tile(block, tile, runs, count); },
        [&](int64_t block, int64_t tile) { h_sums.tile(block, tile, runs, count); },
        [&](int64_t block, int64_t tile) { reset_sums.tile(block, tile, runs, count); },
        [&](int64_t block) { add_biases(bias_sums + block * Cell::slots * lanes, d_gates, block, runs, count); });
  }

  void chunk_weights(int64_t first_step, int64_t end_step, int thread, int team) const {
    Run runs[kRunRows];
    int count = 0;
    int64_t rows = 0;
    for (int64_t step = end_step - 1; step >= first_step; --step)
      for (int64_t slot = 0; slot < plan.active[step];) {
        const int64_t left = plan.active[step] - slot, room = kRunRows - rows;
        const int64_t taken = left < room ? left : room;
        runs[count++] = {step - first_step, slot, taken};
        slot += taken;
        rows += taken;
        if (rows == kRunRows) {
          add_run(runs, count, thread, team);
          count = 0;
          rows = 0;
        }
      }
    if (count > 0) add_run(runs, count, thread, team);
  }

  void finish_biases(int64_t block) const {
    const Real* sums = bias_sums + block * Cell::slots * lanes;
    const int64_t H = layer.hidden;
    for (int lane = 0; lane < lanes && block * lanes + lane < H; ++lane) {
      const int64_t unit = block * lanes + lane;
      if (result.d_bias_ih)
        for (int v = 0; v < Cell::x_count; ++v)
          result.d_bias_ih[Cell::x_gate[v] * H + unit] = sums[(Cell::x_first + v) * lanes + lane];
      if (result.d_bias_hh) {
        for (int v = 0; v < Cell::h_count; ++v)
          result.d_bias_hh[Cell::h_gate[v] * H + unit] = sums[(Cell::h_first + v) * lanes + lane];
        if (Cell::two_halves) result.d_bias_hh[candidate_of[0] * H + unit] = sums[lane];
      }
    }
  }

  void finish(int thread, int team) const {
    const int64_t H = layer.hidden;
    const XSums x_sums = {d_gates, by_x};
    const HSums h_sums = {d_gates, by_h};
    const ResetSums reset_sums = {d_gates, by_reset};
    each_piece(
        thread, team,
        [&](int64_t block, int64_t tile) { x_sums.finish(block, tile, result.d_weight_ih, Cell::x_gate, H); },
        [&](int64_t block, int64_t tile) { h_sums.finish(block, tile, result.d_weight_hh, Cell::h_gate, H); },
        [&](int64_t block, int64_t tile) { reset_sums.finish(block, tile, result.d_weight_hh, candidate_of, H); },
        [&](int64_t block) { finish_biases(block); });
  }

  void walk(int thread, int team) const {
    pack(thread, team);
    each_slot(-1, thread, team, [&](int64_t slot) { begin(slot); });
    wait_for_team(team);
    for (int64_t end_step = plan.steps; end_step > 0; end_step -= chunk) {
      const int64_t first_step = end_step > chunk ? end_step - chunk : 0;
      for (int64_t step = end_step - 1; step >= first_step; --step)
        step_rows(step, step - first_step, thread, team);
      wait_for_team(team);
      chunk_weights(first_step, end_step, thread, team);
      wait_for_team(team);
    }
    each_slot(-1, thread, team, [&](int64_t slot) { end(slot); });
    finish(thread, team);
  }
};

template <class Cell, class Real>
bool backward(const Layer<Real>& layer, const Backward<Real>& result) {
  using Walk = BackwardWalk<Cell, Real>;
  constexpr int lanes = Walk::lanes, reset = Cell::two_halves;
  const int64_t N = layer.batch, I = layer.input, H = layer.hidden;
  const int64_t blocks = divide_up(H, lanes), stride = blocks * lanes;
  Buffer<int64_t> order(plan_size(layer));
  if (!order) return false;
  const Plan plan = make_plan(layer, order);

  const int64_t step_size = N * stride * Cell::slots;
  int64_t chunk = kChunkBytes / int64_t(sizeof(Real)) / (step_size > 0 ? step_size : 1);
  if (chunk < 1) chunk = 1;
  if (chunk > plan.steps) chunk = plan.steps;

  const int64_t h_size = columns_size<Real>(H, stride, Cell::h_count);
  const int64_t x_size = result.d_x.data ? columns_size<Real>(H, I, Cell::x_count) : 0;
  const int64_t candidate_size = reset * columns_size<Real>(H, stride, 1);
  const int64_t x_sums = stride * I * Cell::x_count, h_sums = stride * H * Cell::h_count;
  Buffer<Real> memory(chunk * step_size + N * stride * (1 + Cell::has_c + reset) + chunk * N * stride * reset +
                      h_size + x_size + candidate_size + stride + x_sums + h_sums + reset * stride * H +
                      stride * Cell::slots);
  Buffer<const Real*> rows(chunk * N * (2 + reset));
  if (!memory || !rows) return false;

  Real* part = memory;
  const auto take = [&part](int64_t size) { return (part += size) - size; };
  Walk walk = {layer, result, plan, blocks, stride, chunk, {const_cast<Real*>(result.saved), N, blocks}};
  walk.d_gates = {take(chunk * step_size), N, blocks};
  walk.d_h = take(N * stride);
  walk.d_c = take(N * stride * Cell::has_c);
  walk.d_reset = take(N * stride * reset);
  walk.reset = take(chunk * N * stride * reset);
  walk.h_panels = take(h_size);
  walk.x_panels = take(x_size);
  walk.candidate_panels = take(candidate_size);
  walk.zeros = take(stride);
  walk.x_rows = rows;
  walk.h_rows = rows + chunk * N;
  walk.reset_rows = rows + 2 * chunk * N;
  walk.by_x = {walk.x_rows, I, take(x_sums)};
  walk.by_h = {walk.h_rows, H, take(h_sums)};
  walk.by_reset = {walk.reset_rows, H, take(reset * stride * H)};
  walk.bias_sums = take(stride * Cell::slots);
  std::memset(walk.zeros, 0, size_t(stride) * sizeof(Real));

  run_team(plan.threads, [&](int thread, int team) { walk.walk(thread, team); });
  return true;
}

}  // namespace unrolled::UNROLLED_ISA
