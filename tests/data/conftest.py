"""Small data sets in MNIST's four files, and a machine without a cache or a folder of data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unrolled.data import write_idx


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty cache, and no UNROLLED_DATA_DIR."""
    monkeypatch.delenv("UNROLLED_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    import pooch

    return Path(pooch.os_cache("unrolled"))


@pytest.fixture
def make_files() -> Callable[..., Path]:
    def make(folder: Path, train: int = 20, test: int = 3, ending: str = ".gz", seed: int = 0) -> Path:
        random = np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)
        for part, count in (("train", train), ("t10k", test)):
            images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            labels = random.integers(0, 10, count, dtype=np.uint8)
            write_idx(folder / f"{part}-images-idx3-ubyte{ending}", images)
            write_idx(folder / f"{part}-labels-idx1-ubyte{ending}", labels)
        return folder

    return make
