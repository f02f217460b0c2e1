#include "tensors.h"

#include <nanobind/ndarray.h>

#include <cstring>
#include <new>

#include "dlpack.h"
#include "memory.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

// What is asked of PyTorch again and again; never given back, as the interpreter outlives it.
struct Torch {
  nb::object tensor, is_neg, new_empty;
  dlpack::Exchange* exchange = nullptr;  // null: an older PyTorch, whose methods are asked

  Torch() : tensor(nb::module_::import_("torch").attr("Tensor")), is_neg(tensor.attr("is_neg")), new_empty(nb::str("new_empty")) {
    if (!nb::hasattr(tensor, dlpack::Exchange::attribute)) return;
    const nb::object table = tensor.attr(dlpack::Exchange::attribute);
    exchange = static_cast<dlpack::Exchange*>(PyCapsule_GetPointer(table.ptr(), dlpack::Exchange::capsule));
    if (!exchange) PyErr_Clear();
    while (exchange && exchange->version.major != 1) exchange = exchange->older;
    if (exchange && (!exchange->describe || !exchange->adopt)) exchange = nullptr;
  }
};

const Torch& torch() {
  static Torch* known = nullptr;
  if (!known) known = new Torch;
  return *known;
}

// What PyTorch takes over together with the memory of a tensor.
struct Description {
  dlpack::Owned owned;
  int64_t shape[Seen::kMost], strides[Seen::kMost];
};
constexpr size_t kDescriptionBytes = (sizeof(Description) + 63) / 64 * 64;

Numbers numbers_of(dlpack::Number number) {
  if (number.lanes != 1) return Numbers::other;
  if (number.code == dlpack::kFloat && number.bits == 32) return Numbers::float32;
  if (number.code == dlpack::kFloat && number.bits == 64) return Numbers::float64;
  if (number.code == dlpack::kBool && number.bits == 8) return Numbers::boolean;
  if (number.code == dlpack::kBfloat && number.bits == 16) return Numbers::bfloat16;
  if (number.code == dlpack::kInt && number.bits == 8) return Numbers::int8;
  return number.code == dlpack::kInt && number.bits == 64 ? Numbers::int64 : Numbers::other;
}

Seen described(nb::handle tensor) {
  dlpack::Tensor t;
  if (torch().exchange->describe(tensor.ptr(), &t) != 0) throw nb::python_error();
  Seen seen = {static_cast<char*>(t.data) + t.byte_offset, t.dimensions, {}, {}, numbers_of(t.number),
               t.device.type == dlpack::kCpu, false};
  for (int d = 0; d < t.dimensions && d < Seen::kMost; ++d) seen.shape[d] = t.shape[d], seen.strides[d] = t.strides[d];
  return seen;
}

Seen asked(nb::handle tensor) {
  const nb::str dtype(nb::object(tensor.attr("dtype")));
  const char* name = dtype.c_str();
  const nb::tuple shape(nb::object(tensor.attr("shape"))), strides(nb::object(tensor.attr("stride")()));
  const bool on_cpu = nb::cast<bool>(tensor.attr("is_cpu"));
  Seen seen = {on_cpu ? reinterpret_cast<void*>(nb::cast<uintptr_t>(tensor.attr("data_ptr")())) : nullptr,
               int(shape.size()), {}, {},
               !std::strcmp(name, "torch.float32")    ? Numbers::float32
               : !std::strcmp(name, "torch.float64")  ? Numbers::float64
               : !std::strcmp(name, "torch.bfloat16") ? Numbers::bfloat16
               : !std::strcmp(name, "torch.int64")    ? Numbers::int64
               : !std::strcmp(name, "torch.int8")     ? Numbers::int8
               : !std::strcmp(name, "torch.bool")     ? Numbers::boolean
                                                      : Numbers::other,
               on_cpu, false};
  for (int d = 0; d < seen.dimensions && d < Seen::kMost; ++d) {
    seen.shape[d] = nb::cast<int64_t>(shape[d]);
    seen.strides[d] = nb::cast<int64_t>(strides[d]);
  }
  return seen;
}

size_t bytes_of(Numbers numbers, int dimensions, const int64_t* shape) {
  size_t bytes = numbers == Numbers::float32 ? 4 : 8;
  for (int d = 0; d < dimensions; ++d)
    if (__builtin_mul_overflow(bytes, size_t(shape[d]), &bytes)) throw std::bad_alloc();
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  return bytes;
}

template <class Real>
nb::object lent(void* data, int dimensions, const int64_t* shape, const int64_t* strides, nb::handle owner) {
  size_t sizes[Seen::kMost] = {};
  for (int d = 0; d < dimensions; ++d) sizes[d] = size_t(shape[d]);
  return nb::cast(nb::ndarray<nb::pytorch, Real>(data, size_t(dimensions), sizes, owner, strides));
}

}  // namespace

int64_t Seen::count() const {
  int64_t count = 1;
  for (int d = 0; d < dimensions && d < kMost; ++d) count *= shape[d];
  return count;
}

bool Seen::is_contiguous() const {
  int64_t wanted = 1;
  for (int d = dimensions - 1; d >= 0; --d) {
    if (shape[d] != 1 && strides[d] != wanted) return count() == 0;
    wanted *= shape[d];
  }
  return true;
}

bool Seen::is_placed() const {
  constexpr uintptr_t kFirstPossible = 1 << 16;  // no system maps memory below
  const uintptr_t address = reinterpret_cast<uintptr_t>(data);
  const bool is_byte = numbers == Numbers::boolean || numbers == Numbers::int8;
  const uintptr_t size = is_byte ? 1 : numbers == Numbers::bfloat16 ? 2 : numbers == Numbers::float32 ? 4 : 8;
  return address % size == 0 && (address >= kFirstPossible || count() == 0);
}

bool is_tensor(nb::handle value) {
  PyTypeObject* wanted = reinterpret_cast<PyTypeObject*>(torch().tensor.ptr());
  return Py_TYPE(value.ptr()) == wanted || PyType_IsSubtype(Py_TYPE(value.ptr()), wanted);
}

Seen look_at(nb::handle tensor) {
  Seen seen = torch().exchange ? described(tensor) : asked(tensor);
  const nb::object negative = nb::steal(PyObject_CallFunctionObjArgs(torch().is_neg.ptr(), tensor.ptr(), nullptr));
  if (!negative.is_valid()) throw nb::python_error();
  seen.negative = negative.ptr() == Py_True;
  return seen;
}

const void* address_of(nb::handle tensor) {
  return (torch().exchange ? described(tensor) : asked(tensor)).data;
}

Made make_tensor(Numbers numbers, int dimensions, const int64_t* shape, const int64_t* strides) {
  char* memory = static_cast<char*>(take_memory(kDescriptionBytes + bytes_of(numbers, dimensions, shape)));
  if (!memory) throw std::bad_alloc();
  Made made;
  made.data = memory + kDescriptionBytes;
  if (!torch().exchange) {
    const nb::capsule owner(memory, [](void* given) noexcept { give_memory(given); });
    made.tensor = numbers == Numbers::float32 ? lent<float>(made.data, dimensions, shape, strides, owner)
                                              : lent<double>(made.data, dimensions, shape, strides, owner);
    return made;
  }
  Description* description = new (memory) Description;
  int64_t stride = 1;
  for (int d = dimensions - 1; d >= 0; --d) {
    description->shape[d] = shape[d];
    description->strides[d] = strides ? strides[d] : stride;
    stride *= shape[d];
  }
  description->owned = {torch().exchange->version,
                        memory,
                        [](dlpack::Owned* owned) { give_memory(owned->context); },
                        0,
                        {made.data,
                         {dlpack::kCpu, 0},
                         dimensions,
                         {dlpack::kFloat, uint8_t(numbers == Numbers::float32 ? 32 : 64), 1},
                         description->shape,
                         description->strides,
                         0}};
  void* tensor = nullptr;
  if (torch().exchange->adopt(&description->owned, &tensor) != 0) {
    give_memory(memory);
    throw nb::python_error();
  }
  made.tensor = nb::steal(static_cast<PyObject*>(tensor));
  return made;
}

Made make_resizable(nb::handle like, int64_t a, int64_t b, int64_t c) {
  Made made;
  made.tensor = like.attr(torch().new_empty)(a, b, c);
  made.data = look_at(made.tensor).data;
  return made;
}

}  // namespace unrolled
