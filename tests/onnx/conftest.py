"""ONNX Runtime computes what was exported."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.catalogue import parts
from unrolled.onnx import export


class Exported:
    """A model in ONNX Runtime.

    Attributes:
        proto: the file, which the package onnx finds no fault with.
        inputs, outputs: their names.
    """

    def __init__(self, model: Any, path: Any, **options: Any) -> None:
        export(model, path, **options)
        self.proto = onnx.load(path)
        onnx.checker.check_model(self.proto, full_check=True)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def __call__(self, x: Any, lengths: Any = None, state: Any = None) -> list[np.ndarray]:
        values = [x] + ([] if lengths is None else [lengths]) + ([] if state is None else parts(state))
        number = np.float16 if "float16" in self.session.get_inputs()[0].type else np.float32
        feeds = {
            name: np.asarray(value, np.int32 if name == "lengths" else number)
            for name, value in zip(self.inputs, values, strict=True)
        }
        return self.session.run(None, feeds)


@pytest.fixture
def exported(tmp_path):
    """`exported(model, stream=True)`: the model in ONNX Runtime."""
    return lambda model, **options: Exported(model, tmp_path / "model.onnx", **options)


@pytest.fixture(autouse=True)
def _without_gradients():
    torch.manual_seed(3)
    with torch.no_grad():
        yield
