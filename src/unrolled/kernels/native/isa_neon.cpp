// arm64: 32 registers of 16 bytes.
#define UNROLLED_ISA neon
#define UNROLLED_VECTOR_BYTES 16
#define UNROLLED_TILE_VECTORS 4
#define UNROLLED_TABLE(Real) neon_##Real
#include "kernels.h"
