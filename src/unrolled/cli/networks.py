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
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from unrolled.networks import CATALOGUE, SequenceClassifier

    table = Table(
        "",
        "network",
        "layers",
        "unroll",
        "reads",
        "parameters",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.columns[0].justify = table.columns[-1].justify = "right"
    table.columns[1].no_wrap = True
    for number, (name, config) in enumerate(CATALOGUE.items(), start=1):
        parameters = SequenceClassifier(config).parameter_count
        reads = "→" if config.direction == "forward" else "⇄"
        table.add_row(str(number), name, layers(config), config.unroll, reads, f"{parameters:,}")
    console = Console()
    console.print(table)
    console.print("→ reads each sequence from its beginning, ⇄ from both ends.")


def layers(config: NetworkConfig) -> str:
    """The layers in short: "LSTM 3×128", or "LSTM 128, GRU 256"."""
    groups = [(layer, len(list(group))) for layer, group in itertools.groupby(config.layers)]
    return ", ".join(
        f"{kind.upper()} {count}×{width}" if count > 1 else f"{kind.upper()} {width}"
        for (kind, width, *_), count in groups
    )
