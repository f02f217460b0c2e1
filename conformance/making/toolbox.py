"""Cases of what tutorials state about TensorFlow 1's recurrent toolbox, V1 to V15, each put to every peer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.definition.network import solve
from conformance.making.build import TITLES, TWO, H, N, T, case, layer, problem, x_of
from conformance.making.sequences import RAGGED
from conformance.making.surroundings import of
from conformance.problem import Layer, Problem

GRUS = ("lstm", "gru-before", "gru-after")
LAST = ["the final h is the last output"]


def three(kind: str) -> list[Layer]:
    return [layer(kind, name="low"), layer(kind, H, name="high"), layer(kind, H, name="top")]


def toolbox() -> Iterator[Case]:
    four: dict[str, Any] = {"x": x_of(2, 4, 5, name="seed"), "lengths": np.array([4, 1])}
    for kind in GRUS:
        one = problem(layer(kind, 5, 3, name="seed"), **four)
        title = TITLES[kind]
        yield case(
            f"toolbox/V1-{kind}",
            f"Are outputs of {title} past a length zero?",
            one,
            exactly=["zeros past each length"],
        )
        yield case(
            f"toolbox/V2-{kind}",
            f"Is the final state of {title}, to the last bit, the one at the last step that counts?",
            one,
            exactly=LAST,
        )
        yield case(
            f"toolbox/V3-{kind}",
            f"Has the state of {title} "
            + ("two parts, c and h?" if kind == "lstm" else "one part, equal to the last output?"),
            problem(layer(kind)),
            exactly=["one state a layer", *LAST],
        )
    yield case(
        "toolbox/V4",
        "Is it an error to give neither an initial state nor a dtype?",
        problem(layer("lstm"), form="no dtype"),
        refusal=True,
        twin="cells/lstm-from-zeros",
        needs=["asks for a dtype"],
    )
    deep = problem(three("lstm"))
    yield case(
        "toolbox/V5-without-dropout",
        "Is the top layer's final h the last output of a stack, without dropout?",
        deep,
        exactly=LAST,
    )
    top = problem(layer("lstm"), state=True)
    found = solve(top)
    yield case(
        "toolbox/V5-with-dropout",
        "Is the final h whole, and not the last output, with dropout of outputs?",
        replace(top, dropout={"output": 0.5}, training=True),
        numbers={name: found[name] for name in ("final.0.forward.h", "final.0.forward.c")},
        choices={"outputs": of([0 * found["outputs"], 2 * found["outputs"]], "element")},
    )
    for steps in (3, 7):
        yield case(
            f"toolbox/V6-{steps}-steps",
            f"Does the shape of the state not depend on T, here {steps}?",
            problem(three("lstm"), x=x_of(steps=steps)),
            exactly=["one state a layer", *LAST],
        )
    yield case(
        "toolbox/V7",
        "Is the state of a stack one state for each layer, [N, H] each?",
        problem(three("lstm"), x=x_of(7)),
        exactly=["one state a layer"],
    )
    both = problem(layer("lstm", ways=TWO))
    yield case(
        "toolbox/V8",
        "Do T static steps in both directions give T outputs of width 2 H?",
        replace(both, unroll="static"),
    )
    yield case("toolbox/V9", "Do both directions give [N, T, 2 H] dynamically?", both)
    stacked = [layer("lstm", ways=TWO, name="low"), layer("lstm", 2 * H, ways=TWO, name="high")]
    yield case("toolbox/V10", "Does a stack of both directions give [N, T, 2 H]?", problem(stacked))
    yield from static_and_dynamic()
    yield case(
        "toolbox/V12",
        "Is the last of the outputs that of the last step, for a static loop?",
        problem(layer("lstm"), unroll="static"),
        exactly=LAST,
    )
    joined = solve(problem(layer("lstm")))
    yield case(
        "toolbox/V13",
        "Can the state be one tensor, c and h side by side?",
        problem(layer("lstm"), form="joined"),
        numbers={
            "final.0.forward.joined": np.concatenate(
                [joined["final.0.forward.c"], joined["final.0.forward.h"]], axis=1
            )
        },
        needs=["state as one tensor"],
    )
    many = problem(layer("lstm"), x=x_of(7))
    for what, rows in (("whole", slice(0, 7)), ("first-part", slice(0, 3)), ("second-part", slice(3, 7))):
        yield case(
            f"toolbox/V14-{what}",
            "Does a sequence give the same, whatever else is in its batch?",
            replace(many, x=many.x[rows]),
        )
    yield case(
        "toolbox/V15-hidden",
        "May an output be wider than the input?",
        problem(layer("lstm", 2, 7, name="wide")),
    )
    yield case(
        "toolbox/V15-projection",
        "May a projection give the output a width of its own?",
        problem(layer("lstm", 7, 5, projection=2, name="wide"), x=x_of(width=7)),
    )


def static_and_dynamic() -> Iterator[Case]:
    """V11: two loops, one network."""
    mixed = [layer("lstm", name="low"), layer("gru-before", H, 7, name="high")]
    networks: dict[str, Problem] = {
        "lstm": problem(layer("lstm"), state=True, lengths=RAGGED),
        "gru": problem(layer("gru-before"), state=True, lengths=RAGGED),
        "three-lstm": problem(three("lstm")),
        "three-gru": problem(three("gru-before")),
        "mixed": problem(mixed),
        "both-directions": problem(layer("lstm", ways=TWO), lengths=np.array([T] * N)),
    }
    for name, one in networks.items():
        for unroll in ("dynamic", "static"):
            yield case(
                f"toolbox/V11-{name}-{unroll}",
                f"Is a {unroll} loop the same network as the other: {name.replace('-', ' ')}?",
                replace(one, unroll=unroll),
                same_as=f"toolbox/V11-{name}-dynamic" if unroll == "static" else "",
            )
