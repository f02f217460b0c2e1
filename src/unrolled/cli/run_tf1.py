"""`unrolled run-tf1`: a TensorFlow 1 graph is run as it is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.tf1 import Graph

SHOWN = 20  # names in a list


@dataclasses.dataclass(frozen=True)
class RunTf1Options:
    """What `unrolled run-tf1` is told."""

    path: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint that has a .meta file (its prefix, or its folder for the newest), a frozen "
            "graph (.pb), or the folder of a SavedModel."
        ),
    ]
    feed: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE.npy, NAME=NUMBER or NAME=[[1, 2], [3, 4]], such as x:0=x.npy; for each tensor.",
            show_default=False,
        ),
    ] = None
    fetch: Annotated[
        list[str] | None,
        typer.Option(
            help="What to compute, such as logits:0; may be given several times. Without it the inputs and "
            "likely outputs of the graph are listed.",
            show_default=False,
        ),
    ] = None
    output: Annotated[
        Path | None, typer.Option(help="Keep what was computed in this .npz file, under the tensors' names.")
    ] = None
    seconds: Annotated[float | None, typer.Option(help="Give up after so long; by default never.")] = None


def run_tf1(options: RunTf1Options) -> None:
    """Run a TensorFlow 1 graph as it is, without TensorFlow: compute tensors of it from others.

    Names are TensorFlow's: "logits:0" is the first output of the node "logits". Any tensor can be fed.

    [bold]examples:[/bold]

        unrolled run-tf1 model/model.ckpt-5000
        unrolled run-tf1 model/model.ckpt-5000 --feed Placeholder:0=x.npy --fetch logits:0
        unrolled run-tf1 frozen.pb --feed x:0=x.npy --feed keep_prob:0=1.0 --fetch y:0 --output y.npz
    """
    from unrolled.cli.terminal import Terminal
    from unrolled.tf1 import Graph

    say = Terminal().print
    if options.output is not None and options.output.suffix != ".npz":
        raise UnrolledError(f"--output is {str(options.output)!r}, expected a name that ends in .npz")
    graph = Graph.load(options.path)
    if not options.fetch:
        for line in describe(graph):
            say(line)
        return
    feeds = dict(map(read_feed, options.feed or []))
    found = dict(zip(options.fetch, graph.run(options.fetch, feeds, seconds=options.seconds), strict=True))
    for name, value in found.items():
        if value is None:
            say(f"{name} has run")
            continue
        say(f"{name}  {value.dtype if value.dtype != object else 'text'} {list(value.shape)}")
        for line in str(value).splitlines():
            say(line)
    if options.output is not None:
        keep(options.output, {name: value for name, value in found.items() if value is not None})
        say(f"kept  {options.output}")


def read_feed(text: str) -> tuple[str, Any]:
    """The tensor and the value of `NAME=VALUE`."""
    import numpy as np

    from unrolled.data.npy import read_header

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UnrolledError(f"--feed is {text!r}, expected NAME=FILE.npy or NAME=NUMBER")
    if value.endswith(".npy"):
        header = read_header(Path(value))
        with open(value, "rb") as file:
            file.seek(header.offset)
            return name, np.fromfile(file, header.dtype).reshape(header.shape)
    try:
        return name, np.array(json.loads(value))
    except (ValueError, RecursionError):
        raise UnrolledError(
            f"--feed {name} is {value!r}, expected a .npy file, a number, true, false, or a list of numbers"
        ) from None


def keep(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays as a .npz file."""
    import numpy as np

    from unrolled.atomic import atomic_path

    texts = [name for name, array in arrays.items() if array.dtype == object]
    if texts:
        raise UnrolledError(f"{texts[0]!r} is text, which is not kept in {path}: fetch it without --output")
    try:
        with atomic_path(path) as beside, open(beside, "wb") as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise UnrolledError(f"cannot write {error.filename or path}: {error.strerror}") from error


def describe(graph: Graph) -> list[str]:
    """What can be fed, what signatures name, and what comes of it."""
    lines = []
    for name, shape in graph.placeholders.items():
        sizes = "any shape" if shape is None else str([size if size >= 0 else None for size in shape])
        lines.append(f"feed   {name}  {sizes}")
    for key, signature in graph.signatures.items():
        names = [f"{what}={name}" for what, name in [*signature.inputs.items(), *signature.outputs.items()]]
        lines.append(f"signature {key}: {', '.join(names)}")
    ends = graph.ends
    lines += [f"fetch  {name}" for name in ends[:SHOWN]]
    if len(ends) > SHOWN:
        lines.append(f"... and {len(ends) - SHOWN} more that nothing reads")
    return lines
