"""Seeds and random numbers; their bits are judged in tests/golden."""

import pytest
import torch

from tests.tolerances import assert_equal
from unrolled import tf1
from unrolled.tf1.replay.initializers import get_seed


def test_the_seeds_of_an_operation_follow_tensorflows_rules():
    assert get_seed(5) == (87654321, 5)
    tf1.set_random_seed(7)
    assert get_seed(5) == (7, 5)
    assert [get_seed(None), get_seed(None)] == [(7, 0), (7, 1)]
    tf1.set_random_seed(0)
    assert get_seed(0) == (0, 2**31 - 1)
    assert get_seed(2**31) == (0, 1)


def test_without_a_seed_torchs_generator_rules():
    torch.manual_seed(3)
    first, second = tf1.random_normal((4,)), tf1.random_normal((4,))
    torch.manual_seed(3)
    assert_equal(tf1.random_normal((4,)), first)
    assert not torch.equal(first, second)


def test_the_graphs_seed_begins_its_count_anew():
    tf1.set_random_seed(3)
    first = tf1.glorot_uniform()((2, 3)), tf1.truncated_normal((4,))
    tf1.set_random_seed(3)
    assert_equal((tf1.glorot_uniform()((2, 3)), tf1.truncated_normal((4,))), first)


@pytest.mark.parametrize("dtype", ["float32", torch.float64])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 3, 5)])
def test_every_shape_and_type_can_be_drawn(shape, dtype):
    for draw in (tf1.random_uniform, tf1.random_normal, tf1.truncated_normal):
        numbers = draw(shape, dtype=dtype, seed=1)
        assert numbers.shape == shape
        assert numbers.dtype == (torch.float32 if dtype == "float32" else torch.float64)


def test_the_numbers_have_the_moments_that_were_asked_for():
    uniform = tf1.random_uniform((40_000,), -1.0, 3.0, seed=1)
    assert (uniform.min() >= -1) & (uniform.max() < 3)
    assert float(uniform.mean()) == pytest.approx(1.0, abs=0.03)
    normal = tf1.random_normal((40_000,), 1.0, 2.0, seed=1)
    assert float(normal.mean()) == pytest.approx(1.0, abs=0.03)
    assert float(normal.std()) == pytest.approx(2.0, abs=0.03)
    truncated = tf1.truncated_normal((40_000,), 1.0, 2.0, seed=1)
    assert (truncated - 1).abs().max() <= 4
    assert float(truncated.std()) == pytest.approx(2 * 0.8796, abs=0.03)


def test_constants_and_zeros():
    assert tf1.constant(0.5)((2,)).tolist() == [0.5, 0.5]
    assert tf1.zeros((2,), "float64").dtype == torch.float64


def test_other_types_are_refused():
    with pytest.raises(ValueError, match=r"dtype is torch\.float16, expected float32 or float64"):
        tf1.random_normal((2,), dtype=torch.float16)
