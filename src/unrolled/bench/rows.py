"""The rows of the benchmark: a kind of cell and the sizes of the work, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from unrolled.cells import Cell, GRUCell, LSTMCell, RNNCell
from unrolled.errors import UnrolledError, unknown_name


def _projected(input_size: int, hidden_size: int) -> Cell:
    return LSTMCell(input_size, hidden_size, proj_size=max(1, hidden_size // 2))


CELLS: dict[str, Callable[[int, int], Cell]] = {
    "lstm": LSTMCell,
    "gru": GRUCell,
    "gru-before": partial(GRUCell, reset="before"),
    "rnn": RNNCell,
    "lstm-norm-gates": partial(LSTMCell, layer_norm="gates"),
    "lstm-norm-projections": partial(LSTMCell, layer_norm="projections"),
    "lstm-peephole": partial(LSTMCell, peephole=True),
    "lstm-projection": _projected,
    "lstm-dropout": partial(LSTMCell, recurrent_dropout=0.2),
    "lstm-zoneout": partial(LSTMCell, zoneout=0.1),
}


class Row(NamedTuple):
    """One row: N sequences of T steps of I numbers through layers of the widths H.

    With `ragged`, the lengths are uniform in 1 ... T, in any order, and one sequence has all T steps.
    """

    name: str
    cell: str
    N: int
    T: int
    I: int
    H: tuple[int, ...]
    bidirectional: bool = False
    ragged: bool = False

    def check(self) -> Row:
        """This row, if it can be run.

        Raises:
            UnrolledError: an unknown cell, or a size below 1.

        >>> Row("mine", "lstm", 0, 28, 28, (128,)).check()
        Traceback (most recent call last):
        unrolled.errors.UnrolledError: row mine: N is 0, expected at least 1
        """
        if self.cell not in CELLS:
            raise unknown_name("cell", self.cell, CELLS)
        sizes = {"N": self.N, "T": self.T, "I": self.I, "layers": len(self.H), "H": min(self.H, default=1)}
        for name, size in sizes.items():
            if size < 1:
                raise UnrolledError(f"row {self.name}: {name} is {size}, expected at least 1")
        return self

    @property
    def sizes(self) -> str:
        """The sizes in short: ⇄ for both directions, 1–T for ragged lengths.

        >>> Row("mine", "lstm", 64, 28, 28, (32, 64)).sizes
        'N64 T28 I28 H32+64'
        """
        same = len(self.H) > 1 and len(set(self.H)) == 1
        width = f"{len(self.H)}×{self.H[0]}" if same else "+".join(map(str, self.H))
        both = "⇄" if self.bidirectional else ""
        return f"N{self.N} T{'1–' if self.ragged else ''}{self.T} I{self.I} H{width}{both}"


def _shapes(cell: str) -> tuple[Row, ...]:
    """The tutorials' shapes and some harder ones."""
    return (
        Row(f"{cell}-h128", cell, 128, 28, 28, (128,)),
        Row(f"{cell}-3-layers", cell, 128, 28, 28, (128,) * 3),
        Row(f"{cell}-bidirectional", cell, 128, 28, 28, (128,), bidirectional=True),
        Row(f"{cell}-h28", cell, 128, 28, 28, (28,)),
        Row(f"{cell}-3x256", cell, 32, 28, 28, (256,) * 3),
        Row(f"{cell}-32-64", cell, 64, 28, 28, (32, 64)),
        Row(f"{cell}-n512", cell, 512, 28, 28, (128,)),
        Row(f"{cell}-n32", cell, 32, 28, 28, (128,)),
        Row(f"{cell}-h512", cell, 128, 100, 64, (512,)),
        Row(f"{cell}-ragged", cell, 128, 100, 28, (128,), ragged=True),
    )


# What models of other packages are made of, in the sizes that they ship with.
SHAPES = (
    Row("pyannote", "lstm", 32, 589, 60, (128,) * 4, bidirectional=True),
    Row("easyocr", "lstm", 1, 149, 256, (256,), bidirectional=True),
    Row("doctr", "lstm", 128, 32, 512, (128,) * 2, bidirectional=True),
    Row("kraken", "lstm", 1, 150, 960, (200,) * 3, bidirectional=True),
    Row("openunmix", "lstm", 1, 255, 512, (256,) * 3, bidirectional=True),
    Row("openunmix-large", "lstm", 1, 60, 512, (512,) * 3, bidirectional=True),
    Row("allosaurus", "lstm", 1, 1000, 40, (512,) * 2, bidirectional=True),
    Row("demucs", "lstm", 16, 200, 192, (192,) * 2, bidirectional=True),
    Row("stanza", "lstm", 32, 60, 100, (200,) * 2, bidirectional=True),
    Row("flair", "lstm", 16, 100, 100, (1024,)),
    Row("resemblyzer-n1", "lstm", 1, 160, 40, (256,) * 3),
    Row("resemblyzer-n64", "lstm", 64, 160, 40, (256,) * 3),
    Row("dtln", "lstm", 1, 500, 257, (128,) * 2),
    Row("sb3-contrib", "lstm", 8, 128, 64, (256,)),
    Row("pixels-lstm", "lstm", 64, 784, 1, (128,)),
    Row("pixels-gru", "gru", 64, 784, 1, (128,)),
    Row("deepfilternet", "gru", 1, 100, 256, (256,) * 3),
    Row("gru-n1-long", "gru", 1, 500, 256, (256,)),
    Row("medaka", "gru", 1, 1000, 10, (128,) * 2, bidirectional=True),
    Row("neuralforecast", "gru", 128, 48, 1, (200,) * 2),
    Row("gru-series", "gru", 32, 24, 1, (64,) * 2),
)

_OTHERS = ("gru-before", "rnn", *(name for name in CELLS if name.startswith("lstm-")))
ROWS = {
    row.name: row
    for row in (
        *_shapes("lstm"),
        *_shapes("gru"),
        *(Row(f"{cell}-h128", cell, 128, 28, 28, (128,)) for cell in _OTHERS),
        *SHAPES,
    )
}
