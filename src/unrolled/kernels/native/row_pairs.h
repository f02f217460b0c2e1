// Rows two by two, as products over rows read them in fewer bits: a word of the numbers of two rows at one place.
#pragma once

#include "panels.h"
#include "plan.h"

namespace unrolled::UNROLLED_ISA {

constexpr int kRunRows = 128;  // 32 KiB of gate gradients: they stay in L1 while all tiles of a block pass over them
constexpr int64_t kRunWords = kRunRows / 2;

// Consecutive slots of one step.
struct Run {
  int64_t step, first, count;
};

// The rows of some steps, the last step's first, in groups of kRunRows.
struct RunGroups {
  Run runs[kRunRows];
  int count;
  int64_t rows, number = -1;  // of this group

  RunGroups(const Plan& plan, int64_t first_step, int64_t end_step)
      : plan(plan), first_step(first_step), step(end_step - 1) {}

  [[gnu::noinline]] bool next() {
    count = 0, rows = 0, ++number;
    while (step >= first_step && rows < kRunRows) {
      const int64_t left = plan.active[step] - slot, room = kRunRows - rows, taken = left < room ? left : room;
      if (taken > 0) runs[count++] = {step - first_step, slot, taken};
      slot += taken;
      rows += taken;
      if (slot == plan.active[step]) --step, slot = 0;
    }
    return count > 0;
  }

  const Plan& plan;
  int64_t first_step, step, slot = 0;  // where the next group begins
};

// The rows of a group, and where their words stand among those of a chunk: after those of the groups before.
struct PairedRows {
  const Pairs& pairs;
  int64_t rows = 0, words, begin, chunk_words, slots;
  int64_t step[kRunRows], slot[kRunRows];

  PairedRows(const Pairs& pairs, const RunGroups& group, int64_t chunk_words)
      : pairs(pairs), begin(group.number * kRunWords), chunk_words(chunk_words), slots(group.plan.slots) {
    for (const Run* run = group.runs; run < group.runs + group.count; ++run)
      for (int64_t i = 0; i < run->count; ++i, ++rows) step[rows] = run->step, slot[rows] = run->first + i;
    words = pairs.words(rows);
  }

  // to [parts][blocks][words of the chunk][of_pair] from [steps][blocks][slots][of_pair], of one block.
  [[gnu::noinline]] void put_gates(float* to, const float* from, int64_t block, int64_t blocks, int64_t of_pair) const {
    for (int part = 0; part < pairs.parts; ++part)
      for (int64_t word = 0; word < words; ++word) {
        const auto row = [&](int64_t r) {
          return r < rows ? from + ((step[r] * blocks + block) * slots + slot[r]) * of_pair : nullptr;
        };
        pairs.put_two_rows(to + ((part * blocks + block) * chunk_words + begin + word) * of_pair, row(2 * word),
                            row(2 * word + 1), of_pair, part);
      }
  }

  // to [parts][depth][words of the chunk] from rows [steps][slots], each of `depth` numbers: a vector's words from `first` on.
  [[gnu::noinline]] void put_numbers(float* to, const float* const* from, int64_t depth, int64_t first) const {
    constexpr int lanes = kLanes<float>;
    constexpr int64_t piece = 4 * lanes;
    alignas(64) float turned[lanes * piece];
    const int64_t end = first + lanes < words ? first + lanes : words;
    for (int part = 0; part < pairs.parts; ++part)
      for (int64_t k = 0; k < depth; k += piece) {
        const int64_t numbers = depth - k < piece ? depth - k : piece;
        for (int64_t word = first; word < end; ++word) {
          const auto row = [&](int64_t r) { return r < rows ? from[step[r] * slots + slot[r]] + k : nullptr; };
          pairs.put_two_rows(turned + (word - first) * piece, row(2 * word), row(2 * word + 1), numbers, part);
        }
        copy_transposed<float>(to + (part * depth + k) * chunk_words + begin + first, chunk_words, turned, piece, end - first,
                               numbers);
      }
  }
};

}  // namespace unrolled::UNROLLED_ISA
