"""A run folder while a training works in it: made first, held by one, and left with what is good.

It needs no torch: the folder is there before torch is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unrolled.errors import UnrolledError
from unrolled.names import pasteable
from unrolled.training.lock import RunLock
from unrolled.training.progress import TrainingDivergedError, TrainingStoppedError
from unrolled.training.run import CHECKPOINT, WEIGHTS, PathLike, Run
from unrolled.training.run_config import RunConfig


@contextmanager
def begun(folder: PathLike, config: RunConfig) -> Iterator[Run]:
    """A new run, whose folder nobody else trains in. If the block fails before a checkpoint it goes again.

    Raises:
        UnrolledError: the folder is taken or cannot be made, or the weights are to be quantized ones.
    """
    config.check_float("be trained")
    run = Run.create(folder, config)
    with run.held(), _leaving_what_is_good(run, is_new=True):
        yield run


@contextmanager
def reopened(folder: PathLike) -> Iterator[Run]:
    """A run that goes on, whose folder nobody else trains in.

    Raises:
        UnrolledError: there is no run, it is damaged, quantized, or being trained.
    """
    run = Run.open(folder)
    run.config.check_float("be trained")
    with run.held(), _leaving_what_is_good(run, is_new=False):
        yield run


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """The right to work in a folder of runs, alone.

    Raises:
        UnrolledError: another one has it, or the folder cannot be written into.
    """
    try:
        lock = RunLock(folder)
    except OSError as error:
        raise UnrolledError(f"cannot write into {folder}: {error.strerror or error}") from error
    with lock:
        yield


@contextmanager
def _leaving_what_is_good(run: Run, *, is_new: bool) -> Iterator[None]:
    """When a training ends by an error, what is good stays and is named; if nothing is, a new folder goes."""
    try:
        yield
    except TrainingStoppedError:
        raise
    except BaseException as error:
        try:
            run.check_there()
        except UnrolledError as gone:  # nothing may be touched
            if isinstance(error, OSError):
                raise gone from error
            raise error from None
        folder = run.folder
        if not (folder / CHECKPOINT).exists():
            kept = "nothing was there yet to be kept"
            if is_new:
                with suppress(OSError):
                    run.discard()
            else:
                kept += f", and `unrolled train --resume {pasteable(folder)}` begins anew"
        elif isinstance(error, TrainingDivergedError):
            kept = _keep_last_good(run)
        else:
            command = f"unrolled train --resume {pasteable(folder)}"
            kept = f"the last checkpoint is kept, and `{command}` goes on from it"
        if isinstance(error, TrainingDivergedError):
            raise TrainingDivergedError(f"{error}; {kept}") from error
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):  # that is the screen's
            raise cannot_write(run, error, kept) from error
        raise


def cannot_write(run: Run, error: OSError, kept: str) -> UnrolledError:
    """The error for a folder that could not be written into."""
    return UnrolledError(f"cannot write into {run.folder}: {error.strerror or error}; {kept}")


def way_out(run: Run) -> str:
    """What can be done without the checkpoint."""
    name = pasteable(run.folder)
    if (run.folder / WEIGHTS).exists():
        return f"the best weights are whole: `unrolled train --from {name}` starts a new training with them"
    return f"remove it, and `unrolled train --resume {name}` begins anew"


def _keep_last_good(run: Run) -> str:
    from unrolled.training.checkpoint import load_checkpoint
    from unrolled.training.state import group

    state = load_checkpoint(run.folder / CHECKPOINT)
    if state.progress.best_epoch:
        return f"{run.folder} keeps the best weights, of epoch {state.progress.best_epoch}"
    run.save_weights(group(state.tensors, "weights"))
    return f"{run.folder} keeps the weights of its last checkpoint, of step {state.progress.step}"
