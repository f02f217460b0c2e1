"""Read a long table of a gigabyte, and say what that took: memory must stay below the file's size.

python scripts/large_table.py --gigabytes 1
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from unrolled.data.readers.table import read_table

STEPS, FEATURES = 100, 6


def make(path: Path, size: int) -> None:
    """A long CSV of at least so many bytes: sequences of STEPS steps."""
    values = np.random.default_rng(0).normal(size=(STEPS, FEATURES)).tolist()
    steps = [",".join(map(repr, step)) for step in values]
    with open(path, "w", encoding="ascii") as file:
        file.write("id,time,label," + ",".join(f"f{i}" for i in range(FEATURES)) + "\n")
        number = 0
        while file.tell() < size:
            file.writelines(f"s{number},{t},c{number % 7},{step}\n" for t, step in enumerate(steps))
            number += 1


def peak() -> int:
    """The bytes of memory that this process had at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


def main() -> None:
    """Exit with 1 if reading took more memory than the file has bytes."""
    said = argparse.ArgumentParser(description="Read a long table of a gigabyte, and say what that took.")
    said.add_argument("--gigabytes", type=float, default=1.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        make(path, int(said.parse_args().gigabytes * 1e9))
        before, begun = peak(), time.monotonic()
        read = read_table(path)
        took, memory, size = time.monotonic() - begun, peak() - before, path.stat().st_size
    print(
        f"{size / 1e9:.2f} GB: {len(read.sequences):,} sequences, {len(read.sequences.values):,} steps in "
        f"{took:.1f} s, {memory / 1e6:.0f} MB of memory beside the {before / 1e6:.0f} MB of the libraries"
    )
    sys.exit(memory > size)


if __name__ == "__main__":
    main()
