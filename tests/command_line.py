"""The command line as a user calls it, in this process, where torch is imported already."""

from typing import NamedTuple

import pytest

from unrolled.cli.main import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


def caller(capfd):
    """`call("train", "--steps", 3)`: what it printed, and the exit code."""

    def call(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Result(stop.value.code or 0, out, err)

    return call
