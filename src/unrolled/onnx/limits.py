"""How much a model may compute and hold while it runs: its file may be a stranger's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.onnx.registry import Node

MOST_NUMBERS = 2**26  # at a time, of what nodes make: 256 MiB
MOST_WORK = 2**33  # products and sums of all nodes: some seconds
OF_A_NODE = 2**17  # in a loop, which may call it again and again
# Besides, for each number that is fed, of which nobody feeds more than are meant.
NUMBERS_FOR_EACH, WORK_FOR_EACH = 2**12, 2**23
EACH = 64  # products that take as long as to read and write a number


class Limits:
    """What the nodes of a model may still do.

    Args:
        fed: how many numbers the model is fed.
    """

    def __init__(self, fed: int) -> None:
        self._most_numbers = MOST_NUMBERS + NUMBERS_FOR_EACH * fed
        self._most_work = MOST_WORK + WORK_FOR_EACH * fed
        self._held: dict[str, int] = {}
        self._numbers = self._work = 0

    def check(self, node: Node, given: Sequence[Tensor | None], weights: int = 0) -> None:
        """Raise an UnrolledError if a node would make too much of what it is given.

        Args:
            node: before it is computed.
            given: its inputs.
            weights: of a recurrent layer, how many it has.
        """
        numbers, work = _outcome(node, [value for value in given if value is not None], weights)
        if self._numbers + numbers > self._most_numbers:
            raise UnrolledError(f"it would hold more than {self._most_numbers:,} numbers at a time")
        self._spend(work + EACH * numbers)

    def turn(self, nodes: int) -> None:
        """Raise an UnrolledError if a loop of so many nodes may not turn once more."""
        self._spend(OF_A_NODE * (1 + nodes))

    def _spend(self, work: int) -> None:
        self._work += work
        if self._work > self._most_work:
            raise UnrolledError(f"it would compute more than {self._most_work:,} products")

    def hold(self, names: Iterable[str], values: Iterable[Tensor]) -> None:
        """Values are there now."""
        for name, value in zip(names, values, strict=False):
            self._held[name] = value.numel()
            self._numbers += self._held[name]

    def free(self, name: str) -> None:
        """A value is not needed any more."""
        self._numbers -= self._held.pop(name, 0)


def _outcome(node: Node, given: Sequence[Tensor], weights: int) -> tuple[int, int]:
    """Upper bounds of how many numbers a node makes, and of how many products, without computing it."""
    shapes = [value.shape for value in given]
    most = max((value.numel() for value in given), default=0)
    if len(given) < 2:
        return most, 0
    if node.op in ("LSTM", "GRU", "RNN") and shapes and len(shapes[0]) == 3:
        steps = shapes[0][0] * shapes[0][1]
        weights = weights or sum(value.numel() for value in given[1:])
        return steps * 2 * math.isqrt(weights), steps * weights
    if node.op == "Gemm" and len(shapes) > 1 and len(shapes[0]) == len(shapes[1]) == 2:
        rows, inner = shapes[0] if not node.get("transA", 0) else shapes[0][::-1]
        columns = shapes[1][0 if node.get("transB", 0) else 1]
        return rows * columns, rows * inner * columns
    if node.op == "MatMul" and len(shapes) > 1 and shapes[0] and shapes[1]:
        numbers = _product(shapes[0], shapes[1])
        return numbers, numbers * shapes[0][-1]
    if node.op == "Einsum":
        letters = node.get("equation", "").partition("->")[0].replace(" ", "").split(",")
        sizes = {letter: size for term, shape in zip(letters, shapes, strict=False)
                 for letter, size in zip(term, shape, strict=False)}  # fmt: skip
        work = math.prod(sizes.values())
        return work, work
    if node.op == "Conv" and len(shapes) > 1:
        around = sum(abs(pad) for pad in node.get("pads") or [])
        around += max(shapes[1], default=0) * max(map(abs, node.get("dilations") or [1]), default=1)
        places = math.prod(size + around for size in shapes[0][2:])
        channels = max(shapes[0][1], shapes[1][0]) if len(shapes[0]) > 1 else 1
        return shapes[0][0] * places * channels, shapes[0][0] * places * shapes[1].numel()
    if node.op == "Concat":
        return sum(value.numel() for value in given), 0
    try:
        return max(most, math.prod(torch.broadcast_shapes(*shapes))), 0
    except RuntimeError:  # they are no partners, and each is something else
        return most, 0


def _product(a: torch.Size, b: torch.Size) -> int:
    """How many numbers a matrix product has."""
    rows, columns = a[-2] if len(a) > 1 else 1, b[-1] if len(b) > 1 else 1
    try:
        batches = math.prod(torch.broadcast_shapes(a[:-2], b[:-2]))
    except RuntimeError:  # which torch will refuse
        batches = 1
    return int(batches * rows * columns)
