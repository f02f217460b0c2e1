"""One training from beginning to end, on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data import Dataset
from unrolled.errors import UnrolledError
from unrolled.names import pasteable
from unrolled.networks import SequenceClassifier
from unrolled.training import distributed
from unrolled.training.augmentation import about_pictures
from unrolled.training.calibration import calibrated
from unrolled.training.checkpoint import load_checkpoint, save_checkpoint
from unrolled.training.circumstances import changes, named, present_circumstances, together
from unrolled.training.contents import Contents, contents_of, differences
from unrolled.training.data_file import DataRecord
from unrolled.training.judge import Judge
from unrolled.training.keeping import begun, cannot_write, reopened, way_out
from unrolled.training.metrics import evaluate, flat_labels
from unrolled.training.progress import EpochMetrics, Step, TrainingStoppedError
from unrolled.training.protocols import PROTOCOLS
from unrolled.training.run import CHECKPOINT, CONFIG, WEIGHTS, PathLike, Run
from unrolled.training.run_config import RunConfig
from unrolled.training.run_file import shortened
from unrolled.training.state import TrainingState, check_fits, group
from unrolled.training.state_checks import check_sizes
from unrolled.training.tasks import Classify, Evaluation, Task, task_of
from unrolled.training.trainer import Trainer

CHECKPOINT_SECONDS = 15.0


class Outcome(NamedTuple):
    """What a training left.

    Attributes:
        run: the folder.
        task: what was learned.
        network: with its best weights.
        test: what it says of the test examples.
        seconds: spent in training.
    """

    run: Run
    task: Task
    network: SequenceClassifier
    test: Evaluation
    seconds: float


def train_run(
    folder: PathLike,
    config: RunConfig,
    data: Dataset,
    *,
    resume: bool = False,
    device: torch.device | str = "cpu",
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Make a network, train it, test it, and keep everything in a run folder.

    The folder is the first thing that is made, and nobody else trains in it meanwhile. A training that ends
    early, by an error, by Ctrl-C or by the machine's end, leaves the best weights and a checkpoint. Resuming
    goes on from there, in the middle of an epoch too, and gives the same bits as a training that never
    stopped. Where an error leaves nothing that could be used, the folder goes.

    Among several processes the first one alone writes, prints and calls `on_step` and `on_epoch`.

    Args:
        folder: the run's.
        config: what to train, and how.
        data: on what; to resume, on what it was begun with, to the last bit.
        resume: go on with the run in `folder`; of a run that is finished, give the outcome.
        device: where to compute.
        checkpoint_seconds: so often a checkpoint is written, besides those after each epoch.
        should_stop: asked in each step, before the test and after it; if it says so, the training keeps a
            checkpoint and stops.
        on_step, on_epoch: called after each.
        say: takes the lines of a tutorial's protocol, and notes on what may change the last bits.

    Raises:
        UnrolledError: the folder is taken, is being trained in or cannot be written into, the checkpoint is
            damaged, or the data are others.
        TrainingDivergedError: the loss or a weight is no longer finite.
        TrainingStoppedError: `should_stop` said so.
    """
    with ExitStack() as held:

        def claim() -> Run:
            run = held.enter_context(reopened(folder) if resume else begun(folder, config))
            if run.config != config:
                raise UnrolledError(
                    f"{run.folder} is a run of another configuration: resume it with what its config says"
                )
            return run

        return go_on(
            distributed.from_first(claim),
            data,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
            should_stop=should_stop,
            on_step=on_step,
            on_epoch=on_epoch,
            say=say,
        )


def go_on(
    run: Run,
    data: Dataset,
    *,
    device: torch.device | str = "cpu",
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Train a run, which the first process holds, from where it stands: see `train_run`."""
    run.config = run.config.completed(data)
    config, first = run.config, distributed.is_first()
    contents = contents_of(data)
    theirs = distributed.from_first(lambda: contents)
    distributed.everywhere(lambda: _check_alike(theirs, contents))
    for note in distributed.from_first(lambda: _check_data(run, data, contents, device)):
        if first:
            say(f"note: {note}")
    if first and (note := about_pictures(config.recipe.augmentation, data)):
        say(f"note: {note}")
    state = distributed.from_first(lambda: _load_state(run))
    trainer = _make_trainer(run, data, contents, state, device)
    distributed.from_first(lambda: _clean_up(run, state))

    now = named(present_circumstances(device))
    depended_on = {name: [value] for name, value in now.items()}
    if state is not None:
        begun_with = {name: [value] for name, value in named(run.circumstances).items()}
        for note in changes(together(begun_with, state.circumstances), now) if first else []:
            say(f"note: {note}")
        depended_on = together(state.circumstances, depended_on)

    network = trainer.network
    protocol = PROTOCOLS[config.protocol](network, data, config.recipe, config.seed, say)
    kept_at = time.monotonic()

    def keep() -> None:
        nonlocal kept_at
        if first:
            run.check_there()
            save_checkpoint(run.folder / CHECKPOINT, trainer.state()._replace(circumstances=depended_on))
        kept_at = time.monotonic()

    def after_step(step: Step) -> None:
        if first:
            protocol.after_step(step)
            if on_step is not None:
                on_step(step)
        if time.monotonic() - kept_at >= checkpoint_seconds:
            keep()

    if state is None:
        if config.start is not None:
            keep()  # from now on the other run is not needed
        if first:
            protocol.begin()
    for metrics in trainer.epochs(after_step, should_stop):
        if first:
            run.append_metrics(metrics.line())
            keep()
            if metrics.best:
                run.save_weights(trainer.best_weights)
            protocol.after_epoch(metrics)
            if on_epoch is not None:
                on_epoch(metrics)
    if trainer.stopped:
        keep()

    def stop_if_asked() -> None:
        if trainer.stopped or distributed.total(should_stop())[0]:
            command = f"unrolled train --resume {pasteable(run.folder)}"
            raise TrainingStoppedError(f"stopped at step {trainer.progress.step}: {command} goes on")

    stop_if_asked()
    if first:
        protocol.end()
    network.load_state_dict(trainer.best_weights)
    test = evaluate(network, data.test, trainer.task)
    stop_if_asked()
    if first and isinstance(trainer.task, Classify):
        judge = Judge.fit(network, data)
        if judge.held_out:
            run.check_there()
            judge.save(run.folder)
        test = calibrated(test, flat_labels(data.test), judge.temperature)
    seconds = trainer.progress.seconds
    if first:
        loss = test.loss if math.isfinite(test.loss) else None
        measured = {f"test_{name}": value for name, value in test.metrics.items() if math.isfinite(value)}
        result = {"test_loss": loss, **measured, "test_examples": len(data.test)}
        run.append_metrics({**result, "seconds": seconds})
    return Outcome(run, trainer.task, network, test, seconds)


def _check_alike(first: Contents, here: Contents) -> None:
    if changed := differences(first, here):
        raise UnrolledError(
            f"process {distributed.rank()} has other data than the first one: {'; '.join(changed)}"
        )


def _check_data(run: Run, data: Dataset, contents: Contents, device: torch.device | str) -> list[str]:
    """See that the data are those of the run; if its config says nothing of them, they are written there."""
    network, width, outputs = run.config.cells, data.train.width, task_of(data).outputs
    changed = differences(run.contents, contents) if run.contents is not None else []
    if not changed and network.input_size != width:
        changed.append(f"the steps of train are {width} wide, not {network.input_size}")
    if not changed and (network.classes < outputs or (data.numbers and network.classes != outputs)):
        what = "classes" if data.numbers is None else "numbers"
        changed.append(f"there are {outputs} {what}, not {network.classes}")
    if changed:
        what = shortened("; ".join(changed))
        raise UnrolledError(
            f"the data {data.name} are not those that {run.folder} was begun with: {what}; "
            "give it those, or train anew"
        )
    if run.contents is not None:
        return []
    run.contents = contents
    notes = []
    if (run.folder / CHECKPOINT).exists():
        notes.append(
            f"{run.folder}/{CONFIG} has no digest of the data that the run was begun with: "
            "whether they are the same cannot be told"
        )
    else:
        run.circumstances = present_circumstances(device)
    DataRecord.of(data).save(run.folder)
    run.save_config()
    return notes


def _load_state(run: Run) -> TrainingState | None:
    """The state that the run was left in; None if it is a new one. Nothing is changed."""
    path = run.folder / CHECKPOINT
    if not path.exists():
        if (run.folder / WEIGHTS).exists():
            raise UnrolledError(
                f"{run.folder} has weights but no {CHECKPOINT}: there is nothing to go on from; "
                f"`unrolled train --from {pasteable(run.folder)}` starts a new training with its weights"
            )
        return None
    network = SequenceClassifier.outline(run.config.cells)
    try:
        return load_checkpoint(path, lambda shapes: _fit(run, lambda: check_sizes(shapes, network)))
    except UnrolledError as error:
        raise UnrolledError(f"{error}; {way_out(run)}") from error


def _fit(run: Run, check: Callable[[], None]) -> None:
    """Let something see whether the checkpoint can be this run's."""
    try:
        check()
    except UnrolledError as error:
        path = run.folder / CHECKPOINT
        what = f"{path} is another training's than its {CONFIG} says"
        raise UnrolledError(f"{what}: {shortened(error)}") from error


def _starting_weights(source: Path) -> dict[str, Tensor]:
    run = Run.open(source)
    try:
        run.config.check_float("start a training")
    except UnrolledError as error:
        raise UnrolledError(f"{source}: {error}") from error
    return run.load_weights()


def _make_trainer(
    run: Run, data: Dataset, contents: Contents, state: TrainingState | None, device: torch.device | str
) -> Trainer:
    """The run's training, as it stands; its network is made when what goes into it has been seen to fit."""
    config, weights = run.config, None
    if state is None and config.start is not None:
        source = Path(config.start)
        weights = distributed.from_first(lambda: _starting_weights(source))
        try:
            check_fits(SequenceClassifier.outline(config.cells).state_dict(), weights)
        except UnrolledError as error:
            raise UnrolledError(
                f"{source} has weights of another network than {config.network.name}: {error}"
            ) from error
    torch.manual_seed(config.seed)
    try:
        network = SequenceClassifier(config.cells).to(device)
    except RuntimeError as error:  # what torch raises when the memory is not enough
        reason = str(error).splitlines()[0]
        raise UnrolledError(f"cannot make the network {config.network.name}: {reason}") from error
    trainer = Trainer(network, data, config.recipe, seed=config.seed, contents=contents)
    if weights is not None:
        network.load_state_dict(weights)
    if state is not None:
        try:
            _fit(run, lambda: trainer.load_state(state))
        except UnrolledError as error:
            raise UnrolledError(f"{error}; {way_out(run)}") from error
    return trainer


def _clean_up(run: Run, state: TrainingState | None) -> None:
    """The folder as it was when the state was kept."""
    try:
        run.clean_up(state.progress.epoch if state else 0)
        if state is not None and (best := group(state.tensors, "best")):
            run.save_weights(best)
    except OSError as error:
        raise cannot_write(run, error, "nothing has changed") from error
