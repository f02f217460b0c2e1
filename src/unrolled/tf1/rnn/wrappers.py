"""TensorFlow 1's wrappers around a cell: dropout, residual and highway connections."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, DropoutCell, ResidualCell
from unrolled.tf1.replay.initializers import glorot_uniform
from unrolled.tf1.rnn.cell import LSTMStateTuple, RNNCell, check_rnn_cell


class Wrapper(RNNCell, abc.ABC):
    """A cell around a cell: sizes, states, variables and their names are those of the cell inside."""

    def __init__(self, cell: RNNCell, dtype: Any = None) -> None:
        super().__init__(dtype=dtype)
        check_rnn_cell("cell", cell)
        self.cell = cell
        self.carries_more, self.input_axes = cell.carries_more, cell.input_axes

    # As the cell has them at the moment: those of an attention change with its memory.

    @property
    def state_size(self) -> Any:
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        return self.cell.output_size

    def check_state(self, state: Any, batch_size: int) -> None:
        self.cell.check_state(state, batch_size)

    def _build(self, input_size: int, **where: Any) -> None:
        self.cell.build(input_size, **where)

    def zero_state(self, batch_size: int, dtype: Any, device: Any = None) -> Any:
        return self.cell.zero_state(batch_size, dtype, device)

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        return self.cell.shapes(input_size)

    @property
    def variables(self) -> dict[str, Tensor]:
        return self.cell.variables

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        self.cell._assign(values)


def _drop_all_but_c(state: Any) -> Any:
    """TensorFlow's default filter: every part of a state but the c of an LSTM."""
    return LSTMStateTuple(c=False, h=True) if isinstance(state, LSTMStateTuple) else True


class DropoutWrapper(Wrapper):
    r"""Dropout on what goes into a cell, on its new state and on what comes out.

        y, s = cell(D_input(x), s);   s' = D_state(s);   the output is D_output(y)

    Symbols: D_k(v) = v / k * floor(k + noise), noise ~ U[0, 1) of v's shape, k the probability to keep.

    The output's dropout never touches the state, and the state's leaves the c of an LSTM alone. With
    variational_recurrent the noise is [1, depth]: one mask for all sequences of the batch and all steps of
    a run. A loop draws it anew; a cell that is called by hand keeps it until `begin_sequence()`.

    A probability may be a tensor, which is read at each run, as a placeholder was: `keep_prob.fill_(1.0)`
    feeds another. `eval()`, which TensorFlow 1 did not have, turns all dropout off.

    Args:
        cell: the cell to wrap.
        input_keep_prob, output_keep_prob, state_keep_prob: numbers or tensors of one number, from 0 to 1.
        variational_recurrent: one mask for all steps; needs dtype, and input_size if inputs are dropped.
        input_size, dtype: as TensorFlow asks for them.
        seed: taken for TensorFlow's sake: `torch.manual_seed` seeds all dropout.
        dropout_state_filter_visitor: given a part of the new state, returns True or False, or such for each
            of its parts: what is to be dropped. None for everything but the c of an `LSTMStateTuple`.

    >>> from unrolled.tf1 import BasicLSTMCell, dynamic_rnn
    >>> keep_prob = torch.tensor(0.5)
    >>> cell = DropoutWrapper(BasicLSTMCell(64), output_keep_prob=keep_prob)
    >>> outputs, state = dynamic_rnn(cell, torch.ones(1, 3, 2), dtype="float32")
    >>> bool((outputs[:, -1] == state.h).all()), bool((outputs == 0).any())
    (False, True)
    """

    def __init__(
        self,
        cell: RNNCell,
        input_keep_prob: float | Tensor = 1.0,
        output_keep_prob: float | Tensor = 1.0,
        state_keep_prob: float | Tensor = 1.0,
        variational_recurrent: bool = False,
        input_size: int | None = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(cell, dtype)
        self._keep = {"input": input_keep_prob, "output": output_keep_prob, "state": state_keep_prob}
        for place, keep in self._keep.items():
            if isinstance(keep, bool) or not 0 <= float(keep) <= 1:
                raise ValueError(f"DropoutWrapper: {place}_keep_prob is {keep!r}, expected 0 to 1")
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise TypeError(
                f"DropoutWrapper: dropout_state_filter_visitor is {dropout_state_filter_visitor!r}, "
                "expected a function"
            )
        if variational_recurrent and dtype is None:
            raise ValueError("DropoutWrapper: variational_recurrent needs dtype, such as torch.float32")
        drops_input = isinstance(input_keep_prob, Tensor) or input_keep_prob < 1
        if variational_recurrent and drops_input and input_size is None:
            raise ValueError("DropoutWrapper: variational_recurrent with input_keep_prob needs input_size")
        self._variational = variational_recurrent
        self._filter = dropout_state_filter_visitor
        self._noise: dict[str, Tensor] = {}

    @property
    def wrapped_cell(self) -> RNNCell:
        """The cell inside."""
        return self.cell

    def begin_sequence(self) -> None:
        self._noise.clear()
        super().begin_sequence()

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, new_state = self.cell(self._drop("input", inputs), state)
        return self._drop("output", output), self._drop_state("state", new_state, True)

    def _drops(self, place: str) -> bool:
        return float(self._keep[place]) < 1

    def _drop(self, place: str, value: Tensor) -> Tensor:
        kind = place.partition(".")[0]
        if not (self.training and self._drops(kind)):
            return value
        keep = float(self._keep[kind])
        noise = self._noise.get(place) if self._variational else torch.rand_like(value)
        if noise is None:
            noise = self._noise[place] = torch.rand_like(value[:1])
        return value * torch.floor(keep + noise) / (keep or 1)

    def _drop_state(self, place: str, state: Any, dropped: Any) -> Any:
        """Drop what the filter says of `state`, of which it said `dropped` as a part."""
        if dropped is True:
            dropped = (self._filter or _drop_all_but_c)(state)
        if dropped is False or not self._drops("state"):
            return state
        if not isinstance(state, tuple):
            return self._drop(place, state)
        if not isinstance(dropped, tuple):
            dropped = (dropped,) * len(state)
        parts = [
            self._drop_state(f"{place}.{number}", *pair)
            for number, pair in enumerate(zip(state, dropped, strict=True))
        ]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)

    def _as_library_cell(self) -> bool:
        """Whether `DropoutCell` draws from the same distribution: its masks and dropped states differ."""
        if self.input_axes != 2:
            return False
        return not any(map(self._drops, self._keep)) or not (self._variational or self._drops("state"))

    def inner(self) -> Cell:
        if not self._as_library_cell():
            return super().inner()
        input, output = 1 - float(self._keep["input"]), 1 - float(self._keep["output"])
        cell = DropoutCell(self.cell.inner(), input, output)
        cell.training = self.training
        return cell

    def to_inner(self, state: Any) -> Any:
        return self.cell.to_inner(state) if self._as_library_cell() else state

    def from_inner(self, state: Any) -> Any:
        return self.cell.from_inner(state) if self._as_library_cell() else state


class ResidualWrapper(Wrapper):
    """A skip connection around a cell: the output is inputs + output.

    Args:
        cell: the cell to wrap, whose output is as wide as its input.
        residual_fn: another function of inputs and output.

    >>> from unrolled.tf1 import GRUCell
    >>> output, state = ResidualWrapper(GRUCell(3))(torch.ones(2, 3), torch.zeros(2, 3))
    >>> bool(torch.allclose(output, 1 + state))
    True
    """

    def __init__(self, cell: RNNCell, residual_fn: Callable[[Any, Any], Any] | None = None) -> None:
        super().__init__(cell)
        self._residual_fn = residual_fn

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, new_state = self.cell(inputs, state)
        if self._residual_fn is not None:
            return self._residual_fn(inputs, output), new_state
        check_same_shape("ResidualWrapper", inputs, output)
        return inputs + output, new_state

    @property
    def _as_library_cell(self) -> bool:
        return self._residual_fn is None and self.input_axes == 2

    def inner(self) -> Cell:
        return ResidualCell(self.cell.inner()) if self._as_library_cell else super().inner()

    def to_inner(self, state: Any) -> Any:
        return self.cell.to_inner(state) if self._as_library_cell else state

    def from_inner(self, state: Any) -> Any:
        return self.cell.from_inner(state) if self._as_library_cell else state


class HighwayWrapper(Wrapper):
    r"""A gated skip connection around a cell.

        carry     = σ(x carry_w + carry_b)
        transform = 1 - carry, or with gates that are not coupled σ(x transform_w + transform_b)
        the output is x * carry + cell(x) * transform

    Args:
        cell: the cell to wrap, whose output is as wide as its input.
        couple_carry_transform_gates: whether transform is 1 - carry.
        carry_bias_init: what carry_b starts from; transform_b starts from its negative.

    >>> from unrolled.tf1 import GRUCell
    >>> cell = HighwayWrapper(GRUCell(3))
    >>> output, state = cell(torch.ones(2, 3), torch.zeros(2, 3))
    >>> list(cell.variables)[-2:]
    ['carry_w', 'carry_b']
    """

    def __init__(
        self, cell: RNNCell, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0
    ) -> None:
        super().__init__(cell)
        self._bias_init = {"carry": carry_bias_init}
        if not couple_carry_transform_gates:
            self._bias_init["transform"] = -carry_bias_init

    def _build(self, input_size: int, **where: Any) -> None:
        super()._build(input_size, **where)
        for gate, start in self._bias_init.items():
            w = glorot_uniform()((input_size, input_size), where["dtype"]).to(where["device"])
            b = torch.full((input_size,), float(start), **where)
            self.register_parameter(f"{gate}_w", nn.Parameter(w))
            self.register_parameter(f"{gate}_b", nn.Parameter(b))

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, new_state = self.cell(inputs, state)
        check_same_shape("HighwayWrapper", inputs, output)
        gates = [
            torch.sigmoid(torch.addmm(getattr(self, f"{gate}_b"), inputs, getattr(self, f"{gate}_w")))
            for gate in self._bias_init
        ]
        carry, transform = gates if len(gates) == 2 else (gates[0], 1 - gates[0])
        return inputs * carry + output * transform, new_state

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        own = {
            f"{gate}_{kind}": (input_size,) * axes
            for gate in self._bias_init
            for kind, axes in (("w", 2), ("b", 1))
        }
        return self.cell.shapes(input_size) | own

    @property
    def variables(self) -> dict[str, Tensor]:
        return self.cell.variables | dict(self.named_parameters(recurse=False))

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        own = dict(self.named_parameters(recurse=False))
        for name, parameter in own.items():
            parameter.copy_(values[name])
        self.cell._assign({name: value for name, value in values.items() if name not in own})


def check_same_shape(name: str, inputs: Tensor, output: Tensor) -> None:
    """Raise a ValueError if inputs and output cannot be added."""
    if inputs.shape != output.shape:
        raise ValueError(
            f"{name}: inputs has shape {list(inputs.shape)} and the cell's output {list(output.shape)}, "
            "expected one shape for both"
        )
