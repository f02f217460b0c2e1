"""Data: sequences of any length, MNIST and its like, files of arrays, batches, and pictures of digits."""

from unrolled.data.arrays import open_arrays
from unrolled.data.arrays_writer import save_arrays
from unrolled.data.batches import batches, batches_of
from unrolled.data.dataset import Dataset
from unrolled.data.examples import Batch, Examples, as_float
from unrolled.data.idx import read_idx, write_idx
from unrolled.data.image import read_digits
from unrolled.data.mnist import DATASETS, load, locate
from unrolled.data.numbers import Numbers
from unrolled.data.sequences import Sequences
from unrolled.data.standardization import Standardization

__all__ = [
    "DATASETS",
    "Batch",
    "Dataset",
    "Examples",
    "Numbers",
    "Sequences",
    "Standardization",
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
