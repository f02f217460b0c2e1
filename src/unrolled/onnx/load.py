"""`unrolled.onnx.load`: an ONNX model that anybody exported, as a module of this library."""

from __future__ import annotations

import os

from unrolled.errors import UnrolledError
from unrolled.onnx.model import OnnxModel
from unrolled.onnx.reading import read_graph


def load(path: str | os.PathLike[str]) -> OnnxModel:
    """Read an ONNX model with recurrent nodes, whoever exported it.

    LSTM, GRU and RNN nodes become this package's cells: weights, both directions, lengths, initial states,
    peepholes, both places of a GRU's reset gate, and the activations that cells have. The operators around
    them are run in torch.

    Args:
        path: the .onnx file; tensors in files of their own are looked for beside it.

    Raises:
        UnrolledError: the file cannot be read or is damaged, an operator is unknown, or a recurrent node
            computes what no cell here does; or the package `onnx`, the extra of that name, is missing.
    """
    graph = read_graph(path)
    try:
        return OnnxModel(graph)
    except UnrolledError as error:
        raise UnrolledError(f"{path}: {error}") from error
