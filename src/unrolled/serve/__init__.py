"""A service: predictions, and sessions whose state outlives the server.

It needs the extra "serve"; nothing of it is imported before it is asked for.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Client", "Limits", "ServeSettings", "make_app", "serve"]

_PLACES = {
    "Client": "client",
    "Limits": "settings",
    "ServeSettings": "settings",
    "make_app": "app",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"unrolled.serve.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
