// Numbers as products in fewer bits read them: bfloat16, two in a word of 32 bits, the first one in its upper half.
//
// A number is one bfloat16, or a sum of two or three: each is what is left of the number by those before it. A product of
// such sums is a sum of products of their parts, of which those are left out that the rounding of the last part hides.
#pragma once

#include <cstring>

#include "multiply.h"
#include "products.h"

namespace unrolled::UNROLLED_ISA {

// The nearest bfloat16, the even one of two, as a float. What is denormal is zero, as the instructions have it.
UNROLLED_INLINE Vec<float> to_bfloat16(Vec<float> v) {
  typedef uint32_t Bits __attribute__((vector_size(kVectorBytes)));
  const Bits bits = Bits(v), none = {};
  const Bits nearest = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
  const Bits is_denormal = Bits((bits & 0x7f800000u) == none), is_nan = Bits(v != v);
  const Bits numbers = (is_denormal & (bits & 0x80000000u)) | (~is_denormal & nearest);
  return Vec<float>((is_nan & ((bits & 0xffff0000u) | 0x400000u)) | (~is_nan & numbers));
}

// The part-th of so many summands of a number. An infinity is the largest bfloat16 where there are several: times a part that
// is zero it would be no number.
UNROLLED_INLINE Vec<float> part_of(Vec<float> v, int part, int parts) {
  constexpr float largest = 0x1.fep127f;
  if (parts > 1) v = at_least(at_most(v, broadcast(largest)), broadcast(-largest));
  for (; part > 0; --part) v = v - to_bfloat16(v);
  return to_bfloat16(v);
}

// Words of one vector's numbers, two and two, and of two vectors' numbers of the same lane. Both are bfloat16.
typedef int32_t HalfInt __attribute__((vector_size(kVectorBytes / 2)));
UNROLLED_INLINE HalfInt pairs_along(Vec<float> v) {
  typedef uint64_t Long __attribute__((vector_size(kVectorBytes)));
  const Long both = Long(v);
  return __builtin_convertvector((both & 0xffff0000u) | both >> 48, HalfInt);
}
UNROLLED_INLINE Vec<float> pairs_across(Vec<float> upper, Vec<float> lower) {
  typedef uint32_t Bits __attribute__((vector_size(kVectorBytes)));
  return Vec<float>(Bits(upper) | Bits(lower) >> 16);
}

// How the products of a layer see its numbers; without `product` as they are.
struct Pairs {
  const PairProduct* product = nullptr;
  int parts = 1;

  explicit operator bool() const { return product != nullptr; }
  // Of one part of a row of so many numbers.
  int64_t words(int64_t numbers) const { return divide_up(divide_up(numbers, 2), product->granule) * product->granule; }
  // What a row of so many numbers takes as the products read it, in units of 32 bits.
  int64_t depth(int64_t numbers) const { return product ? parts * words(numbers) : numbers; }
  int rows_of_tile() const { return product ? product->rows : kTileRows; }

  // to[part][words(numbers)] from a row that comes in pieces of an even length, zeros behind it.
  [[gnu::noinline]] void put_row(float* to, const float* from, Pieces pieces) const {
    const int64_t of_part = words(pieces.count * pieces.length), of_piece = divide_up(pieces.length, 2);
    for (int part = 0; part < parts; ++part, to += of_part) {
      for (int64_t p = 0; p < pieces.count; ++p)
        put_part(to + p * of_piece, from + p * pieces.stride, pieces.length, part);
      const int64_t put = pieces.count * of_piece;
      std::memset(to + put, 0, size_t(of_part - put) * sizeof(float));
    }
  }
  void put_row(float* to, const float* from, int64_t numbers) const { put_row(to, from, {1, numbers, 0}); }

  // One part of some numbers, in as many words as they take.
  [[gnu::noinline]] void put_part(float* to, const float* from, int64_t numbers, int part) const {
    constexpr int lanes = kLanes<float>;
    for (int64_t k = 0; k < numbers; k += lanes) {
      const HalfInt pairs = pairs_along(part_of(load_first(from + k, numbers - k), part, parts));
      if (numbers - k >= lanes) __builtin_memcpy(to + k / 2, &pairs, sizeof pairs);
      else __builtin_memcpy(to + k / 2, &pairs, size_t(numbers - k + 1) / 2 * sizeof(float));
    }
  }

  // Words of the numbers of two rows, one part of them; null: zeros.
  [[gnu::noinline]] void put_two_rows(float* to, const float* upper, const float* lower, int64_t numbers, int part) const {
    constexpr int lanes = kLanes<float>;
    for (int64_t k = 0; k < numbers; k += lanes) {
      const auto of = [&](const float* row) { return row ? part_of(load_first(row + k, numbers - k), part, parts) : Vec<float>{}; };
      store_first(to + k, pairs_across(of(upper), of(lower)), numbers - k);
    }
  }

  // Where the parts of a row and of a panel stand, and how many words each has.
  struct Apart {
    int64_t row, panel, words;
  };
  // One part behind the other.
  Apart apart_of(const Factor<float>& factor) const {
    const int64_t words = factor.pieces.length / parts;
    return {words, words * factor.panel.stride, words};
  }

  [[gnu::noinline]] void multiply(int rows, int vectors, const Sums<float>& sums, const Factor<float>& factor,
                                 const Apart& apart) const {
    const PairTerms terms = terms_of(factor.panel, apart);
    product->form({rows, vectors, sums.to, sums.from, factor.rows, &terms, 1});
  }

  PairTerms terms_of(const Panel<float>& panel, const Apart& apart, int64_t shift = 0) const {
    PairTerms terms = {{}, 0, apart.words, panel.stride, panel.ahead};
    for (int sum = parts - 1; sum >= 0; --sum)  // the smallest first
      for (int part = 0; part <= sum; ++part)
        terms.term[terms.count++] = {shift + part * apart.row, panel.data + (sum - part) * apart.panel};
    return terms;
  }

  // Two factors whose rows stand one behind the other, as those of x and of h, and whose panels are as wide.
  template <class Real>
  void multiply_both(int rows, int vectors, const Sums<Real>& sums, const Factor<Real>& one, const Factor<Real>& other) const {
    if constexpr (sizeof(Real) == 4) {
      const PairTerms terms[] = {terms_of(one.panel, apart_of(one)), terms_of(other.panel, apart_of(other), one.pieces.length)};
      product->form({rows, vectors, sums.to, sums.from, one.rows, terms, 2});
    }
  }

  // Of rows and panels that have their parts one behind the other.
  template <class Real>
  void multiply(int rows, int vectors, const Sums<Real>& sums, const Factor<Real>& factor) const {
    if constexpr (sizeof(Real) == 4) multiply(rows, vectors, sums, factor, apart_of(factor));
  }

  // As product_group has it.
  template <class Real>
  void multiply_group(int rows, int width, Real* const* to, bool add, int64_t columns, const Factor<Real>& factor) const {
    in_whole_vectors<Real, kMostRows>(rows, width, to, add, columns, [&](const Sums<Real>& sums) {
      multiply<Real>(rows, width, sums, factor);
    });
  }
};

// Between a thread's first product and its last one.
class Products {
 public:
  explicit Products(const Pairs& pairs) : product_(pairs.product) {
    if (product_ && product_->begin) product_->begin();
  }
  ~Products() {
    if (product_ && product_->end) product_->end();
  }
  Products(const Products&) = delete;

 private:
  const PairProduct* product_;
};

}  // namespace unrolled::UNROLLED_ISA
