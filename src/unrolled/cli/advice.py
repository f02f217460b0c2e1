"""What to say of an option that a verb does not have: the one that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from typer.exceptions import TyperException


def about_option(error: TyperException) -> TyperException:
    """The error, or if it is about an unknown option, one that names the right one; else, where help is."""
    context: Any = getattr(error, "ctx", None)
    if context is None:
        return error
    if not hasattr(error, "possibilities"):
        said = error.format_message()
        hint = "" if "Did you mean" in said else f" `{context.command_path} --help` says what it takes."
        return TyperException(f"{said.rstrip('.')}.{hint}" if hint else said)
    came, verb = str(getattr(error, "option_name", "")), context.command_path
    for parameter in context.command.params:
        is_argument = parameter.param_type_name == "argument"
        if is_argument and came.strip("-").rstrip("s") == parameter.name.rstrip("s"):
            return TyperException(
                f"No such option: {came}: its value stands alone, `{verb} {parameter.name.upper()}`"
            )
    options = [
        name for parameter in context.command.params for name in parameter.opts if name.startswith("--")
    ]
    meant = nearest(came, options)
    hint = f" Did you mean {meant}?" if meant else ""
    return TyperException(f"No such option: {came}.{hint} `{verb} --help` lists them all.")


def nearest(came: str, options: Sequence[str]) -> str | None:
    """The option that was meant: one with these initials, one that has the word in it, or one spelt alike.

    >>> options = ["--learning-rate", "--batch-size", "--epochs", "--seed"]
    >>> [nearest(came, options) for came in ("--lr", "--rate", "--epoch", "--batchsize", "--seeed", "--x")]
    ['--learning-rate', '--learning-rate', '--epochs', '--batch-size', '--seed', None]
    """
    came = came.lstrip("-").lower().replace("_", "-")
    names = {option.lstrip("-"): option for option in options}
    for name, option in names.items():
        words = name.split("-")
        if len(words) > 1 and came == "".join(word[0] for word in words):
            return option
    fitting = [name for name in names if len(came) > 1 and (name.startswith(came) or came in name.split("-"))]
    close = difflib.get_close_matches(came, names, n=1, cutoff=0.6)
    found = fitting if len(fitting) == 1 else close or fitting
    return names[found[0]] if found else None
