"""What an unrolling refuses, and with which words."""

import re

import pytest
import torch

from tests.catalogue import H, I, N, T, draw, make
from unrolled import bidirectional_unroll, dynamic_unroll, stacked_bidirectional_unroll, static_unroll
from unrolled.unroll.kinds import unroll

X = torch.linspace(-1, 1, N * T * I).reshape(N, T, I).double()

UNROLLINGS = {
    "dynamic": lambda cell: dynamic_unroll(cell, X),
    "static": lambda cell: static_unroll(cell, X.unbind(1)),
    "no steps": lambda cell: dynamic_unroll(cell, X[:, :0]),
    "forward": lambda cell: bidirectional_unroll(cell, make("gru-after"), X),
    "backward": lambda cell: bidirectional_unroll(make("gru-after"), cell, X),
    "stacked": lambda cell: stacked_bidirectional_unroll([cell], [make("gru-after")], X),
}


@pytest.mark.parametrize("way", UNROLLINGS)
@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (torch.nn.LSTMCell(I, H), "torch.nn.modules.rnn.LSTMCell"),
        (torch.nn.Linear(I, H), "torch.nn.modules.linear.Linear"),
        ([make("lstm")], "builtins.list"),
        (None, "builtins.NoneType"),
    ],
    ids=["torch", "linear", "list", "none"],
)
def test_what_is_no_cell_is_refused(way, cell, kind):
    message = (
        f"cell is a {kind}, expected an unrolled cell such as unrolled.LSTMCell(input_size, hidden_size); "
        "a list of cells goes into unrolled.StackedCell"
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        UNROLLINGS[way](cell)


@pytest.mark.parametrize(
    ("shape", "batch_first", "layout"),
    [((N, I), True, "[N, T, I]"), ((T, I), False, "[T, N, I]"), ((I,), True, "")],
)
def test_dynamic_unroll_refuses_one_step_or_one_sequence(shape, batch_first, layout):
    message = f"x has shape {list(shape)}, expected {layout}"
    with pytest.raises(ValueError, match=re.escape(message)):
        dynamic_unroll(make("gru-after"), draw(*shape), batch_first=batch_first)


@pytest.mark.parametrize("steps", [T, 0])
def test_dynamic_unroll_refuses_steps_of_another_width(steps):
    with pytest.raises(ValueError, match=r"GRUCell: x has shape \[5, 2\], expected \[N, 3\]"):
        dynamic_unroll(make("gru-after"), draw(N, steps, 2))


@pytest.mark.parametrize("steps", [T, 0])
def test_dynamic_unroll_refuses_a_state_of_another_shape(steps):
    with pytest.raises(ValueError, match=r"GRUCell: state has shapes \[5, 2\], expected \[5, 4\]"):
        dynamic_unroll(make("gru-after"), draw(N, steps, I), state=draw(N, 2))


def test_static_unroll_refuses_an_empty_list():
    with pytest.raises(ValueError, match=r"steps is empty, expected at least one tensor \[N, I\]"):
        static_unroll(make("gru-after"), [])


@pytest.mark.parametrize("lengths", [None, [7, 3, 0, 1, 5]])
@pytest.mark.parametrize("batch_first", [True, False])
def test_an_unrolling_can_be_chosen_by_name(lengths, batch_first, assert_agree):
    cell = make("lstm")
    x = X if batch_first else X.transpose(0, 1)
    expected = dynamic_unroll(cell, x, lengths, batch_first=batch_first)
    for kind in ("static", "dynamic"):
        assert_agree(unroll(cell, x, lengths, batch_first=batch_first, kind=kind), expected)


def test_an_unknown_unrolling_is_refused():
    message = r"unknown kind of unrolling 'dynamc': did you mean 'dynamic'\? Known: static, dynamic"
    with pytest.raises(ValueError, match=message):
        unroll(make("lstm"), X, kind="dynamc")
    with pytest.raises(ValueError, match=message):
        bidirectional_unroll(make("lstm"), make("lstm"), X, kind="dynamc")


def test_an_array_in_the_place_of_x_is_an_error_that_says_so():
    with pytest.raises(TypeError, match=r"x is a ndarray, expected a torch\.Tensor \[N, T, I\]"):
        dynamic_unroll(make("lstm"), X.numpy())
