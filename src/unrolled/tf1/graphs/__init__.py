"""TensorFlow 1's graphs, run as they are."""

from unrolled.tf1.graphs.graph import Graph

__all__ = ["Graph"]
