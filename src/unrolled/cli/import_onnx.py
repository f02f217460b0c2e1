"""`unrolled import-onnx`: an ONNX model with recurrent layers becomes a run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli import completion
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.networks import SequenceClassifier
    from unrolled.onnx import OnnxModel
    from unrolled.onnx.exported import Exported
    from unrolled.training import Run


@dataclasses.dataclass(frozen=True)
class ImportOnnxOptions:
    """What `unrolled import-onnx` is told."""

    model: Annotated[Path, typer.Argument(help="The .onnx file, whoever exported it.")]
    run: Annotated[Path | None, typer.Option(help="The folder to make; by default runs/<name>-<number>.")] = (
        None
    )
    data: Annotated[
        str | None,
        typer.Option(
            help="The data set it reads; by default the run's own, or mnist where the shapes fit.",
            autocompletion=completion.data,
        ),
    ] = None


def import_onnx(options: ImportOnnxOptions) -> None:
    """Make a run folder of the recurrent network in an ONNX model.

    A file that export-onnx wrote becomes the run that it was written from: its network, classes, task, data's
    preparation and calibration. One step (--stream) and 16 bits (--fp16, which rounded the weights) are read
    back, too.

    In a model of any other exporter, such as PyTorch's or tf2onnx for Keras, LSTM, GRU and RNN nodes become
    layers of cells, and what the dense layers around them see is tried: the network and the model are run on
    random sequences, and must agree, else nothing is imported. It needs the extra onnx.

    [bold]examples:[/bold]

        unrolled import-onnx model.onnx
        unrolled import-onnx model.onnx --run runs/from-onnx
    """
    from unrolled import onnx
    from unrolled.cli.terminal import Terminal
    from unrolled.training.run import check_free

    if options.run is not None:
        check_free(options.run)
    exported = onnx.read_exported(options.model)
    lines = import_foreign(options) if exported is None else import_exported(options, exported)
    say = Terminal().print
    for line in lines:
        say(line)


def import_exported(options: ImportOnnxOptions, exported: Exported) -> Iterator[str]:
    """Make a run of what this package exported, and say so."""
    said, network = exported.metadata, exported.network
    form = "one step of " * exported.single
    of = f" from the run {said['run']}" if said.get("run") else ""
    by = f"exported{of} by unrolled {exported.producer}"
    yield f"{options.model}: {form}the network {network.config.name}, {by}"
    try:
        run = make_run(options, network, said)
    except UnrolledError as error:
        raise UnrolledError(f"{options.model}: its metadata are damaged: {error}") from error
    yield in_words(network)
    yield f"verified: exported again, the network is this graph, its numbers within {exported.apart:.1e}"
    if exported.half:
        yield "note: its weights were rounded to 16 bits when it was exported, and stay so"
    yield from about(run, said)


def import_foreign(options: ImportOnnxOptions) -> Iterator[str]:
    """Look for the network in a model of another exporter, make a run of it, and say so."""
    from unrolled import onnx
    from unrolled.cli.import_graph import name_of

    model = onnx.load(options.model)
    yield from describe(options.model, model)
    try:
        network, proof = onnx.find_network(model, name_of(options.model))
    except UnrolledError as error:
        raise UnrolledError(
            f"{options.model} is no network of layers of cells with a classifier: {error}. In Python, "
            "unrolled.onnx.load(...) runs it, and its cells can be taken out"
        ) from None
    run = make_run(options, network, {})
    yield in_words(network)
    yield f"verified: {proof}"
    yield from about(run, {})


def make_run(options: ImportOnnxOptions, network: SequenceClassifier, said: Mapping[str, str]) -> Run:
    """The run folder of a network and of what its file says of the run that it was."""
    from unrolled.cli.import_graph import fits_mnist, name_of
    from unrolled.onnx import metadata
    from unrolled.training import Recipe, RunConfig
    from unrolled.training.run import next_free
    from unrolled.training.run_config import NO_DATA

    config = network.config
    usual = RunConfig(
        config,
        Recipe(),
        data="mnist" if fits_mnist(config) else NO_DATA,
        classes=tuple(str(number) for number in range(config.classes)),
        seed=0,
        validation=0,
        task="tag" if config.read == "steps" else "classify",
    )
    if options.data is not None:  # in the place of the file's
        said = {**{name: text for name, text in said.items() if name != "options"}, "data": options.data}
    folder = options.run or next_free(Path("runs"), name_of(options.model))
    return metadata.make_run(said, usual, network, folder)


def in_words(network: SequenceClassifier) -> str:
    """What a network is made of."""
    config = network.config
    layers = ", ".join(f"{kind} {width}" for kind, width, *_ in config.layers)
    read = f"steps of {config.input_size} in"
    if config.scan != "rows":
        read = f"{config.pictures} in, {config.order}"
    return (
        f"network: {layers}; {config.direction}, reads {config.read}; {read}, {config.classes} out; "
        f"{network.parameter_count:,} parameters"
    )


def about(run: Run, said: Mapping[str, str]) -> Iterator[str]:
    """What can be done with a run, and where it is."""
    from unrolled.cli.import_graph import fits_mnist

    if not said.get("data") and not fits_mnist(run.config.network):
        yield "note: it does not read MNIST's rows: in Python, Run.open(...).load_network()(x), x [N, T, I]"
    yield f"imported  {run.folder}"


def describe(path: Path, model: OnnxModel) -> list[str]:
    """What a model is, a line for each thing that one wants to know."""
    takes = ", ".join(f"{name} {expected}" for name, expected in model.inputs.items())
    lines = [
        f"{path}: {len(model.graph_nodes)} nodes" + (f", written by {model.producer}" * bool(model.producer)),
        f"  takes {takes or 'nothing'}; gives {', '.join(model.outputs)}",
    ]
    return lines + [
        f"  {name}: {type(cell).__name__}({cell.extra_repr()})" for name, cell in model.cells.items()
    ]
