"""The graphs of a static and of a dynamic unrolling."""

from __future__ import annotations

from drawings.sheet import BLUE, ORANGE, Sheet
from matplotlib.figure import Figure


def draw() -> Figure:
    """On the left a graph with a copy of the cell for each step, on the right one with a loop."""
    sheet = Sheet(18, 6.6)
    sheet.words((5.2, 6.1), "static: the graph holds the cell T times", size=12)
    for x, step in ((1.5, "1"), (4.2, "2"), (8.9, "T")):
        sheet.box((x, 3.2), "cell", colour=BLUE)
        sheet.arrow((x, 1.5), (x, 2.75))
        sheet.words((x, 1.1), f"$x_{step}$", size=12)
        sheet.arrow((x, 3.65), (x, 4.8))
        sheet.words((x, 5.1), f"$y_{step}$", size=12)
    sheet.arrow((2.3, 3.2), (3.4, 3.2), colour=ORANGE, width=2)
    sheet.arrow((5.0, 3.2), (5.9, 3.2), colour=ORANGE, width=2)
    sheet.words((6.55, 3.2), "· · ·", size=16)
    sheet.arrow((7.2, 3.2), (8.1, 3.2), colour=ORANGE, width=2)
    sheet.words((5.2, 0.4), "T is fixed when the graph is built", size=10, colour="#555555")

    sheet.words((14.2, 6.1), "dynamic: the graph holds it once", size=12)
    sheet.box((14.2, 3.2), "", size=(5.6, 3.0))
    sheet.words((11.7, 4.4), "for t in 1 … T", size=10, align="left", colour="#555555")
    sheet.box((14.2, 3.2), "cell", colour=BLUE)
    sheet.line((15.0, 3.2), (16.3, 3.2), colour=ORANGE, width=2)
    sheet.line((16.3, 3.2), (16.3, 2.15), colour=ORANGE, width=2)
    sheet.line((16.3, 2.15), (12.1, 2.15), colour=ORANGE, width=2)
    sheet.arrow((12.1, 2.15), (12.1, 3.2), (13.4, 3.2), colour=ORANGE, width=2)
    sheet.arrow((14.2, 1.3), (14.2, 2.75))
    sheet.words((14.2, 1.05), "x [N, T, I]", size=11)
    sheet.arrow((14.2, 3.65), (14.2, 5.1))
    sheet.words((14.2, 5.4), "y [N, T, H]", size=11)
    sheet.words((14.2, 0.4), "T is free: whatever x has", size=10, colour="#555555")
    return sheet.figure
