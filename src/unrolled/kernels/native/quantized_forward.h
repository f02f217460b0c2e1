// A layer with quantized weights walks forward: the walk of forward.h with other products.
#pragma once

#include "forward.h"
#include "quantized_panels.h"

namespace unrolled::UNROLLED_ISA {

template <class Cell>
struct QuantizedWalk {
  static constexpr int lanes = kLanes<float>;
  const ForwardWalk<Cell, float>& all;
  QuantizedPanels<Cell> panels;
  Int8Product product;
  int64_t x_bytes, h_bytes;  // of a row of x and of h as int8; none for bfloat16
  int64_t rows;              // of a chunk's steps
  int8_t* numbers_x;         // [threads that share units, or 1][rows][x_bytes], and so on
  int8_t* numbers_h;
  QuantizedRow* lists;       // [threads][rows]

  int8_t flip() const { return product.flips ? int8_t(-128) : int8_t(0); }
  int64_t region(int thread) const { return all.plan.by_units ? thread : 0; }

  void pack() const {
    const Layer<float>& layer = all.layer;
    const QuantizedWeights& from = layer.quantized;
    panels.x.pack(from.ih, from.scale_ih, Cell::x_gate, layer.hidden);
    panels.h.pack(from.hh, from.scale_hh, Cell::h_gate, layer.hidden);
    if constexpr (Cell::two_halves) panels.second.pack(from.hh, from.scale_hh, panels.candidate, layer.hidden);
    for (int64_t block = 0; block < panels.blocks; ++block) pack_bias<Cell>(panels.bias(block), layer, block);
  }

  // What stands for a row of float: itself, or what becomes of it in `to`.
  QuantizedRow row_of(const float* from, int64_t depth, int8_t* to, float* pre) const {
    if (!x_bytes) return {from, 1, pre, 0};
    const float scale = quantize_row(to, from, depth, flip());
    return {to, scale, pre, 0};
  }

  // done(first, end) for blocks that stand. Each step goes over the weights the other way round than the one before: it
  // begins with those that are still near.
  template <class Done>
  void multiply(const QuantizedMatrix& matrix, const QuantizedRow* list, int64_t count, int64_t step,
                const Plan::Share& share, const Done& done) const {
    multiply_quantized(matrix, product, list, count, all.gates(0, 1, 0) - all.gates(0, 0, 0), share.first_block,
                       share.end_block, step % 2, done);
  }

  // action(step, slot) for every row of these steps that a thread takes.
  template <class Action>
  void each_row(int64_t first_step, int64_t end_step, const Plan::Share& share, const Action& action) const {
    if (all.plan.tiles == 1 && share.team == 1) {  // without the divisions that it takes to deal tiles out
      for (int64_t step = first_step; step < end_step; ++step)
        for (int64_t slot = 0; slot < all.plan.active[step]; ++slot) action(step, slot);
      return;
    }
    all.plan.each_tile_of_steps(first_step, end_step, share, [&](int count, const int64_t* step, const int64_t* slot) {
      for (int r = 0; r < count; ++r) action(step[r], slot[r]);
    });
  }

  // Biases and the products with x of the chunk's steps.
  void read_ahead(int64_t first_step, int64_t end_step, const Plan::Share& share, int thread) const {
    const Layer<float>& layer = all.layer;
    QuantizedRow* const list = lists + thread * rows;
    int64_t count = 0;
    each_row(first_step, end_step, share, [&](int64_t step, int64_t slot) {
      for (int64_t block = share.first_block; block < share.end_block; ++block)
        std::memcpy(all.gates(step, block, slot), panels.bias(block), sizeof(float) * Cell::slots * lanes);
      const float* x = at(layer.x, all.plan.row[slot], all.plan.time_of(slot, step));
      const int64_t place = region(thread) * rows + (step - first_step) * all.plan.slots + slot;
      list[count++] = row_of(x, layer.input, numbers_x + place * x_bytes, all.gates(step, 0, slot));
    });
    multiply(panels.x, list, count, first_step, share, [](int64_t, int64_t) {});
  }

  // U times what from(slot) gives, H numbers, for each row of a step; then action(block, slot) where a block stands.
  template <class From, class... Action>
  void multiply_h(const QuantizedMatrix& matrix, int64_t step, const Plan::Share& share, int thread, const From& from,
                  const Action&... actions) const {
    QuantizedRow* const list = lists + thread * rows;
    int64_t count = 0;
    each_row(step, step + 1, share, [&](int64_t, int64_t slot) {
      const int64_t place = region(thread) * all.plan.slots + slot;
      list[count] = row_of(from(slot), all.layer.hidden, numbers_h + place * h_bytes, all.gates(step, 0, slot));
      list[count++].slot = slot;
    });
    multiply(matrix, list, count, step, share, [&](int64_t first, int64_t end) {
      const auto each = [&](const auto& action) {
        for (const QuantizedRow* row = list; row < list + count; ++row)
          for (int64_t block = first; block < end; ++block) action(block, row->slot);
      };
      (each(actions), ...);
    });
  }

  void take_step(int64_t step, const Plan::Share& share, int thread) const {
    const auto h = [&](int64_t slot) { return all.states.h(step, slot); };
    const auto begin = [&](int64_t block, int64_t slot) { all.begin_row(step, block, slot, all.gates(step, block, slot)); };
    if constexpr (Cell::two_halves) {
      multiply_h(panels.h, step, share, thread, h, begin);
      multiply_h(
          panels.second, step, share, thread, [&](int64_t slot) { return all.second + slot * all.stride; },
          [&](int64_t block, int64_t slot) { all.candidate(step, block, slot, load(all.gates(step, block, slot))); });
    } else {
      multiply_h(panels.h, step, share, thread, h, begin, [&](int64_t block, int64_t slot) {
        all.end_row(step, block, slot, all.gates(step, block, slot));
      });
    }
  }

  void walk(Member& me) const {
    const Plan& plan = all.plan;
    all.each_slot(me, [&](int64_t slot) { all.begin(slot); });
    if (plan.by_units) me.meet();
    for (int64_t step = 0; step < plan.steps; ++step) {
      if (plan.by_units && !me.goes_on(step)) return;
      const Plan::Share share = plan.share(me.thread, me.team, panels.blocks);
      const int64_t end = step + all.chunk < plan.steps ? step + all.chunk : plan.steps;
      if (step % all.chunk == 0) read_ahead(step, end, share, me.thread);
      take_step(step, share, me.thread);
      all.reset(step + 1, share);
      if (plan.by_units && me.meet()) me.waited_too_long(step);
    }
    all.each_slot(me, [&](int64_t slot) { all.states.get(slot, all.result.h_n, all.result.c_n); });
  }
};

template <class Cell>
bool quantized_forward(const Layer<float>& layer, const Forward<float>& result) {
  constexpr int lanes = kLanes<float>;
  // A share of the units begins with a group of vectors.
  constexpr int64_t granule = Cell::h_count == 4 ? 2 : kGroup;
  const int64_t N = layer.batch, H = layer.hidden, blocks = divide_up(H, lanes), stride = blocks * lanes;
  const int bits = layer.quantized.bits;
  Buffer<int64_t> order(plan_size(layer));
  if (!order) return false;
  const Plan plan = make_plan<Cell>(layer, Sharing{granule, 16, 32 / bits}, order);

  const int64_t chunk = plan.at_once, rows = chunk * N, regions = plan.by_units ? plan.threads : 1;
  const int64_t width = Saved<Cell, float>::width(H, 0), second = Cell::two_halves ? N * stride : 0;
  const bool is_int8 = bits == 8;
  const int64_t x_floats = is_int8 ? divide_up(layer.input, 64) * 16 : 0, h_floats = is_int8 ? divide_up(H, 64) * 16 : 0;
  States<Cell, float> states(layer, plan);
  Buffer<float, 4 * kNearBytes> memory(states.size() + second + chunk * N * width + regions * (rows * x_floats + N * h_floats));
  Buffer<QuantizedRow> lists(plan.threads * rows);
  if (!memory || !lists) return false;

  float* part = memory;
  const auto take = [&part](int64_t size) { return (part += size) - size; };
  states.place(take(states.size()));
  const Saved<Cell, float> saved(take(chunk * N * width), N, H, 0);
  const Panels<Cell, float> none = {};
  ForwardWalk<Cell, float> all = {layer, result, plan, none, {none}, saved, false, chunk, blocks, stride, stride, states};
  all.second = take(second);
  const Int8Product own = {int8_group, kFlips}, *const faster = is_int8 ? faster_int8_product(kVectorBytes) : nullptr;
  QuantizedWalk<Cell> walk = {all, {result.packed, bits, layer.input, H}, faster ? *faster : own, x_floats * 4, h_floats * 4,
                              rows, {}, {}, lists};
  walk.numbers_x = reinterpret_cast<int8_t*>(take(regions * rows * x_floats));
  walk.numbers_h = reinterpret_cast<int8_t*>(take(regions * N * h_floats));
  if (!result.packed_ready) walk.pack();
  run_team(plan.threads, [&](Member& me) { walk.walk(me); });
  return true;
}

}  // namespace unrolled::UNROLLED_ISA
