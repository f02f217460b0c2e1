#include "watch.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

// What is asked of PyTorch again and again; never given back, as the interpreter outlives it.
struct Asked {
  nb::object tracing, modes, function_mode, autocast, transforms, forward_mode, level, grad_mode, version, grad;

  static nb::object property_named(const nb::object& properties, const char* name) {
    nb::object found = properties[name];
    if (Py_TYPE(found.ptr()) != &PyGetSetDescr_Type) throw nb::type_error("a tensor's property is not PyTorch's own");
    return found;
  }

  Asked() {
    const nb::object base = nb::module_::import_("torch").attr("_C");
    tracing = base.attr("_is_tracing");
    modes = base.attr("_len_torch_dispatch_stack");
    function_mode = base.attr("_is_torch_function_mode_enabled");
    autocast = base.attr("_is_any_autocast_enabled");
    transforms = base.attr("_functorch").attr("peek_interpreter_stack");
    forward_mode = nb::module_::import_("torch.autograd.forward_ad").attr("__dict__");
    level = nb::steal(PyUnicode_InternFromString("_current_level"));
    grad_mode = base.attr("is_grad_enabled");
    const nb::object properties = base.attr("TensorBase").attr("__dict__");
    version = property_named(properties, "_version");
    grad = property_named(properties, "requires_grad");
  }
};

const Asked& asked() {
  static Asked* known = nullptr;
  if (!known) known = new Asked;
  return *known;
}

nb::object call(const nb::object& function) {
  nb::object answer = nb::steal(PyObject_CallNoArgs(function.ptr()));
  if (!answer.is_valid()) throw nb::python_error();
  return answer;
}

bool says_yes(const nb::object& function) { return call(function).ptr() == Py_True; }

// Straight to the getter behind a descriptor, of what is known to be a tensor: to look a property up by its name, and to
// be asked again whether this has it, takes longer than to read it.
nb::object property(const nb::object& descriptor, PyObject* tensor) {
#ifdef Py_LIMITED_API
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(tensor));
  const auto get = reinterpret_cast<descrgetfunc>(PyType_GetSlot(Py_TYPE(descriptor.ptr()), Py_tp_descr_get));
  nb::object value = nb::steal(get(descriptor.ptr(), tensor, type));
#else
  const PyGetSetDef* behind = reinterpret_cast<PyGetSetDescrObject*>(descriptor.ptr())->d_getset;
  nb::object value = nb::steal(behind->get(tensor, behind->closure));
#endif
  if (!value.is_valid()) throw nb::python_error();
  return value;
}

bool differentiates_forward() {
  PyObject* level = PyDict_GetItemWithError(asked().forward_mode.ptr(), asked().level.ptr());
  return !level || PyLong_AsLong(level) >= 0;
}

}  // namespace

bool is_recorded() { return says_yes(asked().tracing) || PyLong_AsLong(call(asked().modes).ptr()) != 0; }

// A trace before the dispatch (make_fx with pre_dispatch) has no dispatch mode, but a function mode.
bool is_watched() {
  return is_recorded() || says_yes(asked().function_mode) || says_yes(asked().autocast) ||
         !call(asked().transforms).is_none() || differentiates_forward();
}

bool is_grad_enabled() { return says_yes(asked().grad_mode); }

bool requires_grad(nb::handle tensor) { return property(asked().grad, tensor.ptr()).ptr() == Py_True; }

bool Slot::moved() const {
  PyObject* now = PyDict_GetItemWithError(holder.ptr(), name.ptr());
  if (!now && PyErr_Occurred()) throw nb::python_error();
  return now != value.ptr() || (version >= 0 && PyLong_AsLongLong(property(asked().version, now).ptr()) != version);
}

std::vector<Slot> slots_of(nb::list slots) {
  std::vector<Slot> result;
  for (nb::handle slot : slots) result.push_back({slot[0], slot[1], slot[2], nb::cast<int64_t>(slot[3])});
  return result;
}

}  // namespace unrolled
