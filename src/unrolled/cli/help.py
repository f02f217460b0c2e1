"""The page that `--help` shows, on terminals of every width and on none."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from unrolled.cli.terminal import Terminal

if TYPE_CHECKING:
    import typer

MOST_WIDTH = 100  # of a line of prose
NAMES = 26  # columns of the names beside what is said of them
NARROW = 70  # a terminal of fewer columns has the names above


class Verb(TyperCommand):
    """A verb whose help is a `page`."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        show_page(self, ctx)


class Verbs(TyperGroup):
    """All verbs; their help is a `page`, too."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        show_page(self, ctx)


def show_page(command: TyperCommand | TyperGroup, ctx: typer.Context) -> None:
    """Print how a command is called, what it does, its examples, and its arguments, options and verbs."""
    terminal = Terminal()
    width = max(min(terminal.width, MOST_WIDTH), 20)
    usage = " ".join(["Usage:", ctx.command_path, *command.collect_usage_pieces(ctx)])
    say(terminal, lines_of(re.sub(r"[{](\w+)[}]", lambda name: name[1].upper(), usage), width, "    "))
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        terminal.print()
        if "[bold]" in paragraph:
            terminal.print(re.sub(r"\[/?bold\]", "", paragraph), style="bold")
        elif paragraph.startswith("    "):  # examples: lines to paste, which the terminal wraps
            say(terminal, [line[2:] for line in paragraph.splitlines()])
        else:
            say(terminal, lines_of(" ".join(paragraph.split()), width))
    parameters: list[Any] = command.get_params(ctx)
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option" and not one.hidden]
    verbs = getattr(command, "commands", {})
    show_list("Arguments:", [(one.name.upper(), said(one)) for one in arguments], width, terminal)
    show_list("Options:", [(spelt(one, ctx), said(one)) for one in options], width, terminal)
    show_list("Commands:", [(name, first(verb.help)) for name, verb in verbs.items()], width, terminal)


def show_list(title: str, rows: list[tuple[str, str]], width: int, terminal: Terminal) -> None:
    """Print names and what is said of them: beside them, or below them where there is little room."""
    if not rows:
        return
    terminal.print()
    terminal.print(title, style="bold")
    for name, words in rows:
        indent = 6 if width < NARROW else 2 + NAMES
        lines = lines_of(words, width - indent)
        beside = lines.pop(0) if width >= NARROW and len(name) < NAMES - 1 else ""
        terminal.print(f"  {name:{NAMES}}{beside}".rstrip())
        say(terminal, [" " * indent + line for line in lines])


def say(terminal: Terminal, lines: list[str]) -> None:
    """Print lines."""
    for line in lines:
        terminal.print(line)


def lines_of(text: str, width: int, indent: str = "") -> list[str]:
    """The text in lines of this width, those after the first indented; a word that is longer stays whole."""
    return textwrap.wrap(
        text, max(width, 1), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def spelt(option: Any, ctx: typer.Context) -> str:
    """An option as one types it: "--seed <int>", "-h, --help", "--standardize / --no-standardize"."""
    names = ", ".join(sorted(option.opts, key=len))
    if option.is_flag:
        return " / ".join([names, *option.secondary_opts])
    kind = str(option.display_type_rich(ctx=ctx) or "")
    listed = re.fullmatch(r"<list\[(\w+)\]>", kind)
    return f"{names} <{listed[1]}> ..." if listed else f"{names} {kind}"


def said(parameter: Any) -> str:
    """What a parameter does, and its default."""
    default = parameter.default
    if parameter.required:
        return f"{parameter.help} [required]"
    if not parameter.show_default or default in (None, False, ""):
        return str(parameter.help)
    if default is True:
        default = "yes"
    return f"{parameter.help} [default: {default}]"


def first(text: str | None) -> str:
    """The first sentence of a docstring."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())
