"""The protocol of a cell: its checks, its initial state and cells of one's own."""

import re

import pytest
import torch

import unrolled
from tests.catalogue import H, I, N, draw, make, parts
from tests.tolerances import assert_equal
from unrolled import (
    Cell,
    DropoutCell,
    GRUCell,
    HighwayCell,
    LSTMCell,
    LSTMState,
    ResidualCell,
    RNNCell,
    StackedCell,
)
from unrolled.cells.state import hidden, map_state


@pytest.mark.parametrize("shape", [(N, I + 1), (I,), (N, 7, I)])
def test_a_step_refuses_an_input_of_another_shape(shape):
    message = (
        f"GRUCell: x has shape {list(shape)}, expected [N, 3] "
        "(one step of a batch; the unrollings take whole sequences)"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        make("gru-after")(draw(*shape))


@pytest.mark.parametrize("shape", [(N, H + 1), (N + 1, H), (H,), (1, N, H)])
def test_a_step_refuses_a_state_of_another_shape(shape):
    message = f"GRUCell: state has shapes {list(shape)}, expected [5, 4]"
    with pytest.raises(ValueError, match=re.escape(message)):
        make("gru-after")(draw(N, I), draw(*shape))


def test_a_step_refuses_one_tensor_for_the_two_of_an_lstm():
    with pytest.raises(
        ValueError, match=r"LSTMCell: state has shapes \[5, 4\], expected LSTMState\(h=\[5, 4\], c="
    ):
        make("lstm")(draw(N, I), draw(N, H))


def test_a_step_refuses_h_and_c_in_the_other_order():
    with pytest.raises(
        ValueError, match=r"shapes LSTMState\(h=\[5, 4\], c=\[5, 2\]\), expected LSTMState\(h=\[5, 2\]"
    ):
        make("lstm-projection")(draw(N, I), LSTMState(draw(N, H), draw(N, 2)))


def test_a_stack_refuses_a_state_with_a_layer_missing():
    cell = make("stack-mixed")
    with pytest.raises(
        ValueError, match=r"StackedCell: state has shapes \(LSTMState.*\), expected \(LSTMState"
    ):
        cell(draw(N, I), cell.initial_state(N)[:2])


def test_a_step_refuses_a_state_that_holds_no_tensors():
    with pytest.raises(ValueError, match=r"GRUCell: state has shapes hello, expected \[5, 4\]"):
        make("gru-after")(draw(N, I), "hello")


def test_a_pair_of_tensors_is_a_state_of_an_lstm():
    cell = make("lstm")
    output, state = cell(draw(N, I), (draw(N, H), draw(N, H)))
    assert isinstance(state, LSTMState)
    assert output is state.h


@pytest.mark.parametrize("make_cell", [RNNCell, LSTMCell, GRUCell])
@pytest.mark.parametrize("size", [0, -4, 2.0, True, None, "4"])
@pytest.mark.parametrize("name", ["input_size", "hidden_size"])
def test_a_cell_refuses_a_size_that_is_no_positive_whole_number(make_cell, size, name):
    message = f"{make_cell.__name__}: {name} is {size!r}, expected a whole number of at least 1"
    with pytest.raises(ValueError, match=re.escape(message)):
        make_cell(**{"input_size": I, "hidden_size": H, name: size})


@pytest.mark.parametrize("place", ["input", "output", "state"])
@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_dropout_refuses_what_is_no_probability(place, probability):
    match = rf"DropoutCell: {place} is {probability}, expected a probability from 0 \(off\) to 1"
    with pytest.raises(ValueError, match=match):
        DropoutCell(GRUCell(I, H), **{place: probability})


BASIC_CELLS = {
    "rnn": (RNNCell, {}),
    "gru": (GRUCell, {}),
    "lstm": (LSTMCell, {"peephole": True, "proj_size": 20}),
    "lstm-norm-gates": (LSTMCell, {"layer_norm": "gates"}),
    "lstm-norm-projections": (LSTMCell, {"layer_norm": "projections"}),
}


@pytest.mark.parametrize("name", BASIC_CELLS)
def test_all_parameters_start_from_the_uniform_distribution_and_scales_from_1(name):
    make_cell, options = BASIC_CELLS[name]
    for parameter_name, parameter in make_cell(30, 400, **options).named_parameters():
        if parameter_name.startswith("norm") and parameter_name.endswith("weight"):
            assert (parameter == 1).all()
        else:
            assert 0.97 / 20 < parameter.abs().max() <= 1 / 20
            assert parameter.mean().abs() < 0.1 / 20


@pytest.mark.parametrize("name", BASIC_CELLS)
def test_a_cell_takes_a_dtype_and_a_device(name):
    make_cell, options = BASIC_CELLS[name]
    cell = make_cell(I, H, **options, dtype=torch.float64, device="meta")
    assert all(p.dtype == torch.float64 and p.device.type == "meta" for p in cell.parameters())


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_a_seed_draws_the_weights_that_it_draws_for_torch(name):
    torch.manual_seed(3)
    ours = getattr(unrolled, name)(I, H)
    torch.manual_seed(3)
    assert_equal(list(ours.parameters()), list(getattr(torch.nn, name)(I, H).parameters()))


def test_a_cell_without_a_step_cannot_be_made():
    class Unfinished(Cell):
        pass

    with pytest.raises(TypeError, match=r"abstract method '?step"):
        Unfinished(1, 1, 1)


def test_a_cell_of_ones_own_may_nest_its_state_as_it_likes():
    class Nested(Cell):
        def __init__(self):
            super().__init__(input_size=1, output_size=1, state_size=(2, (LSTMState(3, 4), 5)))

        def step(self, x, state):
            return x, map_state(lambda part: part + 1, state)

    _, state = Nested()(torch.zeros(6, 1))
    shapes = map_state(lambda part: tuple(part.shape), state)
    assert shapes == ((6, 2), (LSTMState((6, 3), (6, 4)), (6, 5)))
    assert state[1][0].c.tolist() == [[1.0] * 4] * 6


@pytest.mark.parametrize("wrap", [DropoutCell, ResidualCell, HighwayCell, lambda cell: StackedCell([cell])])
def test_a_wrapper_starts_from_the_initial_state_of_what_it_wraps(wrap):
    class Learned(Cell):
        def __init__(self):
            super().__init__(input_size=2, output_size=2, state_size=3)
            self.start = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

        def initial_state(self, batch_size, **like):
            return self.start.to(**like).expand(batch_size, 3)

        def step(self, x, state):
            return x, state

    cell = wrap(Learned())
    (state,) = parts(cell(torch.zeros(2, 2))[1])
    assert state.tolist() == [[1, 2, 3], [1, 2, 3]]
    (state,) = parts(cell.initial_state(1, dtype=torch.float64))
    assert state.dtype == torch.float64


def test_hidden_is_what_the_last_layer_shows():
    gru, lstm = torch.zeros(1), LSTMState(torch.ones(1), torch.zeros(1))
    assert hidden(gru) is gru
    assert hidden(lstm) is lstm.h
    assert hidden((gru, lstm)) is lstm.h
    assert hidden((lstm, (lstm, gru))) is gru


@pytest.mark.parametrize("wrap", [lambda cell: StackedCell([cell]), DropoutCell, ResidualCell, HighwayCell])
def test_what_is_not_a_cell_cannot_be_wrapped(wrap):
    with pytest.raises(TypeError, match=r"cell is a torch\.nn\..*LSTMCell, expected an unrolled cell"):
        wrap(torch.nn.LSTMCell(3, 3))


@pytest.mark.parametrize("wrong", ["0.5", True])
def test_a_probability_or_a_clip_is_a_number(wrong):
    with pytest.raises(ValueError, match="expected a probability"):
        DropoutCell(LSTMCell(3, 3), input=wrong)
    with pytest.raises(ValueError, match=r"cell_clip is .*, expected a positive bound"):
        LSTMCell(3, 3, cell_clip=wrong)
