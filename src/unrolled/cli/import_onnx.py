"""`unrolled import-onnx`: an ONNX model with recurrent layers becomes a run folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli import completion
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.onnx import OnnxModel


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
            help="The data set it reads; by default mnist where the shapes fit.",
            autocompletion=completion.data,
        ),
    ] = None


def import_onnx(options: ImportOnnxOptions) -> None:
    """Find the recurrent network in an ONNX model, and make a run folder of it.

    LSTM, GRU and RNN nodes become layers of cells, and what the dense layers around them see is tried: the
    network and the model are run on random sequences, and must agree, else nothing is imported. The model may
    be of any exporter, such as PyTorch's or tf2onnx for Keras. It needs the extra onnx.

    [bold]examples:[/bold]

        unrolled import-onnx model.onnx
        unrolled import-onnx model.onnx --run runs/from-onnx
    """
    from unrolled import onnx
    from unrolled.cli.import_graph import fits_mnist, name_of
    from unrolled.cli.terminal import Terminal
    from unrolled.training import Recipe, Run, RunConfig
    from unrolled.training.run import check_free, next_free
    from unrolled.training.run_config import NO_DATA

    say = Terminal().print
    if options.run is not None:
        check_free(options.run)
    name = name_of(options.model)
    model = onnx.load(options.model)
    for line in describe(options.model, model):
        say(line)
    try:
        network, proof = onnx.find_network(model, name)
    except UnrolledError as error:
        raise UnrolledError(
            f"{options.model} is no network of layers of cells with a classifier: {error}. In Python, "
            "unrolled.onnx.load(...) runs it, and its cells can be taken out"
        ) from None
    config = network.config
    steps = config.read == "steps"
    run = Run.create(
        options.run or next_free(Path("runs"), name),
        RunConfig(
            config,
            Recipe(),
            data=options.data or ("mnist" if fits_mnist(config) else NO_DATA),
            classes=tuple(str(number) for number in range(config.classes)),
            seed=0,
            validation=0,
            task="tag" if steps else "classify",
        ),
    )
    run.save_weights(network.state_dict())
    layers = ", ".join(f"{kind} {width}" for kind, width, *_ in config.layers)
    say(
        f"network: {layers}; {config.direction}, reads {config.read}; steps of {config.input_size} in, "
        f"{config.classes} out; {network.parameter_count:,} parameters"
    )
    say(f"verified: {proof}")
    if not fits_mnist(config):
        say("note: it does not read MNIST's rows: in Python, Run.open(...).load_network()(x), x [N, T, I]")
    say(f"imported  {run.folder}")


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
