// 32 registers of 64 bytes.
#define UNROLLED_ISA avx512
#define UNROLLED_VECTOR_BYTES 64
#define UNROLLED_TILE_VECTORS 4
#define UNROLLED_TABLE(Real) avx512_##Real
#include "kernels.h"
