"""TensorFlow's checkpoints, read and written without TensorFlow."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError
from unrolled.foreign import check_path, read_foreign
from unrolled.tf1.checkpoints.bundle import index_path, read_bundle, write_bundle
from unrolled.tf1.checkpoints.dtypes import NUMBERS
from unrolled.tf1.checkpoints.saved_slices import read_saved_slices
from unrolled.tf1.checkpoints.wire import DamagedError

# What a file's name has after the prefix; "?????" is how a Saver names all shards of version 1.
PIECE = re.compile(r"\.index$|\.meta$|\.data-\d{5}-of-\d{5}$|-(?:\d{5}|\?{5})-of-\d{5}$")
STATE = "checkpoint"  # the file in which a folder names its newest checkpoint
MOST_STATE = 1 << 20  # bytes of that


def read_checkpoint(prefix: str | Path) -> dict[str, ndarray]:
    """Read every variable of a TensorFlow checkpoint.

    Both formats are read: version 2 (`.index` and `.data-00000-of-00001`, any number of shards) and
    version 1 (one file, or shards). Partitioned variables come whole. Values keep their type, with two
    exceptions: bfloat16, which numpy does not have, becomes float32 without loss, and text becomes an array
    of `bytes`. Checksums are verified.

    Args:
        prefix: what TensorFlow's Saver was given, such as "model/model.ckpt-5000"; one of the checkpoint's
            files; or a folder, for the newest checkpoint that its file `checkpoint` names.

    Returns:
        The variables by name, in alphabetical order.

    Raises:
        UnrolledError: there is no checkpoint, or its files are damaged.

    >>> import tempfile
    >>> prefix = Path(tempfile.mkdtemp()) / "model.ckpt"
    >>> write_checkpoint(prefix, {"rnn/basic_lstm_cell/bias": np.zeros(8, "f4")})
    >>> read_checkpoint(prefix)["rnn/basic_lstm_cell/bias"].shape
    (8,)
    """
    prefix = find_prefix(Path(prefix))
    index = index_path(prefix)
    try:
        if os.path.isfile(index):
            return read_bundle(prefix)
        return read_saved_slices(_files_of_version_1(prefix))
    except DamagedError as error:
        raise UnrolledError(f"{index if os.path.isfile(index) else prefix} is damaged: {error}") from error
    except OSError as error:
        raise UnrolledError(f"cannot read {error.filename or prefix}: {error.strerror}") from error


def find_prefix(path: Path) -> Path:
    """The prefix of the checkpoint that `path` means: a prefix, one of its files, or a folder.

    Raises:
        UnrolledError: there is none.
    """
    check_path(path)
    if os.path.isdir(path):
        path = path / _newest(path)
    name = PIECE.sub("", path.name)
    if not name:
        raise UnrolledError(
            f"no checkpoint {path}: expected a name before its ending, such as model.ckpt{path.name}"
        )
    prefix = path.with_name(name)
    if os.path.isfile(index_path(prefix)) or _files_of_version_1(prefix):
        return prefix
    raise UnrolledError(
        f"no checkpoint {prefix}: expected {index_path(prefix).name} (version 2) or a file of that name "
        "(version 1)"
    )


def _files_of_version_1(prefix: Path) -> list[Path]:
    if os.path.isfile(prefix):
        return [prefix]
    shard = re.compile(re.escape(prefix.name) + r"-\d{5}-of-\d{5}")
    try:
        siblings = os.listdir(prefix.parent)
    except OSError:  # no folder, or one that may not be looked into
        return []
    return sorted(prefix.with_name(name) for name in siblings if shard.fullmatch(name))


def _newest(folder: Path) -> str:
    """The name of the newest checkpoint in a folder: paths in its state file may be another machine's."""
    state = folder / STATE
    text = read_foreign(state, MOST_STATE).decode("utf-8", "replace") if os.path.lexists(state) else ""
    match = re.search(r'^model_checkpoint_path: "(?:.*[/\\])?([^"/\\]+)"', text, flags=re.MULTILINE)
    if not match:
        raise UnrolledError(f"{folder} has no file `{STATE}` that names a checkpoint: name one yourself")
    return match[1]


def write_checkpoint(prefix: str | Path, variables: Mapping[str, Any]) -> None:
    """Write variables as a TensorFlow checkpoint of version 2, and name it in the folder's `checkpoint`.

    TensorFlow opens it with `tf.train.load_checkpoint`, and a Saver restores from it.

    Args:
        prefix: such as "model/model.ckpt"; the folder is made if it is not there.
        variables: arrays by name: numbers of any of TensorFlow's types, or text (`str` or `bytes`).

    Raises:
        UnrolledError: a name is empty, TensorFlow has no such type, or the prefix is a folder or cannot be
            written.
    """
    prefix = checked_prefix(Path(prefix))
    arrays = {name: _writable(name, value) for name, value in variables.items()}
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        write_bundle(prefix, arrays)
        with atomic_path(prefix.with_name(STATE)) as path:
            path.write_text(
                f'model_checkpoint_path: "{prefix.name}"\nall_model_checkpoint_paths: "{prefix.name}"\n',
                encoding="utf-8",
            )
    except OSError as error:
        raise UnrolledError(f"cannot write {error.filename or prefix}: {error.strerror}") from error


def checked_prefix(prefix: Path) -> Path:
    """A prefix that files can be named after.

    Raises:
        UnrolledError: it cannot be one: a folder, or no name.
    """
    check_path(prefix)
    if prefix.name in ("", ".."):
        raise UnrolledError(f"{prefix} is a folder, expected a name in it, such as {prefix / 'model.ckpt'}")
    return prefix


def _writable(name: str, value: Any) -> ndarray:
    if not name:
        raise UnrolledError("a variable has an empty name, expected one such as 'rnn/basic_lstm_cell/kernel'")
    # numpy's own text would lose zero bytes at an end.
    array = np.asarray(value, object if isinstance(value, str | bytes) else None)
    if array.dtype.kind in "US":
        array = array.astype(object)
    if array.dtype == object:
        texts = [text.encode() if isinstance(text, str) else text for text in array.ravel().tolist()]
        if all(isinstance(text, bytes) for text in texts):
            encoded = np.empty(len(texts), object)
            encoded[:] = texts
            return encoded.reshape(array.shape)
    elif array.dtype.newbyteorder("=") in NUMBERS:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    raise UnrolledError(f"{name} is an array of {array.dtype}, which TensorFlow does not have")
