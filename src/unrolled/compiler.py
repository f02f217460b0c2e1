"""What torch's compiler is to know of this package, told when it is imported.

To import it takes a second, which whoever compiles nothing need not wait for.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, TypeVar, cast

import torch

COMPILER = "torch._dynamo"
Function = TypeVar("Function", bound=Callable[..., Any])


class _Announcer(MetaPathFinder):
    """Finds torch's compiler where it lies, and does what waits for it once it is loaded."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The compiler's, with a loader that tells; nothing else's."""
        spec = PathFinder.find_spec(fullname, path) if fullname == COMPILER else None
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        load = loader.exec_module

        def load_and_tell(module: ModuleType) -> None:
            load(module)
            del loader.exec_module
            sys.meta_path.remove(self)
            for action in self.waiting:
                action()

        loader.exec_module = load_and_tell
        return spec


_announcer = _Announcer()
if COMPILER not in sys.modules:
    sys.meta_path.insert(0, _announcer)


def when_imported(action: Callable[[], None]) -> None:
    """Do it as soon as torch's compiler is there: now, or when somebody imports it."""
    if _announcer in sys.meta_path:
        _announcer.waiting.append(action)
    else:
        action()


def uncompiled(function: Function) -> Function:
    """`torch.compiler.disable` of a function: whoever compiles its callers calls it as it is."""
    call: Callable[..., Any] = function

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        return call(*arguments, **named)

    def disable() -> None:
        nonlocal call
        call = torch.compiler.disable(function)

    when_imported(disable)
    return cast(Function, called)


def constant(function: Function) -> Function:
    """`torch.compiler.assume_constant_result` of a function: a compiled caller holds what it returned."""
    when_imported(lambda: torch.compiler.assume_constant_result(function))
    return function
