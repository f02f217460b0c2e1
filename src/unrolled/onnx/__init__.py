"""Networks as ONNX files."""

from unrolled.onnx.load import load
from unrolled.onnx.model import OnnxModel
from unrolled.onnx.recurrent import RecurrentLayer

__all__ = ["OnnxModel", "RecurrentLayer", "load"]
