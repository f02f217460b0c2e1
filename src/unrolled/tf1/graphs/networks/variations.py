"""What the names and shapes of a network's variables leave open, as other networks of the same variables."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Set

import numpy as np

from unrolled.networks.config import NetworkConfig, output_width
from unrolled.tf1.graphs.networks.definition import ACTIVATIONS, Graph
from unrolled.tf1.graphs.networks.dense_layers import Chains, Dense
from unrolled.tf1.graphs.networks.found_model import FoundModel
from unrolled.tf1.graphs.networks.recognition import Layers

MOST = 400
MOST_SHARED = 6  # layers with the same weights

Change = Callable[[FoundModel], FoundModel]


def variations(model: FoundModel, graph: Graph, ops: Counter[str], given: Set[str]) -> Iterator[FoundModel]:
    """The model, and then others with as few changes as can be.

    Args:
        model: as it was found.
        graph: it is asked for constants and for how often a kernel is used.
        ops: what the graph's answer is made of: no change without an operation that could be it.
        given: what the caller has said, and is not to be changed: "forget_bias", "read".
    """
    ways: list[list[Change]] = [
        _forget_biases(model, given),
        _shared(model, graph),
        _read(model, ops, given),
        _residual(model),
        _backward(model, ops),
        _activated(model, ops),
        _scaled(model, graph, ops),
        _bias_on_weights(model, ops),
    ]
    numbered = [list(enumerate([_same, *way])) for way in ways]
    changes = sorted(itertools.product(*numbered), key=lambda each: sum(number > 0 for number, _ in each))
    for chosen in changes[:MOST]:
        varied = model
        for _, change in chosen:
            varied = change(varied)
        yield varied


def _same(model: FoundModel) -> FoundModel:
    return model


def _changed(**changes: object) -> Change:
    return lambda model: dataclasses.replace(model, config=_config(model.config, **changes))


def _config(config: NetworkConfig, **changes: object) -> NetworkConfig:
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


def _with_options(config: NetworkConfig, layer: int, **options: object) -> NetworkConfig:
    """Options of one layer's cell set."""
    layers = list(config.layers)
    kind, width, *known = layers[layer]
    layers[layer] = (kind, width, {**(known[0] if known else {}), **options})
    return _config(config, layers=tuple(layers))


def _forget_biases(model: FoundModel, given: Set[str]) -> list[Change]:
    if "forget_bias" in given or not model.asks_forget_bias:
        return []

    def none(model: FoundModel) -> FoundModel:
        config = model.config
        for layer, (kind, *_) in enumerate(config.layers):
            if kind == "lstm":
                config = _with_options(config, layer, forget_bias=0.0)
        return dataclasses.replace(model, config=config)

    return [none]


def _shared(model: FoundModel, graph: Graph) -> list[Change]:
    """One cell that stands in several layers: `MultiRNNCell([cell] * n)`."""
    layers = model.layers
    (cell, *others), config = layers.forward, model.config
    if others or layers.backward or cell.input_size != cell.output_size:
        return []

    def times(count: int) -> Change:
        def change(model: FoundModel) -> FoundModel:
            again = Layers(layers.direction, layers.forward * count, [])
            return dataclasses.replace(
                model, layers=again, config=_config(model.config, layers=config.layers * count)
            )

        return change

    return [times(count) for count in range(2, MOST_SHARED + 1)]


def _read(model: FoundModel, ops: Counter[str], given: Set[str]) -> list[Change]:
    if "read" in given:
        return []
    config = model.config
    reads = ["final", "first"]
    if config.one_way:
        reads += ["state"] + ["memory"] * (config.layers[-1][0] == "lstm")
        if output_width(config.layers[-1]) != config.layers[-1][1]:
            reads.remove("memory")
    else:
        reads.append("last")
    reads += ["mean"] * ("Mean" in ops or "Sum" in ops) + ["max"] * ("Max" in ops)
    return [_changed(read=read) for read in reads if read != config.read]


def _residual(model: FoundModel) -> list[Change]:
    cells = model.layers.forward
    fit = [n for n, cell in enumerate(cells) if cell.input_size == cell.output_size]
    sets = {tuple(fit), tuple(n for n in fit if n), *((n,) for n in fit)}

    def added(chosen: tuple[int, ...]) -> Change:
        def change(model: FoundModel) -> FoundModel:
            config = model.config
            for layer in chosen:
                config = _with_options(config, layer, residual=True)
            return dataclasses.replace(model, config=config)

        return change

    return [added(chosen) for chosen in sorted(sets, key=len) if chosen]


def _backward(model: FoundModel, ops: Counter[str]) -> list[Change]:
    reversing = {"Reverse", "ReverseV2", "ReverseSequence", "StridedSlice"}
    fits = model.layers.direction == "forward" and reversing & ops.keys()
    return [_changed(direction="backward")] if fits else []


def _activated(model: FoundModel, ops: Counter[str]) -> list[Change]:
    """An activation between the cells and the first dense layer, after a layer that changes nothing."""
    if not model.dense.after:
        return []

    def followed(activation: str) -> Change:
        def change(model: FoundModel) -> FoundModel:
            size = model.config.feature_size
            same = Dense("", None, np.eye(size, dtype="f4"), np.zeros(size, "f4"))
            return dataclasses.replace(
                model,
                dense=Chains(model.dense.before, [same, *model.dense.after]),
                config=_config(model.config, output_layers=((size, activation), *model.config.output_layers)),
            )

        return change

    return [followed(name) for op, name in ACTIVATIONS.items() if op in ops]


def _scaled(model: FoundModel, graph: Graph, ops: Counter[str]) -> list[Change]:
    """Steps that a constant multiplies or divides before anything reads them."""
    before = model.dense.before
    if before and before[0].lookup:
        return []
    factors = set()
    for node in graph.ops("Mul", "RealDiv", "Div"):
        if node.op not in ops:
            continue
        for name, _ in node.inputs[:2]:
            constant = graph.constant(name)
            if constant and np.isfinite(constant) and constant != 1:
                factors.add(constant if node.op == "Mul" else 1 / constant)

    def scaled(factor: float) -> Change:
        def change(model: FoundModel) -> FoundModel:
            size = model.config.input_size
            layer = Dense("", None, factor * np.eye(size, dtype="f4"), np.zeros(size, "f4"))
            return dataclasses.replace(
                model,
                dense=Chains([layer, *model.dense.before], model.dense.after),
                config=_config(model.config, input_layers=((size, "identity"), *model.config.input_layers)),
            )

        return change

    return [scaled(factor) for factor in sorted(factors)[:4]]


def _bias_on_weights(model: FoundModel, ops: Counter[str]) -> list[Change]:
    """v (W + b) in the place of v W + b."""
    after = model.dense.after
    if not after or after[-1].bias_name is None:
        return []

    def change(model: FoundModel) -> FoundModel:
        *others, last = model.dense.after
        moved = last._replace(kernel=last.kernel + last.bias, bias=np.zeros_like(last.bias))
        return dataclasses.replace(model, dense=Chains(model.dense.before, [*others, moved]))

    return [change]
