"""What must hold within an answer, to the last bit, whatever the rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from conformance.problem import Array, Problem, sizes

Answer = dict[str, Array]


def check_identity(name: str, problem: Problem, answer: Answer) -> str:
    """What does not hold, in a sentence; nothing if it holds."""
    return IDENTITIES[name](problem, answer)


def zeros_past_length(problem: Problem, answer: Answer) -> str:
    return _zeros_where_nothing_counts("outputs", problem, answer)


def gradients_past_length_are_zero(problem: Problem, answer: Answer) -> str:
    return _zeros_where_nothing_counts("grad.x", problem, answer)


def _zeros_where_nothing_counts(name: str, problem: Problem, answer: Answer) -> str:
    for n, row in enumerate(answer[name]):
        for t in sorted(set(range(len(row))) - set(problem.steps(n))):
            if not np.all(row[t] == 0):
                return f"{name}: {_shown(row[t])} at [{n}, {t}], which does not count, 0 was expected"
    return ""


def final_is_output(problem: Problem, answer: Answer) -> str:
    """The last forward h is the output of the last step that counts; without one it is the initial state."""
    number = len(problem.layers) - 1
    h = answer[f"final.{number}.forward.h"]
    for n, final in enumerate(h):
        steps = problem.steps(n)
        given = problem.state.get(f"{number}.forward.h")
        start = np.zeros_like(final) if given is None else given[n]
        wanted = answer["outputs"][n, steps[-1], : len(final)] if steps else start
        if not np.array_equal(final, wanted):
            return f"final h of sequence {n} is {_shown(final)}, its last output {_shown(wanted)}"
    return ""


def backward_final_is_first_output(problem: Problem, answer: Answer) -> str:
    number = len(problem.layers) - 1
    h = answer[f"final.{number}.backward.h"]
    for n, final in enumerate(h):
        steps = problem.steps(n)
        if steps and not np.array_equal(final, answer["outputs"][n, steps[0], -len(final) :]):
            return (
                f"the backward final h of sequence {n} is {_shown(final)}, not its output at step {steps[0]}"
            )
    return ""


def finite(problem: Problem, answer: Answer) -> str:
    for name, value in answer.items():
        if not np.isfinite(value).all():
            return f"{name}: {int((~np.isfinite(value)).sum())} of {value.size} numbers are not finite"
    return ""


def one_state_a_layer(problem: Problem, answer: Answer) -> str:
    """An LSTM's state is c and h, a GRU's h alone, one for each layer and direction, [N, width] each."""
    N = len(problem.x)
    wanted = {}
    for number, layer in enumerate(problem.layers):
        for way in layer.ways:
            parts = ("h", "c") if layer.cell == "lstm" else ("h",)
            for part, size in zip(parts, sizes(layer, way), strict=True):
                wanted[f"final.{number}.{way}.{part}"] = (N, size)
    came = {name: value.shape for name, value in answer.items() if name.startswith("final.")}
    return "" if came == wanted else f"the states are {came}, expected were {wanted}"


def _shown(row: Array) -> str:
    return "[" + ", ".join(f"{float(x):.4g}" for x in row) + "]"


IDENTITIES: dict[str, Callable[[Problem, Answer], str]] = {
    "zeros past each length": zeros_past_length,
    "gradients past each length are zero": gradients_past_length_are_zero,
    "the final h is the last output": final_is_output,
    "the backward final h is the first output": backward_final_is_first_output,
    "all numbers are finite": finite,
    "one state a layer": one_state_a_layer,
}
