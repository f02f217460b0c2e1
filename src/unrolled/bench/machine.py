"""What a benchmark ran on, and the ceiling there: the rate of one large matrix product."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unrolled import __version__
from unrolled.bench.timing import Clock
from unrolled.kernels import isa


def machine() -> dict[str, Any]:
    """CPU, threads, instruction sets, versions, load."""
    return {
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
        "isa": isa.active(),
        "torch_isa": torch.backends.cpu.get_cpu_capability(),
        "unrolled": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def sgemm_gflops(clock: Clock = time.perf_counter, size: int = 2048, repeats: int = 4) -> float:
    """The machine's rate on a large float32 matrix product, in GFLOP/s.

    The better of torch's own libraries: its BLAS, which may be tuned for another maker's CPUs, and oneDNN.
    """
    a, b = torch.randn(size, size), torch.randn(size, size)
    products: list[Callable[[], Tensor]] = [lambda: a @ b]
    if torch.backends.mkldnn.is_available():
        products.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
    best = float("inf")
    with torch.no_grad():
        for product in products:
            product()
            for _ in range(repeats):
                begin = clock()
                product()
                best = min(best, clock() - begin)
    return 2e-9 * size**3 / best


def in_threads(count: int) -> str:
    """A number of threads, in words.

    >>> in_threads(1), in_threads(2)
    ('1 thread', '2 threads')
    """
    return "1 thread" if count == 1 else f"{count} threads"
