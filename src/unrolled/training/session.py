"""One training from beginning to end, on disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from unrolled.data import Dataset
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.training import distributed
from unrolled.training.checkpoint import load_checkpoint, save_checkpoint
from unrolled.training.metrics import Evaluation, evaluate
from unrolled.training.progress import EpochMetrics, Step, TrainingDivergedError
from unrolled.training.protocols import PROTOCOLS
from unrolled.training.run import CHECKPOINT, WEIGHTS, Run, RunConfig
from unrolled.training.state import TrainingState, check_fits, group
from unrolled.training.trainer import Trainer

CHECKPOINT_SECONDS = 15.0


class Outcome(NamedTuple):
    """What a training left.

    Attributes:
        run: the folder.
        network: with its best weights.
        test: what it says of the test examples.
        seconds: spent in training.
    """

    run: Run
    network: SequenceClassifier
    test: Evaluation
    seconds: float


class TrainingStoppedError(Exception):
    """A training was asked to stop, and did so after a step. Its checkpoint is kept."""


def train_run(
    folder: Path,
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

    A training that ends early, by an error, by Ctrl-C or by the machine's end, leaves the best weights and a
    checkpoint. Resuming goes on from there, in the middle of an epoch too, and gives the same bits as a
    training that never stopped. Where nothing is left that could be used, the folder goes.

    Among several processes the first one alone writes, prints and calls `on_step` and `on_epoch`.

    Args:
        folder: the run's.
        config: what to train, and how.
        data: on what.
        resume: go on with the run in `folder`; of a run that is finished, give the outcome.
        device: where to compute.
        checkpoint_seconds: so often a checkpoint is written, besides those after each epoch.
        should_stop: asked in each step; if it says so, the training keeps a checkpoint and stops.
        on_step, on_epoch: called after each.
        say: takes the lines of a tutorial's protocol.

    Raises:
        UnrolledError: the folder is taken or cannot be written into, the checkpoint is damaged.
        TrainingDivergedError: the loss or a weight is no longer finite.
        TrainingStoppedError: `should_stop` said so.
    """
    torch.manual_seed(config.seed)
    network = SequenceClassifier(config.network).to(device)
    trainer = Trainer(network, data, config.recipe, seed=config.seed)
    state = None
    if resume:
        run = distributed.from_first(lambda: _reopen(folder, config))
        state = distributed.from_first(lambda: _load_state(run))
    if state is not None:
        _put_back(run, trainer, state)
    elif config.start is not None:
        _start_from(trainer, Path(config.start))
    if not resume:
        run = distributed.from_first(lambda: Run.create(folder, config))
    first = distributed.is_first()
    protocol = PROTOCOLS[config.protocol](network, data, config.recipe, config.seed, say)
    kept_at = time.monotonic()

    def keep() -> None:
        nonlocal kept_at
        if first:
            save_checkpoint(folder / CHECKPOINT, trainer.state())
        kept_at = time.monotonic()

    def after_step(step: Step) -> None:
        if first:
            protocol.after_step(step)
            if on_step is not None:
                on_step(step)
        if time.monotonic() - kept_at >= checkpoint_seconds:
            keep()

    with _leaving_what_is_good(run):
        if state is None:
            if config.start is not None:
                keep()  # from now on the other run is not needed
            if first:
                protocol.begin()
        for metrics in trainer.epochs(after_step, should_stop):
            if first:
                run.append_metrics(metrics._asdict())
                keep()
                if metrics.best:
                    run.save_weights(trainer.best_weights)
                protocol.after_epoch(metrics)
                if on_epoch is not None:
                    on_epoch(metrics)
        if trainer.stopped:
            keep()
            raise TrainingStoppedError(
                f"stopped at step {trainer.progress.step}: unrolled train --resume {folder} goes on"
            )
        if first:
            protocol.end()
        network.load_state_dict(trainer.best_weights)
        test = evaluate(network, data.test)
        seconds = trainer.progress.seconds
        if first:
            result = {"test_loss": test.loss, "test_accuracy": test.accuracy, "test_examples": len(data.test)}
            run.append_metrics({**result, "seconds": seconds})
    return Outcome(run, network, test, seconds)


def _reopen(folder: Path, config: RunConfig) -> Run:
    run = Run.open(folder)
    if run.config != config:
        raise UnrolledError(
            f"{folder} is a run of another configuration: resume it with what its config says"
        )
    return run


def _load_state(run: Run) -> TrainingState | None:
    """The state that the run was left in, and its folder as it was then; None if it is a new one."""
    folder = run.folder
    if not (folder / CHECKPOINT).exists():
        if (folder / WEIGHTS).exists():
            raise UnrolledError(
                f"{folder} has weights but no {CHECKPOINT}: there is nothing to go on from; "
                f"`unrolled train --from {folder}` starts a new training with its weights"
            )
        run.clean_up(epoch=0)
        return None
    try:
        state = load_checkpoint(folder / CHECKPOINT)
    except UnrolledError as error:
        raise UnrolledError(f"{error}; {_way_out(folder)}") from error
    try:
        run.clean_up(state.progress.epoch)
        if best := group(state.tensors, "best"):
            run.save_weights(best)
    except OSError as error:
        raise _cannot_write(folder, error, "nothing has changed") from error
    return state


def _put_back(run: Run, trainer: Trainer, state: TrainingState) -> None:
    try:
        trainer.load_state(state)
    except UnrolledError as error:
        path = run.folder / CHECKPOINT
        raise UnrolledError(
            f"{path} is another training's than its config.json says: {error}; {_way_out(run.folder)}"
        ) from error


def _way_out(folder: Path) -> str:
    """What can be done without the checkpoint."""
    if (folder / WEIGHTS).exists():
        return f"the best weights are whole: `unrolled train --from {folder}` starts a new training with them"
    return f"remove it, and `unrolled train --resume {folder}` begins anew"


def _start_from(trainer: Trainer, folder: Path) -> None:
    weights = distributed.from_first(lambda: Run.open(folder).load_network().state_dict())
    try:
        check_fits(trainer.network.state_dict(), weights)
    except UnrolledError as error:
        raise UnrolledError(
            f"{folder} has weights of another network than {trainer.network.config.name}: {error}"
        ) from error
    trainer.network.load_state_dict(weights)


@contextmanager
def _leaving_what_is_good(run: Run) -> Iterator[None]:
    """When a training ends by an error: what is good stays, and is named; if nothing is, the folder goes."""
    try:
        yield
    except BaseException as error:
        if not distributed.is_first():
            raise
        folder = run.folder
        if not (folder / CHECKPOINT).exists():
            shutil.rmtree(folder)
            kept = "nothing was there yet to be kept"
        elif isinstance(error, TrainingDivergedError):
            kept = _keep_last_good(run)
        else:
            kept = f"the last checkpoint is kept, and `unrolled train --resume {folder}` goes on from it"
        if isinstance(error, TrainingDivergedError):
            raise TrainingDivergedError(f"{error}; {kept}") from error
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):  # that is the screen's
            raise _cannot_write(folder, error, kept) from error
        raise


def _cannot_write(folder: Path, error: OSError, kept: str) -> UnrolledError:
    return UnrolledError(f"cannot write into {folder}: {error.strerror or error}; {kept}")


def _keep_last_good(run: Run) -> str:
    _, progress, tensors = load_checkpoint(run.folder / CHECKPOINT)
    if progress.best_epoch:
        return f"{run.folder} keeps the best weights, of epoch {progress.best_epoch}"
    run.save_weights(group(tensors, "weights"))
    return f"{run.folder} keeps the weights of its last checkpoint, of step {progress.step}"
