"""What a graph's placeholders are fed, so that it reads the same sequences as a network beside it."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy import ndarray

from unrolled.errors import UnrolledError
from unrolled.networks.graph_config import LENGTHS, ZEROS
from unrolled.tf1.graphs.networks.definition import PLACEHOLDERS, Graph, Node

FLOATS, INTEGERS, FLAG = {1, 2, 14, 19}, {3, 9}, 10  # types as TensorFlow numbers them
USUAL = {"N": 3, "T": 5}  # where nothing fixes them
MOST_STEPS, MOST_SIZES = 4000, 6  # of a sequence; of the sizes that a graph may have inside
MOST_ZEROS = 2**28
TELLING = re.compile(r"keep|drop|rate|prob|train|learn|batch|step|time|len|size|state", re.I)

Feed: TypeAlias = "bool | float | list[Any] | str"  # as in `GraphConfig`


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
    lay: Callable[[Any], Any]
    sizes: dict[str, int]
    fixed_inside: bool = False
    one_hot: bool = False


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "N T I": lambda x: x,
    "T N I": lambda x: x.swapaxes(0, 1),
    "N TI": lambda x: x.reshape(len(x), -1),
    "NT I": lambda x: x.reshape(-1, x.shape[2]),
    "TN I": lambda x: x.swapaxes(0, 1).reshape(-1, x.shape[2]),
    "N T I 1": lambda x: x[..., None],
}
OF_ONE_NUMBER: dict[str, Callable[[Any], Any]] = {
    "N T": lambda x: x[..., 0],
    "T N": lambda x: x[..., 0].swapaxes(0, 1),
}
OF_TOKENS: dict[str, Callable[[Any], Any]] = {
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


def layouts(entrance: Entrance, width: int, one_hot: bool = False) -> Iterator[Layout]:
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


def _of_largest(lay: Callable[[Any], Any], x: ndarray) -> Any:
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


def fillings(others: list[Entrance], states: Sequence[int] = ()) -> Iterator[dict[str, Feed]]:
    """What the other placeholders may be fed: likelier ways first.

    Flags are false, since nothing is trained; a single number is a probability to keep, and so 1, or one to
    drop, and so 0; a single whole number is N or T; whole numbers for each sequence are its length; all else
    are states, and zero: of a width in `states` where no shape says it.
    """
    ways: list[list[dict[str, Feed]]] = []
    for entrance in others:
        choices = [{entrance.tensor: feed} for feed in _choices(entrance, states)]
        ways.append([{}, *choices] if entrance.has_default else choices)
    for choice in itertools.islice(itertools.product(*ways), 8):
        yield {name: feed for part in choice for name, feed in part.items()}


def _choices(entrance: Entrance, states: Sequence[int]) -> list[Feed]:
    shape, name = entrance.shape, entrance.tensor
    if entrance.dtype == FLAG:
        return [False]
    if shape == () and entrance.dtype in FLOATS:
        drops = re.search(r"drop|rate", name, re.I) and not re.search("keep", name, re.I)
        return [0.0, 1.0] if drops else [1.0, 0.0]
    if shape == () and entrance.dtype in INTEGERS:
        is_time = re.search(r"step|time|len", name, re.I) and not re.search("batch", name, re.I)
        return ["T", "N"] if is_time else ["N", "T"]
    if entrance.dtype in INTEGERS and (shape is None or len(shape) == 1):
        return [LENGTHS] if shape else [LENGTHS, "N", "T"]
    if shape is None:
        return [1.0, 0.0, *(f"{ZEROS} N {width}" for width in states)]
    # Of two free sizes one may be the steps'.
    orders = ("NT", "TN") if sum(size < 0 for size in shape) == 2 else ("N" * len(shape),)
    frees = [iter(order) for order in orders]
    return [" ".join([ZEROS, *(next(free) if size < 0 else str(size) for size in shape)]) for free in frees]


def filled(feed: Feed, n: int, t: int, lengths: ndarray) -> Any:
    """The value that a feed is for N = n sequences of T = t steps with lengths [N].

    >>> filled("zeros N 2", 3, 5, np.full(3, 5)).shape
    (3, 2)
    """
    if not isinstance(feed, str):
        return feed
    sizes = {"N": n, "T": t}
    if feed == LENGTHS:
        return lengths
    if feed in sizes:
        return np.array(sizes[feed])
    shape = [sizes[size] if size in sizes else int(size) for size in feed.split()[1:]]
    if math.prod(shape) > MOST_ZEROS:
        raise UnrolledError(f"{feed} are {math.prod(shape):,} numbers, expected {MOST_ZEROS:,} at most")
    return np.zeros(shape, "i4")


def words(feed: Feed) -> str:
    """A feed, as a note says it."""
    return str(feed).lower() if isinstance(feed, bool) else str(feed)


def sizes_inside(graph: Graph, end: str) -> Iterator[dict[str, int]]:
    """Sizes that a graph may have among the constants before a tensor: the likeliest first."""
    constants = [graph.whole_numbers(node) for node in graph.before(end.partition(":")[0])]
    whole = Counter(size for sizes in constants for size in sizes if 2 < size <= MOST_STEPS)
    likely = [size for size, _ in whole.most_common(MOST_SIZES)]
    yield from ({"T": size} for size in likely)
    yield from ({"T": size + 1} for size in likely)  # the last step's number
    yield from ({"N": size} for size in likely)


def fixed_by_lengths(layout: Layout, others: list[Entrance]) -> dict[str, int]:
    """The sizes that shapes fix; N also by a length for each sequence."""
    sizes = dict(layout.sizes)
    for other in others:
        if other.shape and other.dtype in INTEGERS and len(other.shape) == 1 and other.shape[0] > 0:
            sizes.setdefault("N", other.shape[0])
    return sizes
