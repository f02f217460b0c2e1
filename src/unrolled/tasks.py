"""What a network can be trained to say of a sequence, by name. It needs no torch."""

from __future__ import annotations

TASKS = {
    "classify": "a class for each sequence",
    "tag": "a class for each step",
    "regress": "numbers for each sequence",
    "forecast": "the next steps of a series",
}
OF_NUMBERS = ("regress", "forecast")  # all others are of classes
