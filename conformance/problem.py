"""What a case asks: a network with its numbers, as runners and the definition read it. Needs numpy alone.

Numbers are float64 here; a peer rounds them to the problem's dtype, which they all fit without loss. In JSON
an array is a list of lists, NaN and infinities are the strings "nan", "inf" and "-inf", an empty array is
{"empty": shape}, and a long one may be a recipe, {"drawn": name, "shape": shape}.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """One layer.

    cell: "rnn", "lstm" or "gru"; options: activation, forget_bias, cell_clip, proj_clip, reset;
    ways: the weights by name for each of "forward" and "backward" that is there.
    """

    cell: str
    ways: dict[str, dict[str, Array]]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """A network, its input, and what is wanted.

    x [N, T, I]; lengths [N]; mask [N, T], true where a step counts; resets [N, T], true where the state
    begins anew; state by name, "0.forward.h" [N, H]; weigh: the loss is the sum of these arrays times the
    results of the same names, and its gradients are wanted; second [N, T, I]: wanted are the gradients of the
    sum of it times dloss/dx instead. ask: "outputs", "final", "states", "path". unroll: "dynamic" or
    "static"; stacking: "interleaved" or "apart"; layout: how x lies in memory, of "time major" also how it is
    given. dropout: probabilities by place; form: "no dtype" or "joined", of a state.
    """

    layers: list[Layer]
    x: Array
    dtype: str = "float32"
    lengths: Any = None
    mask: Any = None
    resets: Any = None
    state: dict[str, Array] = field(default_factory=dict)
    weigh: dict[str, Array] = field(default_factory=dict)
    second: Array | None = None
    ask: list[str] = field(default_factory=lambda: ["outputs", "final"])
    unroll: str = "dynamic"
    stacking: str = "interleaved"
    layout: str = "plain"
    dropout: dict[str, float] = field(default_factory=dict)
    training: bool = False
    form: str = ""

    def leaves(self) -> dict[str, Array]:
        """What gradients are of, by name: x, "state.0.forward.h", "0.forward.W"."""
        found = {"x": self.x} | {f"state.{name}": value for name, value in self.state.items()}
        for number, layer in enumerate(self.layers):
            for way, weights in layer.ways.items():
                found |= {f"{number}.{way}.{name}": value for name, value in weights.items()}
        return found

    def asked_of(self, names: Iterable[str]) -> list[str]:
        """Those of the results that are asked for: "final" and "states" stand for all of theirs."""
        return [name for name in names if name.split(".")[0] in self.ask]

    def steps(self, n: int) -> Sequence[int]:
        """The steps of a sequence that count."""
        T = self.x.shape[1]
        if self.mask is not None:
            return [t for t in range(T) if self.mask[n][t]]
        return range(T if self.lengths is None else int(self.lengths[n]))

    def counts(self) -> NDArray[np.bool_]:
        """Which steps count, [N, T]."""
        found = np.zeros(self.x.shape[:2], bool)
        for n in range(len(found)):
            found[n, list(self.steps(n))] = True
        return found

    def begins_anew(self, n: int, t: int, way: str) -> bool:
        """Whether the state before a step is the initial one, in the middle of a sequence.

        Forwards a step that is a beginning is read from it; backwards the step before a beginning.
        """
        if self.resets is None:
            return False
        if way == "forward":
            return bool(self.resets[n][t])
        return t + 1 < len(self.steps(n)) and bool(self.resets[n][t + 1])


def sizes(layer: Layer, way: str) -> list[int]:
    """The widths of a state's parts: [H], of an LSTM [P or H, H]."""
    U = layer.ways[way]["U"]
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[layer.cell]
    H = len(U) // gates
    return [U.shape[1], H] if layer.cell == "lstm" else [H]


def encode(x: Any) -> Any:
    """An array as JSON has it."""
    array = np.asarray(x, dtype=np.float64)
    if array.size == 0:
        return {"empty": list(array.shape)}
    if array.ndim == 0:
        value = float(array)
        if not np.isfinite(value):
            return str(value)
        return int(value) if value == int(value) and abs(value) < 1e6 else value
    return [encode(part) for part in array]


def decode(x: Any) -> Array:
    """The array again."""
    if isinstance(x, dict):
        return np.zeros(x["empty"]) if "empty" in x else drawn(x["drawn"], *x["shape"])
    return np.array(x, dtype=np.float64)


def drawn(name: str, *shape: int, most: int = 64) -> Array:
    """Numbers k/64, |k| <= most, that a name stands for: exact in bfloat16, the same on every machine.

    They come from the high bits of s -> 6364136223846793005 s + 1442695040888963407 (mod 2^64), which starts
    from the CRC-32 of the name.
    """
    s = zlib.crc32(name.encode()) | 1 << 40
    numbers = []
    for _ in range(int(np.prod(shape))):
        s = (6364136223846793005 * s + 1442695040888963407) % 2**64
        numbers.append(((s >> 33) % (2 * most + 1) - most) / 64)
    return np.array(numbers).reshape(shape)


_ARRAYS = ("x", "second")
_NAMED_ARRAYS = ("state", "weigh")


def to_json(problem: Problem) -> dict[str, Any]:
    """The problem as JSON has it, without what is as usual."""
    usual = _usual()
    found: dict[str, Any] = {}
    for entry in fields(problem):
        value = getattr(problem, entry.name)
        if entry.name == "layers":
            value = [_layer_to_json(layer) for layer in value]
        elif entry.name in _NAMED_ARRAYS:
            value = {name: encode(array) for name, array in value.items()}
        elif entry.name in _ARRAYS:
            value = None if value is None else encode(value)
        elif isinstance(value, np.ndarray):
            value = value.tolist()
        if value != usual.get(entry.name):
            found[entry.name] = value
    return found


def _usual() -> dict[str, Any]:
    """What stands in a problem where nobody says otherwise."""
    plain = Problem(layers=[], x=np.zeros(0))
    return {entry.name: getattr(plain, entry.name) for entry in fields(plain) if entry.name != "x"}


def _layer_to_json(layer: Layer) -> dict[str, Any]:
    ways = {way: {name: encode(w) for name, w in weights.items()} for way, weights in layer.ways.items()}
    return {"cell": layer.cell, "ways": ways} | ({"options": layer.options} if layer.options else {})


def from_json(data: dict[str, Any]) -> Problem:
    """The problem again."""
    data = dict(data)
    layers = [
        Layer(
            one["cell"],
            {way: {k: decode(w) for k, w in weights.items()} for way, weights in one["ways"].items()},
            one.get("options", {}),
        )
        for one in data.pop("layers")
    ]
    for name in _ARRAYS:
        if data.get(name) is not None:
            data[name] = decode(data[name])
    for name in _NAMED_ARRAYS:
        data[name] = {key: decode(array) for key, array in data.get(name, {}).items()}
    return Problem(layers=layers, **data)
