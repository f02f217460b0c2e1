"""Distorted pictures: what is drawn, how far it goes, and what it leaves alone."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tolerances import assert_close, assert_equal
from unrolled.errors import UnrolledError
from unrolled.training import Augmentation
from unrolled.training.distortion import augment

STRONG = Augmentation(shift=3, rotation=20, scale=0.3, shear=0.3, elastic=1)


def test_no_strength_leaves_the_pictures_as_they_are_and_draws_nothing():
    x = torch.rand(3, 9, 11)
    before = torch.get_rng_state()
    assert augment(x, Augmentation()) is x
    assert_equal(torch.get_rng_state(), before)


def drawn_at_their_bounds(monkeypatch):
    """Every amount that is drawn evenly is its bound."""
    monkeypatch.setattr(torch, "rand", torch.ones)


def test_a_shift_moves_a_pixel_by_so_many(monkeypatch):
    drawn_at_their_bounds(monkeypatch)
    x = torch.zeros(2, 9, 11)
    x[:, 5, 7] = 1
    expected = torch.zeros(2, 9, 11)
    expected[:, 3, 5] = 1  # y(p) = x(p + 2)
    assert_close(augment(x, Augmentation(shift=2)), expected)


def test_a_flip_mirrors_left_for_right():
    x = torch.rand(3, 9, 11)
    assert_close(augment(x, Augmentation(flip=1)), x.flip(2))


def test_pictures_that_lie_on_their_side_are_distorted_as_upright_ones():
    x, strengths = torch.rand(3, 9, 11), dataclasses.replace(STRONG, flip=0.5)
    torch.manual_seed(1)
    upright = augment(x, strengths)
    torch.manual_seed(1)
    assert_equal(augment(x.transpose(1, 2), strengths, "columns"), upright.transpose(1, 2))


def test_as_many_pictures_are_flipped_as_the_probability_says():
    x = torch.arange(11.0).expand(2000, 9, 11) / 11
    flipped = (augment(x, Augmentation(flip=0.25))[:, 4, 0] > 0.5).float().mean()
    assert 0.2 < flipped < 0.3


def test_what_is_mirrored_is_then_distorted_as_anything_else():
    x, strengths = torch.rand(5, 9, 11), Augmentation(shift=2, rotation=20, scale=0.2, shear=0.2)
    torch.manual_seed(1)
    got = augment(x, dataclasses.replace(strengths, flip=1))
    torch.manual_seed(1)
    torch.rand(5)  # whether each is mirrored
    assert_equal(got, augment(x.flip(2), strengths))


def test_as_many_pictures_stay_sharp_as_the_probability_says():
    x = torch.rand(2000, 9, 11)
    got = augment(x, Augmentation(shift=2, rotation=20, elastic=1, sharp=0.25))
    same = (got == x).flatten(1).all(1)
    assert 0.2 < same.float().mean() < 0.3


def test_what_does_not_stay_sharp_is_distorted_as_it_would_be_otherwise():
    x, strengths = torch.rand(50, 9, 11), Augmentation(shift=2, elastic=1)
    torch.manual_seed(1)
    distorted = augment(x, strengths)
    torch.manual_seed(1)
    got = augment(x, dataclasses.replace(strengths, sharp=0.5))
    moved = (got != x).flatten(1).any(1)
    assert 0 < moved.sum() < 50
    assert_equal(got[moved], distorted[moved])


def test_what_stays_sharp_may_be_mirrored():
    x = torch.rand(3, 9, 11)
    assert_equal(augment(x, Augmentation(shift=2, flip=1, sharp=1)), x.flip(2))


def test_a_quarter_of_a_turn_is_exact(monkeypatch):
    drawn_at_their_bounds(monkeypatch)
    x = torch.rand(2, 9, 9)
    torch.testing.assert_close(
        augment(x, Augmentation(rotation=90)), torch.rot90(x, 1, (1, 2)), rtol=0, atol=1e-5
    )


def test_a_turn_of_a_picture_that_is_not_square_keeps_its_angles(monkeypatch):
    drawn_at_their_bounds(monkeypatch)
    x = torch.zeros(1, 5, 9)
    x[0, 2, 3:6] = 1  # three pixels in the middle, side by side, become three on top of each other
    expected = torch.zeros(1, 5, 9)
    expected[0, 1:4, 4] = 1
    torch.testing.assert_close(augment(x, Augmentation(rotation=90)), expected, rtol=0, atol=1e-5)


def test_a_shear_moves_the_rows_sideways(monkeypatch):
    drawn_at_their_bounds(monkeypatch)
    x = torch.zeros(1, 5, 9)
    x[0, :, 4] = 1
    # y(row, column) = x(row, column + 1 for each row below the middle)
    assert augment(x, Augmentation(shear=1))[0].argmax(dim=1).tolist() == [6, 5, 4, 3, 2]


def test_a_scale_of_log_2_makes_everything_half_as_large(monkeypatch):
    drawn_at_their_bounds(monkeypatch)
    x = torch.zeros(1, 16, 24)
    x[0, 4:12, 4:20] = 1
    expected = torch.zeros(1, 16, 24)
    expected[0, 6:10, 8:16] = 1
    assert_close(augment(x, Augmentation(scale=math.log(2))), expected)


def test_an_elastic_displacement_is_smooth_and_of_so_many_pixels():
    torch.manual_seed(0)
    columns = torch.arange(28.0).expand(400, 28, 28)  # a picture whose values are its columns
    moved = (augment(columns, Augmentation(elastic=0.5)) - columns)[:, 4:-4, 4:-4]
    # Between two points, their mean varies less than each.
    assert 0.3 < float(moved.std()) < 0.5
    steps = moved.diff(dim=1).abs()
    assert float(steps.max()) < 1 < float(moved.abs().max())


def test_each_picture_is_drawn_by_itself():
    torch.manual_seed(0)
    x = torch.rand(1, 12, 10).expand(5, 12, 10)
    y = augment(x, Augmentation(shift=2))
    assert all(not torch.equal(y[i], y[j]) for i in range(5) for j in range(i))


def test_the_same_seed_gives_the_same_pictures():
    x = torch.rand(3, 12, 10)

    def drawn(seed):
        torch.manual_seed(seed)
        return augment(x, STRONG)

    assert_equal(drawn(7), drawn(7))
    assert not torch.equal(drawn(7), drawn(8))


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 4), st.integers(1, 12), st.integers(1, 12)),
    strengths=st.builds(Augmentation, *(st.floats(0, bound) for bound in (8.0, 180.0, 1.0, 1.0, 3.0))),
)
def test_shape_and_type_stay_and_values_between_0_and_1(shape, strengths):
    x = torch.rand(shape)
    y = augment(x, strengths)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert bool(((y >= 0) & (y <= 1 + 1e-6)).all())


@pytest.mark.parametrize("strength", ["flip", "sharp"])
def test_a_probability_above_1_is_refused(strength):
    with pytest.raises(
        UnrolledError, match=f"the {strength} of the augmentation is 1.5, expected a probability"
    ):
        Augmentation(**{strength: 1.5})


@pytest.mark.parametrize(
    "strength",
    ["shift", "rotation", "scale", "shear", "elastic", "flip", "sharp", "noise", "affine", "time_mask"],
)
@pytest.mark.parametrize("came", [-0.1, float("nan"), float("inf"), True, "2", None])
def test_a_strength_that_is_no_number_of_at_least_0_is_refused(strength, came):
    message = f"the {strength} of the augmentation is {came!r}, expected a number of at least 0"
    with pytest.raises(UnrolledError, match=message):
        Augmentation(**{strength: came})
