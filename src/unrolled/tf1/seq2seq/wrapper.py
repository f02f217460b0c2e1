"""A cell with attention to a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.tf1.holder import as_dtype
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell
from unrolled.tf1.rnn.dense import Dense
from unrolled.tf1.rnn.raw_rnn import TensorArray
from unrolled.tf1.seq2seq.attention import AttentionMechanism


class AttentionWrapperState(NamedTuple):
    """The state of an `AttentionWrapper`.

    Symbols: cell_state as the cell has it; attention [N, A]; time the number of steps so far; alignments
    [N, T] the last, or a tuple of one for each mechanism; so are alignment_history, a `TensorArray` or (),
    and attention_state.
    """

    cell_state: Any
    attention: Any
    time: Any
    alignments: Any
    alignment_history: Any
    attention_state: Any

    def clone(self, **parts: Any) -> AttentionWrapperState:
        """This state with other parts, such as cell_state=the encoder's final state."""
        return self._replace(**parts)


class AttentionWrapper(RNNCell):
    r"""A cell with attention, as `tf.contrib.seq2seq` has it.

        y, s'     = cell([x, attention], s)
        context   = Σ_t alignments_t values_t,   alignments of the query y
        attention = [y, context] attention_layer/kernel,   or without that layer the context
        the output is the attention, or without output_attention y

    With several mechanisms there is an attention of each, side by side.

    Args:
        cell: the cell to wrap.
        attention_mechanism: one, or a list of them.
        attention_layer_size: how wide the attention is, one number for each mechanism; None for the context.
        alignment_history: whether the state has the alignments of all steps.
        cell_input_fn: of inputs and attention, what the cell sees; None for both side by side.
        output_attention: whether the output is the attention.
        initial_cell_state: what `zero_state` has in the place of the cell's zeros.
        name, dtype: as `RNNCell` has them.
        attention_layer: a layer such as `tf1.Dense` in the place of attention_layer_size, for each mechanism.
        attention_fn: in the place of the second and third line: of mechanism, y, its state and the layer or
            None; gives attention, alignments and the next state.

    >>> from unrolled.tf1 import GRUCell, dynamic_rnn
    >>> from unrolled.tf1.seq2seq import LuongAttention
    >>> memory = torch.ones(2, 4, 3)
    >>> cell = AttentionWrapper(GRUCell(5), LuongAttention(5, memory), attention_layer_size=6)
    >>> outputs, state = dynamic_rnn(cell, torch.ones(2, 7, 8), dtype="float32")
    >>> outputs.shape, state.alignments.shape
    (torch.Size([2, 7, 6]), torch.Size([2, 4]))
    """

    scope = "attention_wrapper"
    carries_more = True

    def __init__(
        self,
        cell: RNNCell,
        attention_mechanism: AttentionMechanism | Sequence[AttentionMechanism],
        attention_layer_size: int | Sequence[int] | None = None,
        alignment_history: bool = False,
        cell_input_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: str | None = None,
        attention_layer: Any = None,
        attention_fn: Callable[..., tuple[Tensor, Tensor, Any]] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        check_rnn_cell("cell", cell)
        self._is_multi = isinstance(attention_mechanism, list | tuple)
        mechanisms: Any = attention_mechanism if self._is_multi else [attention_mechanism]
        for mechanism in mechanisms:
            if not isinstance(mechanism, AttentionMechanism):
                raise TypeError(
                    f"AttentionWrapper: attention_mechanism is a {type(mechanism).__name__}, expected "
                    "tf1.seq2seq.BahdanauAttention, LuongAttention or a list of such"
                )
        if attention_layer_size is not None and attention_layer is not None:
            raise ValueError(
                "AttentionWrapper: attention_layer_size and attention_layer, expected one of them"
            )
        given: Any = attention_layer_size if attention_layer is None else attention_layer
        layers = list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
        if layers and len(layers) != len(mechanisms):
            raise ValueError(
                f"AttentionWrapper: {len(layers)} attention layers for {len(mechanisms)} mechanisms, "
                "expected one for each"
            )
        if attention_layer_size is not None:
            layers = [
                Dense(size, use_bias=False, name=_numbered("attention_layer", number))
                for number, size in enumerate(layers)
            ]
        self.cell = cell
        self.mechanisms: Any = nn.ModuleList(mechanisms)
        self.attention_layers: Any = nn.ModuleList(layers)
        self._input_fn = cell_input_fn or _side_by_side
        self._attention_fn = attention_fn or _attend
        self._output_attention, self._keeps_history = output_attention, alignment_history
        self._initial_cell_state = initial_cell_state

    @property
    def _attention_size(self) -> int:
        if self.attention_layers:
            return sum(_width(layer) for layer in self.attention_layers)
        return sum(mechanism.depth for mechanism in self.mechanisms)

    @property
    def output_size(self) -> Any:
        return self._attention_size if self._output_attention else self.cell.output_size

    @property
    def state_size(self) -> Any:
        sizes = self._of_each([mechanism.alignments_size for mechanism in self.mechanisms])
        return AttentionWrapperState(
            cell_state=self.cell.state_size,
            attention=self._attention_size,
            time=(),
            alignments=sizes,
            alignment_history=sizes if self._keeps_history else self._of_each([()] * len(self.mechanisms)),
            attention_state=sizes,
        )

    def _of_each(self, parts: list[Any]) -> Any:
        """A part of each mechanism: as a tuple if there was a list of them."""
        return tuple(parts) if self._is_multi else parts[0]

    def zero_state(self, batch_size: int, dtype: Any, device: Any = None) -> AttentionWrapperState:
        for mechanism in self.mechanisms:
            if mechanism.batch_size != batch_size:
                raise ValueError(
                    f"AttentionWrapper: the memory has {mechanism.batch_size} sequences, and the batch "
                    f"{batch_size}, expected as many"
                )
        cell_state = self._initial_cell_state
        if cell_state is None:
            cell_state = self.cell.zero_state(batch_size, dtype, device)
        alignments = [mechanism.initial_alignments(batch_size, dtype) for mechanism in self.mechanisms]
        states = [mechanism.initial_state(batch_size, dtype) for mechanism in self.mechanisms]
        history = [TensorArray() if self._keeps_history else () for _ in self.mechanisms]
        return AttentionWrapperState(
            cell_state=cell_state,
            attention=torch.zeros(batch_size, self._attention_size, dtype=as_dtype(dtype), device=device),
            time=torch.zeros((), dtype=torch.int32),
            alignments=self._of_each(alignments),
            alignment_history=self._of_each(history),
            attention_state=self._of_each(states),
        )

    def check_state(self, state: Any, batch_size: int) -> None:
        if not isinstance(state, AttentionWrapperState):
            raise TypeError(
                f"AttentionWrapper: state is a {type(state).__name__}, expected an AttentionWrapperState: "
                "cell.zero_state(N, dtype).clone(cell_state=...)"
            )
        self.cell.check_state(state.cell_state, batch_size)

    def call(self, inputs: Tensor, state: AttentionWrapperState) -> tuple[Tensor, AttentionWrapperState]:
        output, cell_state = self.cell(self._input_fn(inputs, state.attention), state.cell_state)
        found = []
        for number, mechanism in enumerate(self.mechanisms):
            previous = state.attention_state[number] if self._is_multi else state.attention_state
            layer = self.attention_layers[number] if self.attention_layers else None
            found.append(self._attention_fn(mechanism, output, previous, layer))
        attentions, alignments, states = zip(*found, strict=True)
        if self._keeps_history:
            history = state.alignment_history if self._is_multi else [state.alignment_history]
            for array, alignment in zip(history, alignments, strict=True):
                array.write(int(state.time), alignment)
        attention = torch.cat(attentions, dim=1)
        new_state = AttentionWrapperState(
            cell_state=cell_state,
            attention=attention,
            time=state.time + 1,
            alignments=self._of_each(list(alignments)),
            alignment_history=state.alignment_history,
            attention_state=self._of_each(list(states)),
        )
        return attention if self._output_attention else output, new_state

    def _cell_input_size(self, input_size: int) -> int:
        inputs, attention = torch.zeros(1, input_size), torch.zeros(1, self._attention_size)
        return self._input_fn(inputs, attention).shape[1]

    def _build(self, input_size: int, *, dtype: torch.dtype, device: Any) -> None:
        self.cell.build(self._cell_input_size(input_size), dtype, device)
        for mechanism in self.mechanisms:
            mechanism.build_score(self.cell.output_size, dtype, device)
        for layer, mechanism in zip(self.attention_layers, self.mechanisms, strict=False):
            if isinstance(layer, Dense):
                layer.build(self.cell.output_size + mechanism.depth, dtype, device)

    def has_variables(self) -> bool:
        return True  # shapes ask for a memory

    # Of several mechanisms or layers of one kind TensorFlow numbers the names from the second on.

    def _parts(
        self, of_mechanism: Callable[[Any], dict[str, Any]], of_layer: Callable[..., dict[str, Any]]
    ) -> Any:
        seen: dict[str, int] = {}
        for mechanism in self.mechanisms:
            number = seen[mechanism.scope] = seen.get(mechanism.scope, -1) + 1
            scope = _numbered(mechanism.scope, number)
            for name, part in of_mechanism(mechanism).items():
                yield f"{self.name}/{scope}{name.removeprefix(mechanism.scope)}", part
        for layer, mechanism in zip(self.attention_layers, self.mechanisms, strict=False):
            if isinstance(layer, Dense):
                for name, part in of_layer(layer, mechanism).items():
                    yield f"{self.name}/{name}", part

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        query_size = self.cell.output_size
        inside = self.cell.shapes(self._cell_input_size(input_size))
        own = self._parts(
            lambda mechanism: mechanism.score_shapes(query_size),
            lambda layer, mechanism: layer.shapes(query_size + mechanism.depth),
        )
        return {f"{self.name}/{name}": shape for name, shape in inside.items()} | dict(own)

    @property
    def variables(self) -> dict[str, Tensor]:
        if not self.built:
            return {}
        own = self._parts(lambda mechanism: mechanism.score_variables, lambda layer, _: layer.variables)
        return {f"{self.name}/{name}": value for name, value in self.cell.variables.items()} | dict(own)

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        prefix = f"{self.name}/"
        self.cell._assign({name: values[prefix + name] for name in self.cell.variables})
        own = self._parts(lambda mechanism: mechanism.score_variables, lambda layer, _: layer.variables)
        for name, parameter in own:
            parameter.copy_(values[name])


def _attend(mechanism: Any, query: Tensor, state: Any, layer: Any) -> tuple[Tensor, Tensor, Any]:
    """The attention of one mechanism, its alignments and its next state."""
    alignments, next_state = mechanism(query, state)
    context = (alignments.unsqueeze(1) @ mechanism.values).squeeze(1)
    return context if layer is None else layer(torch.cat([query, context], dim=1)), alignments, next_state


def _side_by_side(inputs: Tensor, attention: Tensor) -> Tensor:
    return torch.cat([inputs, attention], dim=-1)


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _width(layer: Any) -> int:
    """How wide the results of a layer are."""
    for name in ("units", "out_features"):
        if hasattr(layer, name):
            return int(getattr(layer, name))
    raise TypeError(
        f"AttentionWrapper: attention_layer is a {type(layer).__name__}, expected tf1.Dense or "
        "torch.nn.Linear"
    )
