// PyTorch's tensors as the doors see and make them: some dozen nanoseconds each, where PyTorch's own methods, asked one
// by one, would cost as much as a small layer. Any function here needs the interpreter.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

namespace unrolled {

enum class Numbers { other, float32, float64, bfloat16, int64, int8, boolean };

template <class Real>
constexpr Numbers kNumbers = sizeof(Real) == 4 ? Numbers::float32 : Numbers::float64;

// Where the numbers of a tensor are; strides count numbers.
struct Seen {
  static constexpr int kMost = 3;  // of more dimensions nothing is known but how many they are
  void* data;
  int dimensions;
  int64_t shape[kMost], strides[kMost];
  Numbers numbers;
  bool on_cpu;
  bool negative;  // what stands in memory has the other sign

  int64_t count() const;
  bool is_contiguous() const;
  // Whether the numbers stand somewhere, each at a multiple of its size. Of a storage that was given back, PyTorch has the
  // distance from address 0: what is far into it looks like memory, and to ask for its storage's size would cost too much.
  bool is_placed() const;
};

bool is_tensor(nanobind::handle value);

// Throws what PyTorch says of a tensor that has no memory to speak of.
Seen look_at(nanobind::handle tensor);

// Where its first number stands; throws the same.
const void* address_of(nanobind::handle tensor);

// A new tensor with any content, without gaps; strides: null if the last dimension is the innermost.
struct Made {
  nanobind::object tensor;
  void* data = nullptr;
};
Made make_tensor(Numbers numbers, int dimensions, const int64_t* shape, const int64_t* strides = nullptr);

// The same [a, b, c] in PyTorch's own memory, of the kind of `like`.
Made make_resizable(nanobind::handle like, int64_t a, int64_t b, int64_t c);

}  // namespace unrolled
