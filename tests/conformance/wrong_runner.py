"""A runner that computes with the definition, and with one thing wrong: the suite must see it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.definition import cells, network
from conformance.definition.network import solve
from conformance.problem import Layer, Problem, sizes
from conformance.protocol import Numbers, serve

Change = Callable[[Problem], Problem]


def right(problem: Problem) -> Numbers:
    return solve(problem)


def with_layers(problem: Problem, change: Callable[[Layer], Layer]) -> Problem:
    return dataclasses.replace(problem, layers=[change(layer) for layer in problem.layers])


def with_weights(problem: Problem, change: Callable[[Layer, dict[str, Any]], dict[str, Any]]) -> Numbers:
    """The answer with other weights, also for gradients: as a program that mistakes them."""

    def changed(layer: Layer) -> Layer:
        ways = {way: change(layer, dict(weights)) for way, weights in layer.ways.items()}
        return dataclasses.replace(layer, ways=ways)

    return solve(with_layers(problem, changed))


def swapped(cell: str, one: int, other: int) -> Callable[[Problem], Numbers]:
    """Two gates of a cell in each other's place."""

    def change(layer: Layer, weights: dict[str, Any]) -> dict[str, Any]:
        if layer.cell != cell:
            return weights
        H = len(weights["U"]) // cells.GATES[cell]
        order = list(range(cells.GATES[cell]))
        order[one], order[other] = other, one
        return {
            name: np.concatenate([w[k * H : (k + 1) * H] for k in order]) if name in "WUbd" else w
            for name, w in weights.items()
        }

    return lambda problem: with_weights(problem, change)


def without_option(name: str) -> Callable[[Problem], Numbers]:
    def change(layer: Layer) -> Layer:
        options = {key: value for key, value in layer.options.items() if key != name}
        return dataclasses.replace(layer, options=options)

    return lambda problem: solve(with_layers(problem, change))


def reset_elsewhere(problem: Problem) -> Numbers:
    def change(layer: Layer) -> Layer:
        other = {"after": "before", "before": "after"}
        options = {k: other[v] if k == "reset" else v for k, v in layer.options.items()}
        return dataclasses.replace(layer, options=options)

    return solve(with_layers(problem, change))


def lengths_ignored(problem: Problem) -> Numbers:
    return solve(dataclasses.replace(problem, lengths=None))


def state_ignored(problem: Problem) -> Numbers:
    answer = solve(dataclasses.replace(problem, state={}))
    zeros = {f"grad.state.{name}": np.zeros_like(value) for name, value in problem.state.items()}
    return answer | (zeros if problem.weigh else {})


def padding_leaks(problem: Problem) -> Numbers:
    """NaN past a length reaches outputs and gradients, as 0 * NaN does."""
    answer = dict(solve(problem))
    bad = np.isnan(problem.x).any(axis=(1, 2)) & ~problem.counts().all(axis=1)
    for name in ("outputs", "grad.x"):
        if name in answer:
            answer[name] = np.where(bad[:, None, None], np.nan, answer[name])
    return answer


def projection_transposed(problem: Problem) -> Numbers:
    def change(layer: Layer, weights: dict[str, Any]) -> dict[str, Any]:
        if "R" in weights:
            weights["R"] = weights["R"].T.reshape(weights["R"].shape)
        return weights

    return with_weights(problem, change)


def peepholes_mixed(problem: Problem) -> Numbers:
    def change(layer: Layer, weights: dict[str, Any]) -> dict[str, Any]:
        return weights | {"pi": weights["pf"], "pf": weights["pi"]} if "pi" in weights else weights

    return with_weights(problem, change)


def second_bias_lost(problem: Problem) -> Numbers:
    def change(layer: Layer, weights: dict[str, Any]) -> dict[str, Any]:
        return weights | {"d": np.zeros_like(weights["d"])} if "d" in weights else weights

    return with_weights(problem, change)


def recurrent_transposed(problem: Problem) -> Numbers:
    def change(layer: Layer, weights: dict[str, Any]) -> dict[str, Any]:
        H = sizes(layer, next(iter(layer.ways)))[-1]
        if weights["U"].shape[1] == H:
            blocks = [weights["U"][k : k + H].T for k in range(0, len(weights["U"]), H)]
            weights["U"] = np.concatenate(blocks)
        return weights

    return with_weights(problem, change)


def backward_outputs_reversed(problem: Problem) -> Numbers:
    answer = dict(solve(problem))
    if "backward" in problem.layers[-1].ways:
        width = sizes(problem.layers[-1], "backward")[0]
        answer["outputs"] = answer["outputs"].copy()
        answer["outputs"][..., -width:] = answer["outputs"][:, ::-1, -width:]
    return answer


def final_of_last_step(problem: Problem) -> Numbers:
    """The final state of step T, whatever the length."""
    whole = solve(dataclasses.replace(problem, lengths=None, weigh={}))
    return solve(problem) | {name: value for name, value in whole.items() if name.startswith("final")}


def outputs_not_zeroed(problem: Problem) -> Numbers:
    answer = dict(solve(problem))
    answer["outputs"] = np.where(problem.counts()[..., None], answer["outputs"], 0.5)
    return answer


def everything_taken(problem: Problem) -> Numbers:
    """Nothing is refused, as in a program without checks."""
    try:
        return solve(problem)
    except Exception:
        return {"outputs": np.zeros((1, 1, 1))}


def output_dropout_in_state(problem: Problem) -> Numbers:
    answer = dict(solve(problem))
    if problem.training and "output" in problem.dropout:
        for name in answer:
            mask = np.random.default_rng(0).integers(0, 2, answer[name].shape)
            answer[name] = answer[name] * 2 * mask
    return answer


def clip_after_output(problem: Problem) -> Numbers:
    """c is clipped as it is returned, not as the output sees it."""

    def change(layer: Layer) -> Layer:
        return dataclasses.replace(
            layer, options={k: v for k, v in layer.options.items() if k != "cell_clip"}
        )

    answer = dict(solve(with_layers(problem, change)))
    for number, layer in enumerate(problem.layers):
        if "cell_clip" in layer.options:
            bound = layer.options["cell_clip"]
            name = f"final.{number}.forward.c"
            answer[name] = np.clip(answer[name], -bound, bound)
    return answer


WRONG: dict[str, Callable[[Problem], Numbers]] = {
    "right": right,
    "lstm gates i, f swapped": swapped("lstm", 0, 1),
    "lstm gates f, o swapped": swapped("lstm", 1, 3),
    "lstm gates g, o swapped": swapped("lstm", 2, 3),
    "gru gates r, z swapped": swapped("gru", 0, 1),
    "gru gates z, n swapped": swapped("gru", 1, 2),
    "forget bias lost": without_option("forget_bias"),
    "cell clip lost": without_option("cell_clip"),
    "projection clip lost": without_option("proj_clip"),
    "activation lost": without_option("activation"),
    "reset elsewhere": reset_elsewhere,
    "lengths ignored": lengths_ignored,
    "initial state ignored": state_ignored,
    "padding leaks": padding_leaks,
    "projection transposed": projection_transposed,
    "peepholes mixed": peepholes_mixed,
    "second bias lost": second_bias_lost,
    "recurrent weights transposed": recurrent_transposed,
    "backward outputs reversed": backward_outputs_reversed,
    "final state of the last step": final_of_last_step,
    "outputs past a length not zeroed": outputs_not_zeroed,
    "nothing refused": everything_taken,
    "output dropout in the state": output_dropout_in_state,
    "clip after the output": clip_after_output,
}

if __name__ == "__main__":
    assert network.solve is solve
    serve(sys.argv[1], {}, {"told path": "it is not told"}, WRONG[sys.argv[1]])
