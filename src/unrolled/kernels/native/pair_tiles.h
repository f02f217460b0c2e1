// Sums of products of pairs by tiles of sixteen rows, as AMX forms them; and what stands in for its tiles where there are none.
//
// Two tiles of rows by two vectors of sums stand in the registers, and what is loaded of each is used twice. A unit of tiles
// has load, store and zero of each of its eight, and add_products, one instruction: of sixteen words of each row, the
// products of the upper halves are added up from zero on, and those of the lower halves; both sums together are then added
// to what stands there.
#pragma once

#include <cstring>

#include "pair_product.h"

namespace unrolled::UNROLLED_ISA {

constexpr int kRowsOfTile = 16, kWordsOfTile = 16;

// Sixteen of some rows for a load or a store of a tile: in their place, if they lie one like the other, else in a copy, with
// zeros for those that are not there.
template <class Unit>
struct TileRows {
  float* const* row;
  int count;
  int64_t stride = 0;  // numbers from one to the next
  bool in_place;

  TileRows(const float* const* rows, int there, int first)
      : row(const_cast<float* const*>(rows) + first),
        count(there - first < kRowsOfTile ? there - first : kRowsOfTile),
        in_place(count == kRowsOfTile) {
    if (count > 1) stride = row[1] - row[0];
    for (int r = 2; in_place && r < count; ++r) in_place = row[r] - row[0] == r * stride;
  }

  // `width` numbers of each row.
  template <int Tile, int width>
  void load(Unit& unit, int64_t shift) const {
    if (in_place) return unit.template load<Tile, width>(row[0] + shift, stride);
    alignas(64) float copy[kRowsOfTile][width] = {};
    for (int r = 0; r < count; ++r) std::memcpy(copy[r], row[r] + shift, sizeof copy[r]);
    unit.template load<Tile, width>(copy[0], width);
  }

  template <int Tile, int width>
  void store(Unit& unit, int64_t shift) const {
    if (in_place) return unit.template store<Tile, width>(row[0] + shift, stride);
    alignas(64) float copy[kRowsOfTile][width];
    unit.template store<Tile, width>(copy[0], width);
    for (int r = 0; r < count; ++r) std::memcpy(row[r] + shift, copy[r], sizeof copy[r]);
  }
};

// One or two tiles of rows, one or two vectors of sums from `first` on.
template <class Unit, int Tiles, int Vectors>
void form_tiles(const PairSums& sums, int first) {
  constexpr int lanes = kLanes<float>;
  using Rows = TileRows<Unit>;
  const auto both = [&](const float* const* rows, const auto& action) {
    action(Rows(rows, sums.rows, 0), Rows(rows, sums.rows, (Tiles - 1) * kRowsOfTile));
  };
  const int64_t one = int64_t(first) * lanes, other = one + lanes;
  Unit unit;
  if (sums.from) {
    both(sums.from, [&](const Rows& upper, const Rows& lower) {
      upper.template load<0, lanes>(unit, one);
      if constexpr (Vectors > 1) upper.template load<1, lanes>(unit, other);
      if constexpr (Tiles > 1) lower.template load<2, lanes>(unit, one);
      if constexpr (Tiles > 1 && Vectors > 1) lower.template load<3, lanes>(unit, other);
    });
  } else {
    unit.template zero<0>();
    unit.template zero<1>();
    unit.template zero<2>();
    unit.template zero<3>();
  }
  both(sums.x, [&](const Rows& upper, const Rows& lower) {
    int64_t held_shift = -1;
    const float* held_panel = nullptr;
    for (int64_t word = 0; word < sums.words; word += kWordsOfTile)
      for (const PairTerm* term = sums.terms; term < sums.terms + sums.count; ++term) {
        const int64_t shift = term->shift + word;
        const float* panel = term->panel + word * sums.stride;
        if (shift != held_shift) {
          upper.template load<4, kWordsOfTile>(unit, shift);
          if constexpr (Tiles > 1) lower.template load<5, kWordsOfTile>(unit, shift);
        }
        if (panel != held_panel) {
          unit.template load<6, lanes>(panel + one, sums.stride);
          if constexpr (Vectors > 1) unit.template load<7, lanes>(panel + other, sums.stride);
        }
        held_shift = shift, held_panel = panel;
        unit.template add_products<0, 4, 6>();
        if constexpr (Vectors > 1) unit.template add_products<1, 4, 7>();
        if constexpr (Tiles > 1) unit.template add_products<2, 5, 6>();
        if constexpr (Tiles > 1 && Vectors > 1) unit.template add_products<3, 5, 7>();
      }
  });
  both(sums.to, [&](const Rows& upper, const Rows& lower) {
    upper.template store<0, lanes>(unit, one);
    if constexpr (Vectors > 1) upper.template store<1, lanes>(unit, other);
    if constexpr (Tiles > 1) lower.template store<2, lanes>(unit, one);
    if constexpr (Tiles > 1 && Vectors > 1) lower.template store<3, lanes>(unit, other);
  });
}

template <class Unit>
void form_by_tiles(const PairSums& sums) {
  for (int first = 0; first < sums.vectors; first += 2) {
    const bool two = first + 1 < sums.vectors;
    if (sums.rows > kRowsOfTile) two ? form_tiles<Unit, 2, 2>(sums, first) : form_tiles<Unit, 2, 1>(sums, first);
    else two ? form_tiles<Unit, 1, 2>(sums, first) : form_tiles<Unit, 1, 1>(sums, first);
  }
}

template <class Unit>
PairProduct product_by_tiles(const char* name, void (*begin)() = nullptr, void (*end)() = nullptr) {
  return {name, form_by_tiles<Unit>, 2 * kRowsOfTile, kWordsOfTile, begin, end};
}

// A unit of tiles in memory: what the instructions do, by conversion.
class StandInTiles {
 public:
  template <int Tile, int width>
  void load(const float* from, int64_t stride) {
    for (int r = 0; r < kRowsOfTile; ++r) std::memcpy(tile_[Tile][r], from + r * stride, width * sizeof(float));
  }
  template <int Tile, int width>
  void store(float* to, int64_t stride) const {
    for (int r = 0; r < kRowsOfTile; ++r) std::memcpy(to + r * stride, tile_[Tile][r], width * sizeof(float));
  }
  template <int Tile>
  void zero() {
    std::memset(tile_[Tile], 0, sizeof tile_[Tile]);
  }
  template <int To, int X, int Weight>
  void add_products() {
    add(tile_[To], tile_[X], tile_[Weight]);
  }

 private:
  using Tile = float[kRowsOfTile][16];

  [[gnu::noinline]] static void add(Tile& to, const Tile& x, const Tile& weight) {
    for (int r = 0; r < kRowsOfTile; ++r) {
      Vec<float> upper = {}, lower = {};
      for (int k = 0; k < kWordsOfTile; ++k) {
        const Vec<float> word = broadcast_word(&x[r][k]), words = unrolled::UNROLLED_ISA::load(weight[k]);
        upper = fma(upper_halves(word), upper_halves(words), upper);
        lower = fma(lower_halves(word), lower_halves(words), lower);
      }
      unrolled::UNROLLED_ISA::store(to[r], unrolled::UNROLLED_ISA::load(to[r]) + (upper + lower));
    }
  }

  alignas(64) Tile tile_[8];
};

}  // namespace unrolled::UNROLLED_ISA
