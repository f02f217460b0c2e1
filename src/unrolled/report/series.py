"""Series that are forecast, and which part of each is trained on, chosen by and tested on."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from unrolled.data import Dataset, Sequences, as_float
from unrolled.data.dataset import PARTS
from unrolled.report.colours import TEST, TRAINING, VALIDATION
from unrolled.report.lettering import lettered

MOST_SERIES, MOST_NUMBERS = 4, 4
COLOURS = {"train": TRAINING, "validation": VALIDATION, "test": TEST}


def draw_series(data: Dataset) -> Figure:
    """The series that the windows of a data set lie in, each number that is forecast with axes of its own.

    The steps that the windows of a part ask for are coloured as that part; what has no window is grey.
    """
    numbers = data.numbers
    assert numbers is not None
    assert isinstance(data.train.sequences, Sequences)
    values = as_float(data.train.sequences.values[:, list(numbers.features)])
    asked = torch.full((len(values),), len(PARTS))  # which part asks for a step
    crossing = torch.zeros(len(values) + 1, dtype=torch.int64)  # how many windows go on from t - 1 to t
    for place, part in enumerate(PARTS):
        windows = getattr(data, part).sequences
        assert isinstance(windows, Sequences)
        ends = windows.starts + windows.lengths
        for ahead in range(numbers.horizon):
            asked[ends + ahead] = place
        crossing.index_add_(0, windows.starts + 1, torch.ones_like(ends))
        crossing.index_add_(0, ends + numbers.horizon, -torch.ones_like(ends))
    pieces = _pieces(crossing.cumsum(0)[1:-1] > 0)
    longest = sorted(sorted(pieces, key=len)[-MOST_SERIES:], key=lambda piece: piece.start)
    names = lettered(numbers.names, most=36, wide=18)[:MOST_NUMBERS]
    figure = Figure(figsize=(11, 2.1 * len(longest) * len(names) + 0.7), layout="constrained")
    grid = iter(figure.subplots(len(longest) * len(names), 1, squeeze=False).flatten())
    for piece in longest:
        steps = range(1, len(piece) + 1)
        within = slice(piece.start, piece.stop)
        for number, name in enumerate(names):
            axes = next(grid)
            axes.plot(steps, values[within, number], color="0.6", lw=0.8)
            for place, part in enumerate(PARTS):
                shown = values[within, number].masked_fill(asked[within] != place, torch.nan)
                axes.plot(steps, shown, color=COLOURS[part], lw=1.2, marker="." if len(piece) < 200 else None)
            axes.set_ylabel(name)
            axes.grid(alpha=0.3)
            axes.margins(x=0.01)
            if len(pieces) > 1 and number == 0:
                axes.set_title(f"steps {piece.start:,} to {piece.stop - 1:,} of the file", fontsize=9)
    axes.set_xlabel("step")
    handles = [
        Patch(color=COLOURS[part], label=f"{part}: {len(getattr(data, part)):,} windows") for part in PARTS
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    more = f"the {len(longest)} longest of {len(pieces)} stretches: " if len(longest) < len(pieces) else ""
    figure.suptitle(
        f"{more}a window reads {data.train.steps} steps, the next {numbers.horizon} are predicted"
    )
    return figure


def lie_in_series(data: Dataset) -> bool:
    """Whether the windows of all parts lie in the same memory, with what they ask for behind them."""
    values = []
    for part in PARTS:
        sequences = getattr(data, part).sequences
        if not isinstance(sequences, Sequences):
            return False
        values.append(sequences.values.data_ptr())
    return len(set(values)) == 1


def _pieces(joined: torch.Tensor) -> list[range]:
    """The stretches of steps that windows join, from whether one joins step t to step t + 1."""
    none = torch.zeros(1, dtype=torch.int8)
    change = torch.diff(joined.to(torch.int8), prepend=none, append=none)
    begins, ends = (change == 1).nonzero().flatten(), (change == -1).nonzero().flatten()
    return [range(begin, end + 1) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
