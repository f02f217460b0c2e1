// A step of torch.nn's layers and cells in inference, with weights that are packed as long as they stay. What is not in
// the plainest form is left to Python: so it is with a mistake, with whoever watches, with gradients.
#include "step_module.h"

#include <nanobind/stl/string.h>

#include <cstring>
#include <new>
#include <vector>

#include "contract.h"
#include "step.h"
#include "tensors.h"
#include "watch.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

// Multiplications of a step from which it pays to wake other threads and to let go of the interpreter.
constexpr int64_t kLarge = int64_t(1) << 22;

// The numbers of a weight at some places, against writes that nobody counts: of a vector all, of a matrix so many that
// stand in different rows and columns.
template <class Real>
class Sample {
 public:
  Sample(const void* data, int dimensions, int64_t count)
      : data_(static_cast<const Real*>(data)),
        apart_(dimensions == 1 || count <= kPlaces ? 1 : count / kPlaces - (count / kPlaces + 1) % 2) {
    for (int64_t place = 0; place < count && (apart_ == 1 || int64_t(seen_.size()) < kPlaces); place += apart_)
      seen_.push_back(data_[place]);
  }

  bool is(const void* data) const {
    if (data != data_) return false;
    if (apart_ == 1) return std::memcmp(data_, seen_.data(), seen_.size() * sizeof(Real)) == 0;
    for (size_t i = 0; i < seen_.size(); ++i)
      if (std::memcmp(data_ + int64_t(i) * apart_, &seen_[i], sizeof(Real)) != 0) return false;
    return true;
  }

 private:
  static constexpr int64_t kPlaces = 64;
  const Real* data_;
  int64_t apart_;
  std::vector<Real> seen_;
};

template <class Real>
class StepDoor {
 public:
  // layers: for each layer and direction its fields and its packed weights, tensors that need no copy; form: whether it is
  // a cell, whether batches come first, how many directions; parameters: the dictionary that holds the weights; steps: the
  // slot that counts those of optimizers; names: the weights' in `parameters`; threads: gives the number of threads.
  StepDoor(const Isa& isa, nb::list layers, nb::tuple form, nb::dict parameters, nb::list steps, nb::list names,
           nb::object threads)
      : kept_(layers),
        parameters_(std::move(parameters)),
        threads_(std::move(threads)),
        is_cell_(nb::cast<bool>(form[0])),
        batch_first_(nb::cast<bool>(form[1])),
        step_(kernels_of<Real>(isa), parts_of(isa, layers), nb::cast<int>(form[2])),
        steps_(slots_of(steps)),
        weights_(slots_of(names)) {
    const nb::module_ torch = nb::module_::import_("torch");
    tensor_ = torch.attr("Tensor");
    parameter_ = torch.attr("nn").attr("Parameter");
    parameters_name_ = nb::steal(PyUnicode_InternFromString("_parameters"));
    for (const Slot& weight : weights_) {
      const Seen seen = look_at(weight.value);
      if (!seen.on_cpu || seen.numbers != kNumbers<Real> || !seen.is_contiguous() || !seen.is_placed() || weight.version < 0)
        throw nb::value_error("a weight that is packed lies otherwise in memory than its kernel reads it, or is not counted");
      samples_.push_back({seen.data, seen.dimensions, seen.count()});
    }
  }

  int64_t taken() const { return taken_; }

  // Whether the weights of a module, whose dictionary `attributes` is, are no longer those that were packed.
  bool moved(nb::handle attributes) const {
    if (PyDict_GetItemWithError(attributes.ptr(), parameters_name_.ptr()) != parameters_.ptr()) return true;
    for (const Slot& slot : steps_)
      if (slot.moved()) return true;
    for (size_t i = 0; i < weights_.size(); ++i)
      if (weights_[i].moved() || !samples_[i].is(address_of(weights_[i].value))) return true;
    return false;
  }

  // What the module returns for this input and state; None where Python must have a look first.
  nb::object step(nb::handle attributes, nb::handle input, nb::handle state) {
    Given given;
    if (!takes(input, state, given) || is_watched() || moved(attributes) || differentiates(given)) return nb::none();
    ++taken_;
    return has_c() ? step_with_c(given) : step_without(given);
  }

  // For Python's collector of circles: a weight may know its module, which has this.
  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(kept_.ptr());
    Py_VISIT(parameters_.ptr());
    for (const Slot& slot : weights_) {
      Py_VISIT(slot.holder.ptr());
      Py_VISIT(slot.value.ptr());
    }
    return 0;
  }

  void clear() {
    kept_.reset();
    parameters_.reset();
    weights_.clear();
    samples_.clear();
  }

 private:
  // A call's tensors, held while it runs, and how they lie.
  struct Given {
    nb::object tensors[3];
    int count = 0;
    typename LayerStep<Real>::Given numbers = {};
    int64_t batch = 1;
    bool batched = true;
  };

  static auto parts_of(const Isa& isa, nb::list layers) {
    std::vector<typename LayerStep<Real>::Part> result;
    for (nb::handle item : layers) {
      Checked<Real> checked;
      check(nb::cast<nb::tuple>(item[0]), 1, checked);
      if (!checked.ready) throw nb::value_error("a layer that is packed lies otherwise in memory than its kernel reads it");
      choose_product(isa, checked.layer);
      result.push_back({checked.layer, checked.sizes.gates, static_cast<Real*>(look_at(nb::object(item[1])).data)});
    }
    return result;
  }

  bool has_c() const {
    const CellKind kind = step_.first().kind;
    return kind == CellKind::lstm || kind >= CellKind::lstm_options;
  }

  // [N, I] or [I] for a cell; [1, N, I], [N, 1, I] or [1, I] for layers.
  bool takes(nb::handle input, nb::handle state, Given& given) const {
    Seen x;
    if (!sees(input, given, x) || x.dimensions < (is_cell_ ? 1 : 2) || x.dimensions > (is_cell_ ? 2 : 3)) return false;
    given.batched = x.dimensions == (is_cell_ ? 2 : 3);
    const int features = x.dimensions - 1, rows = is_cell_ || batch_first_ ? 0 : 1;
    if (!is_cell_ && x.shape[given.batched ? 1 - rows : 0] != 1) return false;
    if (given.batched) given.batch = x.shape[rows];
    const bool dense = x.shape[features] == 1 || x.strides[features] == 1;
    if (x.shape[features] != step_.first().input || !dense || given.batch < 1) return false;
    given.numbers.x = static_cast<const Real*>(x.data);
    given.numbers.row = given.batched ? x.strides[rows] : 0;
    if (state.is_none()) return true;
    if (!has_c()) return takes_state(state, step_.first().output, given, given.numbers.h);
    const bool pair = PyTuple_CheckExact(state.ptr()) && PyTuple_Size(state.ptr()) == 2;
    return pair && takes_state(PyTuple_GetItem(state.ptr(), 0), step_.first().output, given, given.numbers.h) &&
           takes_state(PyTuple_GetItem(state.ptr(), 1), step_.first().hidden, given, given.numbers.c);
  }

  // [N, width] or [width] for a cell, [L D, N, width] or [L D, width] for layers.
  bool takes_state(nb::handle tensor, int64_t width, Given& given, const Real*& numbers) const {
    const int64_t wanted[] = {step_.places(), given.batch, width};
    Seen seen;
    if (!sees(tensor, given, seen) || seen.dimensions != 1 + !is_cell_ + given.batched) return false;
    int d = 0;
    if (!is_cell_ && seen.shape[d++] != wanted[0]) return false;
    if (given.batched && seen.shape[d++] != wanted[1]) return false;
    if (seen.shape[d] != wanted[2] || !seen.is_contiguous()) return false;
    numbers = static_cast<const Real*>(seen.data);
    return true;
  }

  bool sees(nb::handle value, Given& given, Seen& seen) const {
    const PyObject* kind = reinterpret_cast<PyObject*>(Py_TYPE(value.ptr()));
    if (kind != tensor_.ptr() && kind != parameter_.ptr()) return false;
    given.tensors[given.count++] = nb::borrow(value);
    try {
      seen = look_at(value);
    } catch (const nb::python_error&) {  // no memory that PyTorch could describe: Python says what it is
      return false;
    }
    return seen.on_cpu && !seen.negative && seen.numbers == kNumbers<Real> && seen.is_placed();
  }

  bool differentiates(const Given& given) const {
    if (!is_grad_enabled()) return false;
    for (int i = 0; i < given.count; ++i)
      if (requires_grad(given.tensors[i])) return true;
    for (const Slot& weight : weights_)
      if (requires_grad(weight.value)) return true;
    return false;
  }

  Made make_state(const Given& given, int64_t width) const {
    const int64_t shape[] = {step_.places(), given.batch, width}, without[] = {step_.places(), width};
    if (is_cell_) return make_tensor(kNumbers<Real>, 1 + given.batched, shape + 2 - given.batched);
    return given.batched ? make_tensor(kNumbers<Real>, 3, shape) : make_tensor(kNumbers<Real>, 2, without);
  }

  // As torch.nn lays it out: time-first.
  Made make_output(const Given& given) const {
    const int64_t N = given.batch, width = step_.width(), alone[] = {1, width};
    const int64_t time_first[] = {1, N, width}, batch_first[] = {N, 1, width}, strides[] = {width, N * width, 1};
    if (!given.batched) return make_tensor(kNumbers<Real>, 2, alone);
    return batch_first_ ? make_tensor(kNumbers<Real>, 3, batch_first, strides) : make_tensor(kNumbers<Real>, 3, time_first);
  }

  nb::object step_with_c(const Given& given) {
    const Made h = make_state(given, step_.first().output), c = make_state(given, step_.first().hidden);
    if (is_cell_) return run(given, h, h, &c), nb::make_tuple(h.tensor, c.tensor);
    const Made out = make_output(given);
    run(given, out, h, &c);
    return nb::make_tuple(out.tensor, nb::make_tuple(h.tensor, c.tensor));
  }

  nb::object step_without(const Given& given) {
    const Made h = make_state(given, step_.first().output);
    if (is_cell_) return run(given, h, h, nullptr), h.tensor;
    const Made out = make_output(given);
    run(given, out, h, nullptr);
    return nb::make_tuple(out.tensor, h.tensor);
  }

  void run(const Given& given, const Made& out, const Made& h, const Made* c) {
    const auto data = [](const Made& made) { return static_cast<Real*>(made.data); };
    const typename LayerStep<Real>::Taken taken = {data(out), data(h), c ? data(*c) : nullptr};
    bool done;
    if (step_.multiplications(given.batch) < kLarge) {
      done = step_.take(given.batch, given.numbers, taken, 1);
    } else {
      const int threads = nb::cast<int>(threads_());
      nb::gil_scoped_release released;
      done = step_.take(given.batch, given.numbers, taken, threads);
    }
    if (!done) throw std::bad_alloc();
  }

  nb::object kept_, parameters_, threads_, tensor_, parameter_, parameters_name_;
  const bool is_cell_, batch_first_;
  const LayerStep<Real> step_;
  std::vector<Slot> steps_, weights_;
  std::vector<Sample<Real>> samples_;
  int64_t taken_ = 0;
};

template <class Door>
PyType_Slot* collected() {
  static PyType_Slot slots[] = {
      {Py_tp_traverse, reinterpret_cast<void*>(+[](PyObject* self, visitproc visit, void* arg) {
         Py_VISIT(Py_TYPE(self));
         return nb::inst_ready(self) ? nb::inst_ptr<Door>(self)->traverse(visit, arg) : 0;
       })},
      {Py_tp_clear, reinterpret_cast<void*>(+[](PyObject* self) {
         nb::inst_ptr<Door>(self)->clear();
         return 0;
       })},
      {0, nullptr}};
  return slots;
}

}  // namespace

template <class Real>
void bind_step(nb::module_& m, const char* name, const Isa& (*isa_named)(const std::string&)) {
  using Door = StepDoor<Real>;
  nb::class_<Door>(m, name, nb::type_slots(collected<Door>()))
      .def("__init__",
           [=](Door* door, const std::string& isa, nb::list layers, nb::tuple form, nb::dict parameters, nb::list steps,
               nb::list names, nb::object threads) {
             new (door) Door(isa_named(isa), layers, form, parameters, steps, names, threads);
           })
      .def("step", &Door::step, nb::arg(), nb::arg(), nb::arg().none())
      .def("moved", &Door::moved)
      .def_prop_ro("taken", &Door::taken);
}

template void bind_step<float>(nb::module_&, const char*, const Isa& (*)(const std::string&));
template void bind_step<double>(nb::module_&, const char*, const Isa& (*)(const std::string&));

}  // namespace unrolled
