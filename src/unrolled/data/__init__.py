"""Data: MNIST and its like, IDX files, batches, and pictures of digits."""

from unrolled.data.arrays import open_arrays, save_arrays
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
    "open_arrays",
    "read_digits",
    "read_idx",
    "save_arrays",
    "write_idx",
]
