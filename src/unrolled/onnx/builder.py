"""A graph of ONNX's operators as it is written: nodes, constants, and names that a person can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from unrolled.onnx.require import require

OPSET = 18
IR_VERSION = 8  # what opset 18 came with

Dim = int | str


def under(place: str, name: str) -> str:
    """A name at a place in the network: layer1/weights; where there is one place alone, just the name."""
    return f"{place}/{name}" if place else name


class LSTMNames(NamedTuple):
    """The names of the two parts of an LSTM's state, where a cell has an `LSTMState`."""

    h: str
    c: str


class Builder:
    """Collects the nodes of a graph, in the order in which they compute.

    Values are known by their names. A constant that is there already is not written a second time.

    Args:
        half: whether numbers are of 16 bits and not of 32.
    """

    def __init__(self, half: bool = False) -> None:
        self._helper = require("onnx.helper")
        types = require("onnx").TensorProto
        self._types = {
            "float": types.FLOAT16 if half else types.FLOAT,
            "single": types.FLOAT,
            "int32": types.INT32,
            "int64": types.INT64,
            "bool": types.BOOL,
        }
        self.half = half
        self._float = np.float16 if half else np.float32
        self._nodes: list[Any] = []
        self._initializers: dict[tuple[Any, ...], Any] = {}
        self._taken: set[str] = set()

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        """A node with one output; returns the output's name, which is also the node's."""
        (output,) = self.add_many(operator, *inputs, names=[name], **attributes)
        return output

    def add_many(self, operator: str, *inputs: str, names: Sequence[str], **attributes: Any) -> list[str]:
        """A node with an output for each of `names`; "" leaves one out."""
        outputs = [self._unused(name) if name else "" for name in names]
        node = self._helper.make_node(operator, list(inputs), outputs, name=outputs[0], **attributes)
        self._nodes.append(node)
        return outputs

    def weight(self, name: str, values: Tensor | np.ndarray[Any, Any] | float | list[float]) -> str:
        """A constant of floating-point numbers."""
        array = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else np.asarray(values)
        return self._constant(name, np.ascontiguousarray(array.astype(self._float)))

    def single(self, name: str, value: float) -> str:
        """A constant of 32 bits whatever the graph's numbers are."""
        return self._constant(name, np.asarray(value, np.float32))

    def ints(self, *values: int) -> str:
        """A constant [len(values)] of whole numbers, such as axes and shapes."""
        return self._constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def int(self, value: int) -> str:
        """A whole number as a constant without axes."""
        return self._constant(f"int_{value}", np.array(value, np.int64))

    def _constant(self, name: str, array: np.ndarray[Any, Any]) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._initializers:
            tensor = require("onnx.numpy_helper").from_array(array, self._unused(name))
            self._initializers[key] = tensor
        return str(self._initializers[key].name)

    @property
    def constants(self) -> list[Any]:
        """Every constant that there is, as TensorProto."""
        return list(self._initializers.values())

    def value(self, name: str, shape: Sequence[Dim], kind: str = "float") -> Any:
        """What is known of an input or an output."""
        return self._helper.make_tensor_value_info(name, self._types[kind], list(shape))

    def reserve(self, name: str) -> str:
        """Keep a name for an input or an output of the graph."""
        assert name not in self._taken
        self._taken.add(name)
        return name

    def called(self, value: str, name: str) -> str:
        """The value under another, reserved name: that of an output of the graph."""
        self._nodes.append(
            self._helper.make_node("Identity", [value], [name], name=self._unused(f"to_{name}"))
        )
        return name

    def cast(self, value: str, kind: str, name: str) -> str:
        """The value as another type."""
        return self.add("Cast", value, name=name, to=self._types[kind])

    @contextmanager
    def body(self) -> Iterator[list[Any]]:
        """Nodes that are added inside go into the list, for a sub-graph; constants stay outside."""
        outer, self._nodes = self._nodes, []
        try:
            yield self._nodes
        finally:
            self._nodes = outer

    def graph(self, name: str, nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> Any:
        """A sub-graph."""
        return self._helper.make_graph(nodes, name, inputs, outputs)

    def model(self, name: str, inputs: list[Any], outputs: list[Any], text: str) -> Any:
        """The whole, as a ModelProto."""
        from unrolled import __version__

        graph = self._helper.make_graph(self._nodes, name, inputs, outputs, self.constants, doc_string=text)
        return self._helper.make_model(
            graph,
            opset_imports=[self._helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="unrolled",
            producer_version=__version__,
        )

    def _unused(self, name: str) -> str:
        unused, number = name, 2
        while unused in self._taken:
            unused, number = f"{name}_{number}", number + 1
        self._taken.add(unused)
        return unused
