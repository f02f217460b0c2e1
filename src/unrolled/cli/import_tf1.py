"""`unrolled import-tf1`: a TensorFlow 1 checkpoint becomes a run folder."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli import completion
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.networks import NetworkConfig

# What is said of a network that is found, and of a graph as it is.
OF_NETWORKS = ("forget_bias", "cell_clip", "proj_clip", "scope", "ignore", "cell", "activation", "read")
OF_GRAPHS = ("lengths", "feed", "layout", "width")


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What `unrolled import-tf1` is told."""

    prefix: Annotated[
        Path,
        typer.Argument(
            help="What the Saver was given, such as model/model.ckpt-5000; or the folder, for its newest."
        ),
    ]
    run: Annotated[Path | None, typer.Option(help="The folder to make; by default runs/<name>-<number>.")] = (
        None
    )
    forget_bias: Annotated[
        float | None,
        typer.Option(
            help="Of the LSTMs; by default what the .meta file says. TensorFlow's own default is 1.0."
        ),
    ] = None
    cell_clip: Annotated[float | None, typer.Option(help="Of the LSTMs; by default as .meta says.")] = None
    proj_clip: Annotated[float | None, typer.Option(help="Of LSTMs with a projection; likewise.")] = None
    scope: Annotated[
        str, typer.Option(help="Take only variables whose names begin so, such as encoder/.")
    ] = ""
    ignore: Annotated[
        str | None, typer.Option(help="Leave out variables whose whole name fits this regular expression.")
    ] = None
    cell: Annotated[
        str | None,
        typer.Option(help="lstm or rnn, if cells have names of their own and shapes that fit both."),
    ] = None
    activation: Annotated[
        str | None,
        typer.Option(help="Between dense layers: identity, relu, tanh or sigmoid; by default as .meta says."),
    ] = None
    read: Annotated[
        str | None,
        typer.Option(
            help="What the classifier sees: last, final, state, memory, first, mean or max; by default "
            "what the graph says."
        ),
    ] = None
    input: Annotated[
        str | None,
        typer.Option(
            help="The graph's tensor that sequences are fed to, such as x:0; else it is looked for."
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            help="The graph's tensor that is its answer, such as logits:0; by default it is looked for."
        ),
    ] = None
    as_graph: Annotated[
        bool,
        typer.Option("--as-graph", help="Keep the graph itself as the network; PREFIX may be any graph."),
    ] = False
    lengths: Annotated[
        str | None,
        typer.Option(help="Of a graph: the placeholder that takes lengths [N], such as lengths:0."),
    ] = None
    feed: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a graph: what else it is fed, such as keep_prob:0=1.0 or is_training:0=false; or "
            'batch_size:0=N, steps:0=T, state:0="zeros N 128". May be given several times.',
            show_default=False,
        ),
    ] = None
    layout: Annotated[
        str | None,
        typer.Option(help='Of a graph: how sequences lie in --input, such as "N T I", "T N I" or "N TI".'),
    ] = None
    width: Annotated[
        int | None, typer.Option(help="Of a graph: I, the numbers in a step, where no shape says it.")
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            help="The data set it reads; by default mnist where the shapes fit.",
            autocompletion=completion.data,
        ),
    ] = None


def import_tf1(options: ImportOptions) -> None:
    """Find the recurrent network in a TensorFlow 1 checkpoint, and make a run folder of it.

    The checkpoint may be of version 1 or 2 and have variable names of any era. With its .meta file the
    network and the graph there are run on random sequences: they must agree, else nothing is imported.
    Without it, what no variable says is asked for, or assumed and said. TensorFlow is not needed.
    With --as-graph the run holds the graph as it is, for evaluate and predict; what a graph does not say
    of its ends is asked for.

    [bold]examples:[/bold]

        unrolled import-tf1 model/model.ckpt-5000
        unrolled import-tf1 model/ --forget-bias 1.0 --run runs/from-tensorflow
        unrolled import-tf1 seq2seq.ckpt --scope encoder/ --ignore ".*embedding.*"
        unrolled import-tf1 model/model.ckpt-5000 --input x:0 --output logits:0
        unrolled import-tf1 model/model.ckpt-5000 --as-graph --feed keep_prob:0=1.0
        unrolled import-tf1 frozen.pb --as-graph --output logits:0 --lengths lengths:0
    """
    from unrolled import tf1
    from unrolled.cli.import_graph import fits_mnist, import_as_graph, name_of, read_feeds
    from unrolled.cli.terminal import Terminal
    from unrolled.tf1.checkpoints.checkpoint import find_prefix
    from unrolled.training import Recipe, Run, RunConfig
    from unrolled.training.run import check_free, next_free
    from unrolled.training.run_config import NO_DATA

    say = Terminal().print
    if options.run is not None:
        check_free(options.run)
    check_goes_together(options)
    if options.as_graph:
        said = {key: getattr(options, key) for key in ("input", "output", "lengths", "layout", "width")}
        import_as_graph(
            options.prefix, options.run, options.data, feeds=read_feeds(options.feed or []), **said
        )
        return
    prefix = find_prefix(options.prefix)
    choices = ("scope", "ignore", "cell", "activation", "read", "input", "output")
    given: dict[str, Any] = {key: getattr(options, key) for key in choices}
    cell_options = {key: getattr(options, key) for key in ("forget_bias", "cell_clip", "proj_clip")}
    given["options"] = {key: value for key, value in cell_options.items() if value is not None}
    name = name_of(prefix)
    imported = tf1.import_checkpoint(prefix, name=name, **given)
    if imported.model.asks_forget_bias:
        given["options"]["forget_bias"] = ask_forget_bias(prefix.name)
        imported = tf1.import_checkpoint(prefix, name=name, **given)

    model = imported.model
    network = model.network()
    config = model.config
    run = Run.create(
        options.run or next_free(Path("runs"), name),
        RunConfig(
            config,
            Recipe(),
            data=options.data or ("mnist" if fits_mnist(config) else NO_DATA),
            classes=tuple(str(number) for number in range(config.classes)),
            seed=0,
            validation=0,
        ),
    )
    run.save_weights(network.state_dict())
    has = "with" if imported.has_graph else "no"
    say(f"{prefix}: {len(imported.variables)} variables, {has} graph (.meta)")
    for line in model.describe():
        say(f"  {line}")
    layers = ", ".join(
        f"{kind} {width}" + "".join(f", {key} {value}" for option in rest for key, value in option.items())
        for kind, width, *rest in config.layers
    )
    say(
        f"network: {layers}; {config.direction}, {config.unroll} unrolling{describe_read(config)}; steps of "
        f"{config.input_size} in, {config.classes} out; {network.parameter_count:,} parameters"
    )
    if imported.proof is not None:
        say(f"verified: {imported.proof}")
    for note in model.notes:
        say(f"note: {note}")
    if not fits_mnist(config):
        say("note: it does not read MNIST's rows: in Python, Run.open(...).load_network()(x), x [N, T, I]")
    say(f"imported  {run.folder}")


def check_goes_together(options: ImportOptions) -> None:
    """Raise an UnrolledError if what is said is of networks and a graph as it is comes, or the other way."""
    others = OF_NETWORKS if options.as_graph else OF_GRAPHS
    default = {field.name: field.default for field in dataclasses.fields(options)}
    for name in others:
        if getattr(options, name) != default[name]:
            flag = f"--{name.replace('_', '-')}"
            raise UnrolledError(
                f"{flag} is said of a network that is found, and --as-graph came: leave one of them out"
                if options.as_graph
                else f"{flag} is said of a graph as it is: give --as-graph, too"
            )


def describe_read(config: NetworkConfig) -> str:
    """What the classifier sees, where that is not the last output."""
    return "" if config.one_way and config.read == "final" else f", reads {config.read}"


def ask_forget_bias(name: str) -> float:
    """Ask at a terminal; elsewhere say what is missing."""
    if sys.stdin is not None and sys.stdin.isatty():
        answer: float = typer.prompt(
            "No graph says which forget_bias its LSTMs had (TensorFlow's default is 1.0). forget_bias",
            default=1.0,
            type=float,
        )
        return answer
    raise UnrolledError(
        f"nothing beside {name} says which forget_bias its LSTMs had: give it with --forget-bias "
        "(1.0 is the default of TensorFlow's BasicLSTMCell and LSTMCell)"
    )
