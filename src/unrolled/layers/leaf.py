"""torch.fx and the drop-ins: one call in the graph, as torch.nn's layers are."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import Proxy, Tracer


def proxy_among(values: tuple[Any, ...]) -> Proxy | None:
    """What stands for a value in a graph, among these or inside of them; None if nothing does."""
    for value in values:
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, Proxy):
                return part
    return None


def call_in_graph(proxy: Proxy, layer: nn.Module, *arguments: Any, **options: Any) -> Any:
    """The call of a layer in the graph that `proxy` is of; None if the graph is that of the layer itself.

    A tracer asks only for the name of a layer's module whether it is a leaf: torch.nn's are. So it comes into
    ours, which gives what the tracer would have written down itself.
    """
    tracer = proxy.tracer
    if not isinstance(tracer, Tracer) or tracer.root is layer:
        return None
    return tracer.create_proxy("call_module", tracer.path_of_module(layer), arguments, options)
