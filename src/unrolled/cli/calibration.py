"""What there is to say of a run's confidences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled.training import Run
    from unrolled.training.judge import Judge


def note_calibration(run: Run, judge: Judge) -> None:
    """Say so of a run that has no calibration."""
    from unrolled.cli.terminal import Terminal
    from unrolled.training.judge import uncalibrated

    if not judge.held_out:
        Terminal(stderr=True).print(f"note: {uncalibrated(run)}")
