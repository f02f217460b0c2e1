"""Connectionist temporal classification: the loss, and how an output is read.

Reference: Graves et al. 2006, Connectionist temporal classification, section 3 and 4.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.registry import operator

NOTHING = -math.inf  # the logarithm of no chance


def labels_of_rows(rows: Tensor, values: Tensor, N: int) -> list[list[int]]:
    """The labels of each row, which come as a sparse tensor."""
    found: list[list[int]] = [[] for _ in range(N)]
    for row, value in zip(rows.tolist(), values.tolist(), strict=True):
        if not 0 <= row < N:
            raise UnrolledError(f"labels of row {row}, and there are {N} rows")
        found[row].append(value)
    return found


@operator("CTCLoss", "CTCLossV2", outputs=("loss", "gradient"))
def ctc_loss(
    node: Node, x: Tensor, indices: Tensor, values: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """-log of the chance of each row's labels: x [T, N, C] are logits, and the last class is the blank.

    In the second version the first class is the blank. The second output is the gradient by x of their sum.
    """
    if not node.flag("ctc_merge_repeated", True):
        raise UnrolledError("ctc_merge_repeated is False, which is not made here")
    T, N, C = x.shape
    blank = 0 if node.op == "CTCLossV2" else C - 1
    rows = labels_of_rows(indices[:, 0], values, N)
    if node.flag("preprocess_collapse_repeated"):
        rows = [[v for at, v in enumerate(row) if at == 0 or v != row[at - 1]] for row in rows]
    for row, length in zip(rows, lengths.tolist(), strict=True):
        if not 0 <= length <= T:
            raise UnrolledError(f"a sequence of {length} steps, and there are {T}")
        if any(not 0 <= label < C or label == blank for label in row):
            raise UnrolledError(f"labels are {row[:8]}, expected those of {C} classes without {blank}")
        too_long = len(row) > length
        if too_long and not node.flag("ignore_longer_outputs_than_inputs"):
            raise UnrolledError(f"{len(row)} labels cannot be read from {length} steps")
    counted = torch.tensor(
        [length > 0 and len(row) <= length for row, length in zip(rows, lengths.tolist(), strict=True)],
        dtype=torch.bool,
    )
    kept = [row if counts else [] for row, counts in zip(rows, counted.tolist(), strict=True)]
    follows = x.requires_grad and torch.is_grad_enabled()
    with torch.enable_grad():
        x = x if follows else x.detach().requires_grad_()
        loss = F.ctc_loss(
            torch.log_softmax(x, -1),
            torch.tensor([label for row in kept for label in row], dtype=torch.int64),
            lengths.long(),
            torch.tensor([len(row) for row in kept], dtype=torch.int64),
            blank,
            "none",
        )
        (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=follows)
    nothing = torch.zeros((), dtype=loss.dtype)
    loss = torch.where(counted, loss if follows else loss.detach(), nothing)
    return loss, torch.where(counted.unsqueeze(1), gradient, nothing)


def as_sparse(rows: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of labels as the three parts of a sparse tensor: indices, values, shape."""
    places = [[row, at] for row, labels in enumerate(rows) for at in range(len(labels))]
    return (
        torch.tensor(places, dtype=torch.int64).reshape(-1, 2),
        torch.tensor([label for labels in rows for label in labels], dtype=torch.int64),
        torch.tensor([len(rows), max(map(len, rows), default=0)], dtype=torch.int64),
    )


@operator(
    "CTCGreedyDecoder",
    outputs=("decoded_indices", "decoded_values", "decoded_shape", "log_probability"),
)
def greedy(node: Node, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    """The likeliest class of each step, without blanks, and without repetitions if they are merged.

    The last output is minus the sum of the largest logits.
    """
    T, _, C = x.shape
    blank = node.integer("blank_index", -1) % C
    best, chosen = x.max(-1)
    rows: list[list[int]] = []
    for n, length in enumerate(lengths.tolist()):
        if not 0 <= length <= T:
            raise UnrolledError(f"a sequence of {length} steps, and there are {T}")
        before, row = -1, []
        for label in chosen[:length, n].tolist():
            if label != blank and not (label == before and node.flag("merge_repeated")):
                row.append(label)
            before = label
        rows.append(row)
    within = torch.arange(T).unsqueeze(1) < lengths
    total = -torch.where(within, best, torch.zeros((), dtype=best.dtype)).sum(0)
    return (*as_sparse(rows), total.unsqueeze(1))


class Beam:
    """A prefix, and the logarithms of its chances: ending with a blank, with its label, and together."""

    __slots__ = ("blank", "children", "label", "labelled", "old_blank", "old_total", "parent", "total")

    def __init__(self, parent: Beam | None, label: int) -> None:
        self.parent, self.label = parent, label
        self.children: dict[int, Beam] = {}
        self.forget()

    def forget(self) -> None:
        self.blank = self.labelled = self.total = self.old_blank = self.old_total = NOTHING

    def labels(self, merged: bool) -> list[int]:
        found: list[int] = []
        beam: Beam = self
        last = -1
        while beam.parent is not None:
            if not (merged and beam.label == last):
                found.append(beam.label)
            last, beam = beam.label, beam.parent
        return found[::-1]


def log_sum(a: float, b: float) -> float:
    if a == NOTHING or b == NOTHING:
        return max(a, b)
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def beam_search(logs: list[list[float]], width: int) -> list[Beam]:
    """The likeliest prefixes after all steps, of log chances [T][C] whose last class is the blank.

    In each step every prefix that is kept goes on; then prefixes that are one label longer come in, from the
    likeliest on, as long as they are likelier than the least of those that are kept.
    """
    root = Beam(None, -1)
    root.total = root.blank = 0.0
    kept = [root]
    for row in logs:
        kept.sort(key=lambda beam: -beam.total)
        before = list(kept)
        for beam in before:
            beam.old_blank, beam.old_total = beam.blank, beam.total
        for beam in before:
            if beam.parent is not None:
                if beam.parent.total != NOTHING:
                    same = beam.label == beam.parent.label
                    previous = beam.parent.old_blank if same else beam.parent.old_total
                    beam.labelled = log_sum(beam.labelled, previous)
                beam.labelled += row[beam.label]
            beam.blank = beam.old_total + row[-1]
            beam.total = log_sum(beam.blank, beam.labelled)

        def has_place(total: float) -> bool:
            return total > NOTHING and (len(kept) < width or total > min(each.total for each in kept))

        for beam in before:
            if not has_place(beam.old_total):
                continue
            for label in range(len(row) - 1):
                child = beam.children.get(label)
                if child is None:
                    child = beam.children[label] = Beam(beam, label)
                if child.total != NOTHING:
                    continue
                previous = beam.old_blank if label == beam.label else beam.old_total
                child.blank, child.labelled = NOTHING, row[label] + previous
                child.total = child.labelled
                if not has_place(child.total):
                    child.forget()
                    continue
                if len(kept) == width:
                    least = min(kept, key=lambda each: each.total)
                    kept.remove(least)
                    least.blank = least.labelled = least.total = NOTHING
                kept.append(child)
    return sorted(kept, key=lambda beam: -beam.total)


@operator("CTCBeamSearchDecoder")
def beam_decoder(node: Node, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
    """The likeliest labels: for each of the `top_paths` indices, then values, then shapes; and their logs."""
    T = x.shape[0]
    width, paths = node.integer("beam_width"), node.integer("top_paths")
    if not 1 <= paths <= width:
        raise UnrolledError(f"top_paths is {paths}, expected 1 to beam_width, {width}")
    check_memory(width, torch.int64)
    logs = torch.log_softmax(x, -1)
    rows: list[list[list[int]]] = [[] for _ in range(paths)]
    chances = []
    for n, length in enumerate(lengths.tolist()):
        if not 0 <= length <= T:
            raise UnrolledError(f"a sequence of {length} steps, and there are {T}")
        best = beam_search(logs[:length, n].tolist(), width)[:paths]
        if len(best) < paths:
            raise UnrolledError(f"there are {len(best)} ways to read a row, and top_paths is {paths}")
        for path, beam in enumerate(best):
            rows[path].append(beam.labels(node.flag("merge_repeated", True)))
        chances.append([beam.total for beam in best])
    parts = [as_sparse(each) for each in rows]
    return (*(part[kind] for kind in range(3) for part in parts), torch.tensor(chances, dtype=x.dtype))
