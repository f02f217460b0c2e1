"""The lessons' diagrams, drawn by docs/drawings before the pages are read."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
DRAWINGS = (
    "lstm_step",
    "gru_step",
    "unrolled_28",
    "static_and_dynamic",
    "layers",
    "both_directions",
    "dropout_places",
    "kernel_layout",
)


def save_all(folder: Path) -> None:
    """Draw every diagram into a folder, as an SVG of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DRAWINGS:
        figure = importlib.import_module(f"drawings.{name}").draw()
        figure.savefig(folder / f"{name}.svg", facecolor="white")


def setup(app: Any) -> dict[str, Any]:
    """Draw them when a build begins."""
    app.connect("builder-inited", lambda app: save_all(Path(app.srcdir, "lessons", "figures")))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
