"""What stands in a quantized model in the place of torch.nn's recurrent layers and cells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells.quantized import QuantizedCell
from unrolled.cells.state import LSTMState
from unrolled.layers.fits import kernel_of, kernel_of_cell, mode_of, weights_of, weights_of_layer
from unrolled.layers.packing import Packing
from unrolled.unroll.both import both_unroll
from unrolled.unroll.dynamic import dynamic_unroll
from unrolled.unroll.lengths import Lengths
from unrolled.unroll.resets import Resets


class QuantizedLayers(nn.Module):
    r"""Recurrent layers like those of torch.nn, made of `QuantizedCell`, for inference.

    Args:
        layers: a torch.nn.LSTM, GRU or RNN or its drop-in, without projection.
        dtype: of the weights, torch.int8 or torch.bfloat16.

    >>> layers = QuantizedLayers(nn.GRU(4, 3, bidirectional=True), torch.int8)
    >>> outputs, h_n = layers(torch.ones(5, 2, 4))
    >>> tuple(outputs.shape), tuple(h_n.shape)
    ((5, 2, 6), (2, 2, 3))
    """

    def __init__(self, layers: nn.RNNBase, dtype: torch.dtype) -> None:
        super().__init__()
        self.mode, self.bias, self.batch_first = layers.mode, layers.bias, layers.batch_first
        self.input_size, self.hidden_size, self.proj_size = layers.input_size, layers.hidden_size, 0
        self.num_layers, self.bidirectional, self.dropout = layers.num_layers, layers.bidirectional, 0.0
        names, weights = weights_of_layer(layers), weights_of(layers)
        count = len(names)
        self.cells: Any = nn.ModuleList(
            QuantizedCell(kernel_of(layers), *weights[first : first + count], dtype=dtype)
            for first in range(0, len(weights), count)
        )
        self.eval()

    def forward(
        self,
        input: Any,
        hx: Any = None,
        *,
        lengths: Lengths | None = None,
        resets: Resets | None = None,
        reset_hx: Any = None,
    ) -> tuple[Any, Any]:
        """The outputs and final states, as torch.nn's layers and their drop-ins give them.

        Args:
            input: [T, N, I], or [N, T, I] with batch_first; [T, I], one sequence; or a PackedSequence.
            hx: the initial states as torch.nn takes them; zeros if None.
            lengths, resets, reset_hx: as of `unrolled.LSTM`, for a padded batch.

        Raises:
            ValueError: something has another shape than these.
            UnrolledError: something asks for gradients.
        """
        if isinstance(input, PackedSequence):
            if lengths is not None or resets is not None:
                raise ValueError("lengths or resets came with a PackedSequence, expected a padded batch")
            return self._forward_packed(input, hx)
        if input.dim() == 3:
            return self._walk(input, hx, self.batch_first, lengths, resets, reset_hx)
        if input.dim() != 2 or lengths is not None or resets is not None:
            raise ValueError(f"input has shape {list(input.shape)}, expected a padded batch of three axes")
        one = None if hx is None else _map(lambda state: state.unsqueeze(1), hx)
        outputs, states = self._walk(input.unsqueeze(0), one, True)
        return outputs.squeeze(0), _map(lambda state: state.squeeze(1), states)

    @property
    def like(self) -> Tensor:
        """An empty tensor of the dtype that the layers compute in, where they are."""
        like: Tensor = self.cells[0].like
        return like

    def flatten_parameters(self) -> None:
        """There is nothing to do: models call this of torch.nn's layers."""

    def extra_repr(self) -> str:
        return f"{self.mode}, batch_first={self.batch_first}, bidirectional={self.bidirectional}"

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        packing = Packing(packed.batch_sizes)

        def ordered(states: Any, order: Tensor | None) -> Any:
            if states is None or order is None:
                return states
            return _map(lambda state: state.index_select(1, order), states)

        hx = ordered(hx, packed.sorted_indices)
        outputs, states = self._walk(packing.pad(packed.data), hx, False, packing.lengths)
        return packed._replace(data=packing.pack(outputs)), ordered(states, packed.unsorted_indices)

    def _walk(
        self,
        x: Tensor,
        hx: Any,
        batch_first: bool,
        lengths: Lengths | None = None,
        resets: Resets | None = None,
        reset_hx: Any = None,
    ) -> tuple[Tensor, Any]:
        directions = 2 if self.bidirectional else 1
        batch = x.shape[0 if batch_first else 1]
        for name, states in (("hx", hx), ("reset_hx", reset_hx)):
            self._check_states(name, states, batch)
        final = []
        for layer in range(self.num_layers):
            cells = self.cells[layer * directions : (layer + 1) * directions]
            given, back = (
                [self._state_of(states, layer * directions + place) for place in range(directions)]
                for states in (hx, reset_hx)
            )
            if directions == 2:
                found = both_unroll(
                    cells, x, lengths, given, resets=resets, reset_states=back, batch_first=batch_first
                )
                x = torch.cat([outputs for outputs, _ in found], 2)
            else:
                found = [
                    dynamic_unroll(
                        cells[0],
                        x,
                        lengths,
                        given[0],
                        resets=resets,
                        reset_state=back[0],
                        batch_first=batch_first,
                    )
                ]
                x = found[0][0]
            final += [state for _, state in found]
        if self.mode == "LSTM":
            return x, tuple(torch.stack(parts) for parts in zip(*final, strict=True))
        return x, torch.stack(final)

    def _check_states(self, name: str, states: Any, batch: int) -> None:
        if states is None:
            return
        expected = [len(self.cells), batch, self.hidden_size]
        parts = states if self.mode == "LSTM" else (states,)
        if len(parts) != (2 if self.mode == "LSTM" else 1) or any(list(p.shape) != expected for p in parts):
            came = [list(part.shape) for part in parts]
            raise ValueError(f"{name} has shapes {came}, expected {expected} for each state of {self.mode}")

    def _state_of(self, states: Any, place: int) -> Any:
        if states is None:
            return None
        return LSTMState(*(part[place] for part in states)) if self.mode == "LSTM" else states[place]


class QuantizedStep(nn.Module):
    r"""A cell like those of torch.nn, of a `QuantizedCell`, for inference.

    Args:
        cell: a torch.nn.LSTMCell, GRUCell or RNNCell or its drop-in.
        dtype: of the weights, torch.int8 or torch.bfloat16.

    >>> step = QuantizedStep(nn.LSTMCell(4, 3), torch.int8)
    >>> h, c = step(torch.ones(2, 4))
    >>> tuple(h.shape)
    (2, 3)
    """

    def __init__(self, cell: nn.RNNCellBase, dtype: torch.dtype) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = cell.input_size, cell.hidden_size, cell.bias
        weights = [getattr(cell, name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        self.mode = mode_of(cell)
        self.cell = QuantizedCell(kernel_of_cell(cell), *weights, dtype=dtype)
        self.eval()

    @property
    def like(self) -> Tensor:
        """An empty tensor of the dtype that the cell computes in, where it is."""
        return self.cell.like

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """The next state, as torch.nn's cells give it: h, of an LSTM (h, c).

        Args:
            input: [N, I] or [I].
            hx: the state before, [N, H] or [H], of an LSTM a pair; zeros if None.

        Raises:
            ValueError: something has another shape.
            UnrolledError: something asks for gradients.
        """
        if input.dim() == 1:
            one = None if hx is None else _map(lambda state: state.unsqueeze(0), hx)
            return _map(lambda state: state.squeeze(0), self(input.unsqueeze(0), one))
        if input.dim() != 2:
            raise ValueError(f"input has shape {list(input.shape)}, expected [N, I] or [I]")
        state = LSTMState(*hx) if isinstance(hx, tuple | list) else hx
        _, after = dynamic_unroll(self.cell, input.unsqueeze(1), state=state)
        return tuple(after) if isinstance(after, tuple) else after


def _map(function: Any, states: Any) -> Any:
    """`function` of h, or of h and c."""
    return tuple(map(function, states)) if isinstance(states, tuple | list) else function(states)
