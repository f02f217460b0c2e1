"""One step of an LSTM: what goes in, the four gates, and the two states that come out."""

from __future__ import annotations

from drawings.sheet import BLUE, GREEN, ORANGE, PURPLE, Sheet
from matplotlib.figure import Figure


def draw() -> Figure:
    """The step as a diagram: c along the top, h and x from below, the gates between them."""
    sheet = Sheet(18, 9.4)
    sheet.box((9, 4.55), "", size=(12.6, 7.3))
    sheet.words((3.1, 7.75), "one step", align="left", colour="#555555")

    # c: from left to right, past one product and one sum.
    top = 7.0
    sheet.words((1.2, top + 0.4), r"$c_{t-1}$", size=14)
    sheet.arrow((0.6, top), (4.68, top), colour=ORANGE, width=2.6)
    sheet.arrow((5.32, top), (8.68, top), colour=ORANGE, width=2.6)
    sheet.arrow((9.32, top), (17.4, top), colour=ORANGE, width=2.6)
    sheet.circle((5, top), "×")
    sheet.circle((9, top), "+")
    sheet.words((16.7, top + 0.4), r"$c_t$", size=14)

    # The gates, which all see x and h.
    low, high = 2.6, 3.5
    gates = {
        5.0: (r"$\sigma$", "f: forget", BLUE),
        7.4: (r"$\sigma$", "i: input", BLUE),
        10.0: ("tanh", "g: candidate", GREEN),
        12.6: (r"$\sigma$", "o: output", BLUE),
    }
    for x, (function, name, colour) in gates.items():
        sheet.box((x, high), function, size=(1.5, 0.9), colour=colour)
        sheet.words((x + 0.1, high - 0.72), name, size=9.5, align="left")
        sheet.arrow((x, low - 0.75), (x, high - 0.45))
    sheet.line((2.0, low - 0.75), (12.6, low - 0.75))
    sheet.words((1.2, low - 0.35), r"$h_{t-1}$", size=14)
    sheet.line((0.6, low - 0.75), (2.0, low - 0.75), colour=PURPLE, width=2.6)
    sheet.words((4.0, 0.35), r"$x_t$", size=14)
    sheet.line((3.6, 0.1), (3.6, low - 0.75))

    # What they do to c.
    sheet.arrow((5, high + 0.45), (5, top - 0.32))
    sheet.circle((9, 5.2), "×")
    sheet.arrow((7.4, high + 0.45), (7.4, 5.2), (8.68, 5.2))
    sheet.arrow((10.0, high + 0.45), (10.0, 5.2), (9.32, 5.2))
    sheet.arrow((9, 5.52), (9, top - 0.32))

    # h: what is shown of c.
    sheet.box((14.3, 5.9), "tanh", size=(1.3, 0.7), colour=GREEN)
    sheet.arrow((14.3, top), (14.3, 6.25))
    sheet.circle((14.3, 4.6), "×")
    sheet.arrow((14.3, 5.55), (14.3, 4.92))
    sheet.arrow((12.6, high + 0.45), (12.6, 4.6), (13.78, 4.6))
    sheet.arrow((14.3, 4.28), (14.3, low - 0.75), (17.4, low - 0.75), colour=PURPLE, width=2.6)
    sheet.words((16.7, low - 0.35), r"$h_t$", size=14)
    sheet.arrow((15.0, low - 0.75), (15.0, 8.9), colour=PURPLE, width=2.6)
    sheet.words((15.3, 8.6), r"output $= h_t$", size=11, align="left")
    return sheet.figure
