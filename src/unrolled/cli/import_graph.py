"""`unrolled import-tf1 --as-graph`: a TensorFlow 1 graph becomes a run folder as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.networks import NetworkConfig
    from unrolled.networks.graph_config import GraphConfig


def import_as_graph(prefix: Path, folder: Path | None, data: str | None, **said: Any) -> None:
    """Find a graph's ends, and make a run folder of what of it lies between them.

    Args:
        said: as `tf1.import_graph` takes it.
    """
    from unrolled import tf1
    from unrolled.cli.terminal import Terminal
    from unrolled.training import Run
    from unrolled.training.run import next_free
    from unrolled.training.run_config import NO_DATA

    name = name_of(prefix)
    network, nodes, notes = tf1.import_graph(prefix, name=name, **said)
    reads = data or ("mnist" if fits_mnist(network.config) else NO_DATA)
    run = Run.of_graph(folder or next_free(Path("runs"), name), network, reads)
    say = Terminal().print
    say(f"{prefix}: {nodes} nodes, {len(network.graph.variables)} variables")
    say(f"graph: {describe(network.config)}")
    for note in notes:
        say(f"note: {note}")
    say(f"imported  {run.folder}")


def name_of(path: Path) -> str:
    """The name of a network, from that of a file."""
    return re.sub(r"[^\w-]+", "-", path.name.split(".")[0]).strip("-") or "imported"


def fits_mnist(config: NetworkConfig | GraphConfig) -> bool:
    """Whether a network reads rows of 28 into ten classes."""
    return (config.input_size, config.classes, config.read == "steps") == (28, 10, False)


def describe(config: GraphConfig) -> str:
    """What goes in, and what comes out."""
    steps = "whole numbers" if config.tokens else f"steps of {config.input_size}"
    sizes = "".join(f", {name} = {size} always" for name, size in config.sizes.items())
    every = " at every step" if config.read == "steps" else ""
    answer = f"{config.output} is {config.classes} out{every}"
    return f"{config.input} takes {steps} as [{config.layout}]{sizes}; {answer}"


def read_feeds(texts: list[str]) -> dict[str, Any]:
    """The values by the tensors' names, of texts `NAME=VALUE`.

    >>> read_feeds(["keep_prob:0=1.0", "is_training:0=false", "state:0=zeros N 128"])
    {'keep_prob:0': 1.0, 'is_training:0': False, 'state:0': 'zeros N 128'}
    """
    feeds = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UnrolledError(f"--feed is {text!r}, expected NAME=VALUE")
        try:
            feeds[name] = json.loads(value.lower())
        except (ValueError, RecursionError):
            feeds[name] = value
    return feeds
