"""Sequences that are changed a little: what is drawn, how far it goes, and what it leaves alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tolerances import assert_close, assert_equal
from unrolled.errors import UnrolledError
from unrolled.training import Augmentation
from unrolled.training.distortion import augment
from unrolled.training.perturbation import perturb


def test_no_strength_leaves_the_sequences_as_they_are_and_draws_nothing():
    x = torch.rand(3, 9, 5)
    before = torch.get_rng_state()
    assert perturb(x, None, Augmentation(shift=2, elastic=1)) is x  # which are for pictures
    assert augment(x, Augmentation(noise=1, affine=1, time_mask=0.5)) is x
    assert_equal(torch.get_rng_state(), before)


def test_noise_has_the_deviation_that_was_asked_for_and_a_mean_of_zero():
    torch.manual_seed(0)
    x = 7 * torch.rand(50, 40, 6)
    noise = perturb(x, None, Augmentation(noise=0.3)) - x
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 0.3) < 0.01
    # Every number has its own: neither steps, features nor sequences share any.
    assert all(0.25 < float(noise.diff(dim=axis).std()) / 2**0.5 < 0.35 for axis in range(3))


def test_features_go_through_one_linear_map_in_all_steps_of_a_sequence_each_through_its_own():
    torch.manual_seed(0)
    x = torch.randn(400, 30, 4, dtype=torch.float64)
    y = perturb(x, None, Augmentation(affine=0.3))
    A = torch.linalg.lstsq(x, y).solution.mT
    assert_close(x @ A.mT, y)
    away = A - torch.eye(4, dtype=torch.float64)
    assert abs(float(away.mean())) < 0.01
    assert abs(float(away.std()) - 0.3 / 2) < 0.01  # the deviation over the root of the features
    assert float(away.std(dim=0).min()) > 0.12


def test_a_mask_covers_steps_one_behind_the_other_up_to_its_share():
    torch.manual_seed(0)
    covered = perturb(torch.ones(2000, 20, 3), None, Augmentation(time_mask=0.5)) == 0
    assert bool((covered.any(dim=2) == covered.all(dim=2)).all())  # whole steps
    steps = covered[:, :, 0].int()
    edges = torch.nn.functional.pad(steps, (1, 1)).diff(dim=1)
    assert int((edges == 1).sum(dim=1).max()) == 1
    widths = steps.sum(dim=1)
    assert widths.unique().tolist() == list(range(10))  # floor(0.5 u 20), u below 1
    assert abs(float(widths.float().mean()) - 4.5) < 0.2
    # It begins anywhere, and reaches both ends.
    ones = steps[widths == 1].float().mean(dim=0)
    assert bool((ones > 0).all())


def test_a_mask_is_a_share_of_each_sequences_own_length():
    torch.manual_seed(0)
    lengths = torch.tensor([4, 40]).repeat(1000)
    x = torch.ones(2000, 40, 1)
    widths = (perturb(x, lengths, Augmentation(time_mask=0.5)) == 0).sum(dim=(1, 2))
    assert int(widths[lengths == 4].max()) == 1
    assert int(widths[lengths == 40].max()) == 19


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    more=st.integers(1, 5),
    strengths=st.builds(
        Augmentation,
        noise=st.sampled_from([0.0, 0.5]),
        affine=st.sampled_from([0.0, 0.4]),
        time_mask=st.sampled_from([0.0, 0.3, 1.0]),
    ),
)
def test_padding_is_left_alone_and_no_number_depends_on_how_much_there_is(lengths, more, strengths):
    ends = torch.tensor(lengths)
    time = max(lengths)
    x = torch.rand(len(lengths), time, 3)
    padded = torch.cat([x, torch.full((len(lengths), more, 3), float("nan"))], dim=1)

    def drawn(x):
        torch.manual_seed(5)
        return perturb(x, ends, strengths)

    short, long = drawn(x), drawn(padded)
    assert short.dtype == x.dtype
    assert_equal(short, long[:, :time])
    assert bool(long[:, time:].isnan().all())
    beyond = torch.arange(time) >= ends[:, None]
    assert_equal(short[beyond], x[beyond])


def test_sequences_of_one_length_are_changed_alike_whether_it_is_said_or_not():
    x = torch.rand(4, 7, 2)
    strengths = Augmentation(noise=0.2, affine=0.1, time_mask=0.4)
    torch.manual_seed(1)
    said = perturb(x, torch.full((4,), 7), strengths)
    torch.manual_seed(1)
    assert_equal(perturb(x, None, strengths), said)


def test_a_batch_that_was_given_is_not_written_to():
    x = torch.ones(3, 5, 2)
    perturb(x, torch.tensor([5, 2, 3]), Augmentation(noise=1, affine=1, time_mask=1))
    assert_close(x, torch.ones(3, 5, 2))


def test_another_seed_gives_other_sequences():
    x = torch.rand(3, 8, 4)

    def drawn(seed):
        torch.manual_seed(seed)
        return perturb(x, None, Augmentation(noise=0.1, affine=0.2, time_mask=0.5))

    assert_equal(drawn(7), drawn(7))
    assert not torch.equal(drawn(7), drawn(8))


def test_a_mask_of_more_than_all_steps_is_refused():
    with pytest.raises(UnrolledError, match=r"the time_mask of the augmentation is 1.5, expected at most 1"):
        Augmentation(time_mask=1.5)
