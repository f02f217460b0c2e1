"""Recurrent networks for PyTorch: the cells, stacks and unrollings of TensorFlow 1's recurrent toolbox.

Names are loaded when they are first used, so that importing the package (and `unrolled --help`) does not
wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled import data, layers, networks, onnx, report, tf1, training
    from unrolled.cells import (
        Cell,
        DropoutCell,
        GRUCell,
        HighwayCell,
        LSTMCell,
        LSTMState,
        ResidualCell,
        RNNCell,
        StackedCell,
    )
    from unrolled.errors import UnrolledError
    from unrolled.kernels import isa
    from unrolled.layers import GRU, LSTM, RNN, accelerate, quantize, restore
    from unrolled.stream import Stream
    from unrolled.unroll import (
        bidirectional_unroll,
        dynamic_unroll,
        reverse_sequence,
        stacked_bidirectional_unroll,
        static_unroll,
    )

    __version__: str

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "DropoutCell",
    "GRUCell",
    "HighwayCell",
    "LSTMCell",
    "LSTMState",
    "RNNCell",
    "ResidualCell",
    "StackedCell",
    "Stream",
    "UnrolledError",
    "accelerate",
    "bidirectional_unroll",
    "data",
    "dynamic_unroll",
    "isa",
    "layers",
    "networks",
    "onnx",
    "quantize",
    "report",
    "restore",
    "reverse_sequence",
    "stacked_bidirectional_unroll",
    "static_unroll",
    "tf1",
    "training",
]

_HOMES = {"UnrolledError": "errors", "Stream": "stream"} | dict.fromkeys(
    ("GRU", "LSTM", "RNN", "accelerate", "quantize", "restore"), "layers"
)


if not TYPE_CHECKING:  # a type checker is to find a name that is not there

    def __getattr__(name: str) -> Any:
        if name in ("data", "layers", "networks", "onnx", "report", "tf1", "training"):
            return importlib.import_module(f"unrolled.{name}")
        if name == "__version__":
            from importlib.metadata import version

            return version("unrolled")
        if name == "isa":
            return importlib.import_module("unrolled.kernels.isa")
        if name in __all__:
            home = _HOMES.get(name, "unroll" if name[0].islower() else "cells")
            value = getattr(importlib.import_module(f"unrolled.{home}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
