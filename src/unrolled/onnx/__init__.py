"""ONNX files: networks, cells and layers out of the house."""

__all__: list[str] = []
