"""The commands of a page, as its reader types them."""

import shlex
from pathlib import Path

import pytest

from tests.command_line import caller


@pytest.fixture
def typed(capfd, monkeypatch):
    """`typed("unrolled predict *.wav")`: what the line gives in this folder, in this process."""
    monkeypatch.setenv("COLUMNS", "120")
    call = caller(capfd)

    def of_line(line):
        program, *arguments = shlex.split(line)
        assert program == "unrolled"
        assert not {"|", ">", "&&", ";"} & set(arguments), f"only a shell can run {line}"
        return call(*(path for argument in arguments for path in expanded(argument)))

    return of_line


def expanded(argument):
    """The files of a pattern, in order, as a shell gives them; any other argument is itself."""
    return sorted(map(str, Path().glob(argument))) if "*" in argument else [argument]
