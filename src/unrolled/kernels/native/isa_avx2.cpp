// 16 registers of 32 bytes: a tile of 6 rows by 2 vectors leaves room for its operands.
#define UNROLLED_ISA avx2
#define UNROLLED_VECTOR_BYTES 32
#define UNROLLED_TILE_VECTORS 2
#define UNROLLED_TABLE(Real) avx2_##Real
#include "kernels.h"
