"""What a network's names and shapes leave open: options of cells, activations, what the classifier sees."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig
from unrolled.networks.config import CELL_OPTIONS
from unrolled.tf1.graphs.networks.definition import ACTIVATIONS, Graph
from unrolled.tf1.graphs.networks.dense_layers import Chains
from unrolled.tf1.graphs.networks.found_model import FoundModel
from unrolled.tf1.graphs.networks.recognition import FoundCell, Layers


class Interpretation:
    """What the graph and the caller add to layers and dense layers, with notes of what is only assumed."""

    def __init__(
        self,
        layers: Layers,
        dense: Chains,
        not_used: list[str],
        graph: Graph | None,
        original: dict[str, str],
    ) -> None:
        self.layers, self.dense, self.graph, self.original = layers, dense, graph, original
        self.notes: list[str] = []
        self.doubt: str | None = None
        if graph is None:
            self.notes.append("no graph: the cells are taken to have TensorFlow's activations, and no clips")
            self._note_what_may_be_shared()
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
            for layer, following in itertools.pairwise(after)
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
        return FoundModel(self.layers, self.dense, config, asks, self.notes, self.original, self.doubt)

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
        if "forget_bias" in cell.options:  # Keras' and cuDNN's have their gates in another order
            return {}
        options: dict[str, Any] = {}
        kernel = self.original[cell.kernel]
        candidate = self.original.get(f"{cell.home}/candidate/kernel", kernel)
        op = graph.activations.get(candidate, "Tanh")
        if op != "Tanh":
            if cell.kind == "gru" or (cell.kind == "rnn" and op != "Relu"):
                raise UnrolledError(
                    f"{cell.home} has the activation {op}, which this library's cell does not have"
                )
            options["activation" if cell.kind == "lstm" else "nonlinearity"] = ACTIVATIONS[op]
        if cell.kind == "lstm":
            clips = graph.clips
            projection = self.original.get(f"{cell.home}/projection/kernel", "")
            found = {
                "forget_bias": graph.forget_biases.get(kernel),
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
        ops = behind.ops.keys() & ACTIVATIONS
        if len(ops) > 1:
            raise UnrolledError(
                f"after {self.original[layer]} the graph has {', '.join(sorted(ops))}: no run can hold that"
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
                "two directions: the classifier is taken to see both beside the last step, as in tutorials; "
                "--read final for what each direction knows at its end"
            )
            return "last"
        if self._unroll() == "static":
            early = self.graph.reads_first_step(first, self.original[self.layers.top[1].kernel])  # type: ignore[union-attr]
            return "final" if early is False else "last"
        return (
            "last"
            if any(op.startswith(("TensorArrayGather", "TensorListStack")) for op in behind.ops)
            else "final"
        )

    def _note_what_may_be_shared(self) -> None:
        """One cell in a stack's first place, as wide as its input: `MultiRNNCell([cell] * n)` looks so."""
        (cell, *others) = self.layers.forward
        if not others and "cell_0" in cell.path and cell.input_size == cell.output_size:
            self.notes.append(
                f"{self.original[cell.kernel]} may have been shared by several layers: nothing says so, "
                "and it is taken as one"
            )

    def _note_what_the_graph_adds(self) -> None:
        if self.graph is None or not self.dense.after:
            return
        last = self.original[self.dense.after[-1].name]
        first = self.graph.inputs_of(self.original[self.dense.after[0].name])
        if first is not None and "Mean" in first.ops:
            self.doubt = "the graph has a mean before the output layer"
        for node in self.graph.ops(*ACTIVATIONS):
            if self.graph.behind(node.name).weights == {last}:
                self.notes.append(f"the graph applies {node.op} to the output: here it ends before that")
                break
