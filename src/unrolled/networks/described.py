"""A network from a few words about it: cell, width, layers, directions."""

from __future__ import annotations

import dataclasses

from unrolled.errors import UnrolledError, check_count, unknown_name
from unrolled.networks.config import CELLS, MOST_LAYERS, NetworkConfig


@dataclasses.dataclass(frozen=True)
class Description:
    """What is said of a network; None is what it has already.

    Attributes:
        cell: "lstm", "gru" or "rnn", of every layer.
        hidden: H, the width of every layer.
        layers: how many.
        bidirectional: whether each layer reads in both directions.
        dropout: the probability that an element of a layer's output is dropped while training.
        layer_norm: whether the gates are normalised, which LSTMs can.
    """

    cell: str | None = None
    hidden: int | None = None
    layers: int | None = None
    bidirectional: bool | None = None
    dropout: float | None = None
    layer_norm: bool | None = None

    def of(self, config: NetworkConfig) -> NetworkConfig:
        """The network, as far as nothing else is said that of `config`.

        Raises:
            UnrolledError: no such cell, or a value out of range.

        >>> base = NetworkConfig("base", (("gru", 128, {"reset": "after"}),))
        >>> Description(cell="lstm", layers=2, bidirectional=True).of(base).name
        'lstm-128-2-bidirectional'
        """
        kind, width, *options = config.layers[-1]
        own = dict(options[0]) if options else {}
        cell = kind if self.cell is None else self.cell
        if cell not in CELLS:
            raise unknown_name("cell", cell, CELLS)
        if cell != kind:
            own = {"reset": "after"} if cell == "gru" else {}  # as torch.nn's, the quickest
        if self.layer_norm and cell != "lstm":
            raise UnrolledError(f"layer_norm goes with the cell lstm, not with {cell}")
        if self.layer_norm is not None:
            own = {name: value for name, value in own.items() if name != "layer_norm"}
            own |= {"layer_norm": "gates"} if self.layer_norm else {}
        count = len(config.layers) if self.layers is None else self.layers
        check_count("layers", count, most=MOST_LAYERS)
        width = width if self.hidden is None else self.hidden
        direction = config.direction
        if self.bidirectional is not None:
            direction = "bidirectional" if self.bidirectional else "forward"
        name = f"{cell}-{width}"
        name += f"-{count}" if count > 1 else ""
        name += "" if direction == "forward" else f"-{direction}"
        return config.changed(
            name=name,
            layers=((cell, width, own) if own else (cell, width),) * count,
            direction=direction,
            output_dropout=config.output_dropout if self.dropout is None else self.dropout,
        )
