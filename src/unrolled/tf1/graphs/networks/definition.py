"""What a checkpoint's graph (its .meta file) knows that its variables do not.

A forget bias, an activation, a clip and the way from one dense layer to the next stand in no variable. The
graph has them, as nodes whose names changed from version to version and whose connections did not: everything
here is read from the connections.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unrolled.errors import UnrolledError
from unrolled.foreign import read_foreign
from unrolled.tf1.checkpoints.dtypes import BFLOAT16, NUMPY_TYPES, read_shape, to_array
from unrolled.tf1.checkpoints.saved_slices import read_values
from unrolled.tf1.checkpoints.wire import DamagedError, Message

VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}
# What a weight may pass between its variable and the product: the first of the inputs goes on.
PASSES = {
    "Identity",
    "Enter",
    "RefEnter",
    "Switch",
    "RefSwitch",
    "ReadVariableOp",
    "Cast",
    "Reshape",
    "Transpose",
    "Tile",
    "ExpandDims",
    "ConcatV2",
    "Squeeze",
}
PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"}
SUMS = {"Add", "AddV2", "BiasAdd"}
ACTIVATIONS = {
    "Tanh": "tanh",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Softsign": "softsign",
    "Elu": "elu",
    "Selu": "selu",
    "Relu6": "relu6",
    "LeakyRelu": "leaky_relu",
    "Softplus": "softplus",
}
FUSED_LSTMS = {
    "LSTMBlockCell": 3,
    "LSTMBlockCellV2": 3,
    "BlockLSTM": 4,
    "BlockLSTMV2": 4,
}  # where their kernel is

PLACEHOLDERS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
LOOKUPS = {"Gather", "GatherV2", "ResourceGather"}
# Of these attributes are asked for here.
WITH_ATTRIBUTES = {"Const", "While", "StatelessWhile", *VARIABLES, *FUSED_LSTMS, *PLACEHOLDERS}

MOST_BYTES, MOST_IN_ALL = 1 << 28, 200_000  # of a file, and nodes in it
MOST_IN_A_ROW = 4  # numbers that may be sizes
MOST_NODES = 2000  # between a value and the products that it is made of
MOST_STEPS = 200_000  # from node to node, for all that is asked: honest graphs take a hundredth


class Node(NamedTuple):
    """An operation: its inputs are pairs of a node's name and which of its outputs.

    Attributes are kept of the ops in `WITH_ATTRIBUTES`.
    """

    name: str
    op: str
    inputs: list[tuple[str, int]]
    attributes: dict[str, Message]


class Behind(NamedTuple):
    """What stands before a value, up to the products that made it: their weights, and the ops between."""

    weights: frozenset[str]
    products: frozenset[str]
    ops: Counter[str]


class Graph:
    """The nodes of a graph, without those of its gradients.

    Args:
        definition: a GraphDef.
    """

    def __init__(self, definition: Message) -> None:
        messages = definition.all_bytes(1)
        if len(messages) > MOST_IN_ALL:
            raise DamagedError(f"its graph has {len(messages)} nodes, expected at most {MOST_IN_ALL}")
        self.nodes = {node.name: node for node in map(_read_node, map(Message, messages))}
        self.nodes = {name: node for name, node in self.nodes.items() if not _of_gradients(name)}
        functions = {f.message(1).text(1): f for f in definition.message(2).messages(1)}
        for loop in list(self.ops("While", "StatelessWhile")):
            body = loop.attributes["body"].message(10).text(1) if "body" in loop.attributes else ""
            if body in functions:
                self._unfold(loop, functions.pop(body))
        self._behind: dict[tuple[str, ...], Behind] = {}
        self._steps = 0
        self._saved_as: dict[str, str] = {}
        for node in self.ops("SaveV2", "SaveSlices", "Save"):
            constant = self.nodes.get(node.inputs[1][0]) if len(node.inputs) > 1 else None
            if constant is not None and "value" in constant.attributes:
                names = constant.attributes["value"].message(8).texts(8)
                for name, (tensor, _) in zip(names, node.inputs[-len(names) :], strict=False):
                    self._saved_as[self.variable(tensor) or ""] = name

    @classmethod
    def read(cls, path: Path) -> Graph:
        """The graph of a .meta file.

        Raises:
            UnrolledError: the file is damaged.
        """
        try:
            return cls(Message(read_foreign(path, MOST_BYTES)).message(2))
        except DamagedError as error:
            raise UnrolledError(f"{path} is damaged: {error}") from error

    def _unfold(self, loop: Node, body: Message) -> None:
        """Put the body of a loop, which later versions keep as a function, into the graph, as of old."""

        def inside(node: Node) -> Node:
            inputs = [(f"{loop.name}/{name}", output) for name, output in node.inputs]
            return node._replace(name=f"{loop.name}/{node.name}", inputs=inputs)

        nodes = [inside(_read_node(message)) for message in body.messages(3)]
        for argument, value in zip(body.message(1).messages(2), loop.inputs, strict=False):
            nodes.append(Node(f"{loop.name}/{argument.text(1)}", "Enter", [value], {}))
        results = [(f"{loop.name}/{entry.text(2).partition(':')[0]}", 0) for entry in body.messages(4)]
        self.nodes |= {node.name: node for node in nodes}
        self.nodes[loop.name] = loop._replace(inputs=[*loop.inputs, *results])

    def ops(self, *ops: str) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node.op in ops)

    def constant(self, name: str) -> float | None:
        """The value of a constant of one number, None for every other node."""
        for _ in range(10):
            node = self.nodes.get(name)
            if node is None:
                return None
            if node.op == "Const":
                return _value(node)
            if node.op not in ("Identity", "Enter", "Cast") or not node.inputs:
                return None
            name = node.inputs[0][0]
        return None

    def whole_numbers(self, node: Node) -> tuple[int, ...]:
        """The whole numbers of a constant that may be sizes: one, or a few in a row."""
        found = _numbers(node, most=MOST_IN_A_ROW) if node.op == "Const" else None
        return () if found is None or found.dtype.kind != "i" else tuple(found.reshape(-1).tolist())

    def variable(self, name: str) -> str | None:
        """The variable whose value a node is, perhaps passed into a loop, by its name in the checkpoint."""
        for _ in range(20):
            node = self.nodes.get(name)
            if node is None:
                return None
            if node.op in VARIABLES:
                shared = node.attributes.get("shared_name")
                own = re.sub(r"/part_\d+$", "", (shared.text(2) if shared else "") or node.name)
                return self._saved_as.get(own, own)
            if not node.inputs or node.op not in PASSES | {"Concat"}:
                return None
            name = node.inputs[1 if node.op == "Concat" and len(node.inputs) > 1 else 0][0]
        return None

    def weight(self, product: Node) -> str | None:
        """The variable that a product multiplies with."""
        return self.variable(product.inputs[1][0]) if len(product.inputs) > 1 else None

    @cached_property
    def _products(self) -> dict[str, list[Node]]:
        """The products with each variable."""
        found: dict[str, list[Node]] = {}
        for product in self.ops(*PRODUCTS):
            if (weight := self.weight(product)) is not None:
                found.setdefault(weight, []).append(product)
        return found

    def products(self, weight: str) -> list[Node]:
        """The products with a variable."""
        return self._products.get(weight, [])

    def before(self, name: str, end: str = "") -> list[Node]:
        """A node and all that it depends on, but for what only `end` depends on."""
        waiting, seen = [name], {name}
        found = []
        while waiting:
            node = self.nodes.get(waiting.pop())
            if node is None:
                continue
            found.append(node)
            for other, _ in node.inputs if node.name != end else []:
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return found

    def behind(self, *names: str) -> Behind:
        """Go back from the nodes of these names to the nearest products with a variable."""
        if names not in self._behind:
            if self._steps > MOST_STEPS:
                raise UnrolledError("the graph is too tangled to be followed: remove its .meta file")
            self._behind[names] = self._go_back(names)
        return self._behind[names]

    def _go_back(self, names: tuple[str, ...]) -> Behind:
        weights, products, ops = set(), set(), Counter[str]()
        waiting, seen = list(names), set(names)
        while waiting and len(seen) < MOST_NODES:
            self._steps += 1
            node = self.nodes.get(waiting.pop())
            if node is None:
                continue
            place = FUSED_LSTMS.get(node.op, 1)
            weight = None
            if node.op in PRODUCTS or node.op in FUSED_LSTMS:
                weight = self.variable(node.inputs[place][0]) if len(node.inputs) > place else None
            if weight is not None:
                weights.add(weight)
                products.add(node.name)
                continue
            ops[node.op] += 1
            for before, _ in node.inputs:
                if before not in seen:
                    seen.add(before)
                    waiting.append(before)
        return Behind(frozenset(weights), frozenset(products), ops)

    @cached_property
    def forget_biases(self) -> dict[str, float]:
        """For each LSTM's kernel what is added inside the sigmoid of the forget gate."""
        biases = {}
        for node in self.ops("Sigmoid"):
            for constant, others in self._sums_with_constants(node):
                for weight in self.behind(*others).weights:
                    biases[weight] = constant
        for node in self.ops(*FUSED_LSTMS):
            place = FUSED_LSTMS[node.op]
            kernel = self.variable(node.inputs[place][0]) if len(node.inputs) > place else None
            if kernel is not None:
                attribute = node.attributes.get("forget_bias")
                biases[kernel] = float(str(np.float32(attribute.float32(4, 1.0)))) if attribute else 1.0
        return biases

    def _sums_with_constants(self, node: Node) -> Iterator[tuple[float, list[str]]]:
        waiting = [name for name, _ in node.inputs]
        for _ in range(4):  # the forget bias, a peephole, a bias
            names, waiting = waiting, []
            for name in names:
                sum_ = self.nodes.get(name)
                if sum_ is None or sum_.op not in SUMS:
                    continue
                operands = [operand for operand, _ in sum_.inputs[:2]]
                constants = [self.constant(operand) for operand in operands]
                for constant, operand in zip(constants, operands, strict=True):
                    if constant is not None:
                        yield constant, [other for other in operands if other != operand]
                    else:
                        waiting.append(operand)

    @cached_property
    def activations(self) -> dict[str, str]:
        """For each cell's kernel the op that makes its new values, as TensorFlow names it."""
        found = {}
        for node in self.ops(*ACTIVATIONS):
            before = self.nodes.get(node.inputs[0][0]) if node.inputs else None
            if before is None or (before.op, node.inputs[0][1]) != ("Split", 1):
                continue  # an LSTM's gates are i, j, f, o, and j is output 1 of its split
            for kernel in self.behind(before.name).weights:
                found[kernel] = node.op
        for node in self.ops(*ACTIVATIONS):
            before = self.nodes.get(node.inputs[0][0]) if node.inputs else None
            if before is not None and before.op in SUMS and before.inputs:
                product = self.nodes.get(before.inputs[0][0])
                if product is not None and product.op in PRODUCTS and (weight := self.weight(product)):
                    found.setdefault(weight, node.op)
        return found

    @cached_property
    def clips(self) -> dict[str, float]:
        """The bound of the clip that follows a product with a variable."""
        bounds = {}
        for node in self.ops(*FUSED_LSTMS):
            place = FUSED_LSTMS[node.op]
            kernel = self.variable(node.inputs[place][0]) if len(node.inputs) > place else None
            clip = node.attributes.get("cell_clip")
            # What is not said is TensorFlow's default for that operation.
            fused = clip.float32(4, 0.0) if clip else 0.0 if node.op.endswith("V2") else 3.0
            if kernel is not None and fused > 0:
                bounds[kernel] = float(str(np.float32(fused)))
        for node in self.ops("ClipByValue", "Minimum"):
            bound = self.constant(node.inputs[-1][0]) if len(node.inputs) > 1 else None
            if bound is not None and bound > 0:
                for weight in self.behind(node.inputs[0][0]).weights:
                    bounds[weight] = bound
        return bounds

    @cached_property
    def embeddings(self) -> set[str]:
        """The variables of which rows are looked up."""
        found = (self.variable(node.inputs[0][0]) for node in self.ops(*LOOKUPS) if node.inputs)
        return {name for name in found if name is not None}

    def inputs_of(self, weight: str) -> Behind | None:
        """What the products with a variable multiply it with; None if there is no such product."""
        data = [product.inputs[0][0] for product in self._products.get(weight, [])]
        return self.behind(*data) if data else None

    def inputs_of_cell(self, kernel: str) -> Behind | None:
        """As `inputs_of`, for a cell's joint kernel, of x alone: the product's data are [x, h].

        Where one cell stands in several layers, of the lowest.
        """
        behind = []
        for product in self._products.get(kernel, []):
            data = self.nodes.get(product.inputs[0][0])
            if data is not None and data.op in ("Concat", "ConcatV2") and len(data.inputs) > 2:
                x = data.inputs[1 if data.op == "Concat" else 0][0]
                if kernel not in self.behind(x).weights:
                    behind.append(x)
        return self.behind(*behind) if behind else None

    def in_a_loop(self, weight: str) -> bool | None:
        """Whether a variable is used in a loop (dynamic) or in copies (static); None if it is not used."""
        if weight not in self._products:
            return None
        name = self._products[weight][0].inputs[1][0]
        while (node := self.nodes.get(name)) is not None and node.op in PASSES:
            if node.op in ("Enter", "RefEnter"):
                return True
            name = node.inputs[0][0]
        return False

    def reads_first_step(self, weight: str, kernel: str) -> bool | None:
        """Whether `weight` sees a static unrolling's step with `kernel` that came straight from zeros."""
        behind = self.inputs_of(weight)
        if behind is None:
            return None
        steps = [self.nodes[name] for name in behind.products if self.weight(self.nodes[name]) == kernel]
        if not steps:
            return None
        return not any(kernel in self.behind(step.inputs[0][0]).weights for step in steps)


def _of_gradients(name: str) -> bool:
    return re.search(r"(?:^|/)gradients(?:_\d+)?/", name) is not None


def _read_node(message: Message) -> Node:
    inputs = []
    for text in message.texts(3):
        name, *rest = text.split(":")
        if not name.startswith("^"):
            inputs.append((name, int(rest[-1][:9]) if rest and rest[-1].isdigit() else 0))
    op = message.text(2)
    entries = message.messages(5) if op in WITH_ATTRIBUTES else []
    return Node(message.text(1), op, inputs, {entry.text(1): entry.message(2) for entry in entries})


def _value(node: Node) -> float | None:
    value = _numbers(node, most=0)
    if value is None or value.ndim:
        return None
    return float(str(value)) if value.dtype.kind == "f" else float(np.real(value))  # 0.8, not 0.80000001


def _numbers(node: Node, most: int) -> np.ndarray | None:
    """The numbers of a constant: one, or so many in a row; None for every other."""
    tensor = node.attributes["value"].message(8) if "value" in node.attributes else Message(b"")
    dtype = tensor.integer(1)
    if dtype not in NUMPY_TYPES and dtype != BFLOAT16:
        return None
    try:
        shape = read_shape(tensor.message(2))
        if len(shape) > 1 or shape > (most,):
            return None
        raw = tensor.all_bytes(4)
        return to_array(dtype, raw[-1], shape) if raw else read_values(tensor, dtype, shape)
    except DamagedError as error:
        raise DamagedError(f"the graph's constant {node.name} is damaged: {error}") from error
