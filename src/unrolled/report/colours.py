"""The colours of every picture, which those who confuse red and green, or blue and yellow, tell apart.

Reference: lines are in the colours of Okabe and Ito 2008, Color universal design; areas with writing in them
in the light scheme of Tol 2021, Colour schemes, SRON/EPS/TN/09-002, section 2.
"""

from __future__ import annotations

# Of lines that stand beside each other, the first ones first; yellow is too faint on white.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
TRAINING, VALIDATION, TEST = "#0072b2", "#e69f00", "#000000"
PREDICTED, BASELINE = "#0072b2", "#d55e00"
CURRENT = "#e69f00"  # on `SHARES`
AREAS = (
    "#77aadd",
    "#ee8866",
    "#eedd88",
    "#ffaabb",
    "#99ddff",
    "#44bb99",
    "#bbcc33",
    "#aaaa00",
    "#dddddd",
)

# Maps of values: each goes evenly from dark to light, or from both ends to white in the middle.
SIGNED = "PuOr"  # of values around 0, which is white: orange below, violet above
SHARES = "Blues"  # of probabilities
OPENINGS = "viridis"  # of gates
VALUES = "cividis"  # of measured values
ERRORS = "Reds"
MANY = "viridis"  # of more classes than `AREAS` has, whose names are written into them


def of_line(place: int) -> str:
    """The colour of the line in a place, and after six the same again."""
    return LINES[place % len(LINES)]
