"""A network along its sequences: each sequence by itself, and of its steps those alone that count.

    s_t = cell(x_t, s_{t-1})     t over the steps that count, forwards or backwards;   y_t = h of s_t
    y_t = 0, s = the state before                          at all other steps

What does not count, padding past a length or a masked step, is never read. A backward direction's outputs stand
beside their inputs. Of several layers each reads what the one below gives, [forward, backward] side by side
where there are both; stacked "apart", forward layers read forward layers alone, and backward ones backward ones.
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
    parts = STATE[layer.cell]
    sequences: dict[str, list[Value]] = {part: [] for part in parts}
    finals: dict[str, list[Value]] = {part: [] for part in parts}
    for n in range(N):
        state = {
            part: leaves[name][n : n + 1]
            if (name := f"state.{place}.{part}") in leaves
            else Value(np.zeros((1, size)))
            for part, size in zip(parts, sizes(layer, way), strict=True)
        }
        initial = state
        seen: dict[int, State] = {}
        counted = problem.steps(n)
        for t in counted if way == "forward" else reversed(counted):
            if problem.begins_anew(n, t, way):
                state = initial
            state = step(layer.cell, layer.options, weights, y[n, t : t + 1], state)
            seen[t] = state
        for part, size in zip(parts, sizes(layer, way), strict=True):
            nothing = Value(np.zeros((1, size)))
            steps = [seen[t][part] if t in seen else nothing for t in range(T)]
            sequences[part].append(join(steps, 0) if steps else Value(np.zeros((0, size))))
            finals[part].append(state[part])
    for part, size in zip(parts, sizes(layer, way), strict=True):
        found[f"final.{place}.{part}"] = join(finals[part], 0) if N else Value(np.zeros((0, size)))
        found[f"states.{place}.{part}"] = pile(sequences[part]) if N else Value(np.zeros((0, T, size)))
    return found[f"states.{place}.h"]
