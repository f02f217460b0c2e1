"""The order of gates: ONNX's, and this package's, which is torch's."""

from __future__ import annotations

# Where each of this package's gates stands among ONNX's: i, f, g, o among i, o, f, c; r, z, n among z, r, h.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
