"""`unrolled networks`: the catalogue."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled.networks import NetworkConfig


@dataclasses.dataclass(frozen=True)
class NetworksOptions:
    """What `unrolled networks` is told: nothing."""


def networks(options: NetworksOptions) -> None:
    """List the networks of the catalogue.

    [bold]examples:[/bold]

        unrolled networks
    """
    from unrolled.cli.terminal import Terminal
    from unrolled.networks import CATALOGUE, SequenceClassifier

    rows = []
    for number, (name, config) in enumerate(CATALOGUE.items(), start=1):
        parameters = SequenceClassifier.outline(config).parameter_count
        reads = "→" if config.direction == "forward" else "⇄"
        rows.append((str(number), name, layers(config), config.unroll, reads, f"{parameters:,}"))
    terminal = Terminal()
    headings = ("#", "network", "layers", "unroll", "reads", "parameters")
    terminal.print_table(headings, rows, right=("#", "parameters"))
    terminal.print("→ reads each sequence from its beginning, ⇄ from both ends.")


def layers(config: NetworkConfig) -> str:
    """The layers in short: "LSTM 3×128", or "LSTM 128, GRU 256"."""
    groups = [(layer, len(list(group))) for layer, group in itertools.groupby(config.layers)]
    return ", ".join(
        f"{kind.upper()} {count}×{width}" if count > 1 else f"{kind.upper()} {width}"
        for (kind, width, *_), count in groups
    )
