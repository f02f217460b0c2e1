"""Cases about sequences: lengths, padding, masks, directions, stacks, every step's state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conformance.case import Case
from conformance.making.build import FOUR, TITLES, TWO, H, I, N, T, case, layer, problem, weighed, x_of
from conformance.problem import Array, Problem

RAGGED = np.array([4, 6, 1])
WITH_NONE = np.array([3, 0, 6])
LENGTHS = {
    "ragged": (RAGGED, "sequences end at their lengths, in any order"),
    "a-length-of-0": (WITH_NONE, "a sequence of length 0 keeps its initial state"),
    "all-full": (np.array([T] * N), "lengths that are all T change nothing"),
    "all-short": (np.array([2, 4, 3]), "outputs have T steps where no sequence has that many"),
    "all-0": (np.zeros(N, int), "sequences that all have length 0 keep their initial states"),
}
LAST = ["the final h is the last output"]


def lengths() -> Iterator[Case]:
    zeros = ["zeros past each length"]
    for kind in FOUR:
        yield case(
            f"lengths/{kind}-zeros-past-each-length",
            f"Are outputs of {TITLES[kind]} past a length exactly 0?",
            problem(layer(kind), lengths=RAGGED),
            exactly=zeros,
        )
        for what, (known, title) in LENGTHS.items():
            yield case(
                f"lengths/{kind}-{what}",
                f"Is it so in {TITLES[kind]} that {title}?",
                problem(layer(kind), state=True, lengths=known),
                exactly=LAST,
            )
        yield case(
            f"lengths/{kind}-gradients",
            f"Are gradients of {TITLES[kind]} right where sequences have lengths, and 0 in the padding?",
            weighed(problem(layer(kind), state=True, lengths=RAGGED)),
            gradients_of=("x", "h", "c", "W", "U"),
            exactly=["gradients past each length are zero"],
        )
    yield case(
        "lengths/lstm-both-zeros-past-each-length",
        "Are outputs of both directions past a length exactly 0?",
        problem(layer("lstm", ways=TWO), lengths=RAGGED),
        exactly=zeros,
    )
    yield case(
        "lengths/lstm-0-without-a-state",
        "Does a length of 0 leave a state of zeros where none was given?",
        problem(layer("lstm"), lengths=WITH_NONE),
        exactly=LAST,
    )
    yield case(
        "lengths/lstm-0-gradients",
        "Does the gradient of a final state reach the initial state through a length of 0?",
        weighed(problem(layer("lstm"), state=True, lengths=WITH_NONE), ("final",)),
        gradients_of=("x", "h", "c", "W", "U"),
    )
    yield case(
        "lengths/lstm-projection",
        "Do lengths and a projection work together?",
        problem(layer("lstm", projection=4), state=True, lengths=RAGGED),
        exactly=LAST,
    )


def filled(one: Problem, with_what: float) -> Problem:
    """The same with something else where nothing counts."""
    x = one.x.copy()
    for n in range(len(x)):
        for t in set(range(x.shape[1])) - set(one.steps(n)):
            x[n, t] = with_what
    return replace(one, x=x)


def padding() -> Iterator[Case]:
    for kind in FOUR:
        one = problem(layer(kind), state=True, lengths=RAGGED)
        yield case(
            f"padding/{kind}-nan-outputs",
            f"Do outputs and final states of {TITLES[kind]} not see NaN in the padding?",
            filled(one, np.nan),
            exactly=["all numbers are finite", *LAST],
        )
        yield case(
            f"padding/{kind}-nan-gradients",
            f"Do the gradients of {TITLES[kind]} not see NaN in the padding?",
            filled(weighed(one), np.nan),
            gradients_of=("x", "h", "c", "W", "U"),
            exactly=["all numbers are finite", "gradients past each length are zero"],
        )
    one = problem(layer("lstm"), lengths=RAGGED)
    yield case(
        "padding/lstm-infinity",
        "Does infinity in the padding touch nothing?",
        filled(weighed(one), np.inf),
        gradients_of=("x", "W", "U"),
        exactly=["all numbers are finite"],
    )
    yield case(
        "padding/lstm-huge",
        "Do huge numbers in the padding touch nothing?",
        filled(weighed(one), 2.0**100),
        gradients_of=("x", "W", "U"),
        exactly=["all numbers are finite"],
    )
    for kind in ("lstm", "gru-after"):
        both = problem(layer(kind, ways=TWO), lengths=RAGGED)
        yield case(
            f"padding/{kind}-nan-both-directions",
            f"Does a backward direction of {TITLES[kind]} begin at the length, and not see NaN past it?",
            filled(both, np.nan),
            exactly=["all numbers are finite"],
        )
    yield case(
        "padding/lstm-nan-length-0",
        "Does a sequence of length 0 that is all NaN leave the state alone?",
        filled(problem(layer("lstm"), lengths=WITH_NONE), np.nan),
        exactly=["all numbers are finite"],
    )


MASKS = {
    "as-lengths": ("1" * 4 + "0" * 2, "1" * 6, "1" + "0" * 5),
    "holes": ("101101", "111111", "010010"),
    "left-padding": ("001111", "111111", "000001"),
    "a-row-of-none": ("110111", "000000", "111000"),
}


def mask_of(rows: tuple[str, ...]) -> Array:
    return np.array([[step == "1" for step in row] for row in rows])


def masks() -> Iterator[Case]:
    for what, rows in MASKS.items():
        for kind in ("lstm", "gru-before"):
            yield case(
                f"masks/{kind}-{what}",
                f"Does {TITLES[kind]} pass over steps that a mask leaves out: {what.replace('-', ' ')}?",
                problem(layer(kind), state=True, mask=mask_of(rows)),
            )
    holes = problem(layer("lstm"), mask=mask_of(MASKS["holes"]))
    yield case(
        "masks/lstm-zeros",
        "Are outputs of steps that are left out exactly 0?",
        holes,
        exactly=["zeros past each length"],
    )
    yield case(
        "masks/lstm-static-zeros",
        "Are they exactly 0 in an unrolled loop, too?",
        replace(holes, unroll="static"),
        exactly=["zeros past each length"],
    )
    yield case(
        "masks/lstm-gradients",
        "Are gradients right where a mask leaves steps out?",
        weighed(holes),
        gradients_of=("x", "W", "U"),
    )
    yield case(
        "masks/lstm-nan",
        "Does NaN in a step that is left out touch no gradient?",
        filled(weighed(holes), np.nan),
        gradients_of=("x", "W", "U"),
        exactly=["all numbers are finite"],
    )
    yield case(
        "masks/lstm-both-directions",
        "Do both directions pass over steps that a mask leaves out?",
        problem(layer("lstm", ways=TWO), mask=mask_of(MASKS["holes"])),
    )
    yield case(
        "masks/rnn-backward",
        "Does a backward direction pass over steps that a mask leaves out?",
        problem(layer("rnn", ways=("backward",)), mask=mask_of(MASKS["left-padding"])),
    )
    yield case(
        "masks/lstm-static",
        "Does an unrolled loop pass over steps as the other does?",
        replace(holes, unroll="static"),
    )


def resets() -> Iterator[Case]:
    anew = np.zeros((N, T), bool)
    anew[0, 2] = anew[1, 0] = anew[1, 3] = anew[1, 4] = anew[2, 5] = True
    for kind in ("lstm", "gru-after"):
        yield case(
            f"resets/{kind}",
            f"Does {TITLES[kind]} begin anew from its initial state where an episode begins?",
            problem(layer(kind), state=True, resets=anew),
        )
    yield case(
        "resets/lstm-both-directions",
        "Does neither direction see across the border of an episode?",
        problem(layer("lstm", ways=TWO), resets=anew),
    )


def directions() -> Iterator[Case]:
    for kind in FOUR:
        backward = layer(kind, ways=("backward",))
        yield case(
            f"directions/{kind}-backward",
            f"Does {TITLES[kind]} read from the end, with outputs beside their inputs?",
            problem(backward, state=True),
            exactly=["the backward final h is the first output"],
        )
        yield case(
            f"directions/{kind}-both",
            f"Does {TITLES[kind]} give [forward, backward] side by side, each with weights of its own?",
            problem(layer(kind, ways=TWO)),
            exactly=["the final h is the last output", "the backward final h is the first output"],
        )
        yield case(
            f"directions/{kind}-both-lengths",
            f"Does the backward direction of {TITLES[kind]} begin at each length?",
            problem(layer(kind, ways=TWO), lengths=RAGGED),
            exactly=["the backward final h is the first output"],
        )
    for kind in ("lstm", "gru-after"):
        yield case(
            f"directions/{kind}-both-from-states",
            f"Does each direction of {TITLES[kind]} start from its own state?",
            problem(layer(kind, ways=TWO), state=True),
        )
        yield case(
            f"directions/{kind}-backward-lengths",
            f"Does {TITLES[kind]} read each sequence from its own end?",
            problem(layer(kind, ways=("backward",)), state=True, lengths=WITH_NONE),
        )
    yield case(
        "directions/lstm-both-gradients",
        "Are gradients right for both directions, with lengths?",
        weighed(problem(layer("lstm", ways=TWO), lengths=RAGGED)),
        gradients_of=("x", "W", "U"),
    )


def stacks() -> Iterator[Case]:
    for kind in FOUR:
        two = [layer(kind, name="low"), layer(kind, H, 3, name="high")]
        yield case(
            f"stacks/{kind}-two",
            f"Does the second layer of {TITLES[kind]} read the outputs of the first, each with its "
            "own width?",
            problem(two, state=True),
            needs=["layers of different width"],
        )
        alike = [layer(kind, name="low"), layer(kind, H, name="high"), layer(kind, H, name="top")]
        yield case(
            f"stacks/{kind}-three-lengths",
            f"Do three layers of {TITLES[kind]} end at each length, and give a final state each?",
            problem(alike, state=True, lengths=RAGGED),
            exactly=[*LAST, "one state a layer"],
        )
    mixed = [layer("lstm", name="low"), layer("gru-before", H, 7, name="high")]
    yield case(
        "stacks/mixed", "Can a GRU stand on an LSTM, with a width of its own?", problem(mixed, state=True)
    )
    yield case(
        "stacks/mixed-lengths",
        "Does a mixed stack end at each length?",
        problem(mixed, lengths=RAGGED),
        exactly=LAST,
    )
    for kind in ("lstm", "gru-after", "rnn"):
        both = [layer(kind, ways=TWO, name="low"), layer(kind, 2 * H, ways=TWO, name="high")]
        yield case(
            f"stacks/{kind}-both-directions",
            f"Does each direction of the second layer of {TITLES[kind]} read both of the first?",
            problem(both, lengths=RAGGED),
        )
        apart = [layer(kind, ways=TWO, name="low"), layer(kind, H, ways=TWO, name="high")]
        yield case(
            f"stacks/{kind}-apart",
            f"Can two stacks of {TITLES[kind]} read one way each, and meet at their tops alone?",
            problem(apart, lengths=RAGGED, stacking="apart"),
        )
    alike = [layer("lstm", name="low"), layer("lstm", H, name="high")]
    yield case(
        "stacks/lstm-gradients",
        "Are gradients of both layers right, and those of both initial states?",
        weighed(problem(alike, state=True, lengths=RAGGED)),
        gradients_of=("x", "h", "c", "W", "U"),
    )
    projected = [layer("lstm", projection=4, name="low"), layer("lstm", 4, projection=4, name="high")]
    yield case(
        "stacks/lstm-projections",
        "Does the second layer read the projected outputs of the first?",
        problem(projected, x=x_of(width=I)),
    )


def every_step() -> Iterator[Case]:
    one = layer("lstm")
    yield case("every-step/lstm", "Can c be had after every step?", problem(one, state=True, ask=["states"]))
    yield case(
        "every-step/lstm-lengths",
        "Can c be had after every step, where sequences have lengths?",
        problem(one, state=True, lengths=RAGGED, ask=["outputs", "final", "states"]),
    )
    yield case(
        "every-step/gru-after",
        "Can a GRU's state be had after every step?",
        problem(layer("gru-after"), ask=["outputs", "states"]),
    )
    yield case(
        "every-step/lstm-projection",
        "Can h and c, which differ in width, be had after every step?",
        problem(layer("lstm", projection=4), ask=["states"]),
    )
    yield case(
        "every-step/lstm-gradients",
        "Are gradients of a loss of c at every step right?",
        weighed(problem(one, state=True, ask=["states"]), ("states.0.forward.c",)),
        gradients_of=("x", "h", "c", "W", "U"),
    )
