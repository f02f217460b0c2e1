"""A network as data: what it is made of, small enough to read, to print and to save."""

from __future__ import annotations

import dataclasses
from typing import Any

from unrolled.errors import UnrolledError, unknown_name

CELLS = ("rnn", "lstm", "gru")
UNROLLS = ("static", "dynamic")
DIRECTIONS = ("forward", "bidirectional")
READS = ("final", "last", "state")


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """A recurrent classifier of sequences, as cells x layers x direction x unrolling.

    Attributes:
        name: its name in the catalogue, or one of your own.
        layers: the layers, the lowest first, each a kind of cell ("rnn", "lstm", "gru") and its width H.
        unroll: "static" or "dynamic".
        direction: "forward" or "bidirectional".
        read: what the classifier sees, see `SequenceClassifier`: "final", "last" or "state".
        output_dropout: the probability that an element of a layer's output is dropped while training.
        input_size: I, the width of one step.
        classes: the number of classes.
    """

    name: str
    layers: tuple[tuple[str, int], ...]
    unroll: str = "dynamic"
    direction: str = "forward"
    read: str = "final"
    output_dropout: float = 0.0
    input_size: int = 28
    classes: int = 10

    def __post_init__(self) -> None:
        try:
            layers = tuple((str(kind), width) for kind, width in self.layers)
        except (TypeError, ValueError):
            raise UnrolledError(
                f"network {self.name}: layers is {self.layers!r}, expected pairs such as [['lstm', 128]]"
            ) from None
        object.__setattr__(self, "layers", layers)
        if not layers:
            raise UnrolledError(f"network {self.name}: it has no layers, expected at least one")
        for kind, _ in layers:
            _check_choice("cell", kind, CELLS)
        _check_choice("unroll", self.unroll, UNROLLS)
        _check_choice("direction", self.direction, DIRECTIONS)
        _check_choice("read", self.read, READS)
        sizes = {f"the width of layer {n}": width for n, (_, width) in enumerate(layers, start=1)}
        sizes |= {"input_size": self.input_size, "classes": self.classes}
        for what, size in sizes.items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise UnrolledError(
                    f"network {self.name}: {what} is {size!r}, expected a whole number of at least 1"
                )
        dropout = self.output_dropout
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise UnrolledError(
                f"network {self.name}: output_dropout is {dropout!r}, expected a probability from 0 to 1"
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The configuration that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_name("network option", key, known)
        missing = [name for name in ("name", "layers") if name not in values]
        if missing:
            raise UnrolledError(f"the network has no {missing[0]!r}")
        return cls(**values)

    def changed(self, **changes: Any) -> NetworkConfig:
        """A copy with other values; unknown keys are refused.

        >>> NetworkConfig("mine", (("lstm", 128),)).changed(classes=26).classes
        26
        """
        return self.from_dict({**dataclasses.asdict(self), **changes})


def _check_choice(what: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise unknown_name(what, value, known)
