#define UNROLLED_ISA avxvnni
#define UNROLLED_VECTOR_BYTES 32
#define UNROLLED_PRODUCT avxvnni_product
#include "vnni.h"
