"""Three layers over time: which values are outputs, and which are states."""

from __future__ import annotations

from drawings.sheet import BLUE, GREEN, ORANGE, PURPLE, Sheet
from matplotlib.figure import Figure


def draw() -> Figure:
    """The grid of cells, its top edge (outputs) and its right edge (final states) marked."""
    sheet = Sheet(17, 9.6)
    columns, rows = {"1": 2.6, "2": 5.6, "T": 10.2}, {0: 2.4, 1: 4.4, 2: 6.4}
    sheet.box((6.4, 8.0), "", size=(10.2, 0.9), colour=GREEN)
    sheet.words((11.9, 8.0), "outputs [N, T, H]:\nthe top layer, all steps", size=10, align="left")
    sheet.box((12.6, 4.4), "", size=(1.1, 5.0), colour=PURPLE)
    sheet.words((13.4, 4.4), "final state:\nall layers, the last step", size=10, align="left")
    for step, x in columns.items():
        sheet.words((x, 0.7), f"$x_{step}$", size=12)
        sheet.arrow((x, 1.0), (x, 1.95))
        for layer, y in rows.items():
            sheet.box((x, y), f"layer {layer}", size=(1.8, 0.9), colour=BLUE)
            sheet.arrow((x, y + 0.45), (x, y + 1.55) if layer < 2 else (x, y + 1.25))
        sheet.words((x, 8.0), rf"$h^2_{step}$", size=12)
    for layer, y in rows.items():
        sheet.arrow((3.5, y), (4.7, y), colour=ORANGE, width=2)
        sheet.arrow((6.5, y), (7.3, y), colour=ORANGE, width=2)
        sheet.words((7.9, y), "· · ·", size=14)
        sheet.arrow((8.5, y), (9.3, y), colour=ORANGE, width=2)
        sheet.arrow((11.1, y), (12.2, y), colour=ORANGE, width=2)
        sheet.words((12.62, y), rf"$s^{layer}_T$", size=12)
    sheet.words((7.9, 8.0), "· · ·", size=14)
    return sheet.figure
