"""Temperature and expected calibration error, against answers whose truth is known."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.training.calibration import (
    chance_calibration_error,
    expected_calibration_error,
    fit_temperature,
    reliability,
    tempered,
)

SEEDS = st.integers(0, 10_000)


def drawn(seed, count=6000, classes=4, spread=2.0):
    """Logits, and labels that are drawn by their probabilities: calibrated as well as can be."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(count, classes, generator=generator)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_calibrated_logits_have_the_temperature_1_and_hardly_an_error(seed):
    logits, labels = drawn(seed)
    assert fit_temperature(logits, labels) == pytest.approx(1, rel=0.1)
    assert expected_calibration_error(logits.softmax(1), labels) < 0.03


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.floats(0.2, 8))
def test_logits_times_k_have_k_times_the_temperature(seed, k):
    logits, labels = drawn(seed)
    assert fit_temperature(k * logits, labels) == pytest.approx(k * fit_temperature(logits, labels), rel=1e-3)


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.floats(2, 8))
def test_dividing_by_the_temperature_takes_overconfidence_away(seed, k):
    logits, labels = drawn(seed)
    before = expected_calibration_error((k * logits).softmax(1), labels)
    temperature = fit_temperature(k * logits, labels)
    after = expected_calibration_error((k * logits / temperature).softmax(1), labels)
    assert after < 0.03 < before


@given(st.integers(1, 200), st.integers(2, 5), st.integers(1, 20), SEEDS)
@settings(max_examples=25, deadline=None)
def test_bins_hold_every_answer_and_their_means_are_those_of_all(count, classes, bins, seed):
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(count, classes, generator=generator).softmax(1)
    labels = torch.randint(classes, (count,), generator=generator)
    found = reliability(probabilities, labels, bins)
    assert int(found.counts.sum()) == count
    confidence, predicted = probabilities.double().max(1)
    assert float((found.counts * found.confidence).sum() / count) == pytest.approx(float(confidence.mean()))
    right = (predicted == labels).double().mean()
    assert float((found.counts * found.accuracy).sum() / count) == pytest.approx(float(right))
    assert 0 <= found.error <= 1


def test_a_confidence_on_the_border_of_bins_is_in_the_lower_one():
    probabilities = torch.tensor([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], dtype=torch.float64)
    assert reliability(probabilities, torch.tensor([0, 0, 0]), 4).counts.tolist() == [0, 1, 1, 1]


def test_by_chance_alone_confidences_that_are_true_are_as_far_off_as_labels_that_they_gave():
    for count in (50, 1000):
        probabilities = drawn(0, count)[0].softmax(1)
        generator = torch.Generator().manual_seed(5)
        errors = [
            expected_calibration_error(
                probabilities, torch.multinomial(probabilities, 1, generator=generator)[:, 0]
            )
            for _ in range(200)
        ]
        chance = chance_calibration_error(probabilities)
        assert chance == pytest.approx(sum(errors) / 200, rel=0.1)
        assert chance == chance_calibration_error(probabilities)  # no draw of anybody else's


def test_by_chance_alone_one_coin_is_half_off_and_certainty_never():
    assert chance_calibration_error(torch.tensor([[0.5, 0.5]])) == 0.5
    assert chance_calibration_error(torch.eye(3)) == 0
    assert chance_calibration_error(torch.zeros(0, 3)) == 0


def test_an_answer_that_is_always_right_and_never_sure_is_as_far_off_as_the_difference():
    probabilities = torch.tensor([[0.6, 0.4]]).expand(50, 2)
    assert expected_calibration_error(probabilities, torch.zeros(50, dtype=torch.int64)) == pytest.approx(0.4)


@pytest.mark.parametrize("wrong", [0, 50])
def test_the_temperature_stays_in_bounds_where_all_are_right_or_all_are_wrong(wrong):
    logits, labels = torch.tensor([[3.0, 0.0]]).expand(50, 2), torch.zeros(50, dtype=torch.int64)
    labels[:wrong] = 1
    assert 0.05 <= fit_temperature(logits, labels) <= 20


def test_without_examples_the_temperature_is_1():
    assert fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)) == 1


def test_tempered_probabilities_are_those_of_logits_over_the_temperature():
    logits, _ = drawn(1, count=20)
    logits[0] = torch.tensor([200.0, 0, 0, 0])  # of which three probabilities are 0
    expected = (logits / 2.5).softmax(1)
    assert torch.allclose(tempered(logits.softmax(1), 2.5), expected, atol=1e-6)
    assert torch.equal(tempered(logits.softmax(1), 1.0), logits.softmax(1))
