// A layer walks backward, a chunk of steps at a time: first the rows (each thread its tiles of sequences, as in
// forward), then, when all have finished the chunk, the weights (each thread its pieces of the sums).
#pragma once

#include "backward_panels.h"
#include "saved.h"
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
  WeightWalk<Cell, Real> weights;
  Saved<Cell, Real> saved;
  StatesBefore<Cell, Real> before;
  int64_t blocks, stride, chunk;  // units in blocks, units of all blocks, steps in a chunk
  int64_t outputs;                // the numbers of h in whole vectors
  int64_t h_row, c_row;           // numbers from a slot's d_h or d_c to the next one's
  BackwardPanels<Cell, Real> packed;
  Real* d_h = {};                 // [N][outputs]
  Real* d_c = {};                 // [N][stride]
  Real* second = {};              // [chunk][N][stride] what the second product took: r * h, or m
  Real* d_reset = {};             // [N][stride] of the GRU that resets before
  const Real** x_rows = {};       // [chunk][N] x of every (step, slot)
  const Real** h_rows = {};       // [chunk][N] h before the step
  const Real** second_rows = {};  // [chunk][N] rows of `second`
  Real* scratch = {};             // [threads] rows of an LSTM with options

  void begin(int64_t slot) const {
    const int64_t H = layer.hidden, P = layer.output, row = plan.row[slot];
    std::memset(d_h + slot * h_row, 0, size_t(outputs) * sizeof(Real));
    if (result.d_h_n) std::memcpy(d_h + slot * h_row, result.d_h_n + row * P, size_t(P) * sizeof(Real));
    if (Cell::has_c) {
      std::memset(d_c + slot * c_row, 0, size_t(stride) * sizeof(Real));
      if (result.d_c_n) std::memcpy(d_c + slot * c_row, result.d_c_n + row * H, size_t(H) * sizeof(Real));
    }
    if (result.d_reset_h) std::memset(result.d_reset_h + row * P, 0, size_t(P) * sizeof(Real));
    if (result.d_reset_c) std::memset(result.d_reset_c + row * H, 0, size_t(H) * sizeof(Real));
    const int64_t sums = unit_sums_of_slot();
    std::memset(weights.unit_sums + slot * sums, 0, size_t(sums) * sizeof(Real));
    if (result.d_x.data) zero_padding(result.d_x, plan, slot, layer.time, layer.input);
  }

  // Numbers of the sums that a slot keeps for peepholes and norms.
  int64_t unit_sums_of_slot() const {
    if constexpr (Cell::whole_rows) return UnitSums<Cell>(layer.options).count * stride;
    return 0;
  }

  void end(int64_t slot) const {
    const int64_t H = layer.hidden, P = layer.output, row = plan.row[slot];
    std::memcpy(result.d_h0 + row * P, d_h + slot * h_row, size_t(P) * sizeof(Real));
    if (Cell::has_c) std::memcpy(result.d_c0 + row * H, d_c + slot * c_row, size_t(H) * sizeof(Real));
  }

  // Where the slot's factors of the weight gradients stand at this step.
  void note_rows(int64_t step, int64_t chunk_step, int64_t slot) const {
    const int64_t place = chunk_step * plan.slots + slot;
    x_rows[place] = at(layer.x, plan.row[slot], plan.time_of(slot, step));
    h_rows[place] = before.h(step, slot);
    if (second_rows) second_rows[place] = second + place * stride;
  }

  // The gate gradients of one slot and block at one step; of a cell with two halves those that do not wait for d_reset.
  UNROLLED_INLINE void gate_gradients(int64_t step, int64_t chunk_step, int64_t block, int64_t slot) const {
    const int64_t row = plan.row[slot], time = plan.time_of(slot, step);
    const int64_t unit = block * lanes, known = layer.hidden - unit, place = slot * c_row + unit;
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
      store(second + (chunk_step * plan.slots + slot) * stride + unit, gate[1] * h);
    } else if constexpr (Cell::has_c) {
      Vec<Real> d_state = load(d_c + place);
      if (result.d_c.data) d_state = d_state + load_first(at(result.d_c, row, time) + unit, known);
      store(d_h + place, Cell::template backward<Real>(gate, h, before.c(step, block, slot),
                                                       load(saved.c(step, block, slot)), d, d_state, d_gate));
      store(d_c + place, keep_first<Real>(d_state, known));
    } else {
      Vec<Real> none = {};
      store(d_h + place, keep_first<Real>(Cell::template backward<Real>(gate, h, none, none, d, none, d_gate), known));
    }
    Real* to = weights.d_gates(chunk_step, block, slot);
#pragma GCC unroll 8
    for (int v = 0; v < Cell::slots; ++v) store(to + v * lanes, keep_first<Real>(d_gate[v], known));
  }

  // The second half: d_reset has arrived.
  void slot_reset(int64_t step, int64_t chunk_step, int64_t slot) const {
    if constexpr (Cell::two_halves) {
      const Real* h = before.h(step, slot);
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t unit = block * lanes, known = layer.hidden - unit, place = slot * c_row + unit;
        const Real* kept = saved.gates(step, block, slot);
        const Vec<Real> gate[] = {Vec<Real>{}, load(kept + lanes)};
        Vec<Real> d_gate[2];
        const Vec<Real> direct = Cell::template reset_backward<Real>(gate, load_first(h + unit, known),
                                                                      load(d_reset + place), d_gate);
        store(d_h + place, load(d_h + place) + keep_first<Real>(direct, known));
        store(weights.d_gates(chunk_step, block, slot) + lanes, keep_first<Real>(d_gate[1], known));
      }
    }
  }

  // to(step, slot) (+)= the gradients of `count` slots of the cell from `gate` on times panels, for a thread's rows of the
  // steps from first_step to end_step; first_chunk_step is where they stand in the chunk.
  template <class To>
  void gate_product(int64_t first_step, int64_t end_step, int64_t first_chunk_step, int gate, int count,
                    const Real* panels, int64_t columns, bool add, int thread, int team, const To& to_row) const {
    packed.product(
        first_step, end_step, {blocks, count * lanes, plan.slots * Cell::slots * lanes},
        [&](int64_t step, int64_t slot) {
          return weights.d_gates(first_chunk_step + step - first_step, 0, slot) + gate * lanes;
        },
        panels, columns, add, thread, team, to_row);
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

  // The row of `second` of a slot: with a projection the weights ask for every step's, without one none is kept.
  Real* second_row(int64_t chunk_step, int64_t slot) const {
    return second + ((weights.second_blocks ? chunk_step * plan.slots : 0) + slot) * stride;
  }

  // What reaches the h of a step of an LSTM with options: through zoneout to the h before, and on to the projection.
  void incoming_h(int64_t step, int64_t chunk_step, int64_t slot) const {
    if constexpr (Cell::whole_rows) {
      const int64_t row = plan.row[slot], time = plan.time_of(slot, step), P = layer.output;
      const LstmOptions<Real>& options = layer.options;
      const Real* noise = options.h_noise.data ? at(options.h_noise, row, time) : nullptr;
      const Vec<Real> zero = {};
      for (int64_t vector = 0; vector < outputs / lanes; ++vector) {
        const int64_t unit = vector * lanes, known = P - unit;
        Vec<Real> d = load(d_h + slot * h_row + unit), direct = {};
        if (result.d_out.data) d = d + load_first(at(result.d_out, row, time) + unit, known);
        if (options.zoneout != 0 && noise) {
          const Int<Real> kept = below(noise, unit, known, options.zoneout);
          direct = kept ? d : zero;
          d = kept ? zero : d;
        } else if (options.zoneout != 0) {
          direct = broadcast(options.zoneout) * d;
          d = broadcast(1 - options.zoneout) * d;
        }
        store(d_h + slot * h_row + unit, keep_first<Real>(direct, known));
        if (options.proj_clip > 0) {
          const Vec<Real> sum = load(saved.projected(step, slot) + unit), bound = broadcast(options.proj_clip);
          d = (sum > bound) | (sum < -bound) ? zero : d;
        }
        d = keep_first<Real>(d, known);
        store(options.weight_hr ? weights.d_second(chunk_step, vector, slot) : second_row(chunk_step, slot) + unit, d);
      }
    }
  }

  // The gates of a tile's rows of an LSTM with options.
  void whole_rows(int64_t step, int64_t chunk_step, int64_t first, int count, int thread) const {
    if constexpr (Cell::whole_rows) {
      const Panels<Cell, Real> panels = packed.units();
      const LstmRow<Cell, Real> maths = {layer, panels, blocks};
      const UnitSums<Cell> kept(layer.options);
      LstmRowBackward<Cell, Real> rows[kMostRows];
      for (int r = 0; r < count; ++r) {
        const int64_t slot = first + r, row = plan.row[slot], time = plan.time_of(slot, step);
        LstmRowBackward<Cell, Real>& to = rows[r];
        to.row = &maths;
        to.kept = &kept;
        std::memcpy(to.moments, saved.moments(step, slot), sizeof(Real) * 2 * Cell::moments);
        to.g_noise = maths.noise(layer.options.g_noise, row, time);
        to.c_noise = maths.noise(layer.options.c_noise, row, time);
        to.pre = saved.gates(step, 0, slot);
        to.apart = saved.gates(step, 1, slot) - to.pre;
        to.scratch = scratch + (thread * plan.tile_rows + r) * kScratchRows * stride;
        to.stride = stride;
        const bool kept_c = before.is_kept(step, slot);
        to.c = kept_c ? saved.c(step - 1, 0, slot)
                      : before.c_in_vectors(step, slot, to.scratch + (kScratchRows - 1) * stride);
        to.c_apart = kept_c ? to.apart : lanes;
        to.d_gates = weights.d_gates(chunk_step, 0, slot);
        to.d_apart = weights.d_gates(chunk_step, 1, slot) - to.d_gates;
        to.m = second_row(chunk_step, slot);
        to.d_c = d_c + slot * c_row;
        to.sums = weights.unit_sums + slot * kept.count * stride;
        if (result.d_c.data) add_d_c(to.d_c, row, time);
      }
      LstmRowBackward<Cell, Real>::run(rows, count);
    }
  }

  void add_d_c(Real* to, int64_t row, int64_t time) const {
    const Real* from = at(result.d_c, row, time);
    for (int64_t unit = 0; unit < layer.hidden; ++unit) to[unit] += from[unit];
  }

  // From the gradients of h and c after the step to those of its gates.
  void step_gates(int64_t step, int64_t chunk_step, Member& me) const {
    const int thread = me.thread, team = me.team;
    if constexpr (Cell::whole_rows) {
      each_slot(step, thread, team, [&](int64_t slot) { incoming_h(step, chunk_step, slot); });
      if (layer.options.weight_hr)
        packed.product(
            step, step + 1, {outputs / lanes, lanes, plan.slots * lanes},
            [&](int64_t, int64_t slot) { return weights.d_second(chunk_step, 0, slot); }, packed.second, stride, false,
            thread, team, [&](int64_t, int64_t slot) { return second_row(chunk_step, slot); });
      for (int64_t i = 0; i < divide_up(plan.tiles, team); ++i) {
        const int64_t tile = plan.tile_of(i, thread, team);
        if (tile >= plan.tiles || plan.rows_at(tile, step) == 0) continue;
        whole_rows(step, chunk_step, plan.tile_begin(tile), plan.rows_at(tile, step), thread);
      }
    } else {
      const Plan::Share share = plan.share(thread, team, blocks);
      for (int64_t block = share.first_block; block < share.end_block; ++block)  // the slots of one lie side by side
        each_slot(step, share.thread, share.team,
                  [&](int64_t slot) { gate_gradients(step, chunk_step, block, slot); });
      if (plan.by_units && me.meet()) me.waited_too_long(plan.steps - 1 - step);
    }
    if constexpr (Cell::two_halves) {
      gate_product(step, step + 1, chunk_step, 0, 1, packed.second, stride, false, thread, team,
                   [&](int64_t, int64_t slot) { return d_reset + slot * c_row; });
      each_slot(step, thread, team, [&](int64_t slot) { slot_reset(step, chunk_step, slot); });
    }
  }

  // The gradients of h before the step, and now and then those of x of the steps that have gone by: where a step has few
  // rows, the rows of several use W while it is there.
  void step_rows(int64_t step, int64_t first_step, int64_t end_step, Member& me) const {
    const int64_t chunk_step = step - first_step, at_once = plan.at_once;
    const int thread = me.thread, team = me.team;
    step_gates(step, chunk_step, me);
    gate_product(step, step + 1, chunk_step, Cell::h_first, Cell::h_count, packed.h, outputs, true, thread, team,
                 [&](int64_t, int64_t slot) { return d_h + slot * h_row; });
    if (result.d_x.data && chunk_step % at_once == 0)
      gate_product(step, step + at_once < end_step ? step + at_once : end_step, chunk_step, Cell::x_first, Cell::x_count,
                   packed.x, layer.input, false, thread, team, [&](int64_t step, int64_t slot) {
                     return at(result.d_x, plan.row[slot], plan.time_of(slot, step));
                   });
    reset(step, thread, team);
  }

  // What came to the states before the step of the sequences that start anew there is theirs no more.
  void reset(int64_t step, int thread, int team) const {
    if (!layer.resets) return;
    const Plan::Share share = plan.share(thread, team, blocks);
    const int64_t begin = share.first_block * lanes;
    const int64_t end = share.end_block * lanes, end_of_h = plan.by_units ? end : outputs;
    each_slot(step, share.thread, share.team, [&](int64_t slot) {
      if (!is_reset(layer, plan, slot, step)) return;
      const int64_t H = layer.hidden, P = layer.output, row = plan.row[slot];
      take(d_h + slot * h_row, result.d_reset_h ? result.d_reset_h + row * P : nullptr, P, begin, end_of_h);
      if constexpr (Cell::has_c)
        take(d_c + slot * c_row, result.d_reset_c ? result.d_reset_c + row * H : nullptr, H, begin, end);
    });
  }

  // Adds the numbers [begin, end) of a row to `to`, which has `width` of them or is null, and leaves zeros.
  static void take(Real* from, Real* to, int64_t width, int64_t begin, int64_t end) {
    for (int64_t unit = begin; to && unit < end; unit += lanes)
      store_first(to + unit, load_first(to + unit, width - unit) + load(from + unit), width - unit);
    std::memset(from + begin, 0, size_t(end - begin) * sizeof(Real));
  }

  void walk(Member& me) const {
    packed.pack(me.thread, me.team);
    if (plan.steps == 0) weights.clear(me.thread, me.team);
    each_slot(-1, me.thread, me.team, [&](int64_t slot) { begin(slot); });
    me.meet();
    for (int64_t end_step = plan.steps; end_step > 0; end_step -= chunk) {
      const int64_t first_step = end_step > chunk ? end_step - chunk : 0;
      for (int64_t step = end_step - 1; step >= first_step; --step)
        each_slot(step, me.thread, me.team, [&](int64_t slot) { note_rows(step, step - first_step, slot); });
      if (plan.by_units) me.meet();
      for (int64_t step = end_step - 1; step >= first_step; --step) {
        if (plan.by_units && !me.goes_on(plan.steps - 1 - step)) return;
        step_rows(step, first_step, end_step, me);
      }
      me.meet();
      if (weights.pairs) {
        weights.put_chunk(first_step, end_step, me.thread, me.team);
        me.meet();
      }
      weights.add_chunk(first_step, end_step, me.thread, me.team);
      me.meet();
    }
    each_slot(-1, me.thread, me.team, [&](int64_t slot) { end(slot); });
    weights.finish(me.thread, me.team);
  }
};

template <class Cell, class Real>
bool backward(const Layer<Real>& layer, const Backward<Real>& result) {
  using Walk = BackwardWalk<Cell, Real>;
  constexpr int lanes = Walk::lanes;
  const int64_t N = layer.batch, I = layer.input, H = layer.hidden, P = layer.output;
  const int64_t blocks = divide_up(H, lanes), stride = blocks * lanes;
  const int64_t out_blocks = divide_up(P, lanes), outputs = out_blocks * lanes;
  Buffer<int64_t> order(plan_size(layer));
  if (!order) return false;
  const Pairs pairs = {layer.product, layer.parts};
  const Plan plan = make_plan<Cell>(layer, Sharing{kTileVectors, kTileRows, pairs ? 2 : 1, pairs.rows_of_tile()}, order);

  const int64_t step_size = N * stride * Cell::slots;
  int64_t chunk = kChunkBytes / int64_t(sizeof(Real)) / (step_size > 0 ? step_size : 1);
  if (chunk < 1) chunk = 1;
  if (chunk > plan.steps) chunk = plan.steps;

  const int64_t second_blocks = Cell::two_halves || layer.options.weight_hr ? out_blocks : 0;
  const int64_t second_steps = second_blocks ? chunk : Cell::whole_rows ? 1 : 0;
  const int64_t projected = Cell::whole_rows ? second_blocks * lanes : 0;
  const BackwardPanels<Cell, Real> unplaced = {layer, plan, result.d_x.data != nullptr, second_blocks > 0, pairs};
  Buffer<const Real*> rows(chunk * N * 3);
  const Saved<Cell, Real> saved(const_cast<Real*>(result.saved), N, H, projected_width(layer));
  const int64_t apart = plan.apart<Real>();
  Walk walk = {layer, result, plan, {layer, result, plan, blocks}, saved, {layer, plan, saved, result.h}, blocks, stride,
               chunk, outputs, outputs + apart, stride + apart, unplaced};
  WeightWalk<Cell, Real>& weights = walk.weights;
  weights.second_blocks = second_blocks;
  weights.pairs = pairs;
  weights.chunk_words = pairs ? divide_up(chunk * N, kRunRows) * kRunWords : 0;
  walk.x_rows = rows;
  walk.h_rows = rows + chunk * N;
  walk.second_rows = second_blocks ? rows + 2 * chunk * N : nullptr;

  Real* zeros;
  // Hands out the memory, and returns how much it is: called without any first.
  const auto lay_out = [&](Real* memory) {
    int64_t taken = 0;
    const auto take = [&](int64_t size) { return (taken += size, memory ? memory + taken - size : nullptr); };
    const int64_t words = weights.chunk_words * pairs.parts;
    weights.d_gates = {take(chunk * step_size), N, blocks, take(words * stride * Cell::slots)};
    weights.d_second = {take(chunk * N * projected), N, second_blocks, take(words * projected)};
    if constexpr (Cell::two_halves) weights.d_second = weights.d_gates;
    walk.d_h = take(N * walk.h_row);
    walk.d_c = take(N * walk.c_row * Cell::has_c);
    walk.d_reset = take(N * walk.c_row * Cell::two_halves);
    walk.second = take(second_steps * N * stride);
    walk.packed.lay_out(take);
    zeros = take(outputs);
    weights.by_x = {walk.x_rows, I, take(stride * I * Cell::x_count), take(words * I)};
    weights.by_h = {walk.h_rows, P, take(stride * P * Cell::h_count), take(words * P)};
    weights.by_second = {walk.second_rows, second_blocks ? H : 0, take(second_blocks * lanes * H), take(second_blocks ? words * H : 0)};
    weights.bias_sums = take(stride * Cell::slots);
    weights.unit_sums = take(N * walk.unit_sums_of_slot());
    walk.scratch = take(Cell::whole_rows ? plan.threads * plan.tile_rows * kScratchRows * stride : 0);
    return taken;
  };
  Buffer<Real> memory(lay_out(nullptr));
  if (!memory || !rows) return false;
  lay_out(memory);
  std::memset(zeros, 0, size_t(outputs) * sizeof(Real));
  walk.before.zeros = zeros;

  run_team(plan.threads, [&](Member& me) {
    const Products products(pairs);
    Walk own = walk;
    own.packed.take_copy(me.thread);
    own.walk(me);
  });
  return true;
}

}  // namespace unrolled::UNROLLED_ISA
