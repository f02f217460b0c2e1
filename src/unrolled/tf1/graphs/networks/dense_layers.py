"""The dense layers before and after a checkpoint's cells, from names, shapes and the graph."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from unrolled.names import natural
from unrolled.tf1.graphs.networks.definition import Graph
from unrolled.tf1.graphs.networks.recognition import Layers

BIAS_WORD = re.compile(r"bias(?:es)?|b(?=_|\d|$)|B(?=_|\d|$)", re.ASCII)
WEIGHT_WORD = re.compile(r"weights?|kernel|[Mm]atrix|w(?=_|\d|$)|W(?=_|\d|$)", re.ASCII)
NORMALISATION = re.compile(r"/(?:gamma|beta|moving_mean|moving_variance)$")
EMBEDDING = re.compile(
    r"(?:.*[/_])?(?:\w*embed(?:ding)?s?|emb|lookup_table)(?:_?\w{1,3})?(?:/kernel)?", re.IGNORECASE
)
MOST = 6
MOST_PAIRED = 100  # matrices for which a bias is looked for


class Dense(NamedTuple):
    """A dense layer y = x W + b.

    Attributes:
        name, bias_name: the modern names of W [I, O] and b [O]; no name for a b of zeros.
        kernel, bias: their values.
        lookup: whether rows of W are looked up: an embedding.
    """

    name: str
    bias_name: str | None
    kernel: ndarray
    bias: ndarray
    lookup: bool = False

    def describe(self) -> str:
        rows, columns = self.kernel.shape
        if self.lookup:
            return f"embedding {rows} → {columns}"
        return f"dense {rows} → {columns}{'' if self.bias_name else ', no bias'}"


class Chains(NamedTuple):
    """Dense layers in the order in which data pass them."""

    before: list[Dense]
    after: list[Dense]

    @property
    def all(self) -> list[Dense]:
        return [*self.before, *self.after]


def pair(rest: Mapping[str, ndarray], embeddings: Set[str] = frozenset()) -> tuple[list[Dense], list[str]]:
    """Put matrices and biases together; return with the layers the names that are in none of them.

    A bias is the one with the name of its matrix (kernel and bias, weights1 and biases1, W_out and b_out), or
    else the next one of the right length in the order of the names (Variable and Variable_1). Embeddings have
    none.
    """
    names = sorted(rest, key=natural)
    vectors = {
        name: rest[name].reshape(-1)
        for name in names
        if (rest[name].ndim == 1 and not NORMALISATION.search(name))
        or (rest[name].ndim == 2 and rest[name].shape[0] == 1 and BIAS_WORD.search(name.rpartition("/")[2]))
    }
    matrices = [name for name in names if rest[name].ndim == 2 and name not in vectors]
    by_length: dict[int, list[str]] = defaultdict(list)  # the vectors that are still free
    for name, vector in vectors.items():
        by_length[len(vector)].append(name)
    biases: dict[str, str] = {}
    for fits in (_same_name, _next_name):
        for name in matrices:
            if name not in biases and name not in embeddings:
                free = by_length.get(rest[name].shape[1], [])
                found = next((vector for vector in free if fits(name, vector)), None)
                if found is not None:
                    biases[name] = found
                    free.remove(found)
    layers = [
        Dense(
            name,
            biases.get(name),
            rest[name],
            vectors[biases[name]] if name in biases else np.zeros(rest[name].shape[1], rest[name].dtype),
            name in embeddings,
        )
        for name in matrices
    ]
    used = {*matrices, *biases.values()}
    return layers, [name for name in names if name not in used]


def _same_name(kernel: str, bias: str) -> bool:
    return WEIGHT_WORD.sub("#", kernel) == BIAS_WORD.sub("#", bias)


def _next_name(kernel: str, bias: str) -> bool:
    return kernel.rpartition("/")[0] == bias.rpartition("/")[0] or natural(bias) > natural(kernel)


def chains(layers: Layers, dense: list[Dense]) -> list[Chains]:
    """The ways to put as many dense layers as possible around the cells, the likelier ones first."""
    found: list[Chains] = []
    for count in range(len(dense), -1, -1):
        for chosen in itertools.combinations(dense, count):
            found += _orders(layers, list(chosen))
        if found:
            break
    return sorted(found, key=lambda way: rank(way, dense))


def rank(way: Chains, dense: list[Dense]) -> tuple[bool, int, int]:
    """How unlikely a way is: without an output layer; against the order of the names; with input layers."""
    order = [number for layer in way.all for number, other in enumerate(dense) if layer is other]
    against = sum(first > second for first, second in itertools.combinations(order, 2))
    return not way.after, against, len(way.before)


def _orders(layers: Layers, dense: list[Dense]) -> Iterator[Chains]:
    """All ways to put exactly these around the cells."""

    def walk(width: int, left: list[Dense]) -> Iterator[list[Dense]]:
        """Chains that begin with that width."""
        yield []
        for layer in left:
            if layer.kernel.shape[0] == width:
                others = [other for other in left if other is not layer]
                for further in walk(layer.kernel.shape[1], others):
                    yield [layer, *further]

    for after in walk(layers.feature_size, dense):
        before = [layer for layer in dense if all(layer is not other for other in after)]
        if any(layer.lookup for layer in after):
            continue  # rows are looked up by what comes from outside
        for order in itertools.permutations(before):
            if any(layer.lookup for layer in order[1:]):
                continue
            widths = [*(layer.kernel.shape[0] for layer in order), layers.forward[0].input_size]
            if all(layer.kernel.shape[1] == width for layer, width in zip(order, widths[1:], strict=True)):
                yield Chains(list(order), after)


def agrees(way: Chains, layers: Layers, graph: Graph, original: Mapping[str, str]) -> bool:
    """Whether data pass the layers in this order in the graph, too; what it does not know is let pass."""
    previous: set[str] = set()
    for layer in way.before:
        behind = graph.inputs_of(original[layer.name])
        if behind is not None and behind.weights != previous:
            return False
        previous = {original[layer.name]}
    behind = graph.inputs_of_cell(original[layers.forward[0].kernel])
    if behind is not None and not behind.weights >= previous:
        return False
    previous = {original[cell.kernel] for cell in layers.top}
    for layer in way.after:
        behind = graph.inputs_of(original[layer.name])
        if behind is not None and not behind.weights & previous:
            return False
        previous = {original[layer.name]}
    return True
