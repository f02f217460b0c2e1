"""Finding a recurrent network in a TensorFlow checkpoint."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.networks.config import CELL_OPTIONS
from unrolled.tf1 import gate_layout
from unrolled.tf1.dense_layers import MOST, Chains, agrees, chains, pair
from unrolled.tf1.eras import join_shards, modern
from unrolled.tf1.graph import ACTIVATIONS, UNKNOWN_ACTIVATIONS, Graph
from unrolled.tf1.recognition import FoundCell, Layers, arrange, find_cells
from unrolled.tf1.slots import network_variables


@dataclasses.dataclass(frozen=True)
class FoundModel:
    """A network that a checkpoint holds.

    Attributes:
        layers: the recurrent layers.
        dense: the dense layers before and after them, the last of which is the classifier.
        config: the network as data. Its forget biases are TensorFlow's default of 1 where nothing says more.
        asks_forget_bias: whether it has LSTMs whose forget bias nothing says.
        notes: what had to be assumed, and what a run folder cannot hold.
        not_used: the variables that are no part of the network.
    """

    layers: Layers
    dense: Chains
    config: NetworkConfig
    asks_forget_bias: bool
    notes: list[str]
    not_used: list[str]

    def network(self) -> SequenceClassifier:
        """The network with the checkpoint's weights, in evaluation mode."""
        network = SequenceClassifier(self.config)
        places = {"cell.cells": self.layers.forward}
        if self.layers.backward:
            places = {"forward_cells": self.layers.forward, "backward_cells": self.layers.backward}
        weights: dict[str, Tensor] = {}
        for place, cells in places.items():
            for number, found in enumerate(cells):
                cell = network.get_submodule(f"{place}.{number}")
                named = gate_layout.parameters(cell, found.variables)  # type: ignore[arg-type]
                weights |= {f"{place}.{number}.{name}": weight for name, weight in named.items()}
        for place, dense in (("input_layers", self.dense.before), ("output_layers", self.dense.after[:-1])):
            for number, layer in enumerate(dense):  # an activation follows each
                weights |= _linear(f"{place}.{2 * number}", layer.kernel, layer.bias)
        if self.dense.after:
            weights |= _linear("classifier", self.dense.after[-1].kernel, self.dense.after[-1].bias)
        else:
            size = self.config.classes
            weights |= _linear("classifier", np.eye(size, dtype="f4"), np.zeros(size, "f4"))
        network.load_state_dict(weights)
        return network.eval()

    def describe(self) -> list[str]:
        """What was found, a line for each part in the order in which data pass them."""
        cells = [
            cell.describe()
            for pair in zip(self.layers.forward, self.layers.backward, strict=False)
            for cell in pair
        ] or [cell.describe() for cell in self.layers.forward]
        before = [layer.describe() for layer in self.dense.before]
        return [*before, *cells, *(layer.describe() for layer in self.dense.after)]


def _linear(place: str, kernel: ndarray, bias: ndarray) -> dict[str, Tensor]:
    return {
        f"{place}.weight": torch.from_numpy(kernel.T.copy()),
        f"{place}.bias": torch.from_numpy(bias.copy()),
    }


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
    own = network_variables(join_shards(variables))
    own = {
        key: value
        for key, value in own.items()
        if key.startswith(scope) and not re.fullmatch(ignore or "", key)
    }
    original = {modern(key): key for key in own}
    named = {new: own[old] for new, old in original.items()}
    layers, way, left = _choose(named, original, graph, cell)
    return _Finding(layers, way, left, graph, original).model(name, options or {}, activation, read)


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
    found: list[tuple[list[str], Layers, Chains]] = []
    for cells in readings:
        layers = arrange(cells)
        if layers is None:
            continue
        inside = {f"{cell.home}/{local}" for cell in cells for local in cell.variables}
        dense, left = pair({key: value for key, value in named.items() if key not in inside})
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
            + "; ".join(cell.describe() for cell in readings[0])
            + ". If they are several networks, take one of them with --scope; two directions must be alike"
        )
    found.sort(key=lambda reading: len(reading[0]))
    left, layers, way = found[0]
    alike = [other for other in found if len(other[0]) == len(left)]
    kinds = sorted({cells.forward[0].kind for _, cells, _ in alike})
    if len(kinds) > 1:
        raise UnrolledError(
            f"{layers.forward[0].home} has a kernel of {list(layers.forward[0].variables['kernel'].shape)}, which "
            f"fits {' and '.join(kinds)}: say which with --cell"
        )
    matrices = [original[key] for key in left if named[key].ndim > 1]
    if matrices:
        raise UnrolledError(
            f"{', '.join(matrices)} {'has' if len(matrices) == 1 else 'have'} no place among "
            + "; ".join(
                [cell.describe() for cell in layers.forward] + [layer.describe() for layer in way.all]
            )
            + ": if it is no part of the network, leave it out with --ignore"
        )
    return layers, way, [original[key] for key in left]


class _Finding:
    """What the graph and the caller add to layers and dense layers, with notes of what is only assumed."""

    def __init__(
        self,
        layers: Layers,
        dense: Chains,
        not_used: list[str],
        graph: Graph | None,
        original: dict[str, str],
    ) -> None:
        self.layers, self.dense, self.not_used, self.graph, self.original = (
            layers,
            dense,
            not_used,
            graph,
            original,
        )
        self.notes: list[str] = []
        if graph is None:
            self.notes.append("no graph: the cells are taken to have TensorFlow's activations, and no clips")
        if not_used:
            self.notes.append(f"not used: {', '.join(not_used)}")

    def model(
        self, name: str, options: Mapping[str, Any], activation: str | None, read: str | None
    ) -> FoundModel:
        cells = [(cell.kind, cell.width, self._options(cell, options)) for cell in self.layers.forward]
        asks = any(kind == "lstm" and "forget_bias" not in known for kind, _, known in cells)
        after, before = self.dense.after, self.dense.before
        if not after:
            self.notes.append(
                "no output layer was found: the network's answer is what its last layer gives "
                "(a classifier that changes nothing stands there)"
            )
        input_layers = tuple(
            (layer.kernel.shape[1], self._activation_after(layer.name, following, activation))
            for layer, following in zip(before, [*(layer.name for layer in before[1:]), None], strict=False)
        )
        output_layers = tuple(
            (layer.kernel.shape[1], self._activation_after(layer.name, following.name, activation))
            for layer, following in zip(after[:-1], after[1:], strict=True)
        )
        self._note_what_the_graph_adds()
        config = NetworkConfig(
            name,
            tuple((kind, width, known) if known else (kind, width) for kind, width, known in cells),
            unroll=self._unroll(),
            direction=self.layers.direction,
            read=self._read(read),
            input_size=before[0].kernel.shape[0] if before else self.layers.forward[0].input_size,
            classes=after[-1].kernel.shape[1] if after else self.layers.feature_size,
            input_layers=input_layers,
            output_layers=output_layers,
        )
        return FoundModel(self.layers, self.dense, config, asks, self.notes, self.not_used)

    def _options(self, cell: FoundCell, given: Mapping[str, Any]) -> dict[str, Any]:
        """A cell's options: what its shapes say, then the graph, then the caller."""
        known = CELL_OPTIONS[cell.kind]
        from_graph = self._options_of_graph(cell, self.graph) if self.graph is not None else {}
        return {
            **cell.options,
            **from_graph,
            **{name: value for name, value in given.items() if name in known},
        }

    def _options_of_graph(self, cell: FoundCell, graph: Graph) -> dict[str, Any]:
        options: dict[str, Any] = {}
        kernel = self.original[cell.kernel]
        candidate = self.original[f"{cell.home}/candidate/kernel"] if cell.kind == "gru" else kernel
        op = graph.activations().get(candidate, "Tanh")
        if op != "Tanh":
            if op not in ACTIVATIONS or cell.kind == "gru" or (cell.kind == "rnn" and op != "Relu"):
                raise UnrolledError(
                    f"{cell.home} has the activation {op}, which this library's cell does not have"
                )
            options["activation" if cell.kind == "lstm" else "nonlinearity"] = ACTIVATIONS[op]
        if cell.kind == "lstm":
            forget_bias = graph.forget_biases().get(kernel, graph.only_forget_bias())
            clips = graph.clips()
            projection = self.original.get(f"{cell.home}/projection/kernel", "")
            found = {
                "forget_bias": forget_bias,
                "cell_clip": clips.get(kernel),
                "proj_clip": clips.get(projection),
            }
            options |= {name: value for name, value in found.items() if value is not None}
        return options

    def _activation_after(self, layer: str, following: str | None, given: str | None) -> str:
        """What stands between a dense layer and the next, or the cells."""
        if given is not None:
            return given
        behind = None
        if self.graph is not None:
            if following is None:
                behind = self.graph.inputs_of_cell(self.original[self.layers.forward[0].kernel])
            else:
                behind = self.graph.inputs_of(self.original[following])
        if behind is None:
            self.notes.append(
                f"nothing says what stands after {self.original[layer]}: taken as linear (--activation)"
            )
            return "identity"
        ops = {op for op in behind.ops if op in ACTIVATIONS or op in UNKNOWN_ACTIVATIONS}
        if len(ops) > 1 or ops & UNKNOWN_ACTIVATIONS or "Softsign" in ops:
            raise UnrolledError(
                f"after {self.original[layer]} the graph has {', '.join(sorted(ops))}, which a run cannot hold"
            )
        return ACTIVATIONS[ops.pop()] if ops else "identity"

    def _unroll(self) -> str:
        if self.graph is None:
            return "dynamic"
        return (
            "static"
            if self.graph.in_a_loop(self.original[self.layers.forward[0].kernel]) is False
            else "dynamic"
        )

    def _read(self, given: str | None) -> str:
        """What the classifier sees; for one direction there is no choice."""
        if not self.layers.backward:
            return "final" if given is None else given
        if given is not None:
            return given
        behind = None
        if self.graph is not None and self.dense.after:
            first = self.original[self.dense.after[0].name]
            behind = self.graph.inputs_of(first)
        if behind is None:
            self.notes.append(
                "two directions: the classifier is taken to see both beside the last step, as the tutorials have "
                "it; --read final for what each direction knows at its end"
            )
            return "last"
        if self._unroll() == "static":
            early = self.graph.reads_first_step(first, self.original[self.layers.top[1].kernel])  # type: ignore[union-attr]
            return "final" if early is False else "last"
        return "last" if any(op.startswith("TensorArrayGather") for op in behind.ops) else "final"

    def _note_what_the_graph_adds(self) -> None:
        if self.graph is None or not self.dense.after:
            return
        last = self.original[self.dense.after[-1].name]
        first = self.graph.inputs_of(self.original[self.dense.after[0].name])
        if first is not None and "Mean" in first.ops:
            self.notes.append(
                "the graph has a mean before the output layer: a run classifies from the last step"
            )
        for node in self.graph.ops(*ACTIVATIONS, *UNKNOWN_ACTIVATIONS):
            if self.graph.behind(node.name).weights == {last}:
                self.notes.append(f"the graph applies {node.op} to the output: here it ends before that")
                break
