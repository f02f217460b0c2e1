#include "dispatch.h"

#include <atomic>
#include <cstring>

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
#ifdef UNROLLED_WITH_AVX512_BF16
PairProduct avx512bf16_product();
#endif
#ifdef UNROLLED_WITH_AMX
PairProduct amx_product();
bool may_use_amx();
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

#if defined(UNROLLED_WITH_AVX512_BF16) || defined(UNROLLED_WITH_AMX)
// Whether a product gives the bits of another one: what a maker's manual says is asked of the processor.
bool gives_the_bits(const PairProduct& of, const PairProduct& judge) {
  constexpr int rows = 21, words = 32, vectors = 3, width = vectors * 16, parts = 2;
  const int most = of.rows < rows ? of.rows : rows;
  static float x[rows][parts * words], panel[parts * words][width], from[rows][width], found[rows][width], expected[rows][width];
  uint32_t state = 1;
  const auto next = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  // Bfloat16 of either sign near one, two in a word.
  const auto word = [&](float& to) {
    const uint32_t upper = 0x3e80 + next() % 0x200 + (next() % 2 << 15), lower = 0x3e80 + next() % 0x200 + (next() % 2 << 15);
    const uint32_t bits = upper << 16 | lower;
    std::memcpy(&to, &bits, sizeof to);
  };
  for (auto& row : x)
    for (float& to : row) word(to);
  for (auto& row : panel)
    for (float& to : row) word(to);
  float *to[2][rows];
  const float *starts[rows], *numbers[rows];
  for (int r = 0; r < rows; ++r) {
    for (float& number : from[r]) number = float(next()) / float(1 << 22) - 2.0f;
    to[0][r] = found[r], to[1][r] = expected[r], starts[r] = from[r], numbers[r] = x[r];
  }
  const PairTerm terms[parts] = {{words, panel[words]}, {0, panel[0]}};
  const auto form = [&](const PairProduct& product, float* const* sums, int first) {
    const int count = first + product.rows < most ? product.rows : most - first;
    product.form({count, vectors, sums + first, starts + first, numbers + first, terms, parts, words, width, panel[0]});
  };
  if (of.begin) of.begin();
  form(of, to[0], 0);
  if (of.end) of.end();
  for (int first = 0; first < most; first += judge.rows) form(judge, to[1], first);
  return std::memcmp(found, expected, sizeof(float) * size_t(most * width)) == 0;
}
#endif

#ifdef UNROLLED_WITH_AMX
bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;
  static const bool works = may_use_amx() && gives_the_bits(amx_product(), avx512_float().by_tiles);
  return works;
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

const PairProduct* faster_pair_product(int vector_bytes) {
  if (!faster_allowed) return nullptr;
#ifdef UNROLLED_WITH_AVX512_BF16
  static const PairProduct product = avx512bf16_product();
  static const bool works = has_avx512() && __builtin_cpu_supports("avx512bf16") && gives_the_bits(product, avx512_float().by_conversion);
  if (vector_bytes == 64 && works) return &product;
#endif
  (void)vector_bytes;
  return nullptr;
}

bool allow_faster_products(bool allowed) { return faster_allowed.exchange(allowed); }

const Isa* isa_table(int& count) {
  static const Isa table[] = {
#ifdef UNROLLED_WITH_AMX
      {"amx", "AMX for bfloat16, and AVX-512", has_amx, 64, avx512_float(), avx512_double(), amx_product()},
#endif
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
#ifdef UNROLLED_WITH_AVX512
      {"amx_by_conversion", "AVX-512", has_avx512, 64, avx512_float(), avx512_double(), avx512_float().by_tiles, true},
#endif
      {"amx_by_conversion_baseline", "", always, 16, baseline_float(), baseline_double(), baseline_float().by_tiles, true},
  };
  count = int(sizeof table / sizeof table[0]);
  return table;
}

}  // namespace unrolled
