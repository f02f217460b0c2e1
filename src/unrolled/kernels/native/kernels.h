// The body of every instruction set's file: the kernels for both types of numbers, as dispatch.cpp asks for them.
// Such a file sets UNROLLED_ISA (a name), UNROLLED_VECTOR_BYTES and UNROLLED_TILE_VECTORS and includes this one.
// It instantiates nothing of the standard library: the linker may keep its copy for code that any CPU runs.
#pragma once

#include "backward.h"
#include "forward.h"
#include "pair_tiles.h"
#include "quantized_forward.h"

namespace unrolled::UNROLLED_ISA {

// action(Cell{}) for the cell of the kind.
template <class Action>
auto with_cell(CellKind kind, const Action& action) {
  switch (kind) {
    case CellKind::lstm: return action(Lstm{});
    case CellKind::gru_after: return action(GruAfter{});
    case CellKind::gru_before: return action(GruBefore{});
    case CellKind::rnn_tanh: return action(Rnn<false>{});
    case CellKind::lstm_options: return action(LstmWithOptions<Norm::none>{});
    case CellKind::lstm_norm_gates: return action(LstmWithOptions<Norm::gates>{});
    case CellKind::lstm_norm_projections: return action(LstmWithOptions<Norm::projections>{});
    case CellKind::rnn_relu: break;
  }
  return action(Rnn<true>{});
}

// The same of the first five kinds.
template <class Action>
auto with_plain_cell(CellKind kind, const Action& action) {
  switch (kind) {
    case CellKind::lstm: return action(Lstm{});
    case CellKind::gru_after: return action(GruAfter{});
    case CellKind::gru_before: return action(GruBefore{});
    case CellKind::rnn_tanh: return action(Rnn<false>{});
    default: return action(Rnn<true>{});
  }
}

template <class Real>
Kernels<Real> kernels() {
  Kernels<Real> table;
  table.forward = [](const Layer<Real>& layer, const Forward<Real>& result) {
    if constexpr (sizeof(Real) == 4)
      if (layer.quantized.bits)
        return with_plain_cell(layer.kind, [&](auto cell) { return quantized_forward<decltype(cell)>(layer, result); });
    return with_cell(layer.kind, [&](auto cell) { return forward<decltype(cell), Real>(layer, result); });
  };
  table.backward = [](const Layer<Real>& layer, const Backward<Real>& result) {
    return with_cell(layer.kind, [&](auto cell) { return backward<decltype(cell), Real>(layer, result); });
  };
  table.saved_width = [](CellKind kind, int64_t hidden, int64_t projected) {
    return with_cell(kind, [&](auto cell) { return Saved<decltype(cell), Real>::width(hidden, projected); });
  };
  table.packed_size = [](const Layer<Real>& layer) {
    if (layer.quantized.bits)
      return with_plain_cell(layer.kind, [&](auto cell) {
        return QuantizedPanels<decltype(cell)>(nullptr, layer.quantized.bits, layer.input, layer.hidden).size();
      });
    return with_cell(layer.kind, [&](auto cell) {
      const Pairs pairs = {layer.product, layer.parts};
      return Panels<decltype(cell), Real>::of(nullptr, pairs, layer.input, layer.hidden, layer.output).size(layer.output);
    });
  };
  table.by_conversion = {"conversion", pair_sums, kTileRows, 1};
  table.by_tiles = product_by_tiles<StandInTiles>("conversion");
  return table;
}

}  // namespace unrolled::UNROLLED_ISA

namespace unrolled {

Kernels<float> UNROLLED_TABLE(float)() { return UNROLLED_ISA::kernels<float>(); }
Kernels<double> UNROLLED_TABLE(double)() { return UNROLLED_ISA::kernels<double>(); }

}  // namespace unrolled
