"""A loop of a graph that is layers of cells, as it was recognised."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.tf1.graphs.plan import Step

Value = tuple[Step, int]  # an output of a step


class Variable(NamedTuple):
    """What a loop hands from step to step.

    Attributes:
        enter: where it begins.
        switch: what gives it in a step; its output 1.
        next: what the next step has.
        exit: where the last one leaves the loop; None if nothing asks for it.
    """

    enter: Step
    switch: Step
    next: Value
    exit: Step | None


class LayerOfLoop(NamedTuple):
    """A cell.

    Attributes:
        kind: "lstm", "gru" or "rnn".
        weights: where its kernels and biases enter, by the names that `gate_layout.parameters` has.
        states: the places of its states among the variables: h, and of an LSTM c.
        forget_bias: of an LSTM.
    """

    kind: str
    weights: dict[str, Step]
    states: tuple[int, ...]
    forget_bias: float = 0.0


class Outputs(NamedTuple):
    """What a loop writes.

    Attributes:
        array: where the array enters.
        flow: the place of the variable that orders the writes.
        zeros: where the output past a length enters; None without lengths.
    """

    array: Step
    flow: int
    zeros: Step | None


class RecurrentLoop(NamedTuple):
    """A loop that is layers of cells on top of one another.

    Attributes:
        variables: all of it.
        bounds: pairs of a counter's place and where the number that it stays below enters.
        x: where the array of inputs enters.
        outputs: None if nothing needs them.
        lengths: where the sequences' lengths enter; None if all have all steps.
        layers: the lowest first.
        enters: all that enters.
    """

    variables: list[Variable]
    bounds: list[tuple[int, Step]]
    x: Step
    outputs: Outputs | None
    lengths: Step | None
    layers: list[LayerOfLoop]
    enters: list[Step]

    @property
    def name(self) -> str:
        return ", ".join(layer.kind for layer in self.layers)
