"""MNIST, the data sets that come in its four files, and a sample of it that is always there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from unrolled.data.dataset import Dataset, hold_out
from unrolled.data.download import SOURCES, cache, content_digest, download
from unrolled.data.examples import Examples
from unrolled.data.idx import read_idx
from unrolled.errors import UnrolledError

DIGITS = tuple("0123456789")
GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CLASSES = {"sample": DIGITS, "mnist": DIGITS, "fashion-mnist": GARMENTS}
DATASETS = tuple(CLASSES)

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SAMPLE = Path(__file__).parent / "sample"


def load_pictures(
    name: str, data_dir: str | os.PathLike[str] | None = None, *, validation: int | None = None
) -> Dataset:
    """One of `DATASETS`: see `unrolled.data.load`."""
    files = locate(name, data_dir) or _find(name, download(name))
    if not files:  # nothing was missing there
        raise UnrolledError(
            f"{cache(name)} holds another data set's files under the names of {name}'s: remove that folder, "
            "and they are downloaded anew"
        )
    train_images, train_labels, test_images, test_labels = files
    train = _read(train_images, train_labels)
    train, held_out = hold_out(name, train, validation)
    return Dataset(name, train, held_out, _read(test_images, test_labels), classes=CLASSES[name])


def locate(name: str, data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """The four files that `load` reads, in the order of `FILES`; none if it would have to download them.

    Raises:
        UnrolledError: data_dir does not hold them.
    """
    if name == "sample":
        if data_dir is not None:
            raise UnrolledError(
                f"data_dir is {str(data_dir)!r}, but the sample comes with the package: leave data_dir out, "
                "or ask for mnist or fashion-mnist"
            )
        return _find(name, SAMPLE)
    if data_dir is not None:
        files = _find(name, Path(data_dir))
        if not files:
            raise UnrolledError(
                f"{data_dir} does not hold {name}: expected {', '.join(FILES)}, each plain or .gz, in that "
                f"folder or in {Path(data_dir, name)}, and not another data set's"
            )
        return files
    local = os.environ.get("UNROLLED_DATA_DIR")
    return (_find(name, Path(local)) if local else []) or _find(name, cache(name))


def _find(name: str, folder: Path) -> list[Path]:
    """The four files in `folder / name` or in `folder`; none if one of them is missing."""
    for place in (folder / name, folder):
        spellings = [(place / file, place / f"{file}.gz") for file in FILES]
        files = [path for pair in spellings for path in [*filter(os.path.isfile, pair)][:1]]
        if len(files) == len(FILES) and not _is_another(name, files[3]):
            return files
    return []


def _is_another(name: str, test_labels: Path) -> bool:
    """Whether a file is known to be another data set's: they all have the same file names."""
    digest = content_digest(test_labels)
    return any(digest == source.digests[FILES[3]] for other, source in SOURCES.items() if other != name)


def _read(images_path: Path, labels_path: Path) -> Examples:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28) or len(images) == 0:
        raise UnrolledError(
            f"{images_path} holds {images.dtype} {list(images.shape)}, expected pictures, uint8 [N, 28, 28]"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise UnrolledError(
            f"{labels_path} holds {labels.dtype} {list(labels.shape)}, expected uint8 [{len(images)}]: "
            f"one label for each picture of {images_path.name}"
        )
    return Examples(torch.from_numpy(images), torch.from_numpy(labels).long())
