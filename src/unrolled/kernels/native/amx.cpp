// The product of pairs by AMX: sixteen rows of sixteen sums in one instruction, of sixteen words of each row.
//
// Two tiles of rows by two vectors of sums stand in the registers, and what is loaded of each is used twice.
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "products.h"

namespace unrolled {

namespace {

constexpr int kRows = 16, kWords = 16, kLanes = 16;  // of a tile
constexpr int kRegisters = 8;
constexpr int kPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, and what for

struct alignas(64) Configuration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

void begin() {
  Configuration all;
  for (int tile = 0; tile < kRegisters; ++tile) all.rows[tile] = kRows, all.row_bytes[tile] = 4 * kWords;
  _tile_loadconfig(&all);
}

void end() { _tile_release(); }

// Rows [first, first + 16) of those that are there, for a load or a store of a tile: in their place, if they lie one like
// the other, else in a copy, with zeros for those that are not there.
struct Rows {
  float* const* row;
  int count;
  int64_t stride = 0;  // numbers from one to the next
  bool in_place;

  Rows(const float* const* all, int there, int first)
      : row(const_cast<float* const*>(all) + first), count(there - first < kRows ? there - first : kRows), in_place(count == kRows) {
    if (count > 1) stride = row[1] - row[0];
    for (int r = 2; in_place && r < count; ++r) in_place = row[r] - row[0] == r * stride;
  }

  void copy(float (&to)[kRows][kLanes], int64_t shift) const {
    for (int r = 0; r < kRows; ++r)
      if (r < count) std::memcpy(to[r], row[r] + shift, sizeof to[r]);
      else std::memset(to[r], 0, sizeof to[r]);
  }
  void copy_back(const float (&from)[kRows][kLanes], int64_t shift) const {
    for (int r = 0; r < count; ++r) std::memcpy(row[r] + shift, from[r], sizeof from[r]);
  }
};

// Not the compilers' own: these want the number of a tile as it is written, and GCC's do not say that they read memory.
template <int Tile>
inline void load(const float* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride * int64_t(sizeof(float))), "i"(Tile) : "memory");
}

template <int Tile>
inline void store(float* to, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride * int64_t(sizeof(float))), "i"(Tile) : "memory");
}

template <int Tile>
inline void load(const Rows& rows, int64_t shift) {
  if (rows.in_place) return load<Tile>(rows.row[0] + shift, rows.stride);
  alignas(64) float copy[kRows][kLanes];
  rows.copy(copy, shift);
  load<Tile>(copy[0], kLanes);
}

template <int Tile>
inline void store(const Rows& rows, int64_t shift) {
  if (rows.in_place) return store<Tile>(rows.row[0] + shift, rows.stride);
  alignas(64) float copy[kRows][kLanes];
  store<Tile>(copy[0], kLanes);
  rows.copy_back(copy, shift);
}

// One or two tiles of rows, one or two vectors of sums from `first` on.
template <int Tiles, int Vectors>
void form_tiles(const PairSums& sums, int first) {
  const Rows x[2] = {{sums.x, sums.rows, 0}, {sums.x, sums.rows, kRows * (Tiles - 1)}};
  if (sums.from) {
    const Rows from[2] = {{sums.from, sums.rows, 0}, {sums.from, sums.rows, kRows * (Tiles - 1)}};
    load<0>(from[0], first * kLanes);
    if (Vectors > 1) load<1>(from[0], (first + 1) * kLanes);
    if (Tiles > 1) load<2>(from[1], first * kLanes);
    if (Tiles > 1 && Vectors > 1) load<3>(from[1], (first + 1) * kLanes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  int64_t held_x = -1;
  const float* held_panel = nullptr;
  for (int64_t word = 0; word < sums.words; word += kWords)
    for (const PairTerm* term = sums.terms; term < sums.terms + sums.count; ++term) {
      const int64_t shift = term->shift + word;
      const float* panel = term->panel + word * sums.stride + first * kLanes;
      if (shift != held_x) {
        load<4>(x[0], shift);
        if (Tiles > 1) load<5>(x[1], shift);
      }
      if (panel != held_panel) {
        load<6>(panel, sums.stride);
        if (Vectors > 1) load<7>(panel + kLanes, sums.stride);
      }
      held_x = shift, held_panel = panel;
      _tile_dpbf16ps(0, 4, 6);
      if (Vectors > 1) _tile_dpbf16ps(1, 4, 7);
      if (Tiles > 1) _tile_dpbf16ps(2, 5, 6);
      if (Tiles > 1 && Vectors > 1) _tile_dpbf16ps(3, 5, 7);
    }
  const Rows to[2] = {{sums.to, sums.rows, 0}, {sums.to, sums.rows, kRows * (Tiles - 1)}};
  store<0>(to[0], first * kLanes);
  if (Vectors > 1) store<1>(to[0], (first + 1) * kLanes);
  if (Tiles > 1) store<2>(to[1], first * kLanes);
  if (Tiles > 1 && Vectors > 1) store<3>(to[1], (first + 1) * kLanes);
}

void form(const PairSums& sums) {
  for (int first = 0; first < sums.vectors; first += 2) {
    const bool both = first + 1 < sums.vectors;
    if (sums.rows > kRows) both ? form_tiles<2, 2>(sums, first) : form_tiles<2, 1>(sums, first);
    else both ? form_tiles<1, 2>(sums, first) : form_tiles<1, 1>(sums, first);
  }
}

}  // namespace

PairProduct amx_product() { return {"AMX", form, 2 * kRows, kWords, begin, end}; }

// The system wants to be asked once by a process whose threads will use tiles.
bool may_use_amx() {
  static const bool granted = syscall(SYS_arch_prctl, kPermission, kTileData) == 0;
  return granted;
}

}  // namespace unrolled
