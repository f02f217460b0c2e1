"""`unrolled inspect`: what data hold, before anything is trained on them."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli import completion
from unrolled.cli.data_flags import DataFlags
from unrolled.cli.options import DataDir, Validation

if TYPE_CHECKING:
    from torch import Tensor

    from unrolled.cli.terminal import Terminal
    from unrolled.data.inspection import Inspection

BARS = 10  # of the histogram of steps
BAR = 40  # letters of the longest, at most
MOST_ROWS = 32  # of features and classes that are shown
SHADES = " ░▒▓█"
PICTURE = 100  # columns of the picture of a sequence, at most


@dataclasses.dataclass(frozen=True)
class InspectOptions(DataFlags):
    """What `unrolled inspect` is told."""

    data: Annotated[
        str,
        typer.Argument(
            help="A data set's name, a file or a folder: what `unrolled train --data` takes.",
            autocompletion=completion.data,
        ),
    ] = "sample"
    data_dir: DataDir = None
    validation: Validation = None
    picture: Annotated[
        Path | None, typer.Option(help="Draw the first sequence of each class into this PNG file.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="One JSON object, with everything.")] = False


def inspect(options: InspectOptions) -> None:
    """Say what data hold: sequences, steps, features, classes, the split, and what looks wrong.

    [bold]examples:[/bold]

        unrolled inspect sample
        unrolled inspect vowels_TRAIN.ts --test vowels_TEST.ts
        unrolled inspect visits.csv --id visit --time minute --label outcome --split-by patient
        unrolled inspect recordings --names "{label}_{speaker}_{index}" --json
    """
    from unrolled import data as datasets
    from unrolled.cli.terminal import Terminal
    from unrolled.data.inspection import inspect as look

    data = datasets.load(
        options.data,
        options.data_dir,
        validation=options.validation,
        options=datasets.DataOptions.from_dict(options.said()),
    )
    found = look(data)
    terminal = Terminal()
    if options.picture is not None:
        from unrolled.report.examples import save_examples

        save_examples(data, options.picture)
    if options.json:
        terminal.print(json.dumps(as_values(found, data.notes)))
        return
    terminal.print(f"{data.name}: to {found.task}")
    for note in data.notes:
        terminal.print(f"note: {note}")
    terminal.print("sequences: " + ", ".join(f"{count:,} {part}" for part, count in found.examples.items()))
    show_steps(found.lengths, terminal)
    show_features(found, terminal)
    show_labels(found, terminal)
    show_first(found.first, terminal)
    for line in found.wrong:
        terminal.print(f"look at this: {line}", style="yellow")


def as_values(found: Inspection, notes: tuple[str, ...]) -> dict[str, Any]:
    """Everything but the first sequence, as plain values."""
    values = found._asdict()
    del values["first"]
    lengths = values.pop("lengths")
    steps = {"least": int(lengths.min()), "median": int(lengths.median()), "greatest": int(lengths.max())}
    features = [feature._asdict() for feature in found.features]
    for feature in features:
        feature |= {name: None for name, value in feature.items() if value != value}  # JSON has no NaN
    return {**values, "steps": steps, "features": features, "notes": list(notes)}


def show_steps(lengths: Tensor, terminal: Terminal) -> None:
    """The lengths as a histogram."""
    least, greatest = int(lengths.min()), int(lengths.max())
    if least == greatest:
        terminal.print(f"steps: {least} in each sequence")
        return
    terminal.print(
        f"steps: {least} to {greatest}, half of the sequences have {int(lengths.median())} or fewer"
    )
    count = min(BARS, greatest - least + 1)
    edges = [least + (greatest + 1 - least) * bar // count for bar in range(count + 1)]
    held = [int(((lengths >= low) & (lengths < high)).sum()) for low, high in pairwise(edges)]
    width = len(str(greatest))
    longest = max(min(BAR, terminal.width - 2 * width - 13), 1)
    for (low, high), many in zip(pairwise(edges), held, strict=True):
        bar = "█" * round(longest * many / max(held)) or ("▏" if many else "")
        terminal.print(f"  {low:>{width}}-{high - 1:<{width}} {many:>8,} {bar}")


def show_features(found: Inspection, terminal: Terminal) -> None:
    """Each feature's range."""
    headings = ("feature", "least", "mean", "greatest", "missing")
    shown = found.features[:MOST_ROWS]
    rows = [(f.name, f"{f.least:.5g}", f"{f.mean:.5g}", f"{f.greatest:.5g}", f"{f.missing:,}") for f in shown]
    more = len(found.features) - len(shown)
    title = f"{len(found.features)} features" + (f", the first {len(shown)} of them" if more else "")
    terminal.print_table(headings, rows, title, right=headings[1:])


def show_labels(found: Inspection, terminal: Terminal) -> None:
    """How often each part has each class, or the range of each number that is predicted."""
    if found.classes:
        shown = list(found.classes.items())[:MOST_ROWS]
        headings = ("class", *found.examples)
        rows = [(name, *(f"{count:,}" for count in counts.values())) for name, counts in shown]
        more = len(found.classes) - len(shown)
        what = "steps of each of" if found.task == "tag" else ""
        title = f"{what} {len(found.classes)} classes".strip() + (f", the first {len(shown)}" if more else "")
        terminal.print_table(headings, rows, title, right=headings[1:])
    else:
        headings = ("to predict", "least", "mean", "greatest")
        rows = [
            (name, f"{least:.5g}", f"{mean:.5g}", f"{greatest:.5g}")
            for name, (least, greatest, mean) in found.numbers.items()
        ]
        terminal.print_table(headings, rows, right=headings[1:])


def show_first(sequence: Tensor, terminal: Terminal) -> None:
    """The first sequence: a line for each feature, a letter for each step, darker for more."""
    import torch

    steps = sequence[:: max(1, -(-len(sequence) // min(PICTURE, terminal.width - 2)))]
    features = steps.T[:: max(1, -(-steps.shape[1] // MOST_ROWS))]
    least = features.nan_to_num(torch.inf).amin(dim=1, keepdim=True)
    span = features.nan_to_num(-torch.inf).amax(dim=1, keepdim=True) - least
    if sequence.dtype == torch.uint8 or (sequence.amin() >= 0 and sequence.amax() <= 1):
        least, span = torch.zeros_like(least), torch.ones_like(span)  # a picture has one scale
    shades = ((features - least) / span.clamp(min=1e-30) * (len(SHADES) - 1)).nan_to_num(0.0).round().long()
    terminal.print(f"the first sequence, {len(sequence)} steps to the right, features downwards:")
    for line in shades.clamp(0, len(SHADES) - 1).tolist():
        terminal.print("  " + "".join(SHADES[shade] for shade in line))
