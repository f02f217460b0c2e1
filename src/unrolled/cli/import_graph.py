"""`unrolled import-tf1 --as-graph`: a TensorFlow 1 graph becomes a run folder as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.cli.import_tf1 import ImportOptions
    from unrolled.networks.graph_config import GraphConfig

GRAPH_OPTIONS = ("lengths", "feed", "layout", "width")
# What changes a network that is found: a graph has its own.
NETWORK_OPTIONS = ("forget_bias", "cell_clip", "proj_clip", "ignore", "cell", "activation", "read")


def import_as_graph(options: ImportOptions) -> None:
    """Find a graph's ends, and make a run folder of what of it lies between them."""
    from unrolled import tf1
    from unrolled.cli.import_tf1 import fits_mnist, name_of
    from unrolled.cli.terminal import Terminal
    from unrolled.training import Run
    from unrolled.training.run import next_free
    from unrolled.training.run_config import NO_DATA

    for option in NETWORK_OPTIONS:
        if getattr(options, option) is not None:
            raise UnrolledError(
                f"--{option.replace('_', '-')} changes a network that is found, but --as-graph came: leave "
                "one of them out"
            )
    if options.scope:
        raise UnrolledError(
            "--scope takes a part of the variables, but --as-graph came: say --output instead"
        )
    said: dict[str, Any] = {
        key: getattr(options, key) for key in ("input", "output", "lengths", "layout", "width")
    }
    name = name_of(options.prefix)
    found = tf1.import_graph(options.prefix, feeds=read_feeds(options.feed or []), name=name, **said)
    network = found.network
    data = options.data or ("mnist" if fits_mnist(network.config) else NO_DATA)
    run = Run.of_graph(options.run or next_free(Path("runs"), name), network, data)
    say = Terminal().print
    say(f"{options.prefix}: {found.nodes} nodes, {len(network.graph.variables)} variables")
    say(f"graph: {describe(network.config)}")
    for note in found.notes:
        say(f"note: {note}")
    say(f"imported  {run.folder}")


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
