// The door to Python: pointers in, kernels called with the interpreter released, no maths. kernels/native_call.py
// is the only caller; it owns the tensors, and has checked their types, shapes and strides.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <new>
#include <string>

#include "dispatch.h"
#include "memory.h"
#include "stream_module.h"

namespace nb = nanobind;
using namespace unrolled;

namespace {

const Isa& isa_named(const std::string& name) {
  int count = 0;
  const Isa* table = isa_table(count);
  for (int i = 0; i < count; ++i)
    if (name == table[i].name) return table[i];
  throw nb::value_error("an instruction set that was not compiled");
}

// name -> (what the CPU must have, whether this one has it), best first
nb::list compiled() {
  nb::list result;
  int count = 0;
  const Isa* table = isa_table(count);
  for (int i = 0; i < count; ++i)
    result.append(nb::make_tuple(table[i].name, table[i].needs, table[i].runs_here()));
  return result;
}

template <class Real>
Real* pointer(nb::handle address) {
  return reinterpret_cast<Real*>(nb::cast<uintptr_t>(address));
}

// (address, stride between sequences, stride between steps); address 0 where there are none.
template <class Real>
Steps<Real> steps(nb::handle view) {
  const auto parts = nb::cast<nb::tuple>(view);
  return {pointer<Real>(parts[0]), nb::cast<int64_t>(parts[1]), nb::cast<int64_t>(parts[2])};
}

template <class Real>
LstmOptions<Real> options_of(nb::tuple t) {
  return {pointer<const Real>(t[0]),        pointer<const Real>(t[1]),        pointer<const Real>(t[2]),
          pointer<const Real>(t[3]),        steps<const Real>(t[4]),          steps<const Real>(t[5]),
          steps<const Real>(t[6]),          Real(nb::cast<double>(t[7])),     Real(nb::cast<double>(t[8])),
          Real(nb::cast<double>(t[9])),     Real(nb::cast<double>(t[10]))};
}

template <class Real>
Layer<Real> layer_of(nb::tuple t) {
  return {CellKind(nb::cast<int>(t[0])),
          nb::cast<bool>(t[1]),
          Real(nb::cast<double>(t[2])),
          nb::cast<int>(t[3]),
          nb::cast<int64_t>(t[4]),
          nb::cast<int64_t>(t[5]),
          nb::cast<int64_t>(t[6]),
          nb::cast<int64_t>(t[7]),
          pointer<const int64_t>(t[8]),
          steps<const Real>(t[9]),
          pointer<const Real>(t[10]),
          pointer<const Real>(t[11]),
          pointer<const Real>(t[12]),
          pointer<const Real>(t[13]),
          pointer<const Real>(t[14]),
          pointer<const Real>(t[15]),
          nb::cast<int64_t>(t[16]),
          t[17].is_none() ? LstmOptions<Real>{} : options_of<Real>(nb::cast<nb::tuple>(t[17]))};
}

template <class Real>
Forward<Real> forward_of(nb::tuple t) {
  return {steps<Real>(t[0]),   pointer<Real>(t[1]), pointer<Real>(t[2]),  steps<Real>(t[3]),
          pointer<Real>(t[4]), pointer<Real>(t[5]), nb::cast<bool>(t[6])};
}

template <class Real>
Backward<Real> backward_of(nb::tuple t) {
  return {steps<const Real>(t[0]),   pointer<const Real>(t[1]), steps<const Real>(t[2]), steps<const Real>(t[3]),
          pointer<const Real>(t[4]), pointer<const Real>(t[5]), steps<Real>(t[6]),       pointer<Real>(t[7]),
          pointer<Real>(t[8]),       pointer<Real>(t[9]),       pointer<Real>(t[10]),    pointer<Real>(t[11]),
          pointer<Real>(t[12]),      pointer<Real>(t[13]),      pointer<Real>(t[14]),    pointer<Real>(t[15]),
          pointer<Real>(t[16])};
}

template <class Real, class Arguments>
void run(bool (*kernel)(const Layer<Real>&, const Arguments&), const Layer<Real>& layer, const Arguments& arguments) {
  bool done;
  {
    nb::gil_scoped_release released;
    done = kernel(layer, arguments);
  }
  if (!done) throw std::bad_alloc();
}

void forward(const std::string& isa, bool double_precision, nb::tuple layer, nb::tuple result) {
  const Isa& kernels = isa_named(isa);
  if (double_precision)
    run(kernels.double_precision.forward, layer_of<double>(layer), forward_of<double>(result));
  else
    run(kernels.single_precision.forward, layer_of<float>(layer), forward_of<float>(result));
}

void backward(const std::string& isa, bool double_precision, nb::tuple layer, nb::tuple result) {
  const Isa& kernels = isa_named(isa);
  if (double_precision)
    run(kernels.double_precision.backward, layer_of<double>(layer), backward_of<double>(result));
  else
    run(kernels.single_precision.backward, layer_of<float>(layer), backward_of<float>(result));
}

int64_t saved_width(const std::string& isa, bool double_precision, int kind, int64_t hidden, int64_t projected) {
  const Isa& kernels = isa_named(isa);
  return double_precision ? kernels.double_precision.saved_width(CellKind(kind), hidden, projected)
                          : kernels.single_precision.saved_width(CellKind(kind), hidden, projected);
}

int64_t packed_size(const std::string& isa, bool double_precision, int kind, int64_t input, int64_t hidden,
                    int64_t output) {
  const Isa& kernels = isa_named(isa);
  return double_precision ? kernels.double_precision.packed_size(CellKind(kind), input, hidden, output)
                          : kernels.single_precision.packed_size(CellKind(kind), input, hidden, output);
}

// A tensor of `count` numbers with any content, in memory that goes back to the kernels' own when it dies.
template <class Real>
nb::object tensor(size_t count) {
  void* memory = take_memory(count * sizeof(Real));
  if (!memory) throw std::bad_alloc();
  const nb::capsule owner(memory, [](void* given) noexcept { give_memory(given); });
  return nb::cast(nb::ndarray<nb::pytorch, Real>(memory, {count}, owner));
}

nb::object memory(bool double_precision, size_t count) {
  return double_precision ? tensor<double>(count) : tensor<float>(count);
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Fused recurrent kernels; unrolled.kernels is their front.";
  m.def("compiled", &compiled);
  m.def("memory", &memory);
  m.def("forward", &forward);
  m.def("backward", &backward);
  m.def("saved_width", &saved_width);
  m.def("packed_size", &packed_size);
  bind_stream<float>(m, "StreamFloat32", &isa_named, &layer_of<float>);
  bind_stream<double>(m, "StreamFloat64", &isa_named, &layer_of<double>);
}
