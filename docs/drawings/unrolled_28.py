"""A cell unrolled over 28 rows: the drawing that the tutorials have as a comment."""

from __future__ import annotations

from drawings.sheet import BLUE, GREEN, ORANGE, Sheet
from matplotlib.figure import Figure


def draw() -> Figure:
    """28 boxes that are one cell, the rows that go in, the states between them, and the answer at the end."""
    sheet = Sheet(19.8, 8.2)
    places = {1: 2.6, 2: 5.6, 3: 8.6, 28: 15.2}
    for step, x in places.items():
        sheet.box((x, 4), f"cell\n(step {step})", size=(2.0, 1.3), colour=BLUE)
        sheet.words((x, 1.3), rf"$x_{{{step}}}$: row {step}", size=11)
        sheet.words((x, 0.75), "[N, 28]", size=9, colour="#555555")
        sheet.arrow((x, 1.75), (x, 3.35))
        sheet.arrow((x, 4.65), (x, 5.75))
        sheet.words((x, 6.05), rf"$y_{{{step}}} = h_{{{step}}}$", size=11)
    sheet.arrow((0.2, 4), (1.6, 4), colour=ORANGE, width=2)
    sheet.words((0.75, 4.4), r"$s_0 = 0$", size=10)
    for left, right, name in ((2.6, 5.6, "1"), (5.6, 8.6, "2")):
        sheet.arrow((left + 1, 4), (right - 1, 4), colour=ORANGE, width=2)
        sheet.words(((left + right) / 2, 4.4), rf"$s_{name}$", size=11)
    sheet.arrow((9.6, 4), (10.9, 4), colour=ORANGE, width=2)
    sheet.words((10.25, 4.4), "$s_3$", size=11)
    sheet.words((11.9, 4), "· · ·", size=18)
    sheet.arrow((12.9, 4), (14.2, 4), colour=ORANGE, width=2)
    sheet.words((13.55, 4.4), "$s_{27}$", size=11)
    sheet.arrow((16.2, 4), (17.6, 4), colour=ORANGE, width=2)
    sheet.words((17.9, 4.4), "$s_{28}$: final state", size=10)
    sheet.arrow((15.2, 6.35), (15.2, 7.0))
    sheet.box((15.2, 7.45), r"$W\, h_{28} + b$: 10 numbers", size=(4.8, 0.9), colour=GREEN)
    sheet.words((5.6, 7.2), "all boxes are one cell with one set of weights", size=11, colour="#555555")
    return sheet.figure
