"""ONNX files: networks, cells and layers out of the house, and models that others exported into it."""

from unrolled.onnx.load import load
from unrolled.onnx.model import OnnxModel
from unrolled.onnx.recurrent import RecurrentLayer

__all__ = ["OnnxModel", "RecurrentLayer", "load"]
