// The products of pairs by AMX: its registers as a unit of tiles, and the system's permission to use them.
#define UNROLLED_ISA amx
#define UNROLLED_VECTOR_BYTES 64
#define UNROLLED_TILE_VECTORS 4
#include <sys/syscall.h>
#include <unistd.h>

#include "pair_tiles.h"

namespace unrolled {

namespace {

constexpr int kRegisters = 8;
constexpr int kPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, and what for

struct alignas(64) Configuration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

void begin() {
  Configuration all;
  for (int tile = 0; tile < kRegisters; ++tile) all.rows[tile] = amx::kRowsOfTile, all.row_bytes[tile] = 4 * amx::kWordsOfTile;
  _tile_loadconfig(&all);
}

void end() { _tile_release(); }

// Not by the compilers' own functions: these want the number of a tile as it is written, and GCC's do not say that they
// read or write memory.
struct Registers {
  template <int Tile, int width>
  void load(const float* from, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride * 4), "i"(Tile) : "memory");
  }
  template <int Tile, int width>
  void store(float* to, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride * 4), "i"(Tile) : "memory");
  }
  template <int Tile>
  void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
  }
  template <int To, int X, int Weight>
  void add_products() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(To), "i"(X), "i"(Weight));
  }
};

}  // namespace

PairProduct amx_product() { return amx::product_by_tiles<Registers>("AMX", begin, end); }

// The system wants to be asked once by a process whose threads will use tiles.
bool may_use_amx() {
  static const bool granted = syscall(SYS_arch_prctl, kPermission, kTileData) == 0;
  return granted;
}

}  // namespace unrolled
