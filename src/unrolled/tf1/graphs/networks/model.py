"""Finding a recurrent network in a TensorFlow checkpoint."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from numpy import ndarray

from unrolled.errors import UnrolledError, unknown_name
from unrolled.networks.config import ACTIVATIONS
from unrolled.tf1.checkpoints.eras import join_shards, modern
from unrolled.tf1.checkpoints.slots import network_variables, shadowed
from unrolled.tf1.graphs.networks.definition import Graph
from unrolled.tf1.graphs.networks.dense_layers import (
    EMBEDDING,
    MOST,
    MOST_PAIRED,
    NORMALISATION,
    Chains,
    agrees,
    chains,
    pair,
)
from unrolled.tf1.graphs.networks.found_model import FoundModel
from unrolled.tf1.graphs.networks.interpretation import Interpretation
from unrolled.tf1.graphs.networks.other_layouts import join_keras
from unrolled.tf1.graphs.networks.recognition import FoundCell, Layers, arrangements, find_cells, is_doubtful


def find_model(
    variables: Mapping[str, ndarray],
    graph: Graph | None = None,
    *,
    name: str = "imported",
    scope: str = "",
    ignore: str | None = None,
    cell: str | None = None,
    options: Mapping[str, Any] | None = None,
    activation: str | None = None,
    read: str | None = None,
) -> FoundModel:
    """Find the cells, their layers and directions, and the dense layers around them.

    Names of three eras are understood (see `eras`), slots of optimizers and counters are passed over; what
    the names leave open, the shapes decide, and what is read in the graph where there is one. That it is the
    network which was trained is proved by `import_checkpoint`, which runs the graph.

    Args:
        variables: as `read_checkpoint` returns them.
        graph: the checkpoint's, if it has one.
        name: of the network that comes out.
        scope: take only what lies below it.
        ignore: a regular expression; variables whose whole name fits it are left out.
        cell: "lstm" or "rnn", for cells with a name of their own whose shapes fit both.
        options: of all cells that have such, in place of what the graph says: {"forget_bias": 0.8,
            "cell_clip": 50.0}.
        activation: between two dense layers, in place of what the graph says.
        read: what the classifier of two directions sees, in place of what the graph says: "last" or "final".

    Raises:
        UnrolledError: there is no network that a run can hold, or it is not clear which; the message says
            what was found and what to do.
    """
    check_choices(ignore, cell, activation)
    own = network_variables(join_shards(variables))
    own = {
        key: value.astype("f4") if value.dtype.itemsize < 4 else value
        for key, value in own.items()
        if key.startswith(scope) and not re.fullmatch(ignore or "", key)
    }
    original = {modern(shadowed(key)): key for key in own}
    named = {new: own[old] for new, old in original.items()}
    named, original, keras = join_keras(named, original)
    layers, way, left = _choose(named, original, graph, cell, keras)
    return Interpretation(layers, way, left, graph, original).model(name, options or {}, activation, read)


def _choose(
    named: dict[str, ndarray],
    original: dict[str, str],
    graph: Graph | None,
    cell: str | None,
    keras: Mapping[str, str],
) -> tuple[Layers, Chains, list[str]]:
    """The one reading of the variables that uses most of them."""
    readings = find_cells(named, cell, keras)
    if graph is None:
        embeddings = {name for name in named if EMBEDDING.fullmatch(name)}
    else:
        embeddings = {name for name in named if original[name] in graph.embeddings}
    if not readings[0]:
        raise UnrolledError(
            "no recurrent cell was found: its variables are "
            f"{', '.join(original.values()) or 'none but counters and slots'}"
        )
    found: list[Reading] = []
    for cells in readings:
        layers = _arrange(cells, graph, original)
        if layers is None:
            continue
        inside = {f"{cell.home}/{local}" for cell in cells for local in cell.variables}
        outside = {key: value for key, value in named.items() if key not in inside}
        matrices = sum(value.ndim == 2 for value in outside.values())
        if matrices > MOST_PAIRED:
            raise UnrolledError(
                f"there are {matrices} matrices beside the cells: name those that are no part of the network "
                "with --ignore"
            )
        dense, left = pair(outside, embeddings)
        if len(dense) > MOST:
            raise UnrolledError(
                f"there are {len(dense)} matrices beside the cells, from {original[dense[0].name]} to "
                f"{original[dense[-1].name]}: name those that are no part of the network with --ignore"
            )
        ways = chains(layers, dense)
        if graph is not None:
            ways = [way for way in ways if agrees(way, layers, graph, original)] or ways
        for way in ways[:1]:
            unused = [layer.name for layer in dense if all(layer is not other for other in way.all)]
            found.append(([*left, *unused], layers, way))
    if not found:
        raise UnrolledError(
            "the cells do not fit onto one another: "
            + "; ".join(f"{cell.home} {cell.describe()}" for cell in readings[0])
            + ". If they are several networks, take one of them with --scope; two directions must be alike"
        )
    left, layers, way = _likeliest(found, original, graph)
    needed = [original[key] for key in left if named[key].ndim > 1 or NORMALISATION.search(key)]
    if needed:
        raise UnrolledError(
            f"{', '.join(needed)} {'has' if len(needed) == 1 else 'have'} no place among "
            + "; ".join([*(c.describe() for c in layers.forward), *(d.describe() for d in way.all)])
            + ": if it is no part of the network, leave it out with --ignore"
        )
    return layers, way, [original[key] for key in left]


def _arrange(cells: list[FoundCell], graph: Graph | None, original: Mapping[str, str]) -> Layers | None:
    """The layers that cells make, in the graph's order where there is one."""

    def agrees_with(graph: Graph, layers: Layers) -> bool:
        for stack in (layers.forward, layers.backward):
            for below, above in itertools.pairwise(stack):
                behind = graph.inputs_of_cell(original[above.kernel])
                if behind is not None and original[below.kernel] not in behind.weights:
                    return False
        return True

    orders = list(arrangements(cells))
    if graph is not None:
        orders = [layers for layers in orders if agrees_with(graph, layers)]
    elif orders and is_doubtful(orders):
        scopes = ", ".join(f"{cell.home} ({cell.describe()})" for cell in orders[0].forward)
        raise UnrolledError(
            f"{scopes}: nothing says whether they are a stack, and in which order, or several networks. Take "
            "one with --scope, or put the checkpoint's .meta file beside it"
        )
    return orders[0] if orders else None


def check_choices(
    ignore: str | None = None, cell: str | None = None, activation: str | None = None, **_: Any
) -> None:
    """Raise an UnrolledError if `find_model` knows no such choice."""
    if activation not in (None, *ACTIVATIONS):
        raise unknown_name("activation", activation, ACTIVATIONS)
    if cell not in (None, "lstm", "rnn"):
        raise unknown_name("kind of cell", cell, ("lstm", "rnn"))
    try:
        re.compile(ignore or "")
    except re.error as error:
        raise UnrolledError(f"--ignore is {ignore!r}, which is no regular expression: {error}") from error


Reading = tuple[list[str], Layers, Chains]  # the names that are left, and where the others went


def _likeliest(found: list[Reading], original: dict[str, str], graph: Graph | None) -> Reading:
    """The reading that leaves least and mixes fewest kinds of cells; two such are an error."""

    def rank(reading: Reading) -> tuple[int, int]:
        return len(reading[0]), len({cell.kind for cell in reading[1].forward})

    def agrees_in_kinds(reading: Reading) -> bool:
        if graph is None:
            return True
        lstms = graph.forget_biases
        return all((original[cell.kernel] in lstms) == (cell.kind == "lstm") for cell in reading[1].forward)

    best = [reading for reading in found if rank(reading) == min(map(rank, found))]
    best = [reading for reading in best if agrees_in_kinds(reading)] or best
    if len(best) > 1:
        cells = best[0][1].forward
        raise UnrolledError(
            f"{original[cells[0].kernel]} {list(cells[0].variables['kernel'].shape)} can be of "
            + " or ".join(
                f"{layers.forward[0].kind.upper()} {layers.forward[0].width}" for _, layers, _ in best
            )
            + ": say which with --cell"
        )
    return best[0]
