"""Benchmarks: rows of work, each checked against float64 before it is timed beside its peers."""

from unrolled.bench.check import WrongResultError, checked
from unrolled.bench.grid import CELLS as GRID_CELLS
from unrolled.bench.grid import Figure, figures, grid, means, square
from unrolled.bench.limits import Bound, Ceilings, Level, bound, ceilings
from unrolled.bench.machine import in_threads, machine, sgemm_gflops
from unrolled.bench.models import CellModel, Model, TorchModel
from unrolled.bench.problem import Problem, draw, gflop
from unrolled.bench.rows import CELLS, ROWS, SHAPES, Row
from unrolled.bench.timing import WORDS, WORKS, interleaved, median_ms, median_ratio, step

__all__ = [
    "CELLS",
    "GRID_CELLS",
    "ROWS",
    "SHAPES",
    "WORDS",
    "WORKS",
    "Bound",
    "Ceilings",
    "CellModel",
    "Figure",
    "Level",
    "Model",
    "Problem",
    "Row",
    "TorchModel",
    "WrongResultError",
    "bound",
    "ceilings",
    "checked",
    "draw",
    "figures",
    "gflop",
    "grid",
    "in_threads",
    "interleaved",
    "machine",
    "means",
    "median_ms",
    "median_ratio",
    "sgemm_gflops",
    "square",
    "step",
]
