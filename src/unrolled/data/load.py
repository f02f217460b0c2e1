"""A data set by its name or by where it is."""

from __future__ import annotations

import os
from pathlib import Path

from unrolled.data.arrays import is_of_arrays, open_arrays
from unrolled.data.dataset import Dataset
from unrolled.data.mnist import DATASETS, load_pictures
from unrolled.data.open import open_data
from unrolled.data.options import DataOptions
from unrolled.errors import UnrolledError, unknown_name

NOTHING_SAID = DataOptions()


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    validation: int | None = None,
    options: DataOptions = NOTHING_SAID,
) -> Dataset:
    """A data set by name, its pictures as sequences of rows, row t for step t; or one from files.

    "sample" comes with the package: 4,000 digits to train on and 1,000 to test on, all of them from
    MNIST's training half. "mnist" and "fashion-mnist" (60,000 and 10,000) are looked for in data_dir; or
    else in the folder that the environment variable UNROLLED_DATA_DIR names, then in the cache, and at
    last downloaded into the cache.

    Args:
        name: one of `DATASETS`; or a folder of arrays, see `open_arrays`; or any other file or folder, see
            `open_data`.
        data_dir: a folder with the four IDX files, plain or gzip, or with a sub-folder `name` that has
            them. They may be your own, of the same classes.
        validation: how many of the training examples are held out to choose by: of pictures and arrays the
            first ones. None for a tenth, but 5,000 at most.
        options: what cannot be found out about files.

    Raises:
        UnrolledError: no such data set, files that are missing, damaged or do not fit, no download, or
            validation leaves nothing to train on.

    >>> digits = load("sample")
    >>> tuple(digits.train.sequences.shape), len(digits.validation), len(digits.test)
    ((3600, 28, 28), 400, 1000)
    """
    if name in DATASETS:
        if said := options.given():
            instead = "; what the steps are, the network's scan says" if "by" in said else ""
            raise UnrolledError(f"{next(iter(said))} came, but {name} is known: leave it out{instead}")
        return load_pictures(name, data_dir, validation=validation)
    if not os.path.lexists(name):
        if os.path.isabs(name):  # as a run remembers it
            raise UnrolledError(
                f"there is no file or folder {name}: put the data back, or a link to where they are now"
            )
        raise unknown_name("data set, file or folder", name, DATASETS)
    if data_dir is not None:
        raise UnrolledError(f"data_dir is {str(data_dir)!r}, but {name} is a path itself: leave it out")
    if not is_of_arrays(Path(name)):
        return open_data(name, options, validation=validation)
    others = [option for option in options.given() if option != "standardize"]
    if others:
        raise UnrolledError(f"{others[0]} came, but {name} is a folder of arrays, which say it: leave it out")
    return open_arrays(name, validation=validation, standardize=options.standardize)
