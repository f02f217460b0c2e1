"""A verb's configuration, one dataclass, as its command line."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from unrolled.cli import completion
from unrolled.cli.data_flags import DataFlags
from unrolled.cli.help import Verb
from unrolled.cli.machine import check_folder, let_threads_sleep

# The options that several verbs share.
FOLDER = (
    "The data set: sample, mnist, fashion-mnist; or a file (.ts, .csv, .tsv, .parquet, .jsonl, .npz) or a "
    "folder (recordings, pictures, tables, or arrays train-sequences.npy ...) of your own"
)
Data: TypeAlias = Annotated[str, typer.Option(help=f"{FOLDER}.", autocompletion=completion.data)]
RecipeData: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help=f"{FOLDER}; by default what the recipe was made for: sample for default, "
        "sequences and forecast, fashion-mnist for fashion, mnist for the others.",
        show_default=False,
        autocompletion=completion.data,
    ),
]
DataDir: TypeAlias = Annotated[
    Path | None, typer.Option(help="A folder that holds the data set's files, in place of downloading them.")
]
RecipeName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="How to train: default, fast, best, fashion, sequential-mnist, permuted-mnist; sequences, which "
        "your own data have by default, or forecast, as series have; or as a tutorial did: seed-000, "
        "seed-001-net-1 ... seed-001-net-14, seed-002, seed-002-multi-lstm, seed-003, seed-004.",
        show_default=False,
        autocompletion=completion.one_of(completion.recipes),
    ),
]
Corrected: TypeAlias = Annotated[
    bool, typer.Option("--corrected", help="A tutorial's recipe with its defects repaired.")
]
Epochs: TypeAlias = Annotated[int | None, typer.Option(help="Passes over the training examples.")]
Steps: TypeAlias = Annotated[int | None, typer.Option(help="Training steps, in place of epochs.")]
BatchSize: TypeAlias = Annotated[int | None, typer.Option(help="Examples in one step.")]
LearningRate: TypeAlias = Annotated[float | None, typer.Option(help="The highest learning rate.")]
Precision: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Of products while training: float32, or bfloat16: quicker where the CPU multiplies that, as "
        "`unrolled info` says.",
        show_default=False,
        autocompletion=completion.words("float32", "bfloat16"),
    ),
]
Noise: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="What is added to every number while training: its deviation, of standardised features, or of "
        "pixels from 0 to 1.",
        show_default=False,
    ),
]
Affine: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="How much a sequence's features are stretched, turned and sheared while training.",
        show_default=False,
    ),
]
TimeMask: TypeAlias = Annotated[
    float | None,
    typer.Option(help="The share of a sequence's steps that are masked while training.", show_default=False),
]
Patience: TypeAlias = Annotated[
    int | None, typer.Option(help="Stop after so many epochs without a better validation.")
]
Validation: TypeAlias = Annotated[
    int | None,
    typer.Option(
        help="Hold out so many training examples, to choose the best weights and to calibrate "
        "confidences by; by default a tenth, but 5,000 at most."
    ),
]
Seed: TypeAlias = Annotated[int, typer.Option(help="Of the weights, of dropout and of the examples' order.")]
Threads: TypeAlias = Annotated[int | None, typer.Option(help="CPU threads; by default torch's choice.")]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Where to compute: cpu, cuda, cuda:1, mps ...",
        autocompletion=completion.words(*completion.DEVICES),
    ),
]
Read: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="What the classifier sees: final (each direction's last output), last (both directions beside "
        "the last step, as the tutorials have it) or state (the final h, before output dropout).",
        autocompletion=completion.one_of(completion.reads),
    ),
]

Scan: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="How pictures become steps: rows, columns, pixels (one after the other, row by row) or permuted "
        "(the same pixels in an order drawn once).",
        autocompletion=completion.one_of(completion.scans),
    ),
]


@dataclasses.dataclass(frozen=True)
class TrainingOptions(DataFlags):
    """What every verb that trains is told."""

    recipe: RecipeName = None
    corrected: Corrected = False
    data: RecipeData = None
    data_dir: DataDir = None
    epochs: Epochs = None
    steps: Steps = None
    batch_size: BatchSize = None
    learning_rate: LearningRate = None
    precision: Precision = None
    noise: Noise = None
    affine: Affine = None
    time_mask: TimeMask = None
    read: Read = None
    scan: Scan = None
    validation: Validation = None
    seed: Seed = 0
    threads: Threads = None
    device: Device = "cpu"


def add_verb(app: typer.Typer, run: Callable[[Any], None]) -> None:
    """Make `run(options)` a verb of `app`, with the function's name (a hyphen for _) and docstring.

    The annotation of its argument is a dataclass: each field becomes an option of the command line, or an
    argument where the field says so.
    """
    config_class = typing.get_type_hints(run)["options"]
    hints = typing.get_type_hints(config_class, include_extras=True)

    def command(**values: Any) -> None:
        trains = issubclass(config_class, TrainingOptions)
        check_folder()
        if trains:
            let_threads_sleep()
        try:
            run(config_class(**values))
        except KeyboardInterrupt:
            hint = "; `unrolled train --resume RUN` goes on with a training" if trains else ""
            print(f"unrolled: stopped{hint}", file=sys.stderr)
            raise typer.Exit(130) from None

    parameters = []
    for field in dataclasses.fields(config_class):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if default is dataclasses.MISSING else default,
                annotation=hints[field.name],
            )
        )
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__doc__ = run.__doc__
    app.command(run.__name__.replace("_", "-"), cls=Verb)(command)
