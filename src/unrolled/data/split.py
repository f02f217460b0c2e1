"""Which sequences are held out: some of each class, and no group on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UnrolledError

SEED = 0  # a data set is split in one way, whatever the seed of a training


def held_out(
    count: int,
    wanted: int,
    *,
    classes: Sequence[object] | None = None,
    groups: Sequence[str] | None = None,
) -> NDArray[np.int64]:
    """The rows, in rising order, of about `wanted` sequences of `count` that are to be held out.

    Classes: of each the share that is wanted of all, so that its part among the held-out ones is its part
    among all, within one sequence. A class of one sequence is never held out: nothing would be left of it.

    Groups: all sequences of a group, such as those of one speaker, are held out or none is. The groups are
    gone through from the largest to the smallest, and each is held out that brings the counts of the classes
    nearer to those wanted, at least one group and not all.

    Args:
        count: N, how many there are.
        wanted: how many to hold out; with groups it is met as nearly as they allow.
        classes: of each sequence, [N]; None where there are none.
        groups: of each sequence, [N]; None where every sequence stands for itself.

    Raises:
        UnrolledError: nothing would be left, or there is only one group.

    >>> held_out(6, 2, classes=["a", "a", "a", "b", "b", "b"]).tolist()
    [2, 5]
    >>> held_out(6, 2, groups=["x", "x", "y", "y", "z", "z"]).tolist()
    [4, 5]
    """
    if not 0 <= wanted < count:
        raise UnrolledError(f"{wanted} of {count} sequences are to be held out, expected 0 to {count - 1}")
    if wanted == 0:
        return np.arange(0)
    random = np.random.default_rng(SEED)
    numbers = _numbered(["" for _ in range(count)] if classes is None else classes)
    rows = _rows(numbers, wanted, random) if groups is None else _groups(numbers, groups, wanted, random)
    return np.sort(rows)


def _numbered(names: Sequence[object]) -> NDArray[np.int64]:
    """A number for each different name, by the order in which they come."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names])


def _rows(classes: NDArray[np.int64], wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    counts = np.bincount(classes)
    may_go = counts - 1 if len(counts) > 1 else counts
    exact = counts * wanted / len(classes)
    takes = np.minimum(np.floor(exact).astype(np.int64), may_go)
    # Whoever lost most to rounding gets what is missing.
    for number in np.argsort(takes - exact, kind="stable"):
        if takes.sum() < wanted and takes[number] < may_go[number]:
            takes[number] += 1
    return np.concatenate(
        [random.permutation(np.flatnonzero(classes == number))[:take] for number, take in enumerate(takes)]
    )


def _groups(
    classes: NDArray[np.int64], groups: Sequence[str], wanted: int, random: np.random.Generator
) -> NDArray[np.int64]:
    numbers = _numbered(groups)
    held = np.zeros((numbers.max() + 1, classes.max() + 1), np.int64)  # sequences by group and class
    np.add.at(held, (numbers, classes), 1)
    if len(held) == 1:
        raise UnrolledError(
            f"all sequences are of one group, {groups[0]!r}: none of it could be held out without the rest"
        )
    target = held.sum(axis=0) * wanted / len(classes)
    order = random.permutation(len(held))
    order = order[np.argsort(-held[order].sum(axis=1), kind="stable")]
    taken: list[int] = []
    so_far = np.zeros(held.shape[1])

    def distance(counts: NDArray[np.float64]) -> float:
        return float(((counts - target) ** 2).sum())

    for group in order:
        if distance(so_far + held[group]) < distance(so_far) and len(taken) + 1 < len(held):
            taken.append(group)
            so_far += held[group]
    if not taken:  # every group is larger than what is wanted
        taken = [min(order, key=lambda group: distance(held[group]))]
    return np.flatnonzero(np.isin(numbers, taken))
