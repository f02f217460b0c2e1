"""A training's record for TensorBoard."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from unrolled.errors import UnrolledError
from unrolled.names import printable
from unrolled.report.summary import flatten
from unrolled.training import EpochMetrics, Evaluation, RunConfig, Step

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardLog:
    """Writes what `train_run` tells its hooks into the run's folder `tensorboard`.

        step/loss                    after each step
        epoch/loss, accuracy, ...    after each epoch: everything that `EpochMetrics` counts, against the step
        test/loss, accuracy, ...     at the end, with the network, recipe and seed as hyperparameters

    A training that goes on from step k goes on in the same curves: what an earlier process had written
    after step k is dropped.

    Args:
        run: the run's folder, which need not be there before the first step.
        config: what the run is of.

    Raises:
        UnrolledError: the package tensorboard is not installed.
    """

    def __init__(self, run: Path, config: RunConfig) -> None:
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError:
            raise UnrolledError(
                "logging for TensorBoard needs the package tensorboard, which is not here: "
                "pip install 'unrolled[tensorboard]'"
            ) from None
        self._folder = run / "tensorboard"
        self._config = config
        self._writer: SummaryWriter | None = None
        self._step = 0

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_step(self, step: Step) -> None:
        self._add(step.number, "step/loss", step.loss)

    def on_epoch(self, metrics: EpochMetrics) -> None:
        for name, value in metrics.line().items():
            if value is not None and name not in ("step", "best"):
                self._add(metrics.step, f"epoch/{name}", value)
        if self._writer is not None:
            self._writer.flush()  # a process that is killed has written every whole epoch

    def on_test(self, test: Evaluation) -> None:
        from torch.utils.tensorboard.summary import hparams

        results = {"test/loss": test.loss, **{f"test/{name}": v for name, v in test.metrics.items()}}
        for name, value in results.items():
            self._add(self._step, name, value)
        settings = {
            name: value if isinstance(value, (bool, int, float)) else printable(str(value))
            for name, value in flatten(dataclasses.asdict(self._config)).items()
        }
        # The writer's own add_hparams would open a second log, in a folder of its own.
        log = self._writer_from(self._step)._get_file_writer()
        for summary in hparams(settings, dict(results)):
            log.add_summary(summary)

    def _add(self, step: int, name: str, value: float) -> None:
        self._writer_from(step).add_scalar(name, value, step)
        self._step = step

    def _writer_from(self, step: int) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._folder, purge_step=step)
        return self._writer
