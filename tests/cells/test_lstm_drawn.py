"""What an LSTM draws at random while training: recurrent dropout and zoneout."""

import numpy as np
import pytest
import torch

from tests.catalogue import draw
from tests.tolerances import TOLERANCES, assert_close, assert_equal
from unrolled import LSTMCell, LSTMState

N, I, H = 50, 3, 40  # 2,000 units, so that a share of them lies close to its probability


def cells(**options):
    """A cell that draws, and the same one that does not."""
    drawing, plain = LSTMCell(I, H, **options).double(), LSTMCell(I, H).double()
    plain.load_state_dict(drawing.state_dict())
    return drawing, plain


def random_state():
    return LSTMState(draw(N, H), draw(N, H))


def assert_either(actual, one, other, share):
    """Each number is that of `one` or of `other`, and about `share` of them that of `other`."""
    is_one, is_other = (
        torch.isclose(actual, value, rtol=0, atol=TOLERANCES[actual.dtype]) for value in (one, other)
    )
    assert (is_one ^ is_other).all()
    assert abs(is_other.double().mean() - share) < 0.05


def test_recurrent_dropout_drops_the_candidate_alone():
    drawing, plain = cells(recurrent_dropout=0.3)
    x, state = draw(N, I), random_state()
    i, f, g, o = (x @ plain.weight_ih.T + plain.bias_ih + state.h @ plain.weight_hh.T + plain.bias_hh).chunk(
        4, 1
    )
    kept, dropped = f.sigmoid() * state.c + i.sigmoid() * g.tanh() / 0.7, f.sigmoid() * state.c
    output, next_state = drawing(x, state)
    assert_either(next_state.c, kept, dropped, 0.3)
    assert_close(output, o.sigmoid() * next_state.c.tanh())


def test_recurrent_dropout_draws_a_new_mask_at_each_step():
    drawing, _ = cells(recurrent_dropout=0.5)
    x, state = draw(N, I), random_state()
    same = drawing(x, state)[1].c == drawing(x, state)[1].c
    assert abs(same.double().mean() - 0.5) < 0.05


@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.5}, {"recurrent_dropout": 1.0}])
def test_recurrent_dropout_does_nothing_after_training(options):
    drawing, plain = cells(**options)
    x, state = draw(N, I), random_state()
    assert_equal(drawing.eval()(x, state), plain(x, state))


def test_recurrent_dropout_gives_the_numbers_of_tensorflow_1s_own_test():
    """LayerNormBasicLSTMCell(5, layer_norm=False, dropout_keep_prob=0.5), all weights and inputs 1."""
    cell = LSTMCell(5, 5, bias=False, forget_bias=1.0, recurrent_dropout=0.5).double()
    for weight in cell.parameters():
        torch.nn.init.ones_(weight)
    ones = torch.ones(400, 5).double()
    output, state = cell(ones, LSTMState(ones, ones))
    c, h = state.c.detach().numpy(), output.detach().numpy()
    kept = c > 2
    np.testing.assert_allclose(c, np.where(kept, 2.9998924946, 0.999983298578), atol=1e-10)
    np.testing.assert_allclose(h, np.where(kept, 0.995008519604, 0.761552567265), atol=1e-10)
    assert 0.4 < kept.mean() < 0.6


def test_zoneout_keeps_the_old_value_of_some_units_of_h_and_of_c():
    drawing, plain = cells(zoneout=0.3)
    x, state = draw(N, I), random_state()
    _, new = plain(x, state)
    output, zoned = drawing(x, state)
    assert_either(zoned.h, new.h, state.h, 0.3)
    assert_either(zoned.c, new.c, state.c, 0.3)
    assert_equal(output, zoned.h)


def test_zoneout_draws_for_h_and_c_apart_and_anew_at_each_step():
    drawing, _ = cells(zoneout=0.5)
    x, state = draw(N, I), random_state()
    first, second = drawing(x, state)[1], drawing(x, state)[1]
    both = (first.h == state.h) == (first.c == state.c)
    assert abs(both.double().mean() - 0.5) < 0.05
    assert abs((first.h == second.h).double().mean() - 0.5) < 0.05


def test_zoneout_mixes_old_and_new_after_training():
    drawing, plain = cells(zoneout=0.3)
    x, state = draw(N, I), random_state()
    _, new = plain(x, state)
    expected = LSTMState(0.3 * state.h + 0.7 * new.h, 0.3 * state.c + 0.7 * new.c)
    output, zoned = drawing.eval()(x, state)
    assert_close(zoned, expected)
    assert_equal(output, zoned.h)


@pytest.mark.parametrize("training", [True, False])
def test_zoneout_of_1_never_changes_the_state(training):
    drawing, _ = cells(zoneout=1.0)
    state = random_state()
    assert_equal(drawing.train(training)(draw(N, I), state)[1], state)
