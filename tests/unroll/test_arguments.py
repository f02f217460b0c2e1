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


RESETS = torch.zeros(N, T, dtype=torch.bool)
WITH_RESETS = {
    "dynamic": lambda cell, **options: dynamic_unroll(cell, X, **options),
    "backward": lambda cell, **options: dynamic_unroll(cell, X, reverse=True, **options),
    "time first": lambda cell, **options: dynamic_unroll(
        cell, X.transpose(0, 1), batch_first=False, **options
    ),
    "static": lambda cell, **options: static_unroll(cell, X.unbind(1), **options),
    "static backward": lambda cell, **options: unroll(cell, X, kind="static", reverse=True, **options),
}


@pytest.mark.parametrize("way", WITH_RESETS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"resets": RESETS.T},
            "resets has shape [7, 5], expected [5, 7]: [N, T], whatever the layout of x",
        ),
        ({"resets": RESETS[0]}, "resets has shape [7], expected [5, 7]"),
        ({"resets": RESETS.unsqueeze(2)}, "resets has shape [5, 7, 1], expected [5, 7]"),
        (
            {"resets": RESETS.float()},
            "resets are torch.float32, expected torch.bool: true where an episode begins",
        ),
        ({"resets": RESETS.int().tolist()}, "resets are torch.int64, expected torch.bool"),
        (
            {"reset_state": draw(N, H)},
            "reset_state is given, but resets is None: nothing goes back to it",
        ),
        (
            {"resets": RESETS, "reset_state": draw(1, H)},
            "GRUCell: reset_state has shapes [1, 4], expected [5, 4]",
        ),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, dict) else str(value),
)
def test_resets_that_do_not_fit_are_one_error(way, options, message, monkeypatch):
    for isa in ("", "reference"):
        monkeypatch.setenv("UNROLLED_ISA", isa)
        with pytest.raises(ValueError, match=re.escape(message)):
            WITH_RESETS[way](make("gru-after"), **options)


def test_a_module_is_told_when_its_state_and_the_one_to_go_back_to_differ():
    class Counter(torch.nn.Module):
        def forward(self, x, state):
            return x, state + 1

        def initial_state(self, batch_size):
            return torch.zeros(batch_size, 2)

    with pytest.raises(ValueError, match="reset_state has other shapes than the state"):
        dynamic_unroll(Counter(), X, resets=RESETS, reset_state=torch.zeros(N, 1))


@pytest.mark.parametrize("states", [([], []), ([None], [None, None])])
def test_stacked_directions_want_a_state_to_go_back_to_for_each_layer(states):
    cells = [make("lstm")], [make("gru-after")]
    message = (
        f"reset_states has {len(states[0])} forward and {len(states[1])} backward states, expected 1 of each"
    )
    with pytest.raises(ValueError, match=message):
        stacked_bidirectional_unroll(*cells, X, resets=RESETS, reset_states=states)
    with pytest.raises(ValueError, match="reset_states is given, but resets is None"):
        bidirectional_unroll(cells[0][0], cells[1][0], X, reset_states=(None, None))
