"""Finding a recurrent network in a TensorFlow checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy import ndarray

from unrolled.errors import UnrolledError, unknown_name
from unrolled.networks.config import ACTIVATIONS
from unrolled.tf1.dense_layers import MOST, MOST_PAIRED, NORMALISATION, Chains, agrees, chains, pair
from unrolled.tf1.eras import join_shards, modern
from unrolled.tf1.found_model import FoundModel
from unrolled.tf1.graph import Graph
from unrolled.tf1.interpretation import Interpretation
from unrolled.tf1.recognition import Layers, arrange, find_cells
from unrolled.tf1.slots import network_variables


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
    the names leave open, the shapes decide, and the graph where there is one.

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
    _check_choices(ignore, cell, activation)
    own = network_variables(join_shards(variables))
    own = {
        key: value
        for key, value in own.items()
        if key.startswith(scope) and not re.fullmatch(ignore or "", key)
    }
    original = {modern(key): key for key in own}
    named = {new: own[old] for new, old in original.items()}
    layers, way, left = _choose(named, original, graph, cell)
    return Interpretation(layers, way, left, graph, original).model(name, options or {}, activation, read)


def _choose(
    named: dict[str, ndarray], original: dict[str, str], graph: Graph | None, cell: str | None
) -> tuple[Layers, Chains, list[str]]:
    """The one reading of the variables that uses most of them."""
    readings = find_cells(named, cell)
    if not readings[0]:
        raise UnrolledError(
            "no recurrent cell was found: its variables are "
            f"{', '.join(original.values()) or 'none but counters and slots'}"
        )
    found: list[Reading] = []
    for cells in readings:
        layers = arrange(cells)
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
        dense, left = pair(outside)
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


def _check_choices(ignore: str | None, cell: str | None, activation: str | None) -> None:
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
