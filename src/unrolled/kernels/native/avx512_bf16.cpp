// The product of pairs by the instruction that CPUs with AVX512_BF16 have for it, and nothing else.
#define UNROLLED_ISA avx512bf16
#define UNROLLED_VECTOR_BYTES 64
#define UNROLLED_TILE_VECTORS 4
#include "pair_product.h"

namespace unrolled {

PairProduct avx512bf16_product() { return {"AVX512_BF16", avx512bf16::pair_sums, avx512bf16::kTileRows, 1}; }

}  // namespace unrolled
