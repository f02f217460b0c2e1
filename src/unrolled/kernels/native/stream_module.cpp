// Numbers in and out without a detour: a step is a few microseconds, and to ask a tensor for its address, shape and
// strides by PyTorch's own methods, or for a new tensor, would cost half as much again. What comes in another shape,
// type or place than expected is left to Python, which converts it or says what is wrong.
#include "stream_module.h"

#include <nanobind/stl/string.h>

#include <mutex>
#include <new>
#include <vector>

#include "contract.h"
#include "stream.h"
#include "tensors.h"
#include "watch.h"

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

template <class Real>
class StreamDoor {
 public:
  // parts: see stream_parts(); sizes: N, I and O; slots: see Slot, what the steps watch; kept: what owns the memory that
  // parts points to; threads: gives the number of threads, None to stay on one and keep the interpreter.
  StreamDoor(const Isa& isa, nb::list parts, nb::tuple sizes, nb::list slots, nb::object kept, nb::object threads)
      : stream_(kernels_of<Real>(isa), stream_parts(isa, parts), nb::cast<int64_t>(sizes[0])),
        batch_(nb::cast<int64_t>(sizes[0])),
        input_(nb::cast<int64_t>(sizes[1])),
        output_(nb::cast<int64_t>(sizes[2])),
        kept_(std::move(kept)),
        threads_(std::move(threads)),
        slots_(slots_of(slots)) {
    const nb::module_ torch = nb::module_::import_("torch"), numpy = nb::module_::import_("numpy");
    tensor_ = torch.attr("Tensor");
    array_ = numpy.attr("ndarray");
    empty_ = numpy.attr("empty");
    number_ = numpy.attr("dtype")(sizeof(Real) == 4 ? "float32" : "float64");
    shapes_[0] = nb::make_tuple(output_);
    shapes_[1] = nb::make_tuple(batch_, output_);
  }

  int turn() const { return stream_.turn(); }

  // The output of a step in the kind of x, or None where Python must have a look first.
  nb::object step(nb::handle x) {
    if (moved()) return nb::none();
    PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(x.ptr()));
    if (type == tensor_.ptr()) {
      if (is_recorded()) return nb::none();
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

  // (layer or None, address of its packed weights, value it reads, second value of a sum, width,
  // addresses of h, addresses of c)
  static auto stream_parts(const Isa& isa, nb::list parts) {
    const auto pointer = [](nb::handle address) { return reinterpret_cast<Real*>(nb::cast<uintptr_t>(address)); };
    std::vector<typename Stream<Real>::Part> result;
    for (nb::handle item : parts) {
      const auto part = nb::cast<nb::tuple>(item);
      result.push_back({part[0].is_none() ? Layer<Real>{} : layer_of(isa, part[0]),
                        pointer(part[1]),
                        nb::cast<int>(part[2]),
                        nb::cast<int>(part[3]),
                        nb::cast<int64_t>(part[4]),
                        {pointer(part[5][0]), pointer(part[5][1])},
                        {pointer(part[6][0]), pointer(part[6][1])}});
    }
    return result;
  }

  // A layer whose tensors outlive the stream and need no copy.
  static Layer<Real> layer_of(const Isa& isa, nb::handle fields) {
    Checked<Real> checked;
    check(nb::cast<nb::tuple>(fields), 1, checked);
    if (!checked.ready) throw nb::value_error("a layer of a stream lies otherwise in memory than its kernel reads it");
    choose_product(isa, checked.layer);
    return checked.layer;
  }

  bool moved() const {
    for (const Slot& slot : slots_)
      if (slot.moved()) return true;
    return false;
  }

  // [N, I], or [I] if there is one sequence.
  bool fits(int dimensions, const int64_t* shape) const {
    return dimensions == 2 ? shape[0] == batch_ && shape[1] == input_
                           : dimensions == 1 && batch_ == 1 && shape[0] == input_;
  }

  Input<Real> from_tensor(nb::handle x) const {
    try {
      const Seen t = look_at(x);
      if (!t.on_cpu || t.negative || t.numbers != kNumbers<Real> || !fits(t.dimensions, t.shape) ||
          t.strides[t.dimensions - 1] != 1 || !t.is_placed())
        return {};
      return {static_cast<const Real*>(t.data), t.dimensions == 2 ? t.strides[0] : 0, t.dimensions};
    } catch (const nb::python_error&) {  // no memory that PyTorch could describe: Python says what it is
      return {};
    }
  }

  nb::object tensor_step(const Input<Real>& input) {
    const int64_t shape[] = {batch_, output_};
    const Made out = make_tensor(kNumbers<Real>, input.dimensions, shape + 2 - input.dimensions);
    step_to(input.data, input.row, static_cast<Real*>(out.data));
    return out.tensor;
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
  nb::object kept_, threads_, tensor_, array_, empty_, number_, shapes_[2];
  std::vector<Slot> slots_;
  std::mutex guard_;
};

}  // namespace

template <class Real>
void bind_stream(nb::module_& m, const char* name, const Isa& (*isa_named)(const std::string&)) {
  using Door = StreamDoor<Real>;
  nb::class_<Door>(m, name)
      .def("__init__",
           [=](Door* door, const std::string& isa, nb::list parts, nb::tuple sizes, nb::list slots, nb::object kept,
               nb::object threads) { new (door) Door(isa_named(isa), parts, sizes, slots, kept, threads); },
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
      .def("step", &Door::step)
      .def("run", &Door::run)
      .def_prop_ro("turn", &Door::turn);
}

template void bind_stream<float>(nb::module_&, const char*, const Isa& (*)(const std::string&));
template void bind_stream<double>(nb::module_&, const char*, const Isa& (*)(const std::string&));

}  // namespace unrolled
