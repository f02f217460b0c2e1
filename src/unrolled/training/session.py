"""One training from beginning to end, on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from unrolled.data import Dataset
from unrolled.networks import SequenceClassifier
from unrolled.training.metrics import Evaluation, evaluate
from unrolled.training.protocols import PROTOCOLS
from unrolled.training.run import LAST_WEIGHTS, WEIGHTS, Run, RunConfig
from unrolled.training.trainer import EpochMetrics, Step, Trainer


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


def train_run(
    folder: Path,
    config: RunConfig,
    data: Dataset,
    *,
    device: torch.device | str = "cpu",
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Make a network, train it, test it, and keep everything in a new run folder.

    Args:
        folder: the run's.
        config: what to train, and how.
        data: on what.
        device: where to compute.
        on_step, on_epoch: called after each.
        say: takes the lines of a tutorial's protocol.

    If training ends early by an error or by Ctrl-C, the folder keeps the best weights so far; before the
    first epoch is over there is nothing to keep, and the folder goes too.

    Raises:
        UnrolledError: the folder is taken, or the loss diverged.
    """
    torch.manual_seed(config.seed)
    network = SequenceClassifier(config.network).to(device)
    trainer = Trainer(network, data, config.recipe, seed=config.seed)
    run = Run.create(folder, config)
    protocol = PROTOCOLS[config.protocol](network, data, config.recipe, config.seed, say)

    def after_step(step: Step) -> None:
        protocol.after_step(step)
        if on_step is not None:
            on_step(step)

    seconds = 0.0
    try:
        protocol.begin()
        for metrics in trainer.epochs(after_step):
            run.append_metrics(metrics._asdict())
            run.save_weights(network.state_dict(), LAST_WEIGHTS)
            if metrics.best:
                run.save_weights(trainer.best_weights)
            seconds = metrics.seconds
            protocol.after_epoch(metrics)
            if on_epoch is not None:
                on_epoch(metrics)
        protocol.end()
    except BaseException:
        if not (folder / WEIGHTS).exists():
            shutil.rmtree(folder)
        raise
    network.load_state_dict(trainer.best_weights)
    test = evaluate(network, data.test)
    result = {"test_loss": test.loss, "test_accuracy": test.accuracy, "test_examples": len(data.test)}
    run.append_metrics({**result, "seconds": seconds})
    return Outcome(run, network, test, seconds)
