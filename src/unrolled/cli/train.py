"""`unrolled train`: one training, its progress, and the run folder that it leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli import completion
from unrolled.cli.network_flags import NetworkFlags
from unrolled.cli.options import Patience, TrainingOptions
from unrolled.errors import UnrolledError
from unrolled.names import pasteable

if TYPE_CHECKING:
    from unrolled.cli.stop_signals import StopSignals
    from unrolled.cli.terminal import Terminal
    from unrolled.data import Dataset
    from unrolled.training import Outcome, Run, RunConfig


@dataclasses.dataclass(frozen=True)
class TrainOptions(NetworkFlags, TrainingOptions):
    """What `unrolled train` is told."""

    network: Annotated[
        str | None,
        typer.Option(
            help="One of those that `unrolled networks` lists; by default the recipe's own.",
            show_default=False,
            autocompletion=completion.one_of(completion.networks),
        ),
    ] = None
    patience: Patience = None
    run: Annotated[
        Path | None, typer.Option(help="The folder to make; by default runs/<network>-<number>.")
    ] = None
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log for TensorBoard, too, in the run folder.")
    ] = False
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the training of this run folder, which was stopped or killed.",
            autocompletion=completion.one_of(completion.runs),
        ),
    ] = None
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Start from the weights of this run folder, and so with its network.",
            autocompletion=completion.one_of(completion.runs),
        ),
    ] = None
    checkpoint_every: Annotated[
        float, typer.Option(help="Seconds between checkpoints; there is one after each epoch, too.")
    ] = 15.0


def train(options: TrainOptions) -> None:
    """Train a network, test it, and leave a run folder with its weights and pictures.

    A training that was stopped or killed goes on with --resume. Under torchrun, several processes train one
    network together.

    [bold]examples:[/bold]

        unrolled train
        unrolled train --network multi-layer-dynamic-mix --epochs 5
        unrolled train --data mnist --data-dir ~/mnist --run runs/full
        unrolled train --recipe seed-003
        unrolled train --recipe seed-001-net-12 --corrected
        unrolled train --tensorboard
        unrolled train --data ~/my-arrays
        unrolled train --data visits.csv --id visit --label outcome --split-by patient
        unrolled train --data recordings --names "{label}_{speaker}_{index}" --test speaker=eve
        unrolled train --data load.csv --task forecast --label load --horizon 24
        unrolled train --data vowels_TRAIN.ts --test vowels_TEST.ts
        unrolled train --data sales.csv --task forecast --horizon 12
        unrolled train --data visits.csv --cell lstm --hidden 128 --layers 2 --bidirectional --dropout 0.3
        unrolled train --resume runs/full
        unrolled train --from runs/full --data fashion-mnist --epochs 5
        torchrun --nproc-per-node 2 -m unrolled train --data mnist
    """
    from unrolled.cli.stop_signals import StopSignals
    from unrolled.training.progress import TrainingStoppedError

    if not options.checkpoint_every > 0:
        raise UnrolledError(f"--checkpoint-every is {options.checkpoint_every}, expected a number above 0")
    among_others = "TORCHELASTIC_RUN_ID" in os.environ  # torchrun started this process, and its others
    claimed: Run | Exception | None = None
    stop = StopSignals()
    try:
        with stop, contextlib.ExitStack() as held:
            if not among_others or os.environ.get("RANK") == "0":
                try:
                    claimed = held.enter_context(run_to_train(options))
                except (UnrolledError, OSError) as error:
                    if not among_others:
                        raise
                    claimed = error
            train_claimed(options, claimed, stop)
    except TrainingStoppedError as stopped:
        if claimed is not None:  # the first process speaks for all
            print(f"unrolled: {stopped}", file=sys.stderr)
        raise typer.Exit(stop.exit_code) from None


@contextlib.contextmanager
def run_to_train(options: TrainOptions) -> Iterator[Run]:
    """The run to begin or to go on with, held by this process. Its folder is there before torch is."""
    from unrolled.cli.what_to_train import check_only_resumed, run_config
    from unrolled.training.keeping import begun, reopened
    from unrolled.training.run import next_free

    if options.resume is not None:
        check_only_resumed(options, options.resume)
        with reopened(options.resume) as run:
            yield run
        return
    config = run_config(options, options.network)
    if options.start is not None:
        config = started_from(options.start, config, options)
    else:
        config = dataclasses.replace(config, network=options.described(config.cells))
    with begun(options.run or next_free("runs", config.network.name), config) as run:
        yield run


def started_from(start: Path, config: RunConfig, options: TrainOptions) -> RunConfig:
    """The configuration of a training that starts from another run's weights, and so with its network."""
    from unrolled.cli.what_to_train import changed_network
    from unrolled.training.run import Run

    if options.describes:
        raise UnrolledError("--from takes the network of that run: leave out what describes another")
    if options.network is None:
        network = changed_network(Run.open(start).config.cells, options)
        config = dataclasses.replace(config, network=network)
    return dataclasses.replace(config, start=str(start))


def train_claimed(options: TrainOptions, claimed: Run | Exception | None, stop: StopSignals) -> None:
    """Train the run that the first process has claimed: it, or what kept it from that.

    From here on torch is needed: the folder is there, and what happens now happens to a run.
    """
    from unrolled import data as datasets
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.cli.progress import TrainingProgress
    from unrolled.cli.terminal import Terminal
    from unrolled.cli.what_to_train import check_unfinished
    from unrolled.report import TensorBoardLog
    from unrolled.training import TrainingStoppedError, distributed
    from unrolled.training.session import go_on

    def whats_claimed() -> Run:
        if isinstance(claimed, Exception):
            raise claimed
        assert claimed is not None
        if options.resume is not None:
            check_unfinished(claimed)
        return claimed

    set_threads(options.threads)
    check_device(options.device)
    with distributed.joined(options.device) as device:
        console = Terminal(quiet=not distributed.is_first())
        run = distributed.from_first(whats_claimed)
        config = run.config
        data = distributed.everywhere(
            lambda: datasets.load(
                config.data,
                options.data_dir or (Path(config.data_dir) if config.data_dir else None),
                validation=config.validation,
                options=datasets.DataOptions.from_dict(config.options),
            )
        )
        for note in data.notes:
            console.print(f"note: {note}")
        run.config = config.completed(data)
        logs = options.tensorboard and distributed.is_first()
        log = TensorBoardLog(run.folder, run.config) if logs else None
        if distributed.total(stop())[0]:
            raise TrainingStoppedError(
                f"stopped before the first step: unrolled train --resume {pasteable(run.folder)} goes on"
            )
        with TrainingProgress(console, run.config, data) as progress, log or contextlib.nullcontext():
            listeners: list[TrainingProgress | TensorBoardLog] = [progress, log] if log else [progress]
            outcome = go_on(
                run,
                data,
                device=device,
                checkpoint_seconds=options.checkpoint_every,
                should_stop=stop,
                on_step=in_turn(listener.on_step for listener in listeners),
                on_epoch=in_turn(listener.on_epoch for listener in listeners),
                say=progress.say,
            )
            if log:
                log.on_test(outcome.test)
        if distributed.is_first():
            draw(outcome, data, console)


def draw(outcome: Outcome, data: Dataset, console: Terminal) -> None:
    """Leave the pictures of a training, and say what came of it."""
    from unrolled.report import save_pictures

    folder, lines = outcome.run.folder, outcome.run.metrics()
    try:
        pictures = save_pictures(folder, lines, outcome.network.cpu(), data, outcome.test)
    except OSError as error:
        raise UnrolledError(
            f"cannot write the pictures into {folder}: {error.strerror or error}; all else is there, and "
            f"`unrolled train --resume {pasteable(folder)}` draws them"
        ) from error
    console.print(f"trained for {outcome.seconds:.1f} s")
    first, *others = map(str, pictures)
    console.print_pieces([f"pictures: {first}", *others])
    for line in outcome.task.details(outcome.test.metrics):
        console.print(f"test {line}")
    console.print(f"test {outcome.task.verdict(outcome.test.metrics)}  {folder}")


def in_turn(hooks: Iterable[Callable[..., None]]) -> Callable[..., None]:
    """One hook that calls them all."""
    calls = list(hooks)

    def call(*arguments: Any) -> None:
        for hook in calls:
            hook(*arguments)

    return call
