"""Cells of every kind along sequences, as nodes: the unrollings of `unrolled.unroll`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from unrolled.cells import (
    Cell,
    DropoutCell,
    GRUCell,
    HighwayCell,
    LSTMCell,
    ResidualCell,
    RNNCell,
    StackedCell,
)
from unrolled.cells.state import map_state
from unrolled.errors import UnrolledError
from unrolled.onnx.builder import Builder, LSTMNames, under
from unrolled.onnx.recurrent import operator_of, recurrent
from unrolled.onnx.scan import one_step, scan

_WRAPPERS = (DropoutCell, ResidualCell, HighwayCell)


class Level(NamedTuple):
    """What reads the same x: a forward cell, a backward one, or both, whose outputs stand side by side."""

    forward: Cell | None = None
    backward: Cell | None = None

    @property
    def ways(self) -> list[tuple[str, Cell]]:
        """Each cell that there is, and the direction that it reads in."""
        both = (("forward", self.forward), ("backward", self.backward))
        return [(direction, cell) for direction, cell in both if cell is not None]


def check_known(cell: Any) -> None:
    """Raise an UnrolledError if a cell is none of those that have a form in ONNX."""
    if type(cell) in _WRAPPERS:
        check_known(cell.cell)
    elif type(cell) is StackedCell:
        for part in cell.cells:
            check_known(part)
    elif type(cell) not in (LSTMCell, GRUCell, RNNCell):
        kind = type(cell)
        raise UnrolledError(
            f"a {kind.__module__}.{kind.__qualname__} has no form in ONNX here, expected cells of unrolled "
            "itself: LSTMCell, GRUCell, RNNCell, their wrappers and stacks"
        )


def places(levels: Sequence[Level]) -> list[list[str]]:
    """What the cells of each level are called: layer1, backward, layer2_forward, or nothing if alone."""
    return [
        [
            _below(f"layer{number}" if len(levels) > 1 else "", direction if len(level.ways) > 1 else "")
            for direction, _ in level.ways
        ]
        for number, level in enumerate(levels, start=1)
    ]


def named_state(cell: Any, place: str, ending: str = "") -> Any:
    """The names of a cell's state, nested as it is: h0 and c0, layer1_h0, layer2_backward_h0, ..."""
    if type(cell) in _WRAPPERS:
        return named_state(cell.cell, place, ending)
    if isinstance(cell, StackedCell):
        return tuple(
            named_state(part, below, ending)
            for part, below in zip(cell.cells, in_stack(cell, place), strict=True)
        )
    h, c = (_below(place, f"{part}{ending}") for part in "hc")
    return LSTMNames(h, c) if isinstance(cell, LSTMCell) else h


class Walk:
    """Walks along x with cells, and writes down how.

    Args:
        builder: takes the nodes.
        x: [T, N, I], or of a single step [N, I].
        lengths: [N] int32; None if every sequence has T steps.
        single: whether there is a single step.
    """

    def __init__(self, builder: Builder, x: str, lengths: str | None, single: bool = False) -> None:
        self.builder = builder
        self.lengths = lengths
        self.single = single
        self._x = x

    def through(
        self, levels: Sequence[Level], x: str, states: Any = None, named: list[list[str]] | None = None
    ) -> tuple[str, list[list[Any]]]:
        """The outputs of the last level and the final states of each; states None are zeros.

        Args:
            levels: each reads the outputs of the one before it.
            x: [T, N, I].
            states: the initial ones of each level.
            named: what the cells of each level are called; by default as `places` has it.
        """
        finals = []
        for number, (level, at) in enumerate(zip(levels, named or places(levels), strict=True)):
            initial = [None] * len(at) if states is None else states[number]
            x, final = self._level(level, at, x, initial)
            finals.append(final)
        return x, finals

    @functools.cached_property
    def batch_size(self) -> str:
        """N, [1]."""
        axis = 0 if self.single else 1
        return self.builder.add("Shape", self._x, name="N", start=axis, end=axis + 1)

    @functools.cached_property
    def steps(self) -> str:
        """T, without axes."""
        steps = self.builder.add("Shape", self._x, name="T", start=0, end=1)
        return self.builder.add("Squeeze", steps, name="number_of_steps")

    @functools.cached_property
    def long_lengths(self) -> str:
        """The lengths as int64."""
        assert self.lengths is not None
        return self.builder.cast(self.lengths, "int64", "lengths_64")

    @functools.cached_property
    def times(self) -> str:
        """0 ... T - 1, [T, 1]."""
        add, ints, whole = self.builder.add, self.builder.ints, self.builder.int
        times = add("Range", whole(0), self.steps, whole(1), name="step_numbers")
        return add("Unsqueeze", times, ints(1), name="step_numbers_column")

    @functools.cached_property
    def real(self) -> str | None:
        """Whether a step is within its sequence's length, [T, N, 1]; None if all are."""
        if self.lengths is None:
            return None
        add, ints = self.builder.add, self.builder.ints
        row = add("Unsqueeze", self.long_lengths, ints(0), name="lengths_row")
        real = add("Less", self.times, row, name="is_real")
        return add("Unsqueeze", real, ints(2), name="is_real_step")

    @functools.cached_property
    def empty(self) -> str:
        """Whether a sequence has no steps, [N, 1]."""
        add, ints = self.builder.add, self.builder.ints
        empty = add("Equal", self.long_lengths, self.builder.int(0), name="is_empty")
        return add("Unsqueeze", empty, ints(1), name="is_empty_sequence")

    def masked(self, value: str, name: str, filler: float = 0.0) -> str:
        """A value [T, N, ...] with another number past each length."""
        if self.real is None:
            return value
        zero = self.builder.weight("zero" if filler == 0 else "least", filler)
        return self.builder.add("Where", self.real, value, zero, name=name)

    def zeros(self, width: int) -> str:
        """[N, width]."""
        shape = self.builder.add(
            "Concat", self.batch_size, self.builder.ints(width), name=f"shape_N_{width}", axis=0
        )
        return self.builder.add("Expand", self.builder.weight("zero", 0), shape, name=f"zeros_{width}")

    def _level(self, level: Level, at: list[str], x: str, states: list[Any]) -> tuple[str, list[Any]]:
        ways = level.ways
        if len(ways) == 2:
            forward, backward = (bare(cell) for _, cell in ways)
            operator = operator_of(forward)
            if operator is not None and operator == operator_of(backward):
                given = None if None in states else states
                place = above(at)
                outputs, finals = recurrent(self.builder, place, [forward, backward], x, self.lengths, given)
                return outputs, self._kept(finals, given, place)
        all_outputs, finals = [], []
        for (direction, cell), place, state in zip(ways, at, states, strict=True):
            output, final = self._cell(cell, place, x, state, reverse=direction == "backward")
            all_outputs.append(output)
            finals.append(final)
        if len(all_outputs) == 1:
            return all_outputs[0], finals
        place = above(at)
        return self.builder.add("Concat", *all_outputs, name=under(place, "both_directions"), axis=-1), finals

    def _cell(self, cell: Any, place: str, x: str, state: Any, reverse: bool) -> tuple[str, Any]:
        add = self.builder.add
        if type(cell) is StackedCell:
            finals = []
            states = [None] * len(cell.cells) if state is None else state
            for part, below, initial in zip(cell.cells, in_stack(cell, place), states, strict=True):
                x, final = self._cell(part, below, x, initial, reverse)
                finals.append(final)
            return x, tuple(finals)
        if type(cell) is DropoutCell:
            return self._cell(cell.cell, place, x, state, reverse)
        if type(cell) is ResidualCell:
            output, final = self._cell(cell.cell, place, x, state, reverse)
            return add("Add", x, output, name=under(place, "plus_x")), final
        if type(cell) is HighwayCell:
            output, final = self._cell(cell.cell, place, x, state, reverse)
            return self._highway(cell, place, x, output), final
        if operator_of(cell) is not None:
            return self._operator(cell, place, x, state, reverse)
        if state is None:
            state = LSTMNames(self.zeros(cell.output_size), self.zeros(cell.hidden_size))
        if self.single:
            final = one_step(self.builder, place, cell, x, state)
            return final.h, final
        return scan(self.builder, place, cell, x, self.real, state, reverse)

    def _operator(self, cell: Cell, place: str, x: str, state: Any, reverse: bool) -> tuple[str, Any]:
        given = None if state is None else [state]
        if self.single:
            x = self.builder.add("Unsqueeze", x, self.builder.ints(0), name=under(place, "one_step"))
        outputs, finals = recurrent(self.builder, place, [cell], x, self.lengths, given, reverse)
        (final,) = self._kept(finals, given, place)
        if self.single:
            outputs = self.builder.add(
                "Squeeze", outputs, self.builder.ints(0), name=under(place, "step_output")
            )
        return outputs, final

    def _kept(self, finals: list[Any], initial: list[Any] | None, place: str) -> list[Any]:
        """Final states, of empty sequences the initial ones: the standard does not say so."""
        if self.lengths is None:
            return finals

        def kept(final: str, before: str) -> str:
            return self.builder.add("Where", self.empty, before, final, name=f"{final}_kept")

        if initial is None:
            zero = self.builder.weight("zero", 0)
            initial = [map_state(lambda _: zero, final) for final in finals]
        return [map_state(kept, final, before) for final, before in zip(finals, initial, strict=True)]

    def _highway(self, cell: HighwayCell, place: str, x: str, output: str) -> str:
        def add(operator: str, *inputs: str, name: str) -> str:
            return self.builder.add(operator, *inputs, name=under(place, name))

        W = self.builder.weight(under(place, "weight_carry_transposed"), cell.weight_carry.T)
        b = self.builder.weight(under(place, "bias_carry"), cell.bias_carry)
        t = add(
            "Sigmoid", add("Add", add("MatMul", x, W, name="W_carry_x"), b, name="carry_gate"), name="carry"
        )
        carried = add("Mul", t, x, name="carried_x")
        rest = add(
            "Mul", add("Sub", self.builder.weight("one", 1), t, name="rest"), output, name="rest_of_output"
        )
        return add("Add", carried, rest, name="mixed")


def above(at: list[str]) -> str:
    """What a level is called whose directions are called so."""
    return at[0].removesuffix("forward").removesuffix("_")


def bare(cell: Any) -> Any:
    """The cell in wrappers that do nothing when evaluating."""
    return bare(cell.cell) if type(cell) is DropoutCell else cell


def in_stack(stack: StackedCell, place: str) -> list[str]:
    """What the cells of a stack are called."""
    if len(stack.cells) == 1:
        return [place]
    return [_below(place, f"layer{number}") for number in range(1, len(stack.cells) + 1)]


def _below(place: str, name: str) -> str:
    return "_".join(part for part in (place, name) if part)
