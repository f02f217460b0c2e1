#include "contract.h"

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <string>

namespace nb = nanobind;

namespace unrolled {

namespace {

// The places in Python's tuple.
enum Field {
  kKind, kX, kWeightIh, kWeightHh, kBiasIh, kBiasHh, kLengths, kH0, kC0, kForgetBias, kReverse, kBatchFirst, kPeephole,
  kWeightHr, kNormWeight, kNormBias, kGNoise, kHNoise, kCNoise, kRecurrentDropout, kZoneout, kCellClip, kProjClip,
  kResets, kResetH, kResetC, kScaleIh, kScaleHh, kParts, kFields
};

constexpr const char* kKinds[] = {"lstm",     "gru_after",    "gru_before",      "rnn_tanh",
                                  "rnn_relu", "lstm_options", "lstm_norm_gates", "lstm_norm_projections"};

nb::handle at(nb::tuple fields, Field field) { return PyTuple_GetItem(fields.ptr(), field); }

std::string text(nb::handle value) {
  const nb::str written(value);
  return written.c_str();
}

std::string shape_of(nb::handle tensor) { return text(nb::list(nb::object(tensor.attr("shape")))); }

std::string shape_text(int dimensions, const int64_t* shape) {
  std::string result = "[";
  for (int d = 0; d < dimensions; ++d) result += (d ? ", " : "") + std::to_string(shape[d]);
  return result + "]";
}

[[noreturn]] void refuse(const std::string& message) { throw nb::value_error(message.c_str()); }

CellKind kind_of(nb::handle name) {
  const std::string wanted = nb::isinstance<nb::str>(name) ? text(name) : "";
  std::string known;
  for (int kind = 0; kind < int(std::size(kKinds)); ++kind) {
    if (wanted == kKinds[kind]) return CellKind(kind);
    known += (kind ? ", " : "") + std::string(kKinds[kind]);
  }
  refuse("kind is " + text(nb::repr(name)) + ", expected one of " + known);
}

int64_t gates_of(CellKind kind) {
  switch (kind) {
    case CellKind::gru_after:
    case CellKind::gru_before: return 3;
    case CellKind::rnn_tanh:
    case CellKind::rnn_relu: return 1;
    default: return 4;
  }
}

// Looks at the tensors of one call.
class Door {
 public:
  explicit Door(Numbers numbers) : numbers_(numbers) {}

  bool ready() const { return ready_; }

  // What every tensor of numbers has to be; one that is right but must be copied first makes the door not ready.
  Seen seen(nb::handle tensor, const char* name, Numbers numbers) {
    if (!is_tensor(tensor))
      throw nb::type_error((std::string(name) + " is a " + nb::inst_name(tensor).c_str() + ", expected a tensor").c_str());
    const Seen seen = look_at(tensor);
    if (!seen.on_cpu)
      refuse(std::string(name) + " is on " + text(nb::object(tensor.attr("device"))) + ", expected the CPU: there the kernels run");
    if (seen.numbers != numbers)
      refuse(std::string(name) + " is " + text(nb::object(tensor.attr("dtype"))) + ", expected " +
             (numbers == Numbers::int64      ? "torch.int64"
              : numbers == Numbers::boolean  ? "torch.bool"
              : numbers == Numbers::int8     ? "torch.int8 as weight_hh is"
              : numbers == Numbers::bfloat16 ? "torch.bfloat16 as weight_hh is"
              : numbers == Numbers::float32  ? "torch.float32 as x is" : "torch.float64 as x is"));
    if (seen.negative || !seen.is_placed()) ready_ = false;
    return seen;
  }

  Seen shaped(nb::handle tensor, const char* name, const char* letters, std::initializer_list<int64_t> shape,
              Numbers numbers) {
    const Seen found = seen(tensor, name, numbers);
    bool same = found.dimensions == int(shape.size());
    for (int d = 0; same && d < found.dimensions; ++d) same = found.shape[d] == shape.begin()[d];
    if (!same)
      refuse(std::string(name) + " has shape " + shape_of(tensor) + ", expected " +
             shape_text(int(shape.size()), shape.begin()) + ": " + letters);
    return found;
  }

  // A tensor without gaps.
  const void* dense(nb::handle tensor, const char* name, const char* letters, std::initializer_list<int64_t> shape,
                    Numbers numbers) {
    const Seen found = shaped(tensor, name, letters, shape, numbers);
    if (!found.is_contiguous()) ready_ = false;
    return found.data;
  }
  template <class Real>
  const Real* dense(nb::handle tensor, const char* name, const char* letters, std::initializer_list<int64_t> shape) {
    return static_cast<const Real*>(dense(tensor, name, letters, shape, numbers_));
  }

  // The same, and null for None.
  template <class Real>
  const Real* optional(nb::handle tensor, const char* name, const char* letters, std::initializer_list<int64_t> shape) {
    return tensor.is_none() ? nullptr : dense<Real>(tensor, name, letters, shape);
  }

  // A tensor of every step, without gaps among its features; null for None.
  template <class Real>
  Steps<const Real> steps(nb::handle tensor, const char* name, const char* letters, const Sizes& sizes, int64_t width) {
    if (tensor.is_none()) return {};
    const int64_t first = sizes.batch_first ? sizes.batch : sizes.time;
    const Seen found =
        shaped(tensor, name, letters, {first, sizes.batch_first ? sizes.time : sizes.batch, width}, numbers_);
    if (width > 1 && found.strides[2] != 1) ready_ = false;
    const int batch = sizes.batch_first ? 0 : 1;
    return {static_cast<const Real*>(found.data), found.strides[batch], found.strides[1 - batch]};
  }

  void lengths(nb::handle tensor, const Sizes& sizes, std::vector<int64_t>& copy) {
    const Seen found = shaped(tensor, "lengths", "[N]", {sizes.batch}, Numbers::int64);
    if (!ready_) return;
    copy.resize(size_t(sizes.batch));
    for (int64_t n = 0; n < sizes.batch; ++n) {
      const int64_t length = static_cast<const int64_t*>(found.data)[n * found.strides[0]];
      if (length < 0 || length > sizes.time)
        refuse("lengths[" + std::to_string(n) + "] is " + std::to_string(length) + ", expected 0 to " +
               std::to_string(sizes.time) + " (x has " + std::to_string(sizes.time) + " steps)");
      copy[size_t(n)] = length;
    }
  }

  void resets(nb::handle tensor, const Sizes& sizes, std::vector<uint8_t>& copy) {
    const Seen found =
        shaped(tensor, "resets", "[N, T], whatever the layout of x", {sizes.batch, sizes.time}, Numbers::boolean);
    if (!ready_) return;
    copy.resize(size_t(sizes.batch * sizes.time));
    const uint8_t* from = static_cast<const uint8_t*>(found.data);
    uint8_t* to = copy.data();
    for (int64_t n = 0; n < sizes.batch; ++n)
      for (int64_t t = 0; t < sizes.time; ++t) *to++ = from[n * found.strides[0] + t * found.strides[1]];
  }

 private:
  Numbers numbers_;
  bool ready_ = true;
};

// The kind of numbers of the weights: those of x, or of fewer bits.
Numbers weights_of(nb::tuple fields, Numbers numbers) {
  const nb::handle weight = at(fields, kWeightHh);
  if (!is_tensor(weight)) return numbers;
  const Numbers found = look_at(weight).numbers;
  return found == Numbers::int8 || found == Numbers::bfloat16 ? found : numbers;
}

Sizes sizes_of(nb::tuple fields, Door& door, Numbers numbers, Numbers weights) {
  Sizes sizes;
  sizes.kind = kind_of(at(fields, kKind));
  sizes.gates = gates_of(sizes.kind);
  sizes.batch_first = nb::cast<bool>(at(fields, kBatchFirst));
  const Seen x = door.seen(at(fields, kX), "x", numbers);
  if (x.dimensions != 3)
    refuse("x has shape " + shape_of(at(fields, kX)) + ", expected " + (sizes.batch_first ? "[N, T, I]" : "[T, N, I]"));
  sizes.batch = x.shape[sizes.batch_first ? 0 : 1];
  sizes.time = x.shape[sizes.batch_first ? 1 : 0];
  sizes.input = x.shape[2];

  const auto columns = [&](Field field, const char* name, const char* letters) {
    const Seen weight = door.seen(at(fields, field), name, field == kWeightHh ? weights : numbers);
    if (weight.dimensions != 2 || weight.shape[1] < 1)
      refuse(std::string(name) + " has shape " + shape_of(at(fields, field)) + ", expected " + letters);
    return weight.shape[1];
  };
  sizes.output = sizes.hidden = columns(kWeightHh, "weight_hh", "[G H, P], with P the width of h");
  sizes.projects = !at(fields, kWeightHr).is_none();
  sizes.has_reset_h = !at(fields, kResetH).is_none();
  sizes.has_reset_c = !at(fields, kResetC).is_none();
  if (sizes.projects) sizes.hidden = columns(kWeightHr, "weight_hr", "[P, H]");
  return sizes;
}

void refuse_options(nb::tuple fields, const Sizes& sizes) {
  const std::string kind = kKinds[int(sizes.kind)];
  const auto only = [&](bool right, Field field, const char* name, const char* owner) {
    const nb::handle value = at(fields, field);
    const bool given = PyFloat_Check(value.ptr()) ? nb::cast<double>(value) != 0 : !value.is_none();
    if (given && !right) refuse(std::string(name) + " is given, but the kind is " + kind + ": it is an option of " + owner);
  };
  const bool options = sizes.kind >= CellKind::lstm_options, norms = sizes.kind > CellKind::lstm_options;
  const char* of_options = "lstm_options, lstm_norm_gates and lstm_norm_projections";
  only(sizes.has_c(), kC0, "c0", "an LSTM");
  only(sizes.has_c(), kForgetBias, "forget_bias", "an LSTM");
  only(options, kPeephole, "peephole", of_options);
  only(options, kWeightHr, "weight_hr", of_options);
  only(options, kGNoise, "g_noise", of_options);
  only(options, kHNoise, "h_noise", of_options);
  only(options, kCNoise, "c_noise", of_options);
  only(options, kRecurrentDropout, "recurrent_dropout", of_options);
  only(options, kZoneout, "zoneout", of_options);
  only(options, kCellClip, "cell_clip", of_options);
  only(options, kProjClip, "proj_clip", of_options);
  only(sizes.has_c(), kResetC, "reset_c", "an LSTM");
  only(norms, kNormWeight, "norm_weight", "lstm_norm_gates and lstm_norm_projections");
  only(norms, kNormBias, "norm_bias", "lstm_norm_gates and lstm_norm_projections");
  only(!norms, kBiasIh, "bias_ih", "a layer without norms");
  only(!norms, kBiasHh, "bias_hh", "a layer without norms");
  if (at(fields, kWeightHr).is_none() && nb::cast<double>(at(fields, kProjClip)) != 0)
    refuse("proj_clip is given, but weight_hr is None: it clips a projection");
  if (norms && at(fields, kNormWeight).is_none()) refuse("norm_weight is None, but the kind is " + kind + ", which needs it");
  if (at(fields, kBiasIh).is_none() != at(fields, kBiasHh).is_none())
    refuse("one of bias_ih and bias_hh is None, expected both or none");
  if (at(fields, kResets).is_none() && (sizes.has_reset_h || sizes.has_reset_c))
    refuse("reset_h or reset_c is given, but resets is None: nothing goes back to it");
  if (at(fields, kHNoise).is_none() != at(fields, kCNoise).is_none())
    refuse("one of h_noise and c_noise is None, expected both or none");
}

void refuse_quantized(nb::tuple fields, const Sizes& sizes, Numbers numbers, Numbers weights) {
  for (const Field field : {kScaleIh, kScaleHh})
    if (at(fields, field).is_none() != (weights != Numbers::int8))
      refuse(weights == Numbers::int8 ? "scale_ih or scale_hh is None, but the weights are torch.int8, which need both"
                                      : "scale_ih or scale_hh is given, but the weights are not torch.int8");
  if (weights == numbers) return;
  if (numbers != Numbers::float32) refuse("x is torch.float64, expected torch.float32 beside quantized weights");
  if (sizes.kind >= CellKind::lstm_options)
    refuse("weight_hh is quantized, but the kind is " + std::string(kKinds[int(sizes.kind)]) +
           ": layers with options have float weights");
  constexpr int64_t most = 1 << 17;  // so many products of two int8 are sure to fit into an int32
  if (weights == Numbers::int8 && (sizes.input > most || sizes.hidden > most))
    refuse("weights of torch.int8 have rows of up to " + std::to_string(most) + ", here they are longer");
}

// Weights of fewer bits than x, null if they are like x.
template <class Real>
QuantizedWeights quantized_of(nb::tuple fields, const Sizes& sizes, Door& door, Numbers weights) {
  const int64_t rows = sizes.gates * sizes.hidden;
  QuantizedWeights found;
  if (weights == kNumbers<Real>) return found;
  found.bits = weights == Numbers::int8 ? 8 : 16;
  found.ih = door.dense(at(fields, kWeightIh), "weight_ih", "[G H, I]", {rows, sizes.input}, weights);
  found.hh = door.dense(at(fields, kWeightHh), "weight_hh", "[G H, P]", {rows, sizes.output}, weights);
  found.scale_ih = door.optional<float>(at(fields, kScaleIh), "scale_ih", "[G H]", {rows});
  found.scale_hh = door.optional<float>(at(fields, kScaleHh), "scale_hh", "[G H]", {rows});
  return found;
}

double number(nb::handle value, const char* name, double least, double most) {
  const double found = nb::cast<double>(value);
  if (!(found >= least && found <= most))  // NaN included
    refuse(std::string(name) + " is " + text(nb::repr(value)) + ", expected " +
           (most == 1 ? "a probability from 0 (off) to 1" : "a positive bound, or 0 for none"));
  return found;
}

int parts_of(nb::tuple fields, Numbers numbers, Numbers weights) {
  const int parts = nb::cast<int>(at(fields, kParts));
  if (parts < 0 || parts > 3)
    refuse("parts is " + std::to_string(parts) + ", expected 0, or how many bfloat16 stand for a number: 1, 2 or 3");
  if (parts && numbers != Numbers::float32) refuse("parts is given, but x is torch.float64: products in bfloat16 are of torch.float32");
  if (parts && weights != numbers) refuse("parts is given, but the weights are quantized: their products are as they are");
  return parts;
}

template <class Real>
LstmOptions<Real> options_of(nb::tuple fields, const Sizes& sizes, Door& door) {
  const int64_t H = sizes.hidden, P = sizes.output;
  const int64_t norms = sizes.kind == CellKind::lstm_norm_gates ? 5 : 9;
  const char* norm_letters = norms == 5 ? "[5 H], of the gates and c" : "[9 H], of W x, U h and c";
  LstmOptions<Real> options;
  options.peephole = door.optional<Real>(at(fields, kPeephole), "peephole", "[3, H]", {3, H});
  options.weight_hr = door.optional<Real>(at(fields, kWeightHr), "weight_hr", "[P, H]", {P, H});
  options.norm_weight = door.optional<Real>(at(fields, kNormWeight), "norm_weight", norm_letters, {norms * H});
  options.norm_bias = door.optional<Real>(at(fields, kNormBias), "norm_bias", norm_letters, {norms * H});
  options.g_noise = door.steps<Real>(at(fields, kGNoise), "g_noise", "H numbers for each step", sizes, H);
  options.h_noise = door.steps<Real>(at(fields, kHNoise), "h_noise", "P numbers for each step", sizes, P);
  options.c_noise = door.steps<Real>(at(fields, kCNoise), "c_noise", "H numbers for each step", sizes, H);
  options.recurrent_dropout = Real(number(at(fields, kRecurrentDropout), "recurrent_dropout", 0, 1));
  options.zoneout = Real(number(at(fields, kZoneout), "zoneout", 0, 1));
  options.cell_clip = Real(number(at(fields, kCellClip), "cell_clip", 0, INFINITY));
  options.proj_clip = Real(number(at(fields, kProjClip), "proj_clip", 0, INFINITY));
  return options;
}

}  // namespace

Numbers numbers_of(nb::tuple fields) {
  if (fields.size() != kFields) refuse("a layer has " + std::to_string(fields.size()) + " fields");
  const nb::handle x = at(fields, kX);
  if (!is_tensor(x)) throw nb::type_error((std::string("x is a ") + nb::inst_name(x).c_str() + ", expected a tensor").c_str());
  const Numbers numbers = look_at(x).numbers;
  if (numbers != Numbers::float32 && numbers != Numbers::float64)
    refuse("x is " + text(nb::object(x.attr("dtype"))) + ", expected torch.float32 or torch.float64");
  return numbers;
}

template <class Real>
void check(nb::tuple fields, int threads, Checked<Real>& checked) {
  Door door(kNumbers<Real>);
  const Numbers weights = weights_of(fields, kNumbers<Real>);
  const Sizes sizes = checked.sizes = sizes_of(fields, door, kNumbers<Real>, weights);
  refuse_options(fields, sizes);
  refuse_quantized(fields, sizes, kNumbers<Real>, weights);
  const int64_t N = sizes.batch, I = sizes.input, H = sizes.hidden, P = sizes.output, G = sizes.gates;
  Layer<Real>& layer = checked.layer;
  layer.kind = sizes.kind;
  layer.reverse = nb::cast<bool>(at(fields, kReverse));
  layer.forget_bias = Real(nb::cast<double>(at(fields, kForgetBias)));
  layer.threads = threads;
  layer.time = sizes.time, layer.batch = N, layer.input = I, layer.hidden = H, layer.output = P;
  layer.x = door.steps<Real>(at(fields, kX), "x", "the input of each step", sizes, I);
  layer.h0 = door.optional<Real>(at(fields, kH0), "h0", "[N, P]", {N, P});
  layer.c0 = door.optional<Real>(at(fields, kC0), "c0", "[N, H]", {N, H});
  layer.parts = parts_of(fields, kNumbers<Real>, weights);
  layer.quantized = quantized_of<Real>(fields, sizes, door, weights);
  layer.weight_ih = layer.weight_hh = nullptr;
  if (!layer.quantized.bits) {
    layer.weight_ih = door.dense<Real>(at(fields, kWeightIh), "weight_ih", "[G H, I]", {G * H, I});
    layer.weight_hh = door.dense<Real>(at(fields, kWeightHh), "weight_hh", "[G H, P]", {G * H, P});
  }
  layer.bias_ih = door.optional<Real>(at(fields, kBiasIh), "bias_ih", "[G H]", {G * H});
  layer.bias_hh = door.optional<Real>(at(fields, kBiasHh), "bias_hh", "[G H]", {G * H});
  if (sizes.kind >= CellKind::lstm_options) layer.options = options_of<Real>(fields, sizes, door);
  layer.lengths = nullptr;
  if (!at(fields, kLengths).is_none()) {
    door.lengths(at(fields, kLengths), sizes, checked.lengths);
    layer.lengths = checked.lengths.data();
  }
  layer.reset_h = door.optional<Real>(at(fields, kResetH), "reset_h", "[N, P]", {N, P});
  layer.reset_c = door.optional<Real>(at(fields, kResetC), "reset_c", "[N, H]", {N, H});
  layer.resets = nullptr;
  if (!at(fields, kResets).is_none()) {
    door.resets(at(fields, kResets), sizes, checked.resets);
    layer.resets = checked.resets.data();
  }
  checked.ready = door.ready();
}

template <class Real>
Incoming<Real> check_incoming(nb::tuple gradients, Checked<Real>& checked) {
  Door door(kNumbers<Real>);
  const Sizes& sizes = checked.sizes;
  const int64_t N = sizes.batch, H = sizes.hidden, P = sizes.output;
  Incoming<Real> incoming = {door.steps<Real>(gradients[0], "d_out", "P numbers for each step", sizes, P),
                             {},
                             door.optional<Real>(gradients[1], "d_h_n", "[N, P]", {N, P}),
                             nullptr};
  if (sizes.has_c()) {  // without a c there is none that anything could have used
    incoming.c_n = door.optional<Real>(gradients[2], "d_c_n", "[N, H]", {N, H});
    incoming.c = door.steps<Real>(gradients[3], "d_c", "H numbers for each step", sizes, H);
  }
  checked.ready = checked.ready && door.ready();
  return incoming;
}

const void* check_run(nb::handle tensor, const char* name, Numbers numbers, int64_t count) {
  Door door(numbers);
  const Seen found = door.shaped(tensor, name, "what forward gave for this layer", {count}, numbers);
  return door.ready() && found.is_contiguous() ? found.data : nullptr;
}

template void check<float>(nb::tuple, int, Checked<float>&);
template void check<double>(nb::tuple, int, Checked<double>&);
template Incoming<float> check_incoming<float>(nb::tuple, Checked<float>&);
template Incoming<double> check_incoming<double>(nb::tuple, Checked<double>&);

}  // namespace unrolled
