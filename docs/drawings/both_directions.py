"""A forward and a backward cell over one sequence, and what each has read beside the last row."""

from __future__ import annotations

from drawings.sheet import BLUE, GREEN, GREY, ORANGE, Sheet
from matplotlib.figure import Figure


def draw() -> Figure:
    """Two chains over the rows 1, 2, ..., 28, the two ends that have read everything marked."""
    sheet = Sheet(19.4, 8.4)
    columns = {"1": 2.6, "2": 5.8, "27": 10.8, "28": 14.0}
    for step, x in columns.items():
        sheet.words((x, 0.6), f"row {step}", size=11)
        knows = step == "28"
        sheet.box((x, 3.0), rf"$f_{{{step}}}$", size=(1.7, 0.9), colour=GREEN if knows else BLUE)
        sheet.box((x, 5.4), rf"$b_{{{step}}}$", size=(1.7, 0.9), colour=GREEN if step == "1" else GREY)
        sheet.arrow((x - 0.3, 0.95), (x - 0.3, 2.55))
        sheet.line((x + 1.1, 0.75), (x + 1.1, 4.3))
        sheet.arrow((x + 1.1, 4.3), (x + 0.3, 4.95))
        sheet.line((x + 0.65, 0.75), (x + 1.1, 0.75))
    for left, right in ((2.6, 5.8), (10.8, 14.0)):
        sheet.arrow((left + 0.85, 3.0), (right - 0.85, 3.0), colour=ORANGE, width=2)
        sheet.arrow((right - 0.85, 5.4), (left + 0.85, 5.4), colour=ORANGE, width=2)
    for y in (3.0, 5.4):
        sheet.words((8.3, y), "· · ·", size=16)
    sheet.words((15.6, 3.0), "forward:\nhas read rows 1 … 28", size=10, align="left")
    sheet.words((15.6, 5.4), "backward:\nhas read row 28 only", size=10, align="left", colour=ORANGE)
    sheet.words((2.6, 6.5), "backward: has read rows 28 … 1", size=10)
    sheet.box((8.3, 7.6), r"what both know at their ends: $[f_{28},\ b_1]$", size=(8.6, 0.9), colour=GREEN)
    return sheet.figure
