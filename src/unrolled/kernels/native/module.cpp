// The door to Python: tensors in and out, kernels called with the interpreter released, no maths. contract.h checks
// what comes in, whoever calls.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <initializer_list>
#include <new>
#include <string>

#include "both.h"
#include "contract.h"
#include "dispatch.h"
#include "memory.h"
#include "products.h"
#include "step_module.h"
#include "stream_module.h"
#include "tensors.h"

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
    if (!table[i].is_stand_in) result.append(nb::make_tuple(table[i].name, table[i].needs, table[i].runs_here()));
  return result;
}

// The names of those that stand in for hardware that may not be there: for tests.
nb::list stand_ins() {
  nb::list result;
  int count = 0;
  const Isa* table = isa_table(count);
  for (int i = 0; i < count; ++i)
    if (table[i].is_stand_in && table[i].runs_here()) result.append(table[i].name);
  return result;
}

// Memory for one call that no tensor owns.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() { give_memory(memory); }
  Scratch(const Scratch&) = delete;
  void take(size_t bytes) {
    memory = take_memory(bytes);
    if (!memory) throw std::bad_alloc();
  }
  void* memory = nullptr;
};

template <class Real>
Made make(std::initializer_list<int64_t> shape) {
  return make_tensor(kNumbers<Real>, int(shape.size()), shape.begin());
}

template <class Real>
Steps<Real> steps_in(const Made& made, const Sizes& sizes, int64_t width) {
  Real* data = static_cast<Real*>(made.data);
  return sizes.batch_first ? Steps<Real>{data, sizes.time * width, width} : Steps<Real>{data, width, sizes.batch * width};
}

// A tensor of every step, laid out as x.
template <class Real>
Steps<Real> make_steps(const Sizes& sizes, int64_t width, Made& made) {
  const int64_t N = sizes.batch, T = sizes.time;
  made = sizes.batch_first ? make<Real>({N, T, width}) : make<Real>({T, N, width});
  return steps_in<Real>(made, sizes, width);
}

constexpr int64_t kMostResizable = int64_t(1) << 20;  // numbers

// The same for the user's hands: PyTorch's own memory, which can be resized, unless it is so large that the kernels'
// own, which is kept from call to call, is much faster.
template <class Real>
Steps<Real> make_outputs(nb::handle x, const Sizes& sizes, int64_t width, Made& made) {
  const int64_t N = sizes.batch, T = sizes.time;
  if (T > 0 && N > kMostResizable / width / T) return make_steps<Real>(sizes, width, made);
  made = sizes.batch_first ? make_resizable(x, N, T, width) : make_resizable(x, T, N, width);
  return steps_in<Real>(made, sizes, width);
}

nb::object or_none(Made& made) { return made.tensor.is_valid() ? std::move(made.tensor) : nb::none(); }

// The tensor `saved`: its head, then saved_width() numbers of every step and sequence, then h of every step. The head
// says which kernels wrote what: small numbers, which outlast a hook that keeps saved tensors in half precision.
template <class Real>
struct SavedTensor {
  static constexpr int64_t kHead = 64 / sizeof(Real);
  static constexpr int kMark = 85;

  static int64_t size(const Isa& isa, const Sizes& s) {
    const int64_t width = kernels_of<Real>(isa).saved_width(s.kind, s.hidden, s.projects ? s.output : 0);
    return kHead + s.time * s.batch * (width + s.output);
  }
  static Steps<Real> h(Real* saved, const Isa& isa, const Sizes& s) {
    return {saved + size(isa, s) - s.time * s.batch * s.output, s.output, s.batch * s.output};
  }
  static void write_head(Real* saved, const Isa& isa, CellKind kind) {
    int count = 0;
    const Real head[] = {kMark, Real(1 + &isa - isa_table(count)), Real(1 + int(kind))};
    for (int64_t i = 0; i < kHead; ++i) saved[i] = i < 3 ? head[i] : Real(0);
  }
  static const Isa& read_head(nb::handle saved) {
    int count = 0;
    const Isa* table = isa_table(count);
    const Seen seen = is_tensor(saved) ? look_at(saved) : Seen{};
    if (seen.on_cpu && seen.numbers == kNumbers<Real> && seen.dimensions == 1 && seen.shape[0] >= kHead &&
        seen.is_contiguous() && seen.data) {
      const Real* head = static_cast<const Real*>(seen.data);
      for (int i = 0; i < count; ++i)
        if (head[0] == kMark && head[1] == i + 1 && table[i].runs_here()) return table[i];
    }
    throw nb::value_error("saved is not what forward gave for this layer");
  }
};

enum Keep { nothing, head, everything };  // of what backward needs

// A call of forward: made and run() in turn, so that two can run side by side. Where `ready` is false: see Checked.
template <class Real>
struct ForwardCall {
  Checked<Real> checked;
  const Kernels<Real>& kernels;
  Forward<Real> result{};
  Made out, h_n, c_n, c, saved;
  Scratch scratch;

  ForwardCall(const Isa& isa, nb::tuple fields, int threads, int keep, bool keep_c, Real* packed_for_stream = nullptr,
              nb::handle packed_before = nb::none())
      : kernels(kernels_of<Real>(isa)) {
    check(fields, threads, checked);
    if (!checked.ready) return;
    choose_product(isa, checked.layer);
    const Sizes& sizes = checked.sizes;
    const int bits = checked.layer.quantized.bits;
    if (bits && keep != nothing) throw nb::value_error("a layer with quantized weights has no backward: keep nothing for it");
    result.out = make_outputs<Real>(fields[1], sizes, sizes.output, out);
    result.h_n = static_cast<Real*>((h_n = make<Real>({sizes.batch, sizes.output})).data);
    if (sizes.has_c()) {
      result.c_n = static_cast<Real*>((c_n = make<Real>({sizes.batch, sizes.hidden})).data);
      if (keep_c) result.c = make_outputs<Real>(fields[1], sizes, sizes.hidden, c);
    }
    if (keep != nothing) {
      using Saved = SavedTensor<Real>;
      saved = make<Real>({keep == everything ? Saved::size(isa, sizes) : Saved::kHead});
      Real* data = static_cast<Real*>(saved.data);
      Saved::write_head(data, isa, sizes.kind);
      if (keep == everything) result.saved = data + Saved::kHead, result.kept_h = Saved::h(data, isa, sizes);
    }
    const int64_t packed = kernels.packed_size(checked.layer);
    result.packed = packed_for_stream;
    if (!packed_before.is_none()) {
      result.packed = static_cast<Real*>(const_cast<void*>(check_run(packed_before, "packed", kNumbers<Real>, packed)));
      if (!result.packed) throw nb::value_error("packed is not what pack gave for this layer");
      result.packed_ready = true;
    } else if (!packed_for_stream) {
      scratch.take(size_t(packed) * sizeof(Real));
      result.packed = static_cast<Real*>(scratch.memory);
    }
  }

  bool ready() const { return checked.ready; }
  bool run() const { return kernels.forward(checked.layer, result); }
  nb::object give() {
    return nb::make_tuple(or_none(out), or_none(h_n), or_none(c_n), or_none(c), or_none(saved));
  }
};

// A call of backward.
template <class Real>
struct BackwardCall {
  using Saved = SavedTensor<Real>;
  Checked<Real> checked;
  const Isa& isa;
  Backward<Real> result{};
  Made x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, peephole, weight_hr, norm_weight, norm_bias, reset_h,
      reset_c;

  BackwardCall(nb::tuple fields, int threads, nb::handle saved, nb::tuple gradients, bool wants_x)
      : isa(looked_at(fields, threads, saved)) {
    choose_product(isa, checked.layer);
    const Sizes& sizes = checked.sizes;
    if (checked.layer.quantized.bits) throw nb::value_error("a layer with quantized weights has no backward");
    Real* kept = static_cast<Real*>(const_cast<void*>(check_run(saved, "saved", kNumbers<Real>, Saved::size(isa, sizes))));
    if (!kept || kept[2] != Real(1 + int(sizes.kind))) throw nb::value_error("saved is not what forward gave for this layer");
    const Incoming<Real> incoming = check_incoming(gradients, checked);
    if (!checked.ready) return;

    const int64_t N = sizes.batch, I = sizes.input, H = sizes.hidden, P = sizes.output, G = sizes.gates;
    const Layer<Real>& layer = checked.layer;
    const auto written = [](Made& made, bool wanted, std::initializer_list<int64_t> shape) {
      if (wanted) made = make<Real>(shape);
      return static_cast<Real*>(made.data);
    };
    const int64_t norms = (sizes.kind == CellKind::lstm_norm_gates ? 5 : 9) * H;
    result.h = {Saved::h(kept, isa, sizes).data, P, N * P};
    result.saved = kept + Saved::kHead;
    result.d_out = incoming.out, result.d_c = incoming.c;
    result.d_h_n = incoming.h_n, result.d_c_n = incoming.c_n;
    if (wants_x) result.d_x = make_steps<Real>(sizes, I, x);
    result.d_h0 = written(h0, true, {N, P});
    result.d_c0 = written(c0, sizes.has_c(), {N, H});
    result.d_weight_ih = written(weight_ih, true, {G * H, I});
    result.d_weight_hh = written(weight_hh, true, {G * H, P});
    result.d_bias_ih = written(bias_ih, layer.bias_ih, {G * H});
    result.d_bias_hh = written(bias_hh, layer.bias_hh, {G * H});
    result.d_peephole = written(peephole, layer.options.peephole, {3, H});
    result.d_weight_hr = written(weight_hr, layer.options.weight_hr, {P, H});
    result.d_norm_weight = written(norm_weight, layer.options.norm_weight, {norms});
    result.d_norm_bias = written(norm_bias, layer.options.norm_bias, {norms});
    result.d_reset_h = written(reset_h, sizes.has_reset_h, {N, P});
    result.d_reset_c = written(reset_c, sizes.has_reset_c, {N, H});
  }

  const Isa& looked_at(nb::tuple fields, int threads, nb::handle saved) {
    check(fields, threads, checked);
    return Saved::read_head(saved);
  }

  bool ready() const { return checked.ready; }
  bool run() const { return kernels_of<Real>(isa).backward(checked.layer, result); }
  nb::object give() {
    return nb::make_tuple(or_none(x), or_none(weight_ih), or_none(weight_hh), or_none(bias_ih), or_none(bias_hh),
                          or_none(h0), or_none(c0), or_none(peephole), or_none(weight_hr), or_none(norm_weight),
                          or_none(norm_bias), or_none(reset_h), or_none(reset_c));
  }
};

// What a call gives; None: see Checked::ready.
template <class Call>
nb::object result_of(Call&& call) {
  if (!call.ready()) return nb::none();
  bool done;
  {
    nb::gil_scoped_release released;
    done = call.run();
  }
  if (!done) throw std::bad_alloc();
  return call.give();
}

// The same of the two directions of a layer.
template <class Call>
nb::object results_of(Call& one, Call& other) {
  if (!one.ready() || !other.ready()) return nb::none();
  bool done;
  {
    nb::gil_scoped_release released;
    auto &first = one.checked.layer, &second = other.checked.layer;
    if (side_by_side(first) && side_by_side(second)) {
      first.threads = second.threads = 1;
      done = run_both([&] { return one.run(); }, [&] { return other.run(); });
    } else {
      done = one.run() && other.run();
    }
  }
  if (!done) throw std::bad_alloc();
  return nb::make_tuple(one.give(), other.give());
}

bool is_double(nb::tuple fields) { return numbers_of(fields) == Numbers::float64; }

// (out, h_n, c_n, c, saved), None where not wanted or where there is none; None alone: see Checked::ready.
// packed: what pack gave for this layer's weights, or None.
nb::object forward(const std::string& isa, nb::tuple fields, int threads, int keep, bool keep_c, nb::object packed) {
  const Isa& named = isa_named(isa);
  return is_double(fields) ? result_of(ForwardCall<double>(named, fields, threads, keep, keep_c, nullptr, packed))
                           : result_of(ForwardCall<float>(named, fields, threads, keep, keep_c, nullptr, packed));
}

template <class Real>
nb::object forward_both_of(const Isa& isa, nb::tuple one, nb::tuple other, int threads, int keep, bool keep_c, nb::tuple packed) {
  ForwardCall<Real> first(isa, one, threads, keep, keep_c, nullptr, packed[0]);
  ForwardCall<Real> second(isa, other, threads, keep, keep_c, nullptr, packed[1]);
  return results_of(first, second);
}

// What forward gives for each of two layers; packed: a pair of what it takes.
nb::object forward_both(const std::string& isa, nb::tuple one, nb::tuple other, int threads, int keep, bool keep_c, nb::tuple packed) {
  const Isa& named = isa_named(isa);
  return is_double(one) ? forward_both_of<double>(named, one, other, threads, keep, keep_c, packed)
                        : forward_both_of<float>(named, one, other, threads, keep, keep_c, packed);
}

// The gradients as kernels/native_call.py names them, None where there is none; None alone: see Checked::ready.
nb::object backward(nb::tuple fields, int threads, nb::handle saved, nb::tuple gradients, bool wants_x) {
  return is_double(fields) ? result_of(BackwardCall<double>(fields, threads, saved, gradients, wants_x))
                           : result_of(BackwardCall<float>(fields, threads, saved, gradients, wants_x));
}

template <class Real>
nb::object backward_both_of(nb::tuple fields, int threads, nb::tuple saved, nb::tuple gradients, bool wants_x) {
  const auto call = [&](int which) {
    return BackwardCall<Real>(nb::cast<nb::tuple>(fields[which]), threads, saved[which],
                              nb::cast<nb::tuple>(gradients[which]), wants_x);
  };
  BackwardCall<Real> first = call(0), second = call(1);
  return results_of(first, second);
}

// What backward gives for each of two layers: every argument but the numbers is a pair.
nb::object backward_both(nb::tuple fields, int threads, nb::tuple saved, nb::tuple gradients, bool wants_x) {
  return is_double(nb::cast<nb::tuple>(fields[0])) ? backward_both_of<double>(fields, threads, saved, gradients, wants_x)
                                                   : backward_both_of<float>(fields, threads, saved, gradients, wants_x);
}

template <class Real>
nb::object pack_of(const Isa& isa, nb::tuple fields) {
  Checked<Real> checked;
  check(fields, 1, checked);
  choose_product(isa, checked.layer);
  Made packed = make<Real>({kernels_of<Real>(isa).packed_size(checked.layer)});
  ForwardCall<Real> call(isa, fields, 1, nothing, false, static_cast<Real*>(packed.data));
  return result_of(call).is_none() ? nb::none() : packed.tensor;
}

// The weights of a layer as its kernel reads them, for a stream; None: see Checked::ready.
nb::object pack(const std::string& isa, nb::tuple fields) {
  return is_double(fields) ? pack_of<double>(isa_named(isa), fields) : pack_of<float>(isa_named(isa), fields);
}

// The instruction set that wrote `saved`.
std::string isa_of(nb::handle saved) {
  if (is_tensor(saved) && look_at(saved).numbers == Numbers::float64) return SavedTensor<double>::read_head(saved).name;
  return SavedTensor<float>::read_head(saved).name;
}

int64_t saved_width(const std::string& isa, bool double_precision, int kind, int64_t hidden, int64_t projected) {
  const Isa& kernels = isa_named(isa);
  return double_precision ? kernels.double_precision.saved_width(CellKind(kind), hidden, projected)
                          : kernels.single_precision.saved_width(CellKind(kind), hidden, projected);
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Fused recurrent kernels; unrolled.kernels is their front.";
  nb::set_leak_warnings(false);  // a model that lives until the interpreter ends is no leak
  m.def("compiled", &compiled);
  m.def("forward", &forward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg("packed").none() = nb::none());
  m.def("pack", &pack);
  m.def("backward", &backward);
  m.def("forward_both", &forward_both);
  m.def("backward_both", &backward_both);
  m.def("saved_width", &saved_width);
  m.def("isa_of", &isa_of);
  m.def("allow_faster_products", &allow_faster_products);
  m.def("has_faster_product", [](const std::string& isa) { return faster_int8_product(isa_named(isa).vector_bytes) != nullptr; });
  m.def("stand_ins", &stand_ins);
  // What forms products of bfloat16 in hardware; "" if they are formed by conversion.
  m.def("bfloat16_product", [](const std::string& isa) { return std::string(hardware_product(isa_named(isa))); });
  m.attr("saved_head_bytes") = 64;
  bind_stream<float>(m, "StreamFloat32", &isa_named);
  bind_stream<double>(m, "StreamFloat64", &isa_named);
  bind_step<float>(m, "StepFloat32", &isa_named);
  bind_step<double>(m, "StepFloat64", &isa_named);
}
