"""ONNX files: networks, cells and layers out of the house, and models that others exported into it."""

from unrolled.onnx.exported import Exported, read_exported
from unrolled.onnx.found_network import FoundNetwork, find_network
from unrolled.onnx.load import load
from unrolled.onnx.model import OnnxModel
from unrolled.onnx.recurrent_layer import RecurrentLayer
from unrolled.onnx.write import export

__all__ = [
    "Exported",
    "FoundNetwork",
    "OnnxModel",
    "RecurrentLayer",
    "export",
    "find_network",
    "load",
    "read_exported",
]
