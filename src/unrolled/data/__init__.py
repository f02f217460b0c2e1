"""Data: MNIST and its like, IDX files, batches, and pictures of digits."""

from unrolled.data.batches import batches, batches_of
from unrolled.data.examples import Dataset, Examples, as_float
from unrolled.data.idx import read_idx, write_idx
from unrolled.data.image import read_digits
from unrolled.data.mnist import DATASETS, load, locate

__all__ = [
    "DATASETS",
    "Dataset",
    "Examples",
    "as_float",
    "batches",
    "batches_of",
    "load",
    "locate",
    "read_digits",
    "read_idx",
    "write_idx",
]
