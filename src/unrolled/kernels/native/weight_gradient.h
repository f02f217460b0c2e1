// The gradients of weights and biases: sums over every step of every sequence of gate gradients times inputs.
//
// Each thread owns some pieces of the sums and adds to them in one order, so that no result depends on how many
// threads there are. A tile of sums stays in registers for up to kRunRows rows. In fewer bits a product takes two rows at
// a time: when the rows of a chunk stand, the numbers of each are put into words with those of the next one.
#pragma once

#include "lstm_row_backward.h"
#include "panels.h"
#include "plan.h"
#include "row_pairs.h"

namespace unrolled::UNROLLED_ISA {

// sum[k][v] += Σ_r row_r[k] * gates_r[v] for K numbers k from `begin` on and W vectors v.
template <class Real, int K, int W>
UNROLLED_INLINE void add_rows(Vec<Real> (&sum)[K][W], const Real* const* rows, int64_t begin,
                              const Real* __restrict gates, int64_t stride, int64_t count) {
  for (int64_t r = 0; r < count; ++r, gates += stride) {
    const Real* row = rows[r] + begin;
    Vec<Real> gate[W];
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) gate[v] = load(gates + v * kLanes<Real>);
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const Vec<Real> number = broadcast(row[k]);
#pragma GCC unroll 8
      for (int v = 0; v < W; ++v) sum[k][v] = fma(number, gate[v], sum[k][v]);
    }
  }
}

// The sum of a run is formed on its own and then added: the error of long sums grows with the number of runs. Before the
// first run nothing stands there.
template <class Real>
inline void add_to(Real* sums, Vec<Real> sum, bool first) {
  store(sums, first ? sum : load(sums) + sum);
}

// The two factors of a tile of sums, where those of a step and slot stand: row `step * slots + slot` of `rows`, and
// gates + step * gates_step + slot * gates_slot.
template <class Real>
struct SumFactors {
  const Real* const* rows;
  int64_t slots;
  const Real* gates;
  int64_t gates_step, gates_slot;
  bool first;  // nothing stands in the sums yet
};

// sums[k][v] += the sums over all runs, for K numbers k of the rows from `begin` on and W vectors v.
template <class Real, int K, int W>
[[gnu::noinline]] void sum_tile(Real* sums, int64_t sums_stride, const SumFactors<Real>& factors, int64_t begin,
                                const Run* runs, int run_count) {
  Vec<Real> sum[K][W];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) sum[k][v] = Vec<Real>{};
  for (const Run* run = runs; run < runs + run_count; ++run)
    add_rows<Real, K, W>(sum, factors.rows + run->step * factors.slots + run->first, begin,
                         factors.gates + run->step * factors.gates_step + run->first * factors.gates_slot,
                         factors.gates_slot, run->count);
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) add_to(sums + k * sums_stride + v * kLanes<Real>, sum[k][v], factors.first);
}

// The rows that stand beside the gate gradients of every (step, slot), and their sums for a window of slots.
template <class Real>
struct Rows {
  const Real* const* rows;  // [steps of the chunk][slots]
  int64_t depth;            // numbers of a row
  Real* sums;               // [blocks][depth][window][lanes]
  Real* words = {};         // [parts][depth][words of the chunk], of two rows each
};

// The gate gradients of some steps: [steps of the chunk][blocks][slots of the batch][slots of the cell][lanes].
template <class Cell, class Real>
struct GateGradients {
  static constexpr int lanes = kLanes<Real>;
  Real* data;
  int64_t slots, blocks;
  Real* words = {};  // [parts][blocks][words of the chunk][slots of the cell][lanes], of two rows each
  Real* operator()(int64_t step, int64_t block, int64_t slot) const {
    return data + ((step * blocks + block) * slots + slot) * Cell::slots * lanes;
  }
};

template <class Cell, class Real, int First, int Count>
struct WeightSums {
  static constexpr int lanes = kLanes<Real>;
  const GateGradients<Cell, Real>& d_gates;
  const Rows<Real>& factor;
  bool first = false;  // whether nothing stands in the sums yet

  // Of the words of some rows: where they stand among those of the chunk, and how many they are.
  struct Words {
    int64_t of_chunk, begin, count;
  };

  // The numbers [begin, end) of a row, whose sums are one of `tiles`.
  void tile_of_words(const Pairs& pairs, int64_t block, int64_t begin, int64_t end, const Words& words) const {
    if constexpr (sizeof(Real) == 4) {
      constexpr int64_t of_pair = Cell::slots * lanes, width = Count * lanes;
      alignas(64) Real sum[kMostRows * width];
      Real *to[kMostRows], *sums = factor.sums + (block * factor.depth + begin) * width;
      const Real* rows[kMostRows];
      for (int64_t k = begin; k < end; ++k) {
        to[k - begin] = sum + (k - begin) * width;
        rows[k - begin] = factor.words + k * words.of_chunk + words.begin;
      }
      const Real* panel = d_gates.words + (block * words.of_chunk + words.begin) * of_pair + First * lanes;
      pairs.multiply(int(end - begin), Count, Sums<Real>{to, nullptr}, {rows, {1, words.count, 0}, {panel, of_pair, panel}},
                     Pairs::Apart{factor.depth * words.of_chunk, d_gates.blocks * words.of_chunk * of_pair, words.count});
      for (int64_t i = 0; i < (end - begin) * width; i += lanes) add_to(sums + i, load(sum + i), first);
    }
  }

  void tile(int64_t block, int64_t begin, int64_t end, const Run* runs, int run_count) const {
    passes<0>(block, begin, end, runs, run_count);
  }

  template <int Slot>
  void passes(int64_t block, int64_t begin, int64_t end, const Run* runs, int run_count) const {
    if constexpr (Slot < Count) {
      constexpr int width = least(kTileVectors, Count - Slot);
      Real* sums = factor.sums + ((block * factor.depth + begin) * Count + Slot) * lanes;
      const Real* gates = d_gates(0, block, 0);
      const SumFactors<Real> factors = {factor.rows, d_gates.slots, gates + (First + Slot) * lanes,
                                        d_gates(1, block, 0) - gates, d_gates(0, block, 1) - gates, first};
      const auto pass = [&](auto sum) { sum(sums, Count * lanes, factors, begin, runs, run_count); };
      switch (end - begin) {
        case 1: pass(sum_tile<Real, 1, width>); break;
        case 2: pass(sum_tile<Real, 2, width>); break;
        case 3: pass(sum_tile<Real, 3, width>); break;
        case 4: pass(sum_tile<Real, 4, width>); break;
        case 5: pass(sum_tile<Real, 5, width>); break;
        case 6: pass(sum_tile<Real, 6, width>); break;
      }
      passes<Slot + width>(block, begin, end, runs, run_count);
    }
  }

  // The block's sums, into torch's layout.
  void finish(int64_t block, Real* weight, const int (&gate)[Count], int64_t hidden) const {
    unpack_block(factor.sums + block * factor.depth * Count * lanes, weight, gate, block, hidden, factor.depth);
  }
};

// sums [slots][lanes] of one block, for the biases.
template <class Cell, class Real>
void add_biases(Real* sums, bool first, const GateGradients<Cell, Real>& d_gates, int64_t block, const Run* runs,
                int run_count) {
  constexpr int lanes = kLanes<Real>;
  Vec<Real> sum[Cell::slots];
#pragma GCC unroll 8
  for (int v = 0; v < Cell::slots; ++v) sum[v] = Vec<Real>{};
  for (int i = 0; i < run_count; ++i) {
    const Real* gates = d_gates(runs[i].step, block, runs[i].first);
    for (int64_t r = 0; r < runs[i].count; ++r, gates += Cell::slots * lanes)
#pragma GCC unroll 8
      for (int v = 0; v < Cell::slots; ++v) sum[v] = sum[v] + load(gates + v * lanes);
  }
#pragma GCC unroll 8
  for (int v = 0; v < Cell::slots; ++v) add_to(sums + v * lanes, sum[v], first);
}

// The product behind the gates, as its weights' gradients see it: that of the GRU that resets before is a product with
// one of the gates' gradients, that of an LSTM's projection has gradients of its own.
template <class Cell>
struct SecondProduct {
  using Gradients = Cell;
  static constexpr int gate[1] = {2};  // its rows of weight_hh
  static constexpr bool exists = Cell::two_halves;
};

template <Norm norm>
struct SecondProduct<LstmWithOptions<norm>> {
  struct Gradients {
    static constexpr int slots = 1;
  };
  static constexpr int gate[1] = {0};
  static constexpr bool exists = true;
};

// All sums of a layer. A piece of them, a tile of x, of h or of what the second product takes, or the biases of one
// block, is one thread's.
template <class Cell, class Real>
struct WeightWalk {
  static constexpr int lanes = kLanes<Real>;
  using Second = SecondProduct<Cell>;
  using XSums = WeightSums<Cell, Real, Cell::x_first, Cell::x_count>;
  using HSums = WeightSums<Cell, Real, Cell::h_first, Cell::h_count>;
  using SecondSums = WeightSums<typename Second::Gradients, Real, 0, 1>;

  const Layer<Real>& layer;
  const Backward<Real>& result;
  const Plan& plan;
  int64_t blocks;                                              // of units
  int64_t second_blocks = 0;                                   // of what the second product gives; 0: there is none
  GateGradients<Cell, Real> d_gates = {};                      // of a chunk
  GateGradients<typename Second::Gradients, Real> d_second = {};
  Rows<Real> by_x = {}, by_h = {}, by_second = {};
  Real* bias_sums = {};                                        // [blocks][slots][lanes]
  Real* unit_sums = {};                                        // [slots of the batch][blocks][UnitSums::count][lanes]
  Pairs pairs = {};
  int64_t chunk_words = 0;                                     // of two rows each: what the longest chunk takes

  int64_t tiles(int64_t depth) const { return divide_up(depth, plan.tile_rows); }
  int64_t pieces_of_block() const { return tiles(by_x.depth) + tiles(by_h.depth) + 1; }

  // on_x(block, begin, end), on_h and on_second the same, of the numbers of a tile, or on_bias(block) for each of the
  // thread's pieces.
  template <class OnX, class OnH, class OnSecond, class OnBias>
  void each_piece(int thread, int team, const OnX& on_x, const OnH& on_h, const OnSecond& on_second,
                  const OnBias& on_bias) const {
    const int64_t of_block = pieces_of_block(), of_second = tiles(by_second.depth);
    const int64_t firsts = blocks * of_block, all = firsts + second_blocks * of_second;
    const int64_t x_end = tiles(by_x.depth);
    const auto on_tile = [&](const auto& action, int64_t block, int64_t tile, int64_t depth) {
      action(block, tile * depth / tiles(depth), (tile + 1) * depth / tiles(depth));
    };
    for (int64_t i = thread * all / team; i < (thread + 1) * all / team; ++i) {
      const int64_t block = i / of_block, piece = i % of_block;
      if (i >= firsts) on_tile(on_second, (i - firsts) / of_second, (i - firsts) % of_second, by_second.depth);
      else if (piece < x_end) on_tile(on_x, block, piece, by_x.depth);
      else if (piece < of_block - 1) on_tile(on_h, block, piece - x_end, by_h.depth);
      else on_bias(block);
    }
  }

  // Of no steps at all.
  void clear(int thread, int team) const {
    const auto clear = [](const Rows<Real>& factor, int64_t block, int64_t begin, int64_t end, int count) {
      std::memset(factor.sums + (block * factor.depth + begin) * count * lanes, 0,
                  size_t((end - begin) * count * lanes) * sizeof(Real));
    };
    each_piece(
        thread, team, [&](int64_t block, int64_t begin, int64_t end) { clear(by_x, block, begin, end, Cell::x_count); },
        [&](int64_t block, int64_t begin, int64_t end) { clear(by_h, block, begin, end, Cell::h_count); },
        [&](int64_t block, int64_t begin, int64_t end) { clear(by_second, block, begin, end, 1); },
        [&](int64_t block) {
          std::memset(bias_sums + block * Cell::slots * lanes, 0, sizeof(Real) * Cell::slots * lanes);
        });
  }

  void add_runs(const RunGroups& group, bool first, int thread, int team) const {
    const XSums x_sums = {d_gates, by_x, first};
    const HSums h_sums = {d_gates, by_h, first};
    const SecondSums second_sums = {d_second, by_second, first};
    const auto add = [&](const auto& sums) {
      return [&](int64_t block, int64_t begin, int64_t end) {
        if (pairs) sums.tile_of_words(pairs, block, begin, end, {chunk_words, group.number * kRunWords, pairs.words(group.rows)});
        else sums.tile(block, begin, end, group.runs, group.count);
      };
    };
    each_piece(thread, team, add(x_sums), add(h_sums), add(second_sums), [&](int64_t block) {
      add_biases(bias_sums + block * Cell::slots * lanes, first, d_gates, block, group.runs, group.count);
    });
  }

  // The thread's pieces of the steps of a chunk.
  void add_chunk(int64_t first_step, int64_t end_step, int thread, int team) const {
    for (RunGroups groups(plan, first_step, end_step); groups.next();)
      add_runs(groups, end_step == plan.steps && groups.number == 0, thread, team);
  }

  // The rows of a chunk two by two: a thread's part of them.
  void put_chunk(int64_t first_step, int64_t end_step, int thread, int team) const {
    if constexpr (sizeof(Real) == 4)
      for (RunGroups groups(plan, first_step, end_step); groups.next();) {
        const PairedRows rows(pairs, groups, chunk_words);
        const auto put_gates = [&](const auto& gates, int64_t of_pair) {
          for (int64_t block = thread * gates.blocks / team; block < (thread + 1) * gates.blocks / team; ++block)
            rows.put_gates(gates.words, gates.data, block, gates.blocks, of_pair);
        };
        put_gates(d_gates, Cell::slots * lanes);
        if constexpr (Cell::whole_rows) put_gates(d_second, lanes);
        const Rows<Real>* const factors[] = {&by_x, &by_h, &by_second};
        for (int64_t first = thread * lanes; first < rows.words; first += team * lanes)
          for (const Rows<Real>* factor : factors) rows.put_numbers(factor->words, factor->rows, factor->depth, first);
      }
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
        if (Cell::two_halves) result.d_bias_hh[Second::gate[0] * H + unit] = sums[lane];
      }
    }
  }

  // The gradients of a block's peepholes and norms: each slot has summed its own steps.
  void finish_unit_vectors(int64_t block) const {
    if constexpr (Cell::whole_rows) {
      const UnitSums<Cell> kept(layer.options);
      const int64_t H = layer.hidden, unit = block * lanes;
      const auto finish = [&](Real* to, int first, int count) {
        for (int v = 0; to && v < count; ++v) {
          Vec<Real> sum = {};
          for (int64_t slot = 0; slot < plan.slots; ++slot)
            sum = sum + load(unit_sums + ((slot * blocks + block) * kept.count + kept.place[first + v]) * lanes);
          store_first(to + v * H + unit, sum, H - unit);
        }
      };
      finish(result.d_peephole, 0, Cell::peepholes);
      finish(result.d_norm_weight, Cell::peepholes, Cell::norms);
      finish(result.d_norm_bias, Cell::peepholes + Cell::norms, Cell::norms);
    }
  }

  // The thread's blocks, into torch's layout: those that most of its pieces are of.
  void finish(int thread, int team) const {
    const int64_t H = layer.hidden;
    for (int64_t block = thread * blocks / team; block < (thread + 1) * blocks / team; ++block) {
      XSums{d_gates, by_x}.finish(block, result.d_weight_ih, Cell::x_gate, H);
      HSums{d_gates, by_h}.finish(block, result.d_weight_hh, Cell::h_gate, H);
      finish_biases(block);
      finish_unit_vectors(block);
    }
    for (int64_t block = thread; block < second_blocks; block += team)
      SecondSums{d_second, by_second}.finish(block, Cell::two_halves ? result.d_weight_hh : result.d_weight_hr,
                                             Second::gate, layer.output);
  }
};

}  // namespace unrolled::UNROLLED_ISA
