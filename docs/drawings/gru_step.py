"""One step of a GRU, with the reset gate before the matrix product, as TensorFlow 1 has it."""

from __future__ import annotations

from drawings.sheet import BLUE, GREEN, PURPLE, Sheet
from matplotlib.figure import Figure


def draw() -> Figure:
    """The step as a diagram: h along the top, the gates below it."""
    sheet = Sheet(18, 8.4)
    sheet.box((9, 4.15), "", size=(12.6, 6.9))
    sheet.words((3.1, 7.2), "one step", align="left", colour="#555555")
    top, bus = 6.4, 1.6
    sheet.words((1.2, top + 0.4), r"$h_{t-1}$", size=14)
    sheet.arrow((0.6, top), (9.08, top), colour=PURPLE, width=2.6)
    sheet.circle((9.4, top), "×")
    sheet.arrow((9.72, top), (13.28, top), colour=PURPLE, width=2.6)
    sheet.circle((13.6, top), "+")
    sheet.arrow((13.92, top), (17.4, top), colour=PURPLE, width=2.6)
    sheet.words((16.4, top + 0.4), r"output $= h_t$", size=11)

    sheet.line((3.2, top), (3.2, bus))
    sheet.line((3.2, bus), (9.4, bus))
    sheet.words((4.65, 0.3), r"$x_t$", size=14)
    sheet.line((4.2, 0.1), (4.2, bus))
    sheet.line((4.2, 1.05), (12.0, 1.05))
    for x, name in ((6.0, "r: reset"), (9.4, "z: update")):
        sheet.box((x, 2.9), r"$\sigma$", size=(1.5, 0.9), colour=BLUE)
        sheet.words((x + 0.1, 2.15), name, size=9.5, align="left")
        sheet.arrow((x, bus), (x, 2.45))
    sheet.arrow((9.4, 3.35), (9.4, top - 0.32))
    sheet.words((9.6, 5.6), "z", size=10, align="left")

    # The candidate sees x, and h as far as r lets it.
    sheet.circle((6.0, 4.9), "×")
    sheet.arrow((6.0, 3.35), (6.0, 4.58))
    sheet.arrow((6.0, top), (6.0, 5.22))
    sheet.box((12.0, 2.9), "tanh", size=(1.5, 0.9), colour=GREEN)
    sheet.words((12.1, 2.15), "n: candidate", size=9.5, align="left")
    sheet.arrow((12.0, 1.05), (12.0, 2.45))
    sheet.line((6.32, 4.9), (10.6, 4.9))
    sheet.arrow((10.6, 4.9), (10.6, 2.9), (11.25, 2.9))
    sheet.circle((13.6, 4.6), "×")
    sheet.arrow((12.75, 2.9), (13.6, 2.9), (13.6, 4.28))
    sheet.arrow((9.4, 4.2), (13.0, 4.2), (13.33, 4.42))
    sheet.words((11.6, 4.45), "1 − z", size=10)
    sheet.arrow((13.6, 4.92), (13.6, top - 0.32))
    return sheet.figure
