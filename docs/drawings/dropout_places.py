"""Where dropout acts in a stack of layers that are unrolled, and where it does not."""

from __future__ import annotations

from drawings.sheet import BLUE, GREEN, ORANGE, PURPLE, Sheet
from matplotlib.figure import Figure


def draw() -> Figure:
    """Two layers, two steps: dashed arrows are thinned out, solid ones are not."""
    sheet = Sheet(15, 8.6)
    for x, step in ((3.2, "t"), (8.2, "t+1")):
        sheet.words((x, 0.5), rf"$x_{{{step}}}$", size=12)
        sheet.arrow((x, 0.85), (x, 1.85))
        for layer, y in ((0, 2.4), (1, 4.9)):
            sheet.box((x, y), f"layer {layer}", size=(2.2, 1.1), colour=BLUE)
            sheet.arrow((x, y + 0.55), (x, y + 1.95), colour=PURPLE, width=2, dashed=True)
        sheet.words((x, 7.2), rf"output $y_{{{step}}}$", size=11)
    for y in (2.4, 4.9):
        sheet.arrow((0.5, y), (2.1, y), colour=ORANGE, width=2)
        sheet.arrow((4.3, y), (7.1, y), colour=ORANGE, width=2)
        sheet.words((5.7, y + 0.35), "c and h, whole", size=9.5, colour=ORANGE)
        sheet.arrow((9.3, y), (11.0, y), colour=ORANGE, width=2)
    sheet.words((11.2, 4.9), "final state:\nno dropout", size=10, align="left")
    sheet.words((3.5, 3.75), "dropped out", size=9.5, align="left", colour=PURPLE)
    sheet.words((8.5, 3.75), "dropped out", size=9.5, align="left", colour=PURPLE)
    sheet.words((3.5, 6.1), "dropped out", size=9.5, align="left", colour=PURPLE)
    sheet.words((8.5, 6.1), "dropped out", size=9.5, align="left", colour=PURPLE)
    sheet.box(
        (5.7, 8.1), r"classifier: reads the dropped-out $y_T$, not the state", size=(9.4, 0.8), colour=GREEN
    )
    return sheet.figure
