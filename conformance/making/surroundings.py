"""Cases about what surrounds the maths: dropout, dtypes, memory, emptiness, length, paths, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.definition.network import solve
from conformance.making.build import (
    FOUR,
    TITLES,
    TWO,
    H,
    I,
    N,
    T,
    case,
    layer,
    problem,
    states,
    stored,
    weighed,
    x_of,
)
from conformance.making.sequences import RAGGED
from conformance.problem import Problem, drawn, to_json

MANY = 48  # sequences, so that none of 4 results is missing by chance: (3/4)^48 is 1 in a million


def of(candidates: list[Any], by: str) -> dict[str, Any]:
    return {"by": by, "of": [stored(one) for one in candidates]}


def dropout() -> Iterator[Case]:
    lstm, plain = layer("lstm"), layer("rnn", I, 1, name="thin")
    places = ("input", "variational input", "output", "state", "recurrent", "candidate")
    for place in places:
        yield case(
            f"dropout/{place.replace(' ', '-')}-off-in-evaluation",
            f"Does {place} dropout do nothing in evaluation?",
            problem(lstm, state=True, dropout={place: 0.5}),
        )
    two = [layer("lstm", name="low"), layer("lstm", H, name="high")]
    yield case(
        "dropout/between-layers-off-in-evaluation",
        "Does dropout between layers do nothing in evaluation?",
        problem(two, state=True, dropout={"between layers": 0.5}),
    )

    half: dict[str, Any] = {"training": True}
    whole = problem(lstm, state=True)
    found = solve(whole)
    finals = {name: value for name, value in found.items() if name.startswith("final")}
    yield case(
        "dropout/output-leaves-the-state",
        "Are outputs dropped out or doubled (p = 0.5), and the state that the next step sees is whole?",
        replace(whole, dropout={"output": 0.5}, **half),
        numbers=finals,
        choices={"outputs": of([0 * found["outputs"], 2 * found["outputs"]], "element")},
    )
    x = x_of(MANY, 2, 1, name="single") + 2
    for place, scales in (
        ("input", list(itertools.product((0, 2), repeat=2))),
        ("variational input", [(0, 0), (2, 2)]),
    ):
        one = problem(layer("rnn", 1, name="narrow"), x=x, dropout={place: 0.5}, **half)
        wanted = [solve(replace(one, x=x * np.array(s).reshape(1, 2, 1)))["outputs"] for s in scales]
        each = "one mask for all steps" if len(scales) == 2 else "a new mask at each step"
        yield case(
            f"dropout/{place.replace(' ', '-')}-mask",
            f"Does {place} dropout draw {each}, another for each sequence, and double what it keeps?",
            one,
            numbers={},
            choices={"outputs": of(wanted, "row")},
        )
    for kind in ("lstm", "gru-before"):
        one = problem(layer(kind), state=True, x=x_of(steps=1))
        found = solve(one)
        h = "final.0.forward.h"
        yield case(
            f"dropout/state-{kind}",
            f"Does state dropout of {TITLES[kind]} drop the outgoing h, after the output"
            + (", and leave c alone?" if kind == "lstm" else "?"),
            replace(one, dropout={"state": 0.5}, **half),
            numbers={name: value for name, value in found.items() if name != h},
            choices={h: of([0 * found[h], 2 * found[h]], "element")},
        )
    one = problem(plain, state=True, x=x_of(MANY, 1), dropout={"recurrent": 0.5}, **half)
    wanted = [
        solve(replace(one, state={"0.forward.h": one.state["0.forward.h"] * s}))["outputs"] for s in (0, 2)
    ]
    yield case(
        "dropout/recurrent-mask",
        "Does recurrent dropout drop the h that the product with U sees?",
        one,
        numbers={},
        choices={"outputs": of(wanted, "row")},
    )
    low, high = layer("rnn", I, 1, name="thin"), layer("rnn", 1, 4, name="above")
    one = problem([low, high], x=x_of(MANY, 1))
    found = solve(one)
    below = found["final.0.forward.h"][:, None]
    wanted = [solve(problem(high, x=below * s))["outputs"] for s in (0, 2)]
    yield case(
        "dropout/between-layers-mask",
        "Does dropout between layers drop what the second layer reads, neither the first's state nor the "
        "second's outputs?",
        replace(one, dropout={"between layers": 0.5}, **half),
        numbers={"final.0.forward.h": found["final.0.forward.h"]},
        choices={"outputs": of(wanted, "row")},
        exactly=["the final h is the last output"],
        needs=["layers of different width"],
    )


def dtypes() -> Iterator[Case]:
    for kind in FOUR:
        for dtype in ("float64", "bfloat16"):
            yield case(
                f"dtypes/{kind}-{dtype}",
                f"Does {TITLES[kind]} compute in {dtype}, to what {dtype} holds?",
                problem(layer(kind), state=True, dtype=dtype),
            )
    for kind in ("lstm", "gru-after"):
        yield case(
            f"dtypes/{kind}-float64-gradients",
            f"Do gradients of {TITLES[kind]} have float64's precision, too?",
            weighed(problem(layer(kind), state=True, dtype="float64")),
            gradients_of=("x", "h", "c", "W", "U"),
        )
        yield case(
            f"dtypes/{kind}-bfloat16-lengths",
            f"Do lengths work in bfloat16 for {TITLES[kind]}?",
            problem(layer(kind), dtype="bfloat16", lengths=RAGGED),
        )
        yield case(
            f"dtypes/{kind}-bfloat16-gradients",
            f"Do gradients of {TITLES[kind]} come in bfloat16?",
            weighed(problem(layer(kind), dtype="bfloat16"), ("outputs",)),
            gradients_of=("x", "W", "U"),
        )


def layouts() -> Iterator[Case]:
    ways = {
        "transposed": "a transposed view",
        "strided": "every second step of a longer array",
        "time major": "time first, outputs too",
    }
    for layout, title in ways.items():
        for kind in ("lstm", "gru-after", "gru-before"):
            yield case(
                f"layouts/{kind}-{layout.replace(' ', '-')}",
                f"May the input of {TITLES[kind]} be {title}?",
                problem(
                    layer(kind), state=True, layout=layout, lengths=RAGGED if layout == "strided" else None
                ),
            )
    yield case(
        "layouts/lstm-time-major-lengths",
        "Do lengths mean the same where time comes first?",
        problem(layer("lstm"), layout="time major", lengths=RAGGED),
    )
    yield case(
        "layouts/lstm-transposed-gradients",
        "Are gradients right for a transposed view?",
        weighed(problem(layer("lstm"), layout="transposed")),
        gradients_of=("x", "W", "U"),
    )
    same = x_of()
    same[:] = same[:1]
    yield case(
        "layouts/lstm-broadcast",
        "May all sequences be one and the same memory?",
        problem(layer("lstm"), x=same, layout="broadcast"),
    )


def empty() -> Iterator[Case]:
    for kind in FOUR:
        yield case(
            f"empty/{kind}-no-sequences",
            f"Does {TITLES[kind]} give an empty result for a batch of 0 sequences?",
            problem(layer(kind), x=np.zeros((0, T, I))),
        )
        yield case(
            f"empty/{kind}-no-steps",
            f"Does {TITLES[kind]} give no outputs and its initial state for 0 steps?",
            problem(layer(kind), x=np.zeros((N, 0, I)), state=True),
        )
    one = weighed(problem(layer("lstm"), x=np.zeros((N, 0, I)), state=True))
    yield case(
        "empty/lstm-no-steps-gradients",
        "Is the gradient of the initial state that of the final one, where there are 0 steps?",
        one,
        gradients_of=("h", "c", "W", "U"),
    )
    yield case(
        "empty/lstm-no-sequences-gradients",
        "Are the gradients of weights 0 for a batch of 0 sequences?",
        weighed(problem(layer("lstm"), x=np.zeros((0, T, I)))),
        gradients_of=("x", "W", "U"),
    )
    yield case(
        "empty/lstm-no-sequences-both-directions",
        "Do both directions take a batch of 0 sequences with 0 lengths?",
        problem(layer("lstm", ways=TWO), x=np.zeros((0, T, I)), lengths=np.zeros(0, int)),
    )


def long() -> Iterator[Case]:
    def recipe(one: Problem, name: str) -> dict[str, Any]:
        return to_json(one) | {"x": {"drawn": name, "shape": list(one.x.shape)}}

    look_at = [0, 1, 2500, 4999]
    for kind in FOUR:
        each = layer(kind)
        each.ways["forward"]["U"] /= 4  # so that a rounding fades, and does not grow, along the sequence
        one = problem(each, x=drawn("long", 2, 5000, I))
        yield case(
            f"long/{kind}-5000",
            f"Is {TITLES[kind]} still right after 5000 steps?",
            one,
            raw=recipe(one, "long"),
            look_at=look_at,
        )
    each = layer("lstm")
    each.ways["forward"]["U"] /= 4
    one = weighed(problem(each, x=drawn("longer", 2, 1000, I)), ("final",))
    yield case(
        "long/lstm-1000-gradients",
        "Are gradients right through 1000 steps?",
        one,
        raw=recipe(one, "longer"),
        look_at=[0, 500, 990, 999],
        gradients_of=("x", "W", "U"),
    )


def extremes() -> Iterator[Case]:
    for kind in FOUR:
        yield case(
            f"extremes/{kind}-large-inputs",
            f"Are outputs and gradients of {TITLES[kind]} finite where inputs of thousands saturate the "
            "gates?",
            weighed(problem(layer(kind), x=x_of() * 2.0**13)),
            gradients_of=("x", "W", "U"),
            exactly=["all numbers are finite"],
            tolerance=2e-3,
            why="inputs of 10^4 multiply the rounding of 1 - tanh^2 where a unit is nearly saturated",
        )
    x = x_of()
    x[1, 2] = np.nan
    for kind in ("lstm", "gru-after"):
        yield case(
            f"extremes/{kind}-nan-in-one-sequence",
            f"Does NaN in one sequence of {TITLES[kind]} stay in it, and show from there to its end?",
            problem(layer(kind), x=x),
        )


def paths() -> Iterator[Case]:
    def path(name: str, asks: str, feature: str, one: Problem) -> Case:
        one = replace(one, ask=["outputs", "path"])
        return case(name, asks, one, numbers={}, path="fused", needs=["told path", f"fused {feature}"])

    big: dict[str, Any] = {"x": x_of(8, 10)}
    for kind in FOUR:
        feature = kind.replace("gru-", "gru reset ")
        yield path(
            f"paths/{kind}-inference",
            f"Does {TITLES[kind]} run fused, and is it said so?",
            feature,
            problem(layer(kind), **big),
        )
    lstm = layer("lstm")
    yield path(
        "paths/lstm-training", "Does an LSTM run fused with gradients?", "lstm", weighed(problem(lstm, **big))
    )
    yield path(
        "paths/lstm-lengths",
        "Does an LSTM run fused with lengths?",
        "lstm lengths",
        problem(lstm, x=x_of(3, 10), lengths=np.array([4, 10, 7])),
    )
    yield path(
        "paths/lstm-float64",
        "Does an LSTM run fused in float64?",
        "lstm float64",
        problem(lstm, dtype="float64", **big),
    )
    yield path(
        "paths/lstm-peephole-projection",
        "Does an LSTM run fused with peepholes and a projection?",
        "lstm peephole",
        problem(layer("lstm", peephole=True, projection=4), **big),
    )


def refusals() -> Iterator[Case]:
    lstm = layer("lstm")

    def refused(name: str, asks: str, one: Problem, twin: str, *needed: str) -> Case:
        needs = list(needed)
        needs += ["lengths as numbers"] if one.lengths is not None and len(one.lengths) == N else []
        return case(f"refusals/{name}", f"Is it an error {asks}?", one, refusal=True, twin=twin, needs=needs)

    ragged, plain = "lengths/lstm-ragged", "cells/lstm-from-a-state"
    for what, known, asks in (
        ("above-T", [4, T + 1, 1], "if a length is above T"),
        ("negative", [4, -1, 1], "if a length is negative"),
        ("too-few", [4, 1], "if there are fewer lengths than sequences"),
    ):
        yield refused(f"lengths-{what}", asks, problem(lstm, state=True, lengths=np.array(known)), ragged)
    yield refused(
        "input-width",
        "if the input is wider than the weights take",
        problem(lstm, x=x_of(width=3)),
        plain,
    )
    wide = {name: np.concatenate([value, value[:, :1]], 1) for name, value in states([lstm]).items()}
    yield refused(
        "state-width", "if the initial state is wider than H", replace(problem(lstm), state=wide), plain
    )
    yield refused(
        "state-rows",
        "if there is a state for fewer sequences than there are",
        replace(problem(lstm), state=states([lstm], 2)),
        plain,
    )
    half = {"0.forward.h": states([lstm])["0.forward.h"]}
    yield refused(
        "state-without-c",
        "if an LSTM is given h without c",
        replace(problem(lstm), state=half),
        plain,
        "states in one piece",
    )
