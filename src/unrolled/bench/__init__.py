"""Benchmarks: rows of work, each checked against float64 before it is timed beside its peers."""

from unrolled.bench.check import WrongResultError, checked
from unrolled.bench.machine import machine, sgemm_gflops
from unrolled.bench.models import CellModel, Model, TorchModel
from unrolled.bench.problem import Problem, draw, gflop
from unrolled.bench.rows import CELLS, ROWS, Row
from unrolled.bench.timing import WORKS, interleaved, median_ms, median_ratio, step

__all__ = [
    "CELLS",
    "ROWS",
    "WORKS",
    "CellModel",
    "Model",
    "Problem",
    "Row",
    "TorchModel",
    "WrongResultError",
    "checked",
    "draw",
    "gflop",
    "interleaved",
    "machine",
    "median_ms",
    "median_ratio",
    "sgemm_gflops",
    "step",
]
