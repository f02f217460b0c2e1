"""The package onnx, which is loaded when a file is written or read, and not before."""

from __future__ import annotations

import importlib
from typing import Any

from unrolled.errors import UnrolledError


def require(part: str = "onnx") -> Any:
    """The package onnx, or a module of it such as "onnx.helper".

    Raises:
        UnrolledError: it is not installed.
    """
    try:
        importlib.import_module("onnx")
    except ImportError:
        raise UnrolledError("ONNX files need the package onnx: pip install 'unrolled[onnx]'") from None
    return importlib.import_module(part)
