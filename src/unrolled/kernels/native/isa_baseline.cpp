// What every CPU of the platform has; 16 registers of 16 bytes on x86-64 (SSE2).
#define UNROLLED_ISA baseline
#define UNROLLED_VECTOR_BYTES 16
#define UNROLLED_TILE_VECTORS 2
#define UNROLLED_TABLE(Real) baseline_##Real
#include "kernels.h"
