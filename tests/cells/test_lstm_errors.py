import pytest

from unrolled import LSTMCell


@pytest.mark.parametrize("name", ["cell_clip", "proj_clip"])
@pytest.mark.parametrize("bound", [0, 0.0, -1.5, float("nan")])
def test_lstm_cell_refuses_a_clip_that_is_not_positive(name, bound):
    with pytest.raises(
        ValueError, match=f"LSTMCell: {name} is {bound}, expected a positive bound, or None for none"
    ):
        LSTMCell(3, 4, proj_size=2, **{name: bound})


def test_lstm_cell_refuses_a_projection_clip_without_a_projection():
    with pytest.raises(ValueError, match=r"proj_clip is 0\.2, but there is no projection: set proj_size"):
        LSTMCell(3, 4, proj_clip=0.2)


def test_lstm_cell_refuses_an_unknown_activation():
    with pytest.raises(
        ValueError, match=r"unknown activation 'softsing': did you mean 'softsign'\? Known: tanh, relu"
    ):
        LSTMCell(3, 4, activation="softsing")


@pytest.mark.parametrize(("came", "nearest"), [("gate", "gates"), ("projection", "projections")])
def test_lstm_cell_refuses_an_unknown_layer_norm(came, nearest):
    with pytest.raises(
        ValueError, match=rf"unknown layer_norm '{came}': did you mean '{nearest}'\? Known: None, gates"
    ):
        LSTMCell(3, 4, layer_norm=came)


@pytest.mark.parametrize("size", [-2, 2.5, True])
def test_lstm_cell_refuses_a_projection_to_no_width(size):
    with pytest.raises(
        ValueError, match=f"LSTMCell: proj_size is {size}, expected a whole number of at least 1"
    ):
        LSTMCell(3, 4, proj_size=size)


@pytest.mark.parametrize("name", ["recurrent_dropout", "zoneout"])
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_lstm_cell_refuses_what_is_no_probability(name, probability):
    match = rf"LSTMCell: {name} is {probability}, expected a probability from 0 \(off\) to 1"
    with pytest.raises(ValueError, match=match):
        LSTMCell(3, 4, **{name: probability})
