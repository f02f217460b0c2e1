"""Cases about one layer: its gates, its biases, its options, its derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.definition.cells import GATES
from conformance.making.build import FOUR, KINDS, TITLES, H, N, T, case, layer, problem, weighed, x_of

NAMES = {"lstm": ("input", "forget", "candidate", "output"), "gru": ("reset", "update", "candidate")}


def gates() -> Iterator[Case]:
    """Each gate has weights of its own: one at a time is driven, so that no two can be exchanged."""
    for kind in ("lstm", "gru-after", "gru-before"):
        cell = KINDS[kind][0]
        for number, gate in enumerate(NAMES[cell]):
            for weight, from_where in (("W", "the input"), ("U", "the state")):
                one = layer(kind, name=f"gate-{gate}")
                weights = one.ways["forward"]
                for other in range(GATES[cell]):
                    if other != number:
                        weights[weight][other * H : (other + 1) * H] /= 8
                yield case(
                    f"gates/{kind}-{gate}-{weight}",
                    f"Does {TITLES[kind]} give its {gate} gate, and it alone, the weights from {from_where} "
                    "that are the largest?",
                    problem(one, state=True),
                )


def cells() -> Iterator[Case]:
    for kind, title in TITLES.items():
        one = layer(kind)
        yield case(
            f"cells/{kind}-one-step",
            f"Does {title} compute one step from a given state?",
            problem(one, state=True, x=x_of(steps=1)),
        )
        yield case(
            f"cells/{kind}-from-zeros",
            f"Does {title} start from zeros where no state is given?",
            problem(one),
            exactly=["the final h is the last output"],
        )
        yield case(
            f"cells/{kind}-from-a-state",
            f"Does {title} go on from the state that is given?",
            problem(one, state=True),
        )


def biases() -> Iterator[Case]:
    for kind in FOUR:
        for bias, what in (("none", "no bias"), ("one", "one bias"), ("two", "two biases, which add up")):
            one = layer(kind, bias=bias, second_n=True)
            yield case(
                f"biases/{kind}-{bias}", f"Does {TITLES[kind]} compute with {what}?", problem(one, state=True)
            )
    yield case(
        "biases/gru-after-the-second-of-n-is-reset",
        "Is the second bias of a GRU's candidate multiplied by the reset gate, where the reset comes after?",
        weighed(problem(layer("gru-after", second_n=True, name="second"), state=True)),
    )


def options() -> Iterator[Case]:
    """What an LSTM may have besides."""

    def lstm(what: str, asks: str, *, grad: bool = False, **kinds: Any) -> Case:
        one = problem(layer("lstm", **kinds), state=True)
        return case(f"options/lstm-{what}", asks, weighed(one) if grad else one)

    yield lstm("forget-bias-1", "Is a forget bias of 1 added when the cell runs?", forget_bias=1.0)
    yield lstm("forget-bias-negative", "Is a forget bias of -0.5 added as it is?", forget_bias=-0.5)
    yield lstm("forget-bias-gradients", "Do gradients know of the forget bias?", grad=True, forget_bias=1.0)
    yield lstm("peephole", "Do i and f see the old c through peepholes, and o the new?", peephole=True)
    yield lstm("peephole-gradients", "Do gradients flow through peepholes?", grad=True, peephole=True)
    yield lstm("projection", "Is h projected, and is it the projected h that returns?", projection=4)
    yield lstm("projection-gradients", "Do gradients flow through the projection?", grad=True, projection=4)
    yield lstm("projection-to-one", "Does a projection to a single number work?", projection=1, name="narrow")
    yield lstm("cell-clip", "Is c clipped, before the output sees it?", cell_clip=0.25)
    yield lstm("cell-clip-gradients", "Does no gradient pass where c was clipped?", grad=True, cell_clip=0.25)
    yield lstm("cell-clip-peephole", "Does o's peephole see the clipped c?", cell_clip=0.25, peephole=True)
    yield lstm("projection-clip", "Is h clipped after its projection?", projection=4, proj_clip=0.125)
    yield lstm(
        "projection-clip-gradients",
        "Does no gradient pass where the projected h was clipped?",
        grad=True,
        projection=4,
        proj_clip=0.125,
    )
    yield lstm(
        "everything",
        "Do forget bias, peepholes, projection and both clips work together?",
        forget_bias=1.0,
        peephole=True,
        projection=4,
        cell_clip=0.5,
        proj_clip=0.25,
    )
    yield lstm(
        "everything-gradients",
        "Are the gradients right with forget bias, peepholes, projection and both clips?",
        grad=True,
        forget_bias=1.0,
        peephole=True,
        projection=4,
        cell_clip=0.5,
        proj_clip=0.25,
    )


def gradients() -> Iterator[Case]:
    for kind, title in TITLES.items():
        # Of a GRU with reset after the second bias of n, too: its gradient is not that of the first.
        one = layer(kind, second_n=kind == "gru-before")
        yield case(
            f"gradients/{kind}-everything",
            f"Are the gradients of the input, the initial state and every weight of {title} right?",
            weighed(problem(one, state=True)),
            gradients_of=("x", "h", "c", "W", "U", "b") if kind == "gru-after" else (),
        )
        yield case(
            f"gradients/{kind}-of-the-final-state",
            f"Does a loss of the final state alone reach the first input of {title}?",
            weighed(problem(one), ("final",)),
            gradients_of=("x", "W", "U"),
        )
        yield case(
            f"gradients/{kind}-initial-state",
            f"Is the gradient of the initial state of {title} right, where outputs alone are in the loss?",
            weighed(problem(one, state=True), ("outputs",)),
            gradients_of=("h", "c"),
        )
    whole = problem(layer("lstm"), state=True)
    yield case(
        "gradients/lstm-of-the-final-c",
        "Does a loss of the final c alone give gradients?",
        weighed(whole, ("final.0.forward.c",)),
        gradients_of=("x", "h", "c", "W", "U"),
    )


def second() -> Iterator[Case]:
    for kind in ("rnn", "lstm", "gru-after", "gru-before"):
        one = weighed(problem(layer(kind), state=True), ("outputs",))
        yield case(
            f"second/{kind}",
            f"Are second derivatives of {TITLES[kind]} right: the gradients of a gradient?",
            replace(one, second=x_of(name="second")),
            gradients_of=("x", "h", "c", "W", "U"),
        )
    lengths = np.array([T, 2, 4])
    one = weighed(problem(layer("lstm"), lengths=lengths), ("outputs",))
    yield case(
        "second/lstm-lengths",
        "Are second derivatives right where sequences have lengths?",
        replace(one, second=x_of(N, T, name="second")),
        gradients_of=("x", "W", "U"),
    )
