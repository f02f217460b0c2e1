"""What bounds a row."""

from math import inf

import pytest
import torch

from unrolled.bench import Ceilings, Level, Row, bound, ceilings, draw, gflop, limits

MADE_UP = Ceilings(100.0, (Level("L2", 1000, 8.0), Level("L3", 10_000, 4.0), Level("memory", inf, 2.0)))


def problem(cell="lstm", **shape):
    return draw(Row("tiny", cell, **{"N": 1, "T": 7, "I": 2, "H": (5,), **shape}))


def test_few_sequences_are_bound_by_reading_the_recurrent_weights_at_every_step():
    """LSTM I2 H5: 160 bytes of W, 400 of U, which the smallest level holds."""
    by, seconds = bound(problem(), "infer", MADE_UP)
    assert by == "L2"
    assert seconds == pytest.approx((7 * 400 + 160) / 8e9)


def test_training_reads_them_again_and_their_gradients():
    by, seconds = bound(problem(), "train", MADE_UP)
    assert by == "L2"
    assert seconds == pytest.approx((14 * 400 + 160 + 400 + 160) / 8e9)
    stack = problem(H=(5, 5))
    first = 14 * 400 + 160 + 400 + 160
    second = 14 * 400 + 2 * 400 + 400 + 400  # W [20, 5], and x needs a gradient
    assert bound(stack, "train", MADE_UP).seconds == pytest.approx((first + second) / 8e9)


@pytest.mark.parametrize(
    ("H", "level", "rate"), [(7, "L2", 8), (8, "L3", 4), (25, "L3", 4), (26, "memory", 2)]
)
def test_the_smallest_level_that_holds_the_recurrent_weights_is_read(H, level, rate):
    by, seconds = bound(problem(H=(H,)), "infer", MADE_UP)
    assert by == level
    assert seconds == pytest.approx((7 * 16 * H * H + 4 * 4 * H * 2) / (rate * 1e9))


def test_both_directions_are_read():
    one, both = problem("gru"), problem("gru", bidirectional=True)
    assert bound(both, "infer", MADE_UP).seconds == pytest.approx(2 * bound(one, "infer", MADE_UP).seconds)


def test_many_sequences_are_bound_by_their_products():
    many = problem(N=4000)
    by, seconds = bound(many, "train", MADE_UP)
    assert by == "FLOP"
    assert seconds == pytest.approx(gflop(many, "train") / 100)


def test_this_machine_has_limits(monkeypatch):
    monkeypatch.setattr(limits, "LEAST_MEMORY", 2**20)
    monkeypatch.setattr(limits, "MOST_MEMORY", 2**20)
    monkeypatch.setattr(limits, "sgemm_gflops", lambda clock: 5.0)
    threads = torch.get_num_threads()
    found = ceilings()
    assert torch.get_num_threads() == threads
    assert found.sgemm_gflops == 5
    assert [level.name for level in found.levels] == ["L2", "L3", "memory"]
    sizes = [level.size for level in found.levels]
    assert sizes == sorted(sizes)
    assert all(0.1 < level.gbytes < 1e5 for level in found.levels)
