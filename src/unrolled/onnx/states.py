"""States as inputs and outputs of a graph, under names that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn

from unrolled.cells.state import map_state
from unrolled.onnx.builder import Builder, LSTMNames
from unrolled.onnx.walk import Level, named_state, places


class States(NamedTuple):
    """The names of all states, and the shapes that they have outside.

    Attributes:
        names: of each level, of each of its directions, nested as the cell's state.
        widths: the same of their last axes.
    """

    names: Any
    widths: Any

    @classmethod
    def of(cls, levels: Sequence[Level], ending: str = "") -> States:
        """Those of all levels; initial states end in 0."""
        names, widths = [], []
        for level, at in zip(levels, places(levels), strict=True):
            cells = [cell for _, cell in level.ways]
            names.append([named_state(cell, place, ending) for cell, place in zip(cells, at, strict=True)])
            widths.append([cell.state_size for cell in cells])
        return cls(names, widths)

    @property
    def flat(self) -> list[tuple[str, int]]:
        """Each name with its width, in the order in which they are inputs or outputs."""
        found: list[tuple[str, int]] = []
        for names, widths in zip(self.names, self.widths, strict=True):
            for name, width in zip(names, widths, strict=True):
                map_state(lambda *pair: found.append(pair), name, width)
        return found


def inputs(builder: Builder, levels: Sequence[Level]) -> tuple[list[Any], Any]:
    """The initial states [N, width] as inputs, and their names, nested."""
    states = States.of(levels, "0")
    return [builder.value(builder.reserve(name), ["N", width]) for name, width in states.flat], states.names


def outputs(builder: Builder, levels: Sequence[Level], finals: Any) -> list[Any]:
    """The final states as outputs."""
    states = States.of(levels)
    values: list[str] = []
    for level in finals:
        for final in level:
            map_state(values.append, final)
    named = zip(values, states.flat, strict=True)
    return [
        builder.value(builder.called(value, builder.reserve(name)), ["N", width])
        for value, (name, width) in named
    ]


def layered_inputs(builder: Builder, layers: nn.RNNBase) -> tuple[list[Any], Any]:
    """The initial states [L D, N, H] of torch.nn's layers as inputs, and their parts as levels have them."""
    parts = "hc" if layers.mode == "LSTM" else "h"
    directions = 2 if layers.bidirectional else 1
    given, of_part = [], []
    for part in parts:
        name = builder.reserve(f"{part}0")
        given.append(builder.value(name, [layers.num_layers * directions, "N", _width(layers, part)]))
        of_part.append(
            [
                builder.add("Gather", name, builder.int(n), name=f"{name}_{n}", axis=0)
                for n in range(layers.num_layers * directions)
            ]
        )
    states: list[Any] = [
        LSTMNames(*each) if len(parts) == 2 else each[0] for each in zip(*of_part, strict=True)
    ]
    if directions == 1:
        return given, [[tuple(states)]]
    return given, [states[n : n + 2] for n in range(0, len(states), 2)]


def layered_outputs(builder: Builder, layers: nn.RNNBase, finals: Any) -> list[Any]:
    """The final states as torch.nn's layers return them."""
    states = (
        list(finals[0][0]) if not layers.bidirectional else [state for level in finals for state in level]
    )
    returned = []
    for part in "hc" if layers.mode == "LSTM" else "h":
        raised = [
            builder.add(
                "Unsqueeze",
                getattr(state, part) if isinstance(state, LSTMNames) else state,
                builder.ints(0),
                name=f"{part}_of_{n}",
            )
            for n, state in enumerate(states)
        ]
        joined = (
            builder.add("Concat", *raised, name=f"{part}_of_all", axis=0) if len(raised) > 1 else raised[0]
        )
        name = builder.called(joined, builder.reserve(part))
        returned.append(builder.value(name, [len(states), "N", _width(layers, part)]))
    return returned


def _width(layers: nn.RNNBase, part: str) -> int:
    return layers.proj_size or layers.hidden_size if part == "h" else layers.hidden_size
