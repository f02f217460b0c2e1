"""What the benchmarks of two sides share: their options, the times of a pair, and where results go."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.circumstances import circumstances
from unrolled.bench import interleaved, median_ms, median_ratio


class Pairs:
    """A run of pairs: `found` holds the circumstances and what was measured."""

    def __init__(self, description: str | None, seconds: float) -> None:
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--seconds", type=float, default=seconds, help="for each row and work")
        parser.add_argument("--save", metavar="NAME", help="write results/NAME.json and .md")
        parser.add_argument("--cpu-time", action="store_true", help="one thread and its CPU time")
        arguments = parser.parse_args()
        if arguments.cpu_time:
            torch.set_num_threads(1)
        self._clock = time.process_time if arguments.cpu_time else time.perf_counter
        self._seconds = arguments.seconds
        self._name = arguments.save
        self.found: dict[str, Any] = {"machine": circumstances(self._clock.__name__), "rows": {}}

    def time(self, peer: Callable[[], Any], ours: Callable[[], Any]) -> dict[str, Any]:
        """Medians of both sides in milliseconds, and of the rounds' own ratios."""
        times = interleaved({"peer": peer, "ours": ours}, self._seconds, self._clock)
        return {
            "peer_ms": median_ms(times["peer"]),
            "ours_ms": median_ms(times["ours"]),
            "ratio": median_ratio(times["peer"], times["ours"]),
            "rounds": len(times["ours"]),
        }

    def head(self) -> str:
        """The circumstances in a line."""
        here = self.found["machine"]
        return (
            f"{here['cpu']}, {here['threads']} threads, {here['isa']}, torch {here['torch']} "
            f"({here['torch_isa']}), commit {here['commit']}, {here['clock']}, load {here['load']}"
        )

    def save(self, page: str) -> None:
        """Write what was found, and its page, if a name was given."""
        if self._name:
            folder = Path(__file__).parent / "results"
            (folder / f"{self._name}.json").write_text(json.dumps(self.found, indent=1) + "\n")
            (folder / f"{self._name}.md").write_text(page)
