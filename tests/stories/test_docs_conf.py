"""How docs/conf.py shows docstrings."""

import pytest

from docs.conf import show_equations


def shown(docstring: str) -> str:
    lines = docstring.splitlines()
    show_equations(None, "class", "name", None, None, lines)
    return "\n".join(lines)


def test_equations_are_shown_as_they_are_written():
    before = "One step.\n\n    c' = f * c + i * g\n    h' = o * tanh(c')\n\nSymbols: h [N, H]."
    after = "One step.\n\n::\n\n    c' = f * c + i * g\n    h' = o * tanh(c')\n\nSymbols: h [N, H]."
    assert shown(before) == after


@pytest.mark.parametrize(
    "docstring",
    [
        "Args:\n    x: a tensor\n        of floats.\n\n    y: another.\n\nReturns:\n    z.",
        ">>> network\nSequential(\n  (0): LSTM(4, 3)\n)",
        ".. note::\n    Call the module.",
    ],
    ids=["sections", "what an example prints", "directives"],
)
def test_what_else_is_indented_stays_as_it_is(docstring):
    assert shown(docstring) == docstring


def test_an_example_ends_at_an_empty_line():
    assert "::" in shown(">>> 1\n1\n\nIts equation:\n\n    y = x")
