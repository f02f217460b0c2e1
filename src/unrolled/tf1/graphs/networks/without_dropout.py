"""A graph that was made to train: its dropout with a fixed probability taken out."""

from __future__ import annotations

import re

import numpy as np

from unrolled.tf1.checkpoints.wire import Message, bytes_field, fixed32_field, integer_field
from unrolled.tf1.graphs.files import Source
from unrolled.tf1.graphs.networks.definition import Graph

# What keeps everything, by the constants' names inside the scope of a dropout, in three versions of it.
KEEPING = ({"keep_prob": 1.0}, {"rate": 0.0}, {"GreaterEqual/y": 0.0, "Const": 1.0})
SCOPE = re.compile(r"(.*?(?:^|/)\w*dropout\w*)/(?:keep_prob|rate|GreaterEqual/y)", re.IGNORECASE)


def fixed_dropouts(graph: Graph) -> dict[str, float]:
    """The constants of a graph's dropouts, and the values with which nothing is dropped."""
    names = {node.name for node in graph.ops("Const")}
    found: dict[str, float] = {}
    for name in names:
        if match := SCOPE.fullmatch(name):
            for version in KEEPING:
                inside = {f"{match[1]}/{local}": value for local, value in version.items()}
                if inside.keys() <= names:
                    found |= inside
    return {name: value for name, value in found.items() if graph.constant(name) != value}


def with_constants(source: Source, values: dict[str, float]) -> Source:
    """The graph with other numbers in the place of constants."""
    return source._replace(nodes=[_changed(node, values) for node in source.nodes])


def _changed(node: memoryview, values: dict[str, float]) -> memoryview:
    message = Message(node)
    name = message.text(1)
    if name not in values:
        return node
    number = fixed32_field(5, int(np.float32(values[name]).view("u4")))
    tensor = integer_field(1, 1) + bytes_field(2, b"") + number  # of one float
    changed = bytes_field(1, name.encode()) + bytes_field(2, b"Const")
    changed += b"".join(bytes_field(3, text.encode()) for text in message.texts(3))  # which say in which loop
    for key, value in {"dtype": integer_field(6, 1), "value": bytes_field(8, tensor)}.items():
        changed += bytes_field(5, bytes_field(1, key.encode()) + bytes_field(2, value))
    return memoryview(changed)
