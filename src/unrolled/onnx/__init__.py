"""ONNX files: networks, cells and layers out of the house."""

from unrolled.onnx.write import export

__all__ = ["export"]
