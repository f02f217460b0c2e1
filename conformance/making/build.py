"""How a case is put together: weights by name, the definition's numbers, the features that it needs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.definition.cells import GATES
from conformance.definition.network import solve
from conformance.problem import Array, Layer, Problem, drawn, encode, to_json

# No two sizes are equal, so that none is taken for another.
N, T, I, H, P = 3, 6, 2, 5, 4
KINDS = {
    "rnn": ("rnn", {}),
    "relu-rnn": ("rnn", {"activation": "relu"}),
    "lstm": ("lstm", {}),
    "gru-after": ("gru", {"reset": "after"}),
    "gru-before": ("gru", {"reset": "before"}),
}
FOUR = ("rnn", "lstm", "gru-after", "gru-before")
TITLES = {
    "rnn": "a plain RNN",
    "relu-rnn": "a plain RNN with ReLU",
    "lstm": "an LSTM",
    "gru-after": "a GRU (reset after)",
    "gru-before": "a GRU (reset before)",
}
TOLERANCES = {
    "float32": (2e-5, "some hundred roundings of 6e-8 each, in any order"),
    "float64": (1e-10, "some hundred roundings of 1e-16 each; what is expected has 12 digits"),
    "bfloat16": (4e-2, "8 bits: each of 6 steps rounds what it passes on by up to 2^-8 of it"),
}
ONE, TWO = ("forward",), ("forward", "backward")


def layer(
    kind: str,
    input_size: int = I,
    hidden: int = H,
    *,
    name: str = "layer",
    ways: tuple[str, ...] = ONE,
    bias: str = "two",
    second_n: bool = False,
    peephole: bool = False,
    projection: int = 0,
    **options: Any,
) -> Layer:
    """A layer with weights of its own. A GRU's d_n, which some peers lack, is zero without second_n."""
    cell, usual = KINDS[kind]
    G = GATES[cell]
    weights: dict[str, dict[str, Array]] = {}
    for way in ways:
        shapes: dict[str, tuple[int, ...]] = {
            "W": (G * hidden, input_size),
            "U": (G * hidden, projection or hidden),
        }
        shapes |= {"b": (G * hidden,)} if bias != "none" else {}
        shapes |= {"d": (G * hidden,)} if bias == "two" else {}
        shapes |= dict.fromkeys(("pi", "pf", "po"), (hidden,)) if peephole else {}
        shapes |= {"R": (projection, hidden)} if projection else {}
        weights[way] = {key: drawn(f"{name}/{kind}/{way}/{key}", *shape) for key, shape in shapes.items()}
        if cell == "gru" and bias == "two" and not second_n:
            weights[way]["d"][2 * hidden :] = 0
    return Layer(cell, weights, usual | options)


def states(layers: list[Layer], rows: int = N) -> dict[str, Array]:
    """An initial state for every layer and direction."""
    found = {}
    for number, one in enumerate(layers):
        for way, weights in one.ways.items():
            hidden = len(weights["W"]) // GATES[one.cell]
            found[f"{number}.{way}.h"] = drawn(f"state/{number}/{way}/h", rows, weights["U"].shape[1])
            if one.cell == "lstm":
                found[f"{number}.{way}.c"] = drawn(f"state/{number}/{way}/c", rows, hidden)
    return found


def x_of(rows: int = N, steps: int = T, width: int = I, name: str = "x") -> Array:
    return drawn(f"{name}/{width}", rows, steps, width, most=96)


def problem(layers: list[Layer] | Layer, *, state: bool = False, **options: Any) -> Problem:
    layers = [layers] if isinstance(layers, Layer) else layers
    options.setdefault("x", x_of())
    options |= {"state": states(layers, len(options["x"]))} if state else {}
    return Problem(layers=layers, **options)


def weighed(one: Problem, names: tuple[str, ...] = ("outputs", "final"), **options: Any) -> Problem:
    """The same, and the gradients of a loss that sees these results, of steps that count."""
    found = solve(one)
    counts = one.counts()[..., None]
    weigh = {
        name: drawn(f"weigh/{name}", *value.shape) * (counts if value.ndim == 3 else 1.0)
        for name, value in found.items()
        if any(name == known or name.startswith(f"{known}.") for known in names)
    }
    return replace(one, weigh=weigh, **options)


def needs(one: Problem) -> list[str]:
    """The features without which the problem cannot be asked."""
    found: list[str] = []
    for each in one.layers:
        reset = f" reset {each.options['reset']}" if each.cell == "gru" else ""
        relu = "relu " if each.options.get("activation") == "relu" else ""
        found.append(relu + each.cell + reset)
        weights = next(iter(each.ways.values()))
        found += ["projection"] if "R" in weights else []
        found += ["peephole"] if "pi" in weights else []
        found += [
            title
            for key, title in {
                "cell_clip": "cell clip",
                "proj_clip": "projection clip",
                "forget_bias": "forget bias",
            }.items()
            if key in each.options
        ]
        found += {1: ["backward"] if "backward" in each.ways else [], 2: ["both directions"]}[len(each.ways)]
    several = len(one.layers) > 1
    kinds = {(each.cell, str(each.options)) for each in one.layers}
    told = {
        "stack": several,
        "mixed stack": len(kinds) > 1,
        "bidirectional stack": several and "both directions" in found and one.stacking == "interleaved",
        "stacks apart": several and one.stacking == "apart",
        "lengths": one.lengths is not None,
        "mask": one.mask is not None,
        "resets": one.resets is not None,
        "gradients": bool(one.weigh),
        "second derivatives": one.second is not None,
        "every-step states": "states" in one.ask,
        "static": one.unroll == "static",
        "time major": one.layout == "time major",
    }
    found += [feature for feature, there in told.items() if there]
    found += [f"{place} dropout" for place in one.dropout]
    found += [one.dtype] if one.dtype != "float32" else []
    return list(dict.fromkeys(found))


def case(name: str, asks: str, one: Problem, *, gradients_of: tuple[str, ...] = (), **options: Any) -> Case:
    """A case with the definition's numbers, unless others, or none, are given.

    gradients_of: the last parts of the leaves whose gradients count, all if empty.
    """
    tolerance, why = TOLERANCES[one.dtype]
    if one.weigh:
        tolerance *= 3
        why += "; three times as many on the way back"
    options.setdefault("tolerance", tolerance)
    options.setdefault("why", why)
    look_at = options.get("look_at", [])
    if "numbers" not in options and not options.get("refusal"):
        found = solve(one)
        if gradients_of:
            found = {
                key: value
                for key, value in found.items()
                if not key.startswith(("grad.", "second.")) or key.split(".")[-1] in gradients_of
            }
        options["numbers"] = found
    numbers = {key: stored(value, look_at) for key, value in options.pop("numbers", {}).items()}
    extra = options.pop("needs", [])
    raw = options.pop("raw", None) or to_json(one)
    return Case(name, asks, needs(one) + extra, raw, numbers=numbers, **options)


def stored(value: Array, look_at: list[int] | None = None) -> Any:
    """An array for a file, with 12 digits."""
    if look_at and value.ndim == 3:
        value = value[:, look_at]
    return encode(np.vectorize(lambda x: float(f"{x:.12g}"))(value) if value.size else value)


def as_data(one: Case) -> dict[str, Any]:
    """A case for a file, without what is as usual."""
    return {key: value for key, value in asdict(one).items() if value not in ([], {}, "", False)}
