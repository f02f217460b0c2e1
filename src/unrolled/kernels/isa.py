"""Which instruction set the fused kernels use: it can be asked for, and forced by UNROLLED_ISA."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch  # before the kernels: its OpenMP, already loaded, then becomes theirs

from unrolled.compiler import constant
from unrolled.errors import UnrolledError, unknown_name

VARIABLE = "UNROLLED_ISA"
BUILD_VARIABLE = "UNROLLED_NATIVE"  # a folder with a native module of another build, for `make sanitize`
REFERENCE = "reference"
_assumed: ContextVar[str | None] = ContextVar("assumed", default=None)


def available() -> tuple[str, ...]:
    """The instruction sets that are compiled in and that this CPU has, best first.

    The last, "reference", is the path through plain PyTorch that takes over where no kernel can run; it is
    the only one if the package was installed without a C++ compiler.

    >>> available()[-1]
    'reference'
    """
    return (*(name for name, _, here in _compiled() if here), REFERENCE)


@constant
def active() -> str:
    """The instruction set that is used: the best available, or the one that UNROLLED_ISA names.

    Raises:
        UnrolledError: UNROLLED_ISA names one that is unknown, not compiled in or not this CPU's.

    >>> active() in available()
    True
    """
    return _assumed.get() or _chosen(os.environ.get(VARIABLE, ""))


@contextlib.contextmanager
def assumed() -> Iterator[None]:
    """While this lasts, layers are called as if there were kernels, for a trace that computes nothing."""
    before = _assumed.set("assumed")
    try:
        yield
    finally:
        _assumed.reset(before)


@lru_cache(maxsize=16)
def _chosen(forced: str) -> str:
    """The instruction set that is used if UNROLLED_ISA is `forced`."""
    if not forced:
        return available()[0]
    if forced in available() or forced in _stand_ins():
        return forced
    compiled = {name: needs for name, needs, _ in _compiled()}
    if forced in compiled:
        raise UnrolledError(
            f"{VARIABLE} is {forced!r}, but this CPU does not have {compiled[forced]}: "
            f"choose among {', '.join(available())}, or unset it"
        )
    if not compiled:
        raise UnrolledError(f"{VARIABLE} is {forced!r}, but {explain()}: set it to 'reference', or unset it")
    raise unknown_name(f"instruction set in {VARIABLE}", forced, (*compiled, REFERENCE))


def explain() -> str:
    """One line on why the kernels run as they do, for people.

    >>> bool(explain())
    True
    """
    if _native() is None:
        return (
            "the fused kernels are not installed (no C++ compiler was found when unrolled was built), "
            "so every unrolling takes the reference path through plain PyTorch"
        )
    if active() in _stand_ins():
        return f"{active()}: stands in for hardware, for tests, and is slow; {VARIABLE} asks for it"
    chosen = f"{VARIABLE} asks for it" if os.environ.get(VARIABLE) else "the best that this CPU has"
    vnni = ", with VNNI for int8" if has_fast_int8() else ""
    return f"{active()}{vnni}: {chosen}; available: {', '.join(available())}"


def has_fast_int8() -> bool:
    """Whether the active kernels add products of int8 by an instruction of their own, VNNI."""
    native: Any = _native()
    return active() != REFERENCE and bool(native.has_faster_product(active()))


def bfloat16_product() -> str:
    """By what the active kernels multiply bfloat16: "AMX", "AVX512_BF16", or "" if as float32."""
    native: Any = _native()
    name = active()
    if name == REFERENCE or name not in available():
        return ""
    return str(native.bfloat16_product(name))


def lanes(dtype: torch.dtype, isa_name: str) -> int:
    """How many numbers a vector of this instruction set has."""
    double = dtype == torch.float64
    native: Any = _native()
    return int(native.saved_width(isa_name, double, 3, 1, 0))  # an RNN keeps one vector of a unit


@lru_cache(maxsize=1)
def _native() -> ModuleType | None:
    folder = os.environ.get(BUILD_VARIABLE)
    if folder:
        return _load_from(Path(folder))
    try:
        return importlib.import_module("unrolled.kernels._native")
    except ModuleNotFoundError as error:
        if error.name != "unrolled.kernels._native":
            raise
        return None


def _load_from(folder: Path) -> ModuleType:
    """The native module of another build than the installed one."""
    path = next(folder.glob("_native*"))
    spec = importlib.util.spec_from_file_location("unrolled.kernels._native", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _stand_ins() -> tuple[str, ...]:
    """Names of kernels that form by conversion what hardware would form that may not be there."""
    native = _native()
    return () if native is None else tuple(native.stand_ins())


@lru_cache(maxsize=1)
def _compiled() -> tuple[tuple[str, str, bool], ...]:
    native = _native()
    return () if native is None else tuple(native.compiled())
