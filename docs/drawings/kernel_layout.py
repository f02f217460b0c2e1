"""How TensorFlow 1 and PyTorch lay out the weights of one LSTM."""

from __future__ import annotations

from drawings.sheet import BLUE, GREEN, ORANGE, PURPLE, Sheet
from matplotlib.figure import Figure

COLOURS = {"i": BLUE, "j": GREEN, "g": GREEN, "f": ORANGE, "o": PURPLE}


def draw() -> Figure:
    """TensorFlow's joint kernel on the left, PyTorch's two matrices on the right."""
    sheet = Sheet(19, 8.6)
    sheet.words((4.8, 8.1), "TensorFlow 1: kernel [I + H, 4 H]", size=12)
    for place, gate in enumerate("ijfo"):
        x = 2.1 + 1.8 * place
        sheet.box((x, 5.9), gate, size=(1.7, 2.2), colour=COLOURS[gate])
        sheet.box((x, 3.2), gate, size=(1.7, 3.0), colour=COLOURS[gate])
        sheet.box((x, 0.9), gate, size=(1.7, 0.7), colour=COLOURS[gate])
    sheet.words((0.95, 5.9), "x: I", size=10, align="right")
    sheet.words((0.95, 3.2), "h: H", size=10, align="right")
    sheet.words((0.95, 0.9), "bias", size=10, align="right")

    sheet.words((14.4, 8.1), "PyTorch, and here: weight_ih, weight_hh", size=12)
    for place, gate in enumerate("ifgo"):
        y = 6.9 - 1.55 * place
        sheet.box((12.6, y), gate, size=(2.2, 1.45), colour=COLOURS[gate])
        sheet.box((15.6, y), gate, size=(3.0, 1.45), colour=COLOURS[gate])
        sheet.box((18.0, y), gate, size=(0.7, 1.45), colour=COLOURS[gate])
    sheet.words((12.6, 0.9), "[4 H, I]", size=10)
    sheet.words((15.6, 0.9), "[4 H, H]", size=10)
    sheet.words((18.0, 0.9), "biases", size=10)
    sheet.arrow((9.2, 4.5), (11.1, 4.5), width=2)
    sheet.words((10.15, 5.0), "transposed,\ngates reordered", size=9)
    return sheet.figure
