"""A network as data: what it is made of, small enough to read, to print and to save."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias, TypedDict, Unpack

from unrolled.errors import UnrolledError, check_count, check_fields, is_number, unknown_name

CELLS = ("rnn", "lstm", "gru")
UNROLLS = ("static", "dynamic")
DIRECTIONS = ("forward", "backward", "bidirectional", "parallel")
ORDERS = {  # the scans, each in words
    "rows": "row by row",
    "columns": "column by column",
    "pixels": "pixel by pixel",
    "permuted": "pixel by pixel in a permuted order",
}
SCANS = tuple(ORDERS)
READS = ("final", "last", "state", "memory", "first", "mean", "max", "steps")
ACTIVATIONS = (
    "identity",
    "relu",
    "tanh",
    "sigmoid",
    "elu",
    "selu",
    "relu6",
    "leaky_relu",
    "softplus",
    "softsign",
)

# More of these is a damaged file, or a mistake: nothing here would fit into any memory.
MOST_WIDTH = 2**24
MOST_LAYERS = 1000
MOST_LETTERS = 500

# What may be set of a layer's cell, and to values of which types.
CELL_OPTIONS: dict[str, dict[str, Any]] = {
    "rnn": {"nonlinearity": str, "residual": bool},
    "lstm": {
        "forget_bias": (int, float),
        "activation": str,
        "peephole": bool,
        "proj_size": int,
        "cell_clip": (int, float),
        "proj_clip": (int, float),
        "layer_norm": str,
        "residual": bool,
    },
    "gru": {"reset": str, "residual": bool},
}
EXPECTED = {str: "a name", bool: "true or false", (int, float): "a finite number"}

Layer: TypeAlias = "tuple[str, int] | tuple[str, int, dict[str, Any]]"


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """A recurrent classifier of sequences, as cells x layers x direction x unrolling.

    Attributes:
        name: its name in the catalogue, or one of your own.
        layers: the layers, the lowest first, each a kind of cell ("rnn", "lstm", "gru") and its width H, and
            if its cell has options, those: ("lstm", 128, {"forget_bias": 0.8, "peephole": True}). With
            {"residual": True} a layer's input is added to its output.
        unroll: "static" or "dynamic", see `SequenceClassifier`.
        direction: "forward"; "backward": from each sequence's end to its start; "bidirectional": both
            directions of a layer read both of the layer below; or "parallel": two stacks, one for each
            direction, that meet at the top only.
        read: what the classifier sees, see `SequenceClassifier`: "final", "last", "state", "memory", "first",
            "mean" or "max"; or "steps", after which it speaks at every step.
        output_dropout: the probability that an element of a layer's output is dropped while training.
        input_size: I, the width of one step as it comes.
        classes: the number of classes, or of numbers where it is those that are predicted.
        input_layers: dense layers that every step passes first, each a width and an activation, one of
            `ACTIVATIONS`.
        output_layers: the same, between what the classifier would see and the classifier.
        scan: the order in which the pixels of a picture [T, I] become steps: "rows" leaves any sequence as it
            is; of square pictures there are "columns" and "permuted", and of any of one size "pixels", see
            `scan.scanned`.
        centre: how many of a sequence's last steps have the mean that is taken away from all of it before
            anything reads it, so that a level that never was seen does no harm; 0 for none.
    """

    name: str
    layers: tuple[Layer, ...]
    unroll: str = "dynamic"
    direction: str = "forward"
    read: str = "final"
    output_dropout: float = 0.0
    input_size: int = 28
    classes: int = 10
    input_layers: tuple[tuple[int, str], ...] = ()
    output_layers: tuple[tuple[int, str], ...] = ()
    scan: str = "rows"
    centre: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= MOST_LETTERS:
            raise UnrolledError(
                f"the name of a network is {self.name!r}, expected 1 to {MOST_LETTERS} letters"
            )
        try:
            layers: Any = tuple((kind, width, *options) for kind, width, *options in self.layers)
            if any(layer[2:] and not (len(layer) == 3 and isinstance(layer[2], dict)) for layer in layers):
                raise ValueError
        except (TypeError, ValueError):
            raise UnrolledError(
                f"network {self.name}: layers is {self.layers!r}, expected pairs such as [['lstm', 128]]"
            ) from None
        object.__setattr__(self, "layers", layers)
        if not layers:
            raise UnrolledError(f"network {self.name}: it has no layers, expected at least one")
        if len(layers) > MOST_LAYERS:
            raise UnrolledError(
                f"network {self.name}: it has {len(layers)} layers, expected {MOST_LAYERS} at most"
            )
        for kind, _, *options in layers:
            _check_choice("cell", kind, CELLS)
            if options:
                self._check_options(kind, options[0])
        for field in ("input_layers", "output_layers"):
            self._check_dense(field)
        _check_choice("unroll", self.unroll, UNROLLS)
        _check_choice("direction", self.direction, DIRECTIONS)
        _check_choice("read", self.read, READS)
        _check_choice("scan", self.scan, SCANS)
        if self.scan != "rows" and self.read == "steps":
            raise UnrolledError(
                f'network {self.name}: read is "steps" and scan is "{self.scan}", but what is said of a step '
                'is said of a row: expected the scan "rows"'
            )
        if self.read == "memory" and (layers[-1][0] != "lstm" or not self.one_way):
            raise UnrolledError(
                f'network {self.name}: read is "memory", expected a last layer of LSTMs in one direction'
            )
        layers = tuple(
            (
                kind,
                check_count(f"network {self.name}: the width of layer {n}", width, most=MOST_WIDTH),
                *options,
            )
            for n, (kind, width, *options) in enumerate(layers, start=1)
        )
        object.__setattr__(self, "layers", layers)
        for field, least in (("input_size", 1), ("classes", 1), ("centre", 0)):
            what = f"network {self.name}: {field}"
            size = check_count(what, getattr(self, field), least=least, most=MOST_WIDTH)
            object.__setattr__(self, field, size)
        dropout = self.output_dropout
        if not is_number(dropout) or not 0 <= dropout <= 1:
            raise UnrolledError(
                f"network {self.name}: output_dropout is {dropout!r}, expected a probability from 0 to 1"
            )
        object.__setattr__(self, "output_dropout", float(dropout))

    @property
    def one_way(self) -> bool:
        """Whether there is one stack of cells, not one for each direction."""
        return self.direction in ("forward", "backward")

    @property
    def feature_size(self) -> int:
        """F, the width of what the classifier sees of the last recurrent layer, all directions together."""
        if self.read == "memory":
            return self.layers[-1][1]
        return (1 if self.one_way else 2) * output_width(self.layers[-1])

    @property
    def step_size(self) -> int:
        """The width of what is read in one step: input_size, or 1 of a picture that is read by its pixels."""
        return 1 if self.scan in ("pixels", "permuted") else self.input_size

    @property
    def rows(self) -> int | None:
        """T, of pictures that must be square, so that it is I, for their scan; None where any T is read."""
        return self.input_size if self.scan in ("columns", "permuted") else None

    @property
    def order(self) -> str:
        """How its scan reads pictures, in words."""
        return ORDERS[self.scan]

    @property
    def pictures(self) -> str:
        """Of which size pictures must be for a scan other than rows, in words."""
        size = f"of {self.rows} x {self.input_size} pixels" if self.rows else f"{self.input_size} pixels wide"
        return f"pictures {size}"

    def _check_options(self, kind: str, options: dict[str, Any]) -> None:
        for option, value in options.items():
            if option not in CELL_OPTIONS[kind]:
                raise unknown_name(f"option of {kind}", option, CELL_OPTIONS[kind])
            kinds = CELL_OPTIONS[kind][option]
            what = f"network {self.name}: the {option} of a layer"
            if kinds is int:
                check_count(what, value, least=0, most=MOST_WIDTH)
            elif not (is_number(value) if kinds == (int, float) else isinstance(value, kinds)):
                raise UnrolledError(f"{what} is {value!r}, expected {EXPECTED[kinds]}")

    def _check_dense(self, field: str) -> None:
        came = getattr(self, field)
        try:
            dense = tuple((width, activation) for width, activation in came)
            if len(dense) > MOST_LAYERS:
                raise ValueError
        except (TypeError, ValueError):
            raise UnrolledError(
                f"network {self.name}: {field} is {came!r}, expected pairs such as [[64, 'relu']]"
            ) from None
        for _, activation in dense:
            _check_choice("activation", activation, ACTIVATIONS)
        what = f"network {self.name}: a width of {field}"
        dense = tuple((check_count(what, width, most=MOST_WIDTH), activation) for width, activation in dense)
        object.__setattr__(self, field, dense)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The configuration that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("network option", values, cls)
        missing = [name for name in ("name", "layers") if name not in values]
        if missing:
            raise UnrolledError(f"the network has no {missing[0]!r}")
        return cls(**values)

    def changed(self, **changes: Unpack[NetworkFields]) -> NetworkConfig:
        """A copy with other values; unknown keys are refused.

        >>> NetworkConfig("mine", (("lstm", 128),)).changed(classes=26).classes
        26
        """
        return self.from_dict({**dataclasses.asdict(self), **changes})


class NetworkChanges(TypedDict, total=False):
    """The fields of a `NetworkConfig` but its name, each of which may be said or not, for type checkers."""

    layers: tuple[Layer, ...]
    unroll: str
    direction: str
    read: str
    output_dropout: float
    input_size: int
    classes: int
    input_layers: tuple[tuple[int, str], ...]
    output_layers: tuple[tuple[int, str], ...]
    scan: str
    centre: int


class NetworkFields(NetworkChanges, total=False):
    """All of them."""

    name: str


def output_width(layer: Layer) -> int:
    """How wide the output of a layer is, in one direction."""
    width: int = layer[1]
    return (layer[2].get("proj_size") or width) if len(layer) == 3 else width


def _check_choice(what: str, value: object, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        raise unknown_name(what, value, known)
