"""The picture of a reading: the input, the answer so far, the state and the gates, step beside step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from unrolled.data import Examples
from unrolled.networks.traces import Trace
from unrolled.report.answers import Answers, Truth
from unrolled.report.appearance import Appearance
from unrolled.report.colours import OPENINGS, SIGNED
from unrolled.report.panels import Panel, Sheet, draw_panels, draw_steps, fit_picture
from unrolled.report.reading import Reading

# Inches of units: of one layer, of several, and where steps go to the right.
FULL, SMALL, FLAT = 2.3, 1.7, 1.25
STATE = ("h", "c")
SEEN = 0.98  # of the values of a state have colours of their own; the others the outermost
# Of each part of a state and of each gate, its name and whose colours it shares.
UNITS = {
    "h": ("hidden state h", "hidden"),
    "c": ("cell state c", "memory"),
    "i": ("input gate i", "gate"),
    "f": ("forget gate f", "gate"),
    "g": ("candidate g", "candidate"),
    "o": ("output gate o", "gate"),
    "r": ("reset gate r", "gate"),
    "z": ("update gate z", "gate"),
    "n": ("candidate n", "candidate"),
}
ORDER = "Units: in the order of their h after the last step that is read, the same in all panels of a layer."
ANSWERS = "Answers: from the steps 1 to t alone. State and gates: when the whole sequence is read."


def draw_reading(
    reading: Reading,
    names: Sequence[str],
    label: Truth = None,
    examples: Examples | None = None,
    doubt: str = "",
) -> Figure:
    """The sequence, the answers, and the state and the gates of each layer, step beside step.

    Of a picture that is read row by row, steps go down, and what belongs to one step stands in one line
    across panels that are side by side; of all else they go to the right, and panels are one below the other.
    With one layer in one direction the input, the answers and the state come first, then the gates; of
    several each layer and direction has a line, or a column, of its own.

    Args:
        reading: from `read_stepwise`.
        names: of the classes, or of the numbers that are predicted.
        label: the truth, if it is known: a class, or the classes [T] of the steps, or numbers [K].
        examples: what the sequence is of, which say how it is drawn; None for a picture.
        doubt: why the answer is none, such as "not a digit", for the title.
    """
    look = Appearance("picture", downward=True) if examples is None else Appearance.of_read(examples)
    look = look.scanned(reading.scan)
    time, width = reading.sequence.shape
    answers = Answers(reading, names, label, look.downward)
    along = _inches_along(look, time, width, len(reading.traces))
    first = [_input_panel(reading.sequence, look, along), *answers.panels()]
    lines = [first, *_unit_panels(reading.traces, look.downward)]
    if len(reading.traces) == 1:  # its state beside the answers, and its gates below
        count = sum(name in STATE for name in reading.traces[0].values)
        state, gates = lines[1][:count], lines[1][count:]
        lines = [[*first, *state], *([gates] if gates else [])]
    written = max(map(len, (*look.features[:width], *answers.names)))
    picture = look.kind == "picture"
    margin = 0.4 + 0.06 * written
    sheet = draw_panels(lines, along, margin, down=look.downward, stretch=not picture)
    _mark_layers(sheet, reading.traces, look.downward)
    look.legend_below(sheet.lines[0][0], width, along)
    _explain(sheet, reading)
    sheet.figure.suptitle(f"{doubt}: {answers.verdict()}" if doubt else answers.verdict(), fontsize=13)
    if picture:
        fit_picture(sheet, (time, width), look.downward)
    return sheet.figure


def _inches_along(look: Appearance, time: int, width: int, traces: int) -> float:
    """How long step axes are, so that a picture has square pixels and is neither too large nor too small."""
    usual = (2.6, 2.0) if look.downward else (5.0, 2.4)
    inches = usual[traces > 1]
    return min(max(inches, 0.02 * time), max(1.5, 4.0 * time / width)) if look.kind == "picture" else inches


def _input_panel(sequence: Tensor, look: Appearance, along: float) -> Panel:
    time, width = sequence.shape

    def draw(axes: Axes) -> AxesImage | None:
        axes.set_title("input x", fontsize=10)
        image = look.draw(axes, sequence.numpy())
        look.label(axes, width)
        if look.kind == "lines":
            axes.set_xlim(0.5, time + 0.5)  # as the heat maps beside it
        return image

    across = {"lines": 1.6, "map": max(1.0, 0.16 * width), "picture": along * width / time}
    return Panel(min(across[look.kind], 4.0), draw, look.measure)


def _unit_panels(traces: Sequence[Trace], down: bool) -> list[list[Panel]]:
    """For each layer and direction its state and its gates."""
    across = FLAT if not down else FULL if len(traces) == 1 else SMALL
    ranges = {
        "gate": (0.0, 1.0),
        **{scale: _range(traces, scale) for scale in ("hidden", "memory", "candidate")},
    }

    def draw(trace: Trace, name: str, axes: Axes) -> AxesImage:
        title, scale = UNITS[name]
        axes.set_title(title, fontsize=10)
        (axes.set_xlabel if down else axes.set_ylabel)("unit", fontsize=8)
        colours = OPENINGS if scale == "gate" else SIGNED
        image = draw_steps(axes, trace.ordered(name), down, colours, ranges[scale])
        (axes.xaxis if down else axes.yaxis).set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        return image

    return [
        [Panel(across, partial(draw, trace, name), UNITS[name][1]) for name in trace.values]
        for trace in traces
    ]


def _range(traces: Sequence[Trace], scale: str) -> tuple[float, float]:
    """From where to where the colours go: as far on both sides of 0, and for all but the outermost values.

    A state that stays small is seen as well as one that goes to its bounds.
    """
    values = [
        value.flatten() for one in traces for name, value in one.values.items() if UNITS[name][1] == scale
    ]
    if not values:
        return -1.0, 1.0
    largest = max(1e-3, float(np.quantile(torch.cat(values).abs().float().numpy(), SEEN)))
    return -largest, largest


def _mark_layers(sheet: Sheet, traces: Sequence[Trace], down: bool) -> None:
    """Say of each line of several which layer it is, and in which direction it reads."""
    if len(traces) < 2:
        return
    both = len({trace.backward for trace in traces}) > 1
    for (first, *_), trace in zip(sheet.lines[1:], traces, strict=True):
        way = (", backward" if trace.backward else ", forward") if both else ""
        if down:
            first.set_ylabel(f"layer {trace.layer}{way}\nstep t", fontsize=9)
        else:
            first.set_title(f"layer {trace.layer}{way}\n{first.get_title()}", fontsize=10)


def _explain(sheet: Sheet, reading: Reading) -> None:
    """What the colours stand for, once for all panels that share them, and in which order units are."""
    names = dict.fromkeys(name for trace in reading.traces for name in trace.values)
    room = max(0.0, 3 - len(sheet.images)) / 2  # beside few bars, on both sides
    ratios = (room, *[1.0] * len(sheet.images), room) if room else (1.0,) * len(sheet.images)
    bars = list(sheet.below.subplots(1, len(ratios), squeeze=False, width_ratios=ratios)[0])
    if room:
        for axes in (bars.pop(0), bars.pop()):
            axes.axis("off")
    for axes, (scale, image) in zip(bars, sheet.images.items(), strict=True):
        extend = "both" if scale in ("hidden", "memory", "candidate") else "neither"
        sheet.below.colorbar(image, cax=axes, orientation="horizontal", extend=extend)
        of_units = ", ".join(name for name in names if UNITS[name][1] == scale)
        axes.set_title(f"{of_units}{' (0 closed, 1 open)' * (scale == 'gate')}" or scale, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    two_ways = any(trace.backward for trace in reading.traces) and not reading.whole
    notes = [ORDER] * bool(reading.traces) + [ANSWERS] * two_ways
    sheet.below.supxlabel("\n".join(notes), fontsize=8)
