"""What a graph's placeholders are fed, so that it reads the same sequences as a network beside it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from unrolled.tf1.graphs.networks.definition import PLACEHOLDERS, Graph, Node

FLOATS, INTEGERS, FLAG = {1, 2, 14, 19}, {3, 9}, 10  # types as TensorFlow numbers them
USUAL = {"N": 3, "T": 5}  # where nothing fixes them


class Entrance(NamedTuple):
    """A placeholder: its tensor's name, its type as TensorFlow numbers it, its shape, -1 for a free size."""

    tensor: str
    dtype: int
    shape: tuple[int, ...] | None
    has_default: bool


class Layout(NamedTuple):
    """A way in which sequences [N, T, I] lie in a placeholder.

    Attributes:
        sizes: the sizes that are fixed.
        fixed_inside: whether one of them is by a guess, since no shape says so.
        one_hot: whether the steps are one-hot, and their whole numbers lie there.
    """

    name: str
    lay: Callable[[ndarray], ndarray]
    sizes: dict[str, int]
    fixed_inside: bool = False
    one_hot: bool = False


LAYOUTS: dict[str, Callable[[ndarray], ndarray]] = {
    "N T I": lambda x: x,
    "T N I": lambda x: x.swapaxes(0, 1),
    "N TI": lambda x: x.reshape(len(x), -1),
    "NT I": lambda x: x.reshape(-1, x.shape[2]),
    "TN I": lambda x: x.swapaxes(0, 1).reshape(-1, x.shape[2]),
    "N T I 1": lambda x: x[..., None],
}
OF_ONE_NUMBER: dict[str, Callable[[ndarray], ndarray]] = {
    "N T": lambda x: x[..., 0],
    "T N": lambda x: x[..., 0].swapaxes(0, 1),
}
OF_TOKENS: dict[str, Callable[[ndarray], ndarray]] = {
    "N T": lambda x: x,
    "T N": lambda x: x.swapaxes(0, 1),
    "N T 1": lambda x: x[..., None],
}


def entrances(
    graph: Graph,
    output: str,
    shapes: Mapping[str, tuple[int, ...] | None],
    input: tuple[str, int] | None = None,
) -> list[Entrance]:
    """The placeholders that a tensor depends on, and another tensor that is to be fed, of the type given."""
    fed = input[0].partition(":")[0] if input else ""
    found = [
        Entrance(
            f"{node.name}:0", _type(node), shapes.get(f"{node.name}:0"), node.op == "PlaceholderWithDefault"
        )
        for node in graph.before(output.partition(":")[0], fed)
        if node.op in PLACEHOLDERS
    ]
    if input is not None and all(entrance.tensor != input[0] for entrance in found):
        found.append(Entrance(*input, None, False))
    return found


def _type(node: Node) -> int:
    return node.attributes["dtype"].integer(6) if "dtype" in node.attributes else 0


def layouts(entrance: Entrance, width: int, one_hot: bool) -> Iterator[Layout]:
    """The ways in which sequences of I = `width` numbers a step, or of whole numbers below, can lie there.

    Args:
        one_hot: where whole numbers lie, the sequences are nevertheless of one-hot steps.
    """
    one_hot = one_hot and entrance.dtype in INTEGERS
    if entrance.dtype in INTEGERS:
        ways = OF_TOKENS
    elif entrance.dtype in FLOATS:
        ways = LAYOUTS | (OF_ONE_NUMBER if width == 1 else {})
    else:
        return
    for name, lay in ways.items():
        sizes = _sizes(name.split(), entrance.shape, width)
        if sizes is not None:
            yield Layout(name, partial(_of_largest, lay) if one_hot else lay, sizes, one_hot=one_hot)


def _of_largest(lay: Callable[[ndarray], ndarray], x: ndarray) -> ndarray:
    return lay(x.argmax(-1).astype("i4"))


def _sizes(axes: list[str], shape: tuple[int, ...] | None, width: int) -> dict[str, int] | None:
    """The sizes that a shape fixes; None if nothing can lie so in it."""
    sizes: dict[str, int] = {}
    if shape is None:
        return sizes
    if len(shape) != len(axes):
        return None
    for axis, size in zip(axes, shape, strict=True):
        if size < 0:
            continue
        if axis in ("N", "T"):
            sizes[axis] = size
        elif axis == "TI" and size % width == 0:
            sizes["T"] = size // width
        elif axis not in ("I", "1") or size != (width if axis == "I" else 1):
            return None
    return sizes if all(sizes.values()) else None


def fillings(
    others: list[Entrance], sizes: Mapping[str, int], lengths: ndarray, states: Sequence[int] = ()
) -> Iterator[dict[str, ndarray | float | bool]]:
    """What the other placeholders may be fed: likelier ways first.

    Flags are false, since nothing is trained; a single number is a probability to keep, and so 1, or one to
    drop, and so 0; a single whole number is N or T; whole numbers for each sequence are its length; all else
    are states, and zero: of a width in `states` where no shape says it.
    """
    ways: list[list[dict[str, ndarray | float | bool]]] = []
    for entrance in others:
        shape = entrance.shape
        name = entrance.tensor
        values: list[ndarray | float | bool]
        if entrance.dtype == FLAG:
            values = [False]
        elif shape is not None and len(shape) == 0 and entrance.dtype in FLOATS:
            drops = re.search(r"drop|rate", name, re.I) and not re.search("keep", name, re.I)
            values = [0.0, 1.0] if drops else [1.0, 0.0]
        elif shape is not None and len(shape) == 0 and entrance.dtype in INTEGERS:
            is_time = re.search(r"step|time|len", name, re.I) and not re.search("batch", name, re.I)
            values = [np.array(sizes[key]) for key in (("T", "N") if is_time else ("N", "T"))]
        elif entrance.dtype in INTEGERS and (shape is None or len(shape) == 1):
            values = [lengths] if shape else [lengths, np.array(sizes["N"]), np.array(sizes["T"])]
        elif shape is None:
            values = [1.0, 0.0, *(np.zeros((sizes["N"], width), "f4") for width in states)]
        else:
            free = [sizes["N"] if size < 0 else size for size in shape or ()]
            values = [np.zeros(free, "i4" if entrance.dtype in INTEGERS else "f4")]
        choices = [{name: value} for value in values]
        ways.append([{}, *choices] if entrance.has_default else choices)
    for choice in itertools.islice(itertools.product(*ways), 8):
        yield {name: value for part in choice for name, value in part.items()}
