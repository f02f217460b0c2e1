// Who walks when: sequences ordered by length and cut into tiles, so that those that still run are always the first.
#pragma once

#include <cstdint>
#include <cstring>

#include "cells.h"
#include "layer.h"
#include "memory.h"
#include "multiply.h"
#include "team.h"

namespace unrolled::UNROLLED_ISA {

constexpr int64_t kSecondCacheBytes = 1 << 20, kFewRows = 64;
constexpr int64_t kMeetingBytes = 192 << 10;  // weights that take longer to read than two threads to meet
constexpr int64_t kOwnCopyBytes = 2 << 20;    // packed weights of which each thread has a copy of its own
constexpr double kThreadProducts = 1 << 20;   // what one thread does before a second one has woken
// Between what one thread writes and another one uses: caches that see one row read fetch what lies behind it, too.
constexpr int64_t kApartBytes = 1088;
constexpr int64_t kRowsAtOnce = 96;  // of several steps: so many that the weights' way to the core costs little

#ifdef __SANITIZE_ADDRESS__
constexpr size_t kNearBytes = 1;  // a block of its own for all but nothing: an overflow is then seen
#else
constexpr size_t kNearBytes = 2048;
#endif

// Memory for one call, on the stack if it is little; null when there was none.
template <class Item, size_t kNear = kNearBytes>
class Buffer {
 public:
  explicit Buffer(int64_t count) {
    const size_t bytes = size_t(count) * sizeof(Item);
    data_ = bytes <= kNear ? reinterpret_cast<Item*>(near_) : static_cast<Item*>(take_memory(bytes));
  }
  ~Buffer() {
    if (data_ != reinterpret_cast<Item*>(near_)) give_memory(data_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  operator Item*() const { return data_; }

 private:
  alignas(64) unsigned char near_[kNear];
  Item* data_;
};

// A slot is a place in the order of falling lengths; a tile is up to tile_rows slots in a row. Step s of a sequence
// is the s-th that the walk takes: time s, or length - 1 - s in reverse.
struct Plan {
  int64_t slots, steps, tiles;
  int threads;
  bool reverse, uniform;
  bool by_units;    // whether threads share out the units of a step, not the sequences
  int64_t granule;  // how many blocks of units stay together then
  int tile_rows;    // kTileRows, or what a product in fewer bits takes
  int64_t at_once;  // steps whose products with W, or with Wᵀ going back, a thread forms in one go
  int64_t* row;     // [slots] where the slot's sequence lies in the batch
  int64_t* length;  // [slots] falling
  int64_t* active;  // [steps] how many slots take step s

  int64_t time_of(int64_t slot, int64_t step) const { return reverse ? length[slot] - 1 - step : step; }
  int64_t tile_begin(int64_t tile) const { return tile * slots / tiles; }

  // The tile's slots that take the step: a count from its begin.
  int rows_at(int64_t tile, int64_t step) const {
    const int64_t begin = tile_begin(tile), end = tile_begin(tile + 1);
    const int64_t last = active[step] < end ? active[step] : end;
    return last > begin ? int(last - begin) : 0;
  }

  // Numbers between the rows of few sequences, of which several threads have some each.
  template <class Real>
  int64_t apart() const {
    return threads > 1 && slots <= kFewRows ? kApartBytes / int64_t(sizeof(Real)) : 0;
  }

  // What a thread does of every step: blocks of units, and the tiles of a team.
  struct Share {
    int64_t first_block, end_block;
    int thread, team;
  };
  Share share(int thread, int team, int64_t blocks) const {
    if (!by_units) return {0, blocks, thread, team};
    const int64_t groups = divide_up(blocks, granule), end = (thread + 1) * groups / team * granule;
    return {thread * groups / team * granule, end < blocks ? end : blocks, 0, 1};
  }

  // action(rows, step[rows], slot[rows]) for all rows of the steps from first_step to end_step that a thread takes, in
  // tiles across the steps.
  template <class Action>
  void each_tile_of_steps(int64_t first_step, int64_t end_step, const Share& share, const Action& action) const {
    int64_t step_of[kMostRows], slot_of[kMostRows];
    int rows = 0;
    for (int64_t step = first_step; step < end_step; ++step)
      for (int64_t i = 0; i < divide_up(tiles, share.team); ++i) {
        const int64_t tile = tile_of(i, share.thread, share.team);
        const int64_t begin = tile < tiles ? tile_begin(tile) : 0, end = tile < tiles ? begin + rows_at(tile, step) : 0;
        for (int64_t slot = begin; slot < end; ++slot) {
          step_of[rows] = step;
          slot_of[rows++] = slot;
          if (rows == tile_rows) {
            action(rows, step_of, slot_of);
            rows = 0;
          }
        }
      }
    if (rows > 0) action(rows, step_of, slot_of);
  }

  // The thread's i-th tile: side by side if all sequences are of one length, else dealt to and fro, as the first
  // tiles have the longest sequences.
  int64_t tile_of(int64_t i, int thread, int team) const {
    if (uniform) {
      const int64_t begin = thread * tiles / team, end = (thread + 1) * tiles / team;
      return begin + i < end ? begin + i : tiles;
    }
    return i * team + (i % 2 ? team - 1 - thread : thread);
  }
};

// Fills a plan whose arrays are in `memory`, of plan_size(layer) numbers.
template <class Real>
int64_t plan_size(const Layer<Real>& layer) {
  return 2 * layer.batch + 2 * layer.time + 2;
}

// How threads share the units of a step: so many blocks of units stay together, and up to so many sequences are few.
struct Sharing {
  int64_t granule, few;
  int64_t narrower = 1;  // how many weights take the room, and the time, of one
  int tile_rows = kTileRows;
};

// Few sequences with large weights: threads do better to keep a part of the weights each, and to meet at every step,
// than to read all of them each. With more rows than a tile has only if the parts are equal.
template <class Cell, class Real>
bool shares_units(const Layer<Real>& layer, int threads, const Sharing& sharing) {
  const int64_t shares = divide_up(divide_up(layer.hidden, kLanes<Real>), sharing.granule);
  const int64_t weights = Cell::h_count * layer.hidden * layer.output * int64_t(sizeof(Real)) / sharing.narrower;
  if (Cell::two_halves || Cell::whole_rows || threads < 2 || shares < 2) return false;
  if (layer.batch <= kTileRows || (layer.batch <= sharing.few && shares % threads == 0)) return weights >= kMeetingBytes;
  return weights >= kSecondCacheBytes && layer.batch <= kFewRows;
}

// Whether each thread packs all weights for itself: what one core has written comes slowly to another. Threads that
// share units pack those that they read anyway.
inline bool packs_apart(const Plan& plan, int64_t bytes) {
  return !plan.by_units && plan.threads > 1 && bytes <= kOwnCopyBytes;
}

// As many threads as the call's products are worth, and as are free.
template <class Cell, class Real>
int threads_for(const Layer<Real>& layer, const Sharing& sharing) {
  const double products = double(layer.time) * double(layer.batch) * double(layer.hidden) *
                          double(Cell::x_count * layer.input + Cell::h_count * layer.output);
  if (layer.threads < 2 || products < kThreadProducts * double(sharing.narrower)) return 1;
  return free_threads(layer.threads);
}

// Steps enough for about kRowsAtOnce rows of a thread, where these use W better together: a step has too few rows for a
// tile, or the weights are too large to stay near from one step to the next.
template <class Cell, class Real>
int64_t steps_at_once(const Layer<Real>& layer, const Plan& plan) {
  const int64_t rows = plan.by_units ? plan.slots : divide_up(plan.slots, plan.threads);
  const int64_t weights = Cell::gates * layer.hidden * (layer.input + layer.output) * int64_t(sizeof(Real));
  if (rows < 1 || plan.steps < 1 || (rows >= kTileRows && weights <= kSecondCacheBytes / 2)) return 1;
  const int64_t wanted = divide_up(kRowsAtOnce, rows);
  return wanted < plan.steps ? wanted : plan.steps;
}

template <class Cell, class Real>
Plan make_plan(const Layer<Real>& layer, const Sharing& sharing, int64_t* memory) {
  const int64_t N = layer.batch, T = layer.time;
  Plan plan = {N, 0, 0, 1, layer.reverse, layer.lengths == nullptr, false, sharing.granule, sharing.tile_rows, 1, memory, memory + N, memory + 2 * N};
  int64_t* longer = memory + 2 * N + T;  // [T + 2] how many are longer than t, then where length t starts

  std::memset(plan.active, 0, size_t(T) * sizeof(int64_t));
  std::memset(longer, 0, size_t(T + 2) * sizeof(int64_t));
  for (int64_t n = 0; n < N; ++n) ++longer[layer.lengths ? layer.lengths[n] : T];
  int64_t before = 0;
  for (int64_t t = T; t >= 0; --t) {
    const int64_t here = longer[t];
    longer[t] = before;
    before += here;
    if (t > 0) plan.active[t - 1] = before;
  }
  for (int64_t n = 0; n < N; ++n) {
    const int64_t length = layer.lengths ? layer.lengths[n] : T;
    const int64_t slot = longer[length]++;
    plan.row[slot] = n;
    plan.length[slot] = length;
  }
  while (plan.steps < T && plan.active[plan.steps] > 0) ++plan.steps;

  plan.tiles = divide_up(N, plan.tile_rows);
  plan.threads = threads_for<Cell>(layer, sharing);
  plan.by_units = shares_units<Cell>(layer, plan.threads, sharing);
  const int64_t blocks = divide_up(layer.hidden, kLanes<Real>);
  const int64_t shares = plan.by_units ? divide_up(blocks, plan.granule) : plan.tiles;
  if (plan.threads > shares) plan.threads = shares > 0 ? int(shares) : 1;
  if (!plan.by_units) plan.tiles = divide_up(plan.tiles, plan.threads) * plan.threads;
  plan.at_once = steps_at_once<Cell>(layer, plan);
  return plan;
}

// Whether the slot's state before the step is not the one that the step before left.
template <class Real>
bool is_reset(const Layer<Real>& layer, const Plan& plan, int64_t slot, int64_t step) {
  return layer.resets && step < plan.length[slot] &&
         layer.resets[plan.row[slot] * layer.time + plan.time_of(slot, step)];
}

template <class Real>
const Real* at(Steps<const Real> steps, int64_t row, int64_t time) {
  return steps.data + row * steps.row + time * steps.step;
}

template <class Real>
Real* at(Steps<Real> steps, int64_t row, int64_t time) {
  return steps.data + row * steps.row + time * steps.step;
}

// Zeros from the slot's end to the last step of time.
template <class Real>
void zero_padding(Steps<Real> steps, const Plan& plan, int64_t slot, int64_t time, int64_t width) {
  for (int64_t t = plan.length[slot]; t < time; ++t)
    std::memset(at(steps, plan.row[slot], t), 0, size_t(width) * sizeof(Real));
}

}  // namespace unrolled::UNROLLED_ISA
