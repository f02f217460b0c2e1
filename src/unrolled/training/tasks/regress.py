"""Numbers for each sequence."""

from __future__ import annotations

from unrolled.training.tasks.numbers import NumberTask


class Regress(NumberTask):
    """Numbers for each sequence, which the network gives standardised."""

    def details(self, metrics: dict[str, float]) -> list[str]:
        return [f"MAE {self.shown(metrics['mae'])}"]
