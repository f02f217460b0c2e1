"""What the last bits of a training depend on besides its configuration: versions, machine, processes."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

import unrolled
from unrolled.kernels import isa
from unrolled.training import distributed

# By these, torch's products run on other instructions than the CPU's best.
PRODUCTS = (
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
)

Circumstances = dict[str, Any]


def present_circumstances(device: torch.device | str = "cpu") -> Circumstances:
    """Those of this process, as they stand in config.json."""
    return {
        "versions": {
            "unrolled": unrolled.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {
            "system": platform.system(),
            "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
            "threads": torch.get_num_threads(),
            "kernels": f"{isa.active()}{_build()}",
            "products": ", ".join(f"{name}={os.environ[name]}" for name in PRODUCTS if name in os.environ),
            "device": torch.device(device).type,
        },
        "processes": distributed.world_size(),
    }


@lru_cache(maxsize=1)
def _build() -> str:
    """By what the compiled kernels can be told from another build of them; nothing if there are none."""
    native = isa._native()
    if native is None or native.__file__ is None:
        return ""
    return f" (build {sha256(Path(native.__file__).read_bytes()).hexdigest()[:8]})"


def named(circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """What of them may change bits, by the names that a note calls them; what is not known is left out."""
    machine, versions = (
        part if isinstance(part := circumstances.get(key), dict) else {} for key in ("machine", "versions")
    )
    values = {
        "unrolled": versions.get("unrolled"),
        "torch": versions.get("torch"),
        "numpy": versions.get("numpy"),
        "the processor": machine.get("processor"),
        "threads": machine.get("threads"),
        "kernels": machine.get("kernels"),
        "torch's products": machine.get("products"),
        "the device": machine.get("device"),
        "processes": circumstances.get("processes"),
    }
    return {name: value for name, value in values.items() if value is not None}


def together(*seen: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """All values of each, in the order in which they came, each once.

    >>> together({"threads": [2]}, {"threads": [1], "torch": ["2.13"]}, {"threads": [2]})
    {'threads': [2, 1], 'torch': ['2.13']}
    """
    values: dict[str, list[Any]] = {}
    for part in seen:
        for name, came in part.items():
            known = values.setdefault(name, [])
            known += [value for value in came if value not in known]
    return values


def changes(before: Mapping[str, list[Any]], now: Mapping[str, Any]) -> list[str]:
    """A line for each that is not what it was in all of the training so far.

    >>> changes({"threads": [2], "torch": ["2.13"]}, {"threads": 1, "torch": "2.13"})
    ['the run was begun with threads 2 and goes on with 1: last bits may differ']
    """
    lines = []
    for name, values in before.items():
        first, *others = values or [None]
        if name in now and first is not None and (others or first != now[name]):
            further = "".join(
                f", went on with {value or 'the best'}" for value in others if value != now[name]
            )
            lines.append(
                f"the run was begun with {name} {first or 'the best'}{further} and goes on with "
                f"{now[name] or 'the best'}: last bits may differ"
            )
    return lines
