// Numbers in and out without a detour: a step is a few microseconds, and to ask a tensor for its address, shape and
// strides by PyTorch's own methods, or for a new tensor, would cost half as much again. What comes in another shape,
// type or place than expected is left to Python, which converts it or says what is wrong.
#include "stream_module.h"

#include <nanobind/stl/string.h>

#include <mutex>
#include <new>
#include <vector>

#include "dlpack.h"
#include "memory.h"
#include "stream.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

// The numbers of one step as Python gave them; data null: not in the form that a stream takes at once.
template <class Real>
struct Input {
  const Real* data = nullptr;
  int64_t row = 0;
  int dimensions = 0;
};

// An array's memory, lent while this lives.
struct View {
  View(nb::handle array, int wanted) : held(PyObject_GetBuffer(array.ptr(), &buffer, wanted) == 0) {
    if (!held) PyErr_Clear();
  }
  ~View() {
    if (held) PyBuffer_Release(&buffer);
  }
  View(const View&) = delete;

  Py_buffer buffer;
  const bool held;
};

// A result's memory and the description that PyTorch takes over with it.
struct Result {
  dlpack::Owned owned;
  int64_t shape[2], strides[2];
};
constexpr size_t kResultBytes = (sizeof(Result) + 63) / 64 * 64;

template <class Real>
class StreamDoor {
 public:
  // parts: see stream_parts(); sizes: N, I and O; slots: see Slot, what the steps watch; kept: what owns the memory that
  // parts points to; threads: gives the number of threads, None to stay on one and keep the interpreter.
  StreamDoor(const Isa& isa, Layer<Real> (*layer_of)(nb::tuple), nb::list parts, nb::tuple sizes, nb::list slots,
             nb::object kept, nb::object threads)
      : stream_(kernels(isa), stream_parts(layer_of, parts), nb::cast<int64_t>(sizes[0])),
        batch_(nb::cast<int64_t>(sizes[0])),
        input_(nb::cast<int64_t>(sizes[1])),
        output_(nb::cast<int64_t>(sizes[2])),
        kept_(std::move(kept)),
        threads_(std::move(threads)) {
    const nb::module_ torch = nb::module_::import_("torch"), numpy = nb::module_::import_("numpy");
    const nb::object base = torch.attr("_C");
    tensor_ = torch.attr("Tensor");
    version_ = base.attr("TensorBase").attr("__dict__")["_version"];
    is_negated_ = base.attr("TensorBase").attr("is_neg");
    tracing_ = base.attr("_get_tracing_state");
    modes_ = base.attr("_len_torch_dispatch_stack");
    array_ = numpy.attr("ndarray");
    empty_ = numpy.attr("empty");
    number_ = numpy.attr("dtype")(sizeof(Real) == 4 ? "float32" : "float64");
    shapes_[0] = nb::make_tuple(output_);
    shapes_[1] = nb::make_tuple(batch_, output_);
    if (nb::hasattr(tensor_, dlpack::Exchange::attribute)) {
      const nb::object table = tensor_.attr(dlpack::Exchange::attribute);
      exchange_ = static_cast<dlpack::Exchange*>(PyCapsule_GetPointer(table.ptr(), dlpack::Exchange::capsule));
      if (!exchange_) PyErr_Clear();
      while (exchange_ && exchange_->version.major != 1) exchange_ = exchange_->older;
    }
    for (nb::handle slot : slots) slots_.push_back({slot[0], slot[1], slot[2], nb::cast<int64_t>(slot[3])});
  }

  int turn() const { return stream_.turn(); }

  // The output of a step in the kind of x, or None where Python must have a look first.
  nb::object step(nb::handle x) {
    if (moved()) return nb::none();
    PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(x.ptr()));
    if (type == tensor_.ptr()) {
      if (watched() || is_negated(x)) return nb::none();
      const Input<Real> input = from_tensor(x);
      return input.data ? tensor_step(input) : nb::none();
    }
    return type == array_.ptr() ? array_step(x) : nb::none();
  }

  // The same on addresses that Python has checked.
  void run(uintptr_t x, int64_t row, uintptr_t out) {
    step_to(reinterpret_cast<const Real*>(x), row, reinterpret_cast<Real*>(out));
  }

 private:
  static constexpr int64_t kBytes = sizeof(Real);

  // A place in the model, a key of one of its dictionaries, with what was there when the weights were packed: a module, or
  // a tensor with its version (-1 if it has none).
  struct Slot {
    nb::object holder, name, value;
    int64_t version;
  };

  static const Kernels<Real>& kernels(const Isa& isa) {
    if constexpr (sizeof(Real) == 4)
      return isa.single_precision;
    else
      return isa.double_precision;
  }

  // (layer or None, address of its packed weights, value it reads, second value of a sum, width,
  // addresses of h, addresses of c)
  static auto stream_parts(Layer<Real> (*layer_of)(nb::tuple), nb::list parts) {
    const auto pointer = [](nb::handle address) { return reinterpret_cast<Real*>(nb::cast<uintptr_t>(address)); };
    std::vector<typename Stream<Real>::Part> result;
    for (nb::handle item : parts) {
      const auto part = nb::cast<nb::tuple>(item);
      result.push_back({part[0].is_none() ? Layer<Real>{} : layer_of(nb::cast<nb::tuple>(part[0])),
                        pointer(part[1]),
                        nb::cast<int>(part[2]),
                        nb::cast<int>(part[3]),
                        nb::cast<int64_t>(part[4]),
                        {pointer(part[5][0]), pointer(part[5][1])},
                        {pointer(part[6][0]), pointer(part[6][1])}});
    }
    return result;
  }

  bool moved() const {
    for (const Slot& slot : slots_) {
      PyObject* value = PyDict_GetItemWithError(slot.holder.ptr(), slot.name.ptr());
      if (!value && PyErr_Occurred()) throw nb::python_error();
      if (value != slot.value.ptr()) return true;
      if (slot.version >= 0 && version_of(value) != slot.version) return true;
    }
    return false;
  }

  // Straight through the descriptor: to look `_version` up by its name takes longer than to read it.
  int64_t version_of(PyObject* tensor) const {
    const nb::object version =
        nb::steal(Py_TYPE(version_.ptr())->tp_descr_get(version_.ptr(), tensor, reinterpret_cast<PyObject*>(Py_TYPE(tensor))));
    if (!version.is_valid()) throw nb::python_error();
    return PyLong_AsLongLong(version.ptr());
  }

  // Whether torch.jit.trace or a dispatch mode records torch's operators: Python knows what to do then.
  bool watched() const {
    const nb::object modes = nb::steal(PyObject_CallNoArgs(modes_.ptr()));
    const nb::object tracing = nb::steal(PyObject_CallNoArgs(tracing_.ptr()));
    if (!modes.is_valid() || !tracing.is_valid()) throw nb::python_error();
    return PyObject_IsTrue(modes.ptr()) || !tracing.is_none();
  }

  // Whether the memory holds the numbers' negatives: DLPack's description has no word for it.
  bool is_negated(nb::handle x) const {
    const nb::object negated = nb::steal(PyObject_CallOneArg(is_negated_.ptr(), x.ptr()));
    if (!negated.is_valid()) throw nb::python_error();
    return negated.is(nb::handle(Py_True));
  }

  // [N, I], or [I] if there is one sequence.
  bool fits(int dimensions, const int64_t* shape) const {
    return dimensions == 2 ? shape[0] == batch_ && shape[1] == input_
                           : dimensions == 1 && batch_ == 1 && shape[0] == input_;
  }

  Input<Real> from_tensor(nb::handle x) const {
    if (!exchange_ || !exchange_->describe) return {};
    dlpack::Tensor t;
    if (exchange_->describe(x.ptr(), &t) != 0) {
      PyErr_Clear();
      return {};
    }
    if (t.device.type != dlpack::kCpu || t.number.code != dlpack::kFloat || t.number.bits != 8 * kBytes ||
        t.number.lanes != 1 || !fits(t.dimensions, t.shape) || t.strides[t.dimensions - 1] != 1)
      return {};
    return {reinterpret_cast<const Real*>(static_cast<const char*>(t.data) + t.byte_offset),
            t.dimensions == 2 ? t.strides[0] : 0, t.dimensions};
  }

  nb::object tensor_step(const Input<Real>& input) {
    void* memory = take_memory(kResultBytes + size_t(batch_ * output_ * kBytes));
    if (!memory) throw std::bad_alloc();
    Result* result = static_cast<Result*>(memory);
    Real* data = reinterpret_cast<Real*>(static_cast<char*>(memory) + kResultBytes);
    try {
      step_to(input.data, input.row, data);
    } catch (...) {
      give_memory(memory);
      throw;
    }
    const int skipped = 2 - input.dimensions;
    result->shape[0] = batch_, result->shape[1] = result->strides[0] = output_, result->strides[1] = 1;
    result->owned = {exchange_->version, memory, [](dlpack::Owned* owned) { give_memory(owned->context); }, 0,
                     {data, {dlpack::kCpu, 0}, input.dimensions, {dlpack::kFloat, uint8_t(8 * kBytes), 1},
                      result->shape + skipped, result->strides + skipped, 0}};
    void* tensor = nullptr;
    if (exchange_->adopt(&result->owned, &tensor) != 0) throw nb::python_error();
    return nb::steal(static_cast<PyObject*>(tensor));
  }

  nb::object array_step(nb::handle x) {
    const View from(x, PyBUF_STRIDES | PyBUF_FORMAT);
    if (!from.held || !taken(from.buffer)) return nb::none();
    nb::object result = empty_(shapes_[from.buffer.ndim - 1], number_);
    const View to(result, PyBUF_WRITABLE);
    if (!to.held) return nb::none();
    step_to(static_cast<const Real*>(from.buffer.buf), from.buffer.strides[0] / kBytes, static_cast<Real*>(to.buffer.buf));
    return result;
  }

  bool taken(const Py_buffer& array) const {
    const char number = sizeof(Real) == 4 ? 'f' : 'd';
    int64_t shape[2] = {0, 0};
    for (int d = 0; d < array.ndim && d < 2; ++d) shape[d] = array.shape[d];
    return array.format[0] == number && array.format[1] == 0 && fits(array.ndim, shape) &&
           array.strides[array.ndim - 1] == kBytes && array.strides[0] % kBytes == 0 &&
           reinterpret_cast<uintptr_t>(array.buf) % kBytes == 0;
  }

  void step_to(const Real* x, int64_t row, Real* out) {
    bool done;
    if (threads_.is_none()) {
      done = stream_.step(x, row, out, 1);
    } else {
      const int threads = nb::cast<int>(threads_());
      nb::gil_scoped_release released;
      const std::lock_guard<std::mutex> one_at_a_time(guard_);
      done = stream_.step(x, row, out, threads);
    }
    if (!done) throw std::bad_alloc();
  }

  Stream<Real> stream_;
  int64_t batch_, input_, output_;
  nb::object kept_, threads_, version_, is_negated_, tracing_, modes_, tensor_, array_, empty_, number_, shapes_[2];
  std::vector<Slot> slots_;
  dlpack::Exchange* exchange_ = nullptr;
  std::mutex guard_;
};

}  // namespace

template <class Real>
void bind_stream(nb::module_& m, const char* name, const Isa& (*isa_named)(const std::string&),
                 Layer<Real> (*layer_of)(nb::tuple)) {
  using Door = StreamDoor<Real>;
  nb::class_<Door>(m, name)
      .def("__init__",
           [=](Door* door, const std::string& isa, nb::list parts, nb::tuple sizes, nb::list slots, nb::object kept,
               nb::object threads) { new (door) Door(isa_named(isa), layer_of, parts, sizes, slots, kept, threads); },
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("step", &Door::step)
      .def("run", &Door::run)
      .def_prop_ro("turn", &Door::turn);
}

template void bind_stream<float>(nb::module_&, const char*, const Isa& (*)(const std::string&),
                                 Layer<float> (*)(nb::tuple));
template void bind_stream<double>(nb::module_&, const char*, const Isa& (*)(const std::string&),
                                  Layer<double> (*)(nb::tuple));

}  // namespace unrolled
