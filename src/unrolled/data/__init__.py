"""Data: sequences of any length, MNIST and its like, files of arrays, batches, and pictures of digits."""

from unrolled.data.arrays import open_arrays
from unrolled.data.arrays_writer import save_arrays
from unrolled.data.batches import batches, batches_of
from unrolled.data.dataset import Dataset
from unrolled.data.examples import Batch, Examples
from unrolled.data.idx import read_idx, write_idx
from unrolled.data.image import read_digits
from unrolled.data.load import load
from unrolled.data.mnist import DATASETS, locate
from unrolled.data.numbers import Numbers
from unrolled.data.open import open_data
from unrolled.data.options import DataOptions
from unrolled.data.preparation import Preparation
from unrolled.data.sequences import Sequences, as_float
from unrolled.data.standardization import Standardization

__all__ = [
    "DATASETS",
    "Batch",
    "DataOptions",
    "Dataset",
    "Examples",
    "Numbers",
    "Preparation",
    "Sequences",
    "Standardization",
    "as_float",
    "batches",
    "batches_of",
    "load",
    "locate",
    "open_arrays",
    "open_data",
    "read_digits",
    "read_idx",
    "save_arrays",
    "write_idx",
]
