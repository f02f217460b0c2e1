"""What the kernels are held to: for each figure a floor, and an aim beyond it."""

from __future__ import annotations

from typing import Any, NamedTuple

from unrolled.bench import ROWS, SHAPES, WORKS, Row

# How many times faster than a peer a step must be: (row, work) -> (peer, floor, aim).
FASTER = {
    ("lstm-h128", "train"): ("torch_nn", 1.6, 2.0),
    ("lstm-h128", "infer"): ("torch_nn", 1.25, 1.6),
    ("lstm-3-layers", "train"): ("torch_nn", 1.7, 2.0),
    ("lstm-n512", "train"): ("torch_nn", 2.1, 2.5),
    ("lstm-h28", "train"): ("torch_nn", 1.9, 2.5),
    ("lstm-n32", "train"): ("torch_nn", 1.4, 1.8),
    ("lstm-bidirectional", "train"): ("torch_nn", 1.5, 1.9),
    ("lstm-3x256", "train"): ("torch_nn", 1.4, 1.6),
    ("lstm-h512", "train"): ("torch_nn", 1.25, 1.5),
    ("gru-h128", "train"): ("torch_nn", 3.0, 4.0),
    ("gru-h128", "infer"): ("torch_nn", 2.4, 3.0),
    ("gru-3-layers", "train"): ("torch_nn", 2.6, 3.5),
    ("gru-bidirectional", "train"): ("torch_nn", 3.0, 3.8),
    ("gru-h28", "train"): ("torch_nn", 5.0, 7.0),
    ("gru-3x256", "train"): ("torch_nn", 1.8, 2.2),
    ("gru-h512", "train"): ("torch_nn", 1.6, 2.0),
    ("gru-before-h128", "train"): ("cell_loop", 3.5, 5.0),
    ("lstm-ragged", "train"): ("torch_nn", 10.0, 14.0),
    ("gru-ragged", "train"): ("torch_nn", 10.0, 14.0),
    ("stream", "infer"): ("cell_loop", 8.0, 12.0),
}
# The same with everybody capped at AVX2.
FASTER_CAPPED = {
    ("lstm-h128", "train"): ("torch_nn", 1.3, 1.7),
    ("gru-h128", "train"): ("torch_nn", 1.8, 2.5),
}
OPTIONS = tuple(row for row in ROWS if row.startswith("lstm-") and ROWS[row].cell != "lstm")
FASTER |= {(row, "train"): ("cell_loop", 2.5, 4.0) for row in OPTIONS}
# One sequence read both ways can use two threads throughout, and oneDNN's layers do not.
FASTER |= {
    (row.name, work): ("torch_nn", 1.0, 1.8 if row.N == 1 and row.bidirectional else 1.3)
    for row in SHAPES
    for work in WORKS
}
# The geometric means of the grid: (cell, threads, work) -> (floor, aim); and every figure of it.
GRID_MEANS = {
    ("lstm", 2, "infer"): (1.5, 1.8),
    ("lstm", 2, "train"): (1.5, 1.8),
    ("lstm", 1, "infer"): (1.15, 1.3),
    ("lstm", 1, "train"): (1.2, 1.35),
    ("gru", 2, "infer"): (2.7, 3.2),
    ("gru", 2, "train"): (3.0, 3.6),
    ("gru", 1, "infer"): (2.3, 2.6),
    ("gru", 1, "train"): (2.6, 3.0),
}
GRID_FLOOR = 0.95  # 1, but for noise

# How much longer than another row a training step may take: row -> (floor, aim).
BESIDE: dict[str, tuple[float | None, float]] = {
    "gru-before-h128": (1.25, 1.1),
    "lstm-ragged": (None, 1.15),
    "gru-ragged": (None, 1.15),
    **dict.fromkeys(OPTIONS, (1.6, 1.25)),
}
SHARE_OF_SGEMM = {("lstm-h128", "train"): 0.7}
MICROSECONDS = {"stream": (8.0, 5.0)}
OUTPUT_ERROR = (1e-6, 3e-7)
GRADIENT_ERROR = (1e-5, 1e-6)


class Goal(NamedTuple):
    """One figure beside its floor and aim. `more` says whether more is better."""

    what: str
    found: float
    floor: float | None
    aim: float
    more: bool

    @property
    def reached(self) -> str:
        """Which is reached: "aim", "floor" or "nothing"; "short" of an aim that has no floor.

        >>> Goal("times torch_nn", 1.8, 1.6, 2.0, more=True).reached
        'floor'
        """
        if self._at(self.aim):
            return "aim"
        if self.floor is None:
            return "short"
        return "floor" if self._at(self.floor) else "nothing"

    def _at(self, bound: float) -> bool:
        return self.found >= bound if self.more else self.found <= bound


def beside(row: Row) -> Row | None:
    """The row beside which another's time is judged: its dense work, the plain cell, or the other reset."""
    if row.ragged:
        return row._replace(name=row.name.replace("ragged", "dense"), ragged=False)
    if row.name in BESIDE:
        return ROWS["gru-h128" if row.cell.startswith("gru") else "lstm-h128"]
    return None


def goals(result: dict[str, Any], capped: bool) -> list[Goal]:
    """The goals of one result, as harness.py makes it."""
    key = (result["row"], result["work"])
    found = []
    faster = (FASTER_CAPPED if capped else FASTER).get(key)
    if faster and "ratio" in result["peers"].get(faster[0], {}):
        peer, floor, aim = faster
        found.append(Goal(f"times {peer}", result["peers"][peer]["ratio"], floor, aim, more=True))
    if key in SHARE_OF_SGEMM and not capped:
        found.append(Goal("of SGEMM", result["of_sgemm"], None, SHARE_OF_SGEMM[key], more=True))
    if result["row"] in BESIDE and result["work"] == "train" and not capped:
        floor, aim = BESIDE[result["row"]]
        other = result["beside"]
        found.append(Goal(f"of {other['row']}", other["times"], floor, aim, more=False))
    if result["row"] in MICROSECONDS:
        found.append(Goal("µs", 1e3 * result["ms"], *MICROSECONDS[result["row"]], more=False))
    found.append(Goal("output error", result["output_error"], *OUTPUT_ERROR, more=False))
    if result["gradient_error"] is not None:
        found.append(Goal("gradient error", result["gradient_error"], *GRADIENT_ERROR, more=False))
    return found
