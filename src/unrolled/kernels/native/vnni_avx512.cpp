#define UNROLLED_ISA avx512vnni
#define UNROLLED_VECTOR_BYTES 64
#define UNROLLED_PRODUCT avx512vnni_product
#include "vnni.h"
