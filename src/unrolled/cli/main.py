"""The command line `unrolled`: the verbs, and how an error reaches the user."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from unrolled.cli import terminal
from unrolled.cli.advice import about_option
from unrolled.cli.bench import bench
from unrolled.cli.compare import compare
from unrolled.cli.evaluate import evaluate
from unrolled.cli.export_onnx import export_onnx
from unrolled.cli.export_tf1 import export_tf1
from unrolled.cli.help import Verbs
from unrolled.cli.import_onnx import import_onnx
from unrolled.cli.import_tf1 import import_tf1
from unrolled.cli.info import info
from unrolled.cli.inspect import inspect
from unrolled.cli.networks import networks
from unrolled.cli.options import add_verb
from unrolled.cli.page import page
from unrolled.cli.predict import predict
from unrolled.cli.quantize import quantize
from unrolled.cli.report import report
from unrolled.cli.run_tf1 import run_tf1
from unrolled.cli.serve import serve
from unrolled.cli.train import train
from unrolled.errors import UnrolledError

app = typer.Typer(
    name="unrolled",
    no_args_is_help=True,
    cls=Verbs,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS = (
    *(train, evaluate, predict, inspect, compare, report, page, serve, networks, info, bench),
    *(quantize, import_tf1, export_tf1, run_tf1, import_onnx, export_onnx),
)
for verb in VERBS:
    add_verb(app, verb)


def _show_version(wanted: bool) -> None:
    if wanted:
        from unrolled import __version__

        typer.echo(f"unrolled {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Recurrent networks that read digits row by row, and any other sequence.

    `unrolled train` needs nothing else: it trains on the digits that come with the package.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 if all went well, 2 after an error, 130 or 143 after a signal."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    terminal.debugging = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a character that it has no letters for is written as a number
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command line, say in one line what went wrong, and return the exit code."""
    try:
        code = app(arguments, prog_name="unrolled", standalone_mode=False)
    except BrokenPipeError:
        raise
    except (UnrolledError, TyperException, OSError) as error:
        if os.environ.get("LOCAL_RANK", "0") != "0":
            # Of the processes that torchrun starts on a machine one speaks for all. The others leave it the
            # time to: torchrun ends all of them when the first one has ended.
            time.sleep(1)
        elif not arguments:
            pass  # the help has been shown
        else:
            terminal.complain(about_option(error) if isinstance(error, TyperException) else error)
        return terminal.MISTAKE
    return code if isinstance(code, int) else 0
