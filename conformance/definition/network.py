"""A network along its sequences: each sequence by itself, and of its steps those alone that count.

    s_t = cell(x_t, s_{t-1})     t over the steps that count, forwards or backwards;   y_t = h of s_t
    y_t = 0, s_t = s_{t-1}                                 at all other steps

What does not count, padding past a length or a masked step, is never read. A backward direction's outputs
stand beside their inputs. Of several layers each reads what the one below gives, [forward, backward] side by
side where there are both; stacked "apart", forward layers read forward layers alone, and backward ones
backward ones.
"""

from __future__ import annotations

import numpy as np

from conformance.definition.cells import STATE, State, step
from conformance.definition.tape import Value, gradients, join, pile, total
from conformance.problem import Layer, Problem, sizes

Found = dict[str, Value]


def solve(problem: Problem) -> dict[str, np.ndarray]:
    """Everything that the problem asks for, by name."""
    leaves = {name: Value(array) for name, array in problem.leaves().items()}
    found = walk(problem, leaves)
    answer = {name: found[name] for name in problem.asked_of(found)}
    if problem.weigh:
        loss = sum((total(found[name] * Value(w)) for name, w in problem.weigh.items()), Value(0.0))
        first = dict(zip(leaves, gradients(loss, list(leaves.values())), strict=True))
        if problem.second is None:
            answer |= {f"grad.{name}": value for name, value in first.items()}
        else:
            along = total(first["x"] * Value(problem.second))
            second = zip(leaves, gradients(along, list(leaves.values())), strict=True)
            answer |= {f"second.{name}": value for name, value in second}
    return {name: value.data for name, value in answer.items()}


def walk(problem: Problem, leaves: Found) -> Found:
    """Outputs, the final states, and the states of every step."""
    if problem.stacking == "interleaved":
        found: Found = {}
        y = leaves["x"]
        for number, layer in enumerate(problem.layers):
            y = join([one(problem, leaves, number, layer, way, y, found) for way in layer.ways], 2)
        return found | {"outputs": y}
    tops, found = [], {}
    for way in problem.layers[0].ways:
        y = leaves["x"]
        for number, layer in enumerate(problem.layers):
            y = one(problem, leaves, number, layer, way, y, found)
        tops.append(y)
    return found | {"outputs": join(tops, 2)}


def one(
    problem: Problem, leaves: Found, number: int, layer: Layer, way: str, y: Value, found: Found
) -> Value:
    """One layer in one direction: its outputs [N, T, O]; its states are put into `found`."""
    place = f"{number}.{way}"
    weights = {name: leaves[f"{place}.{name}"] for name in layer.ways[way]}
    N, T = y.shape[:2]
    widths = dict(zip(STATE[layer.cell], sizes(layer, way), strict=True))
    nothing = Value(np.zeros((1, widths["h"])))
    outputs: list[Value] = []
    every: list[list[State]] = []
    finals: list[State] = []
    for n in range(N):
        initial = {
            part: leaves[name][n : n + 1]
            if (name := f"state.{place}.{part}") in leaves
            else Value(np.zeros((1, width)))
            for part, width in widths.items()
        }
        state, after, given = initial, [initial] * T, [nothing] * T
        counted = problem.steps(n)
        for t in range(T) if way == "forward" else reversed(range(T)):
            if t in counted:
                start = initial if problem.begins_anew(n, t, way) else state
                state = step(layer.cell, layer.options, weights, y[n, t : t + 1], start)
                given[t] = state["h"]
            after[t] = state
        outputs.append(join(given, 0) if T else Value(np.zeros((0, widths["h"]))))
        every.append(after)
        finals.append(state)
    for part, width in widths.items():
        rows = [join([s[part] for s in after], 0) if T else Value(np.zeros((0, width))) for after in every]
        found[f"states.{place}.{part}"] = pile(rows) if N else Value(np.zeros((0, T, width)))
        found[f"final.{place}.{part}"] = (
            join([final[part] for final in finals], 0) if N else Value(np.zeros((0, width)))
        )
    return pile(outputs) if N else Value(np.zeros((0, T, widths["h"])))
