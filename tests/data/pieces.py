"""Arrays in pieces, and folders of them."""

from pathlib import Path

import numpy as np

PARTS = ("train", "validation", "test")


COUNTS = {"train": 23, "validation": 4, "test": 7}


Piece = tuple[np.ndarray, np.ndarray]


def pieces(count: int, dtype: str = "float32", seed: int = 0, classes: int = 3) -> list[Piece]:
    """Examples [count, 5, 2] in pieces of four."""
    random = np.random.default_rng(seed)
    sequences = (random.random((count, 5, 2)) * 255).astype(dtype)
    labels = np.resize(np.arange(classes), count)
    return [(sequences[at : at + 4], labels[at : at + 4]) for at in range(0, count, 4)]


def joined(some: list[Piece]) -> Piece:
    return np.concatenate([piece[0] for piece in some]), np.concatenate([piece[1] for piece in some])


def put(folder: Path, **arrays: object) -> Path:
    """A folder of 23 to train and 7 to test on; an argument such as train_labels takes an array's place."""
    folder.mkdir(exist_ok=True)
    for part in ("train", "test"):
        sequences, labels = joined(pieces(COUNTS[part]))
        np.save(folder / f"{part}-sequences.npy", arrays.get(f"{part}_sequences", sequences))
        np.save(folder / f"{part}-labels.npy", arrays.get(f"{part}_labels", labels))
    return folder


SEQUENCES, LABELS = joined(pieces(23))
