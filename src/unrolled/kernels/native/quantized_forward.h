// A layer with quantized weights walks forward: the walk of forward.h with other products.
#pragma once

#include "forward.h"
#include "quantized_panels.h"

namespace unrolled::UNROLLED_ISA {

template <class Cell>
struct QuantizedWalk {
  static constexpr int lanes = kLanes<float>, span = QuantizedPanels<Cell>::span;
  static constexpr int64_t kPiece = 8;  // blocks: whole spans
  static_assert(kPiece % span == 0);
  const ForwardWalk<Cell, float>& all;
  QuantizedPanels<Cell> panels;
  Int8Product product;
  int64_t x_bytes, h_bytes;  // of a row of x and of h as int8; none for bfloat16
  int64_t rows;              // of a chunk's steps
  int8_t* numbers_x;         // [threads that share units, or 1][rows][x_bytes], and so on
  int8_t* numbers_h;
  QuantizedRow* lists;       // [threads][rows of x, and then those of h]

  int8_t flip() const { return product.flips ? int8_t(-128) : int8_t(0); }
  int64_t region(int thread) const { return all.plan.by_units ? thread : 0; }
  int64_t rows_of_lists() const { return rows + all.plan.slots; }
  QuantizedRow* list_x(int thread) const { return lists + thread * rows_of_lists(); }
  QuantizedRow* list_h(int thread) const { return list_x(thread) + rows; }

  void pack() const {
    const Layer<float>& layer = all.layer;
    const QuantizedWeights& from = layer.quantized;
    panels.x.pack(from.ih, from.scale_ih, Cell::x_gate, layer.hidden);
    panels.h.pack(from.hh, from.scale_hh, Cell::h_gate, layer.hidden);
    if constexpr (Cell::two_halves) panels.second.pack(from.hh, from.scale_hh, panels.candidate, layer.hidden);
    for (int64_t block = 0; block < panels.blocks; ++block) pack_bias<Cell>(panels.bias(block), layer, block);
  }

  // What stands for a row of float: itself, or what becomes of it in `to`.
  QuantizedRow row_of(const float* from, int64_t depth, int8_t* to, float* pre, int64_t slot) const {
    if (!x_bytes) return {from, 1, pre, slot};
    const float scale = quantize_row(to, from, depth, flip());
    return {to, scale, pre, slot};
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

  // The rows of x of some steps of a chunk; returns how many.
  int64_t read_x(int64_t first_step, int64_t end_step, const Plan::Share& share, int thread) const {
    QuantizedRow* to = list_x(thread);
    each_row(first_step, end_step, share, [&](int64_t step, int64_t slot) {
      const float* x = at(all.layer.x, all.plan.row[slot], all.plan.time_of(slot, step));
      const int64_t place = region(thread) * rows + (step - first_step) * all.plan.slots + slot;
      *to++ = row_of(x, all.layer.input, numbers_x + place * x_bytes, all.gates(step, 0, slot), slot);
    });
    return to - list_x(thread);
  }

  // Those of what from(slot) gives, H numbers.
  template <class From>
  int64_t read_h(int64_t step, const Plan::Share& share, int thread, const From& from) const {
    QuantizedRow* to = list_h(thread);
    each_row(step, step + 1, share, [&](int64_t, int64_t slot) {
      const int64_t place = region(thread) * all.plan.slots + slot;
      *to++ = row_of(from(slot), all.layer.hidden, numbers_h + place * h_bytes, all.gates(step, 0, slot), slot);
    });
    return to - list_h(thread);
  }

  template <class Its>
  void multiply(const QuantizedMatrix<Its>& matrix, const QuantizedRow* list, int64_t count, int64_t first, int64_t end,
                const float* bias = nullptr) const {
    multiply_groups(matrix, product, list, count, all.gates(0, 1, 0) - all.gates(0, 0, 0), first, end, bias, Cell::slots * lanes);
  }

  // Biases and the products with x, of some rows and blocks.
  void multiply_x(const QuantizedRow* list, int64_t count, int64_t first, int64_t end) const {
    multiply(panels.x, list, count, first, end, panels.biases);
    constexpr int x_end = Cell::x_first + Cell::x_count;
    for (int64_t block = first; x_end < Cell::slots && block < end; ++block)
      for (const QuantizedRow* row = list; row < list + count; ++row)
        std::memcpy(row->pre + block * (all.gates(0, 1, 0) - all.gates(0, 0, 0)) + x_end * lanes, panels.bias(block) + x_end * lanes,
                    sizeof(float) * (Cell::slots - x_end) * lanes);
  }

  // action(first, end) for a share's blocks, some at a time: the gates of several blocks take turns where one would wait for
  // itself. Each step goes over them the other way round than the one before: it begins with weights that are still near.
  template <class Action>
  void each_piece(int64_t step, const Plan::Share& share, const Action& action) const {
    const int64_t end = divide_up(share.end_block, span) * span, pieces = divide_up(end - share.first_block, kPiece);
    for (int64_t i = 0; i < pieces; ++i) {
      const int64_t first = share.first_block + (step % 2 ? pieces - 1 - i : i) * kPiece;
      action(first, first + kPiece < end ? first + kPiece : end);
    }
  }

  void take_step(int64_t step, const Plan::Share& share, int thread) const {
    const int64_t count = read_h(step, share, thread, [&](int64_t slot) { return all.states.h(step, slot); });
    if (all.chunk == 1) read_x(step, step + 1, share, thread);
    const QuantizedRow* const list = list_h(thread);
    const auto each = [&](int64_t first, int64_t end, const auto& action) __attribute__((always_inline)) {
      for (const QuantizedRow* row = list; row < list + count; ++row)
        for (int64_t block = first; block < end && block < all.blocks; ++block) action(block, row->slot);
    };
    each_piece(step, share, [&](int64_t first, int64_t end) {
      if (all.chunk == 1) multiply_x(list_x(thread), count, first, end);
      multiply(panels.h, list, count, first, end);
      each(first, end, [&](int64_t block, int64_t slot) __attribute__((always_inline)) {
        all.begin_row(step, block, slot, all.gates(step, block, slot));
      });
      if constexpr (!Cell::two_halves)
        each(first, end, [&](int64_t block, int64_t slot) __attribute__((always_inline)) {
          all.end_row(step, block, slot, all.gates(step, block, slot));
        });
    });
    if constexpr (Cell::two_halves) {
      read_h(step, share, thread, [&](int64_t slot) { return all.second + slot * all.stride; });
      each_piece(step, share, [&](int64_t first, int64_t end) {
        multiply(panels.second, list, count, first, end);
        each(first, end, [&](int64_t block, int64_t slot) {
          all.candidate(step, block, slot, load(all.gates(step, block, slot)));
        });
      });
    }
  }

  void walk(Member& me) const {
    const Plan& plan = all.plan;
    all.each_slot(me, [&](int64_t slot) { all.begin(slot); });
    if (plan.by_units) me.meet();
    for (int64_t step = 0; step < plan.steps; ++step) {
      if (plan.by_units && !me.goes_on(step)) return;
      const Plan::Share share = plan.share(me.thread, me.team, all.blocks);
      const int64_t end = step + all.chunk < plan.steps ? step + all.chunk : plan.steps;
      if (all.chunk > 1 && step % all.chunk == 0) {
        const int64_t count = read_x(step, end, share, me.thread);
        each_piece(step, share, [&](int64_t first, int64_t end) { multiply_x(list_x(me.thread), count, first, end); });
      }
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
  const int64_t N = layer.batch, H = layer.hidden, blocks = divide_up(H, lanes), stride = blocks * lanes;
  const int bits = layer.quantized.bits;
  Buffer<int64_t> order(plan_size(layer));
  if (!order) return false;
  // A share of the units begins with a span of blocks.
  const Plan plan = make_plan<Cell>(layer, Sharing{QuantizedPanels<Cell>::span, 16, 32 / bits}, order);

  const QuantizedPanels<Cell> panels(result.packed, bits, layer.input, H);
  const int64_t chunk = plan.at_once, rows = chunk * N, regions = plan.by_units ? plan.threads : 1;
  const int64_t units = panels.blocks * lanes, second = Cell::two_halves ? N * stride : 0;
  const int64_t pre_activations = chunk * N * Saved<Cell, float>::width(units, 0);
  const bool is_int8 = bits == 8;
  const int64_t x_floats = is_int8 ? divide_up(layer.input, 64) * 16 : 0, h_floats = is_int8 ? divide_up(H, 64) * 16 : 0;
  States<Cell, float> states(layer, plan);
  Buffer<float, 8 * kNearBytes> memory(states.size() + second + pre_activations + regions * (rows * x_floats + N * h_floats));
  Buffer<QuantizedRow> lists(plan.threads * (rows + N));
  if (!memory || !lists) return false;

  float* part = memory;
  const auto take = [&part](int64_t size) { return (part += size) - size; };
  states.place(take(states.size()));
  const Saved<Cell, float> saved(take(pre_activations), N, units, 0);
  const Panels<Cell, float> none = {};
  ForwardWalk<Cell, float> all = {layer, result, plan, none, {none}, saved, false, chunk, blocks, stride, stride, states};
  all.second = take(second);
  const Int8Product own = {int8_group, kFlips}, *const faster = is_int8 ? faster_int8_product(kVectorBytes) : nullptr;
  QuantizedWalk<Cell> walk = {all, panels, faster ? *faster : own, x_floats * 4, h_floats * 4, rows, {}, {}, lists};
  walk.numbers_x = reinterpret_cast<int8_t*>(take(regions * rows * x_floats));
  walk.numbers_h = reinterpret_cast<int8_t*>(take(regions * N * h_floats));
  if (!result.packed_ready) walk.pack();
  run_team(plan.threads, [&](Member& me) { walk.walk(me); });
  return true;
}

}  // namespace unrolled::UNROLLED_ISA
