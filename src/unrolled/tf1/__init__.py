"""TensorFlow 1: its checkpoints, without TensorFlow."""

from unrolled.tf1.checkpoint import read_checkpoint, write_checkpoint
from unrolled.tf1.found_model import FoundModel
from unrolled.tf1.load import load_variables
from unrolled.tf1.model import find_model

__all__ = ["FoundModel", "find_model", "load_variables", "read_checkpoint", "write_checkpoint"]
