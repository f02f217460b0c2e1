#include "dispatch.h"

#include <atomic>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "products.h"

namespace unrolled {

#define UNROLLED_DECLARE(isa)     \
  Kernels<float> isa##_float();   \
  Kernels<double> isa##_double();

#ifdef UNROLLED_WITH_AVX512
UNROLLED_DECLARE(avx512)
#endif
#ifdef UNROLLED_WITH_AVX2
UNROLLED_DECLARE(avx2)
#endif
#ifdef UNROLLED_WITH_NEON
UNROLLED_DECLARE(neon)
#endif
UNROLLED_DECLARE(baseline)
#ifdef UNROLLED_WITH_VNNI_AVX512
Int8Product avx512vnni_product();
#endif
#ifdef UNROLLED_WITH_VNNI_AVX2
Int8Product avxvnni_product();
#endif

namespace {

bool always() { return true; }

#if defined(UNROLLED_WITH_AVX512) || defined(UNROLLED_WITH_AVX2)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

#ifdef UNROLLED_WITH_VNNI_AVX2
// Compilers do not agree on a name for it.
bool has_avxvnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#endif

std::atomic<bool> faster_allowed{true};

}  // namespace

const Int8Product* faster_int8_product(int vector_bytes) {
  if (!faster_allowed) return nullptr;
#ifdef UNROLLED_WITH_VNNI_AVX512
  static const Int8Product widest = avx512vnni_product();
  if (vector_bytes == 64 && __builtin_cpu_supports("avx512vnni")) return &widest;
#endif
#ifdef UNROLLED_WITH_VNNI_AVX2
  static const Int8Product wide = avxvnni_product();
  if (vector_bytes == 32 && has_avxvnni()) return &wide;
#endif
  (void)vector_bytes;
  return nullptr;
}

bool allow_faster_products(bool allowed) { return faster_allowed.exchange(allowed); }

const Isa* isa_table(int& count) {
  static const Isa table[] = {
#ifdef UNROLLED_WITH_AVX512
      {"avx512", "AVX-512 F, DQ, BW and VL", has_avx512, 64, avx512_float(), avx512_double()},
#endif
#ifdef UNROLLED_WITH_AVX2
      {"avx2", "AVX2 and FMA", has_avx2, 32, avx2_float(), avx2_double()},
#endif
#ifdef UNROLLED_WITH_NEON
      {"neon", "NEON", always, 16, neon_float(), neon_double()},
#endif
      {"baseline", "nothing beyond the platform's baseline", always, 16, baseline_float(), baseline_double()},
  };
  count = int(sizeof table / sizeof table[0]);
  return table;
}

}  // namespace unrolled
