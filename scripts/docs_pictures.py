"""docs/images: the pictures that the training of a run has left, made small.

unrolled train --run runs/default
python scripts/docs_pictures.py runs/default
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

SHOWN = ("reading", "curves", "confusion")  # in the documents
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def shrink(run: Path, folder: Path = IMAGES) -> list[Path]:
    """Write each picture that the documents show into a folder, packed as tightly as it goes."""
    paths = []
    for name in SHOWN:
        paths.append(folder / f"{name}.png")
        with Image.open(run / f"{name}.png") as picture:
            picture.convert("RGB").save(paths[-1], optimize=True)
    return paths


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Take pictures of a run into docs/images.")
    parser.add_argument("run", type=Path, help="a run folder with its pictures")
    for path in shrink(parser.parse_args(arguments).run):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
