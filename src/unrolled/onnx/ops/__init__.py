"""The operators by family; to import a file enters its operators."""

from unrolled.onnx.ops import arithmetic, indexing, linear, reductions, shapes

__all__ = ["arithmetic", "indexing", "linear", "reductions", "shapes"]
