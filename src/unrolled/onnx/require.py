"""The packages onnx and onnxscript, which are loaded when a file is written or read, and not before."""

from __future__ import annotations

import importlib
from typing import Any

from unrolled.errors import UnrolledError


def require(part: str = "onnx") -> Any:
    """The package onnx, or a module of it such as "onnx.helper"; or the package onnxscript.

    Raises:
        UnrolledError: it is not installed.
    """
    package = "onnxscript" if part == "onnxscript" else "onnx"
    try:
        importlib.import_module(package)
    except ImportError:
        what = "ONNX files of any module" if package == "onnxscript" else "ONNX files"
        raise UnrolledError(f"{what} need the package {package}: pip install 'unrolled[onnx]'") from None
    return importlib.import_module(part)
