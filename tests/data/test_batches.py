"""An epoch in batches: every example once, in the order asked for."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import Examples, batches, batches_of
from unrolled.errors import UnrolledError


def numbered(count: int, dtype: torch.dtype = torch.float32) -> Examples:
    """Example n has the label n, and n for each of its values."""
    labels = torch.arange(count)
    return Examples(labels.to(dtype).view(-1, 1, 1).expand(count, 3, 2).contiguous(), labels)


@given(count=st.integers(0, 40), size=st.integers(1, 50), seed=st.none() | st.integers(0, 1000))
def test_each_example_comes_once_with_its_label(count: int, size: int, seed: int | None) -> None:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    seen = list(batches(numbered(count), size, generator=generator))
    assert [len(labels) for _, labels, _ in seen[:-1]] == [size] * (len(seen) - 1)
    assert all(0 < len(labels) <= size for _, labels, _ in seen)
    assert all((x[:, 2, 1] == labels).all() for x, labels, _ in seen)
    order = [int(label) for _, labels, _ in seen for label in labels]
    assert sorted(order) == list(range(count))
    if seed is None:
        assert order == list(range(count))


def test_a_generator_shuffles_each_epoch_anew_and_repeatably() -> None:
    def epochs() -> list[list[int]]:
        generator = torch.Generator().manual_seed(3)
        return [next(batches(numbered(50), 50, generator=generator))[1].tolist() for _ in range(2)]

    first, second = epochs()
    assert first != second
    assert first != sorted(first)
    assert epochs() == [first, second]


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    list(batches(numbered(50), 7, generator=torch.Generator()))
    assert (torch.get_rng_state() == before).all()


def test_pictures_become_float32_from_0_to_1() -> None:
    (x, _, _), *_ = batches(numbered(256, torch.uint8), 256)
    assert x.dtype == torch.float32
    assert (x[:, 0, 0] == torch.arange(256) / 255).all()
    assert (float(x.min()), float(x.max())) == (0, 1)


@pytest.mark.parametrize(
    ("stored", "read"),
    [(torch.float16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float32)],
)
def test_floating_point_keeps_its_values(stored: torch.dtype, read: torch.dtype) -> None:
    examples = numbered(5, stored)
    (x, _, _), *_ = batches(examples, 5)
    assert x.dtype == read
    assert (x == examples.sequences).all()


def test_a_batch_can_be_changed_without_changing_the_examples() -> None:
    examples = numbered(5)
    for x, labels, _ in batches(examples, 5):
        x.zero_()
        labels.zero_()
    assert examples.labels.tolist() == [0, 1, 2, 3, 4]
    assert float(examples.sequences.max()) == 4


@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
def test_a_batch_size_below_1_is_refused_at_once(size: object) -> None:
    with pytest.raises(UnrolledError, match=f"batch_size is {size}, expected a whole number of at least 1"):
        batches(numbered(5), size)  # type: ignore[arg-type]


def test_rows_come_as_asked_for_in_their_order_and_repeatedly() -> None:
    rows = [torch.tensor([4, 0, 4]), torch.tensor([2]), torch.tensor([], dtype=torch.int64)]
    seen = list(batches_of(numbered(5), iter(rows)))
    assert [labels.tolist() for _, labels, _ in seen] == [[4, 0, 4], [2], []]
    assert [x[:, 1, 0].tolist() for x, _, _ in seen] == [[4, 0, 4], [2], []]
    assert seen[2][0].shape == (0, 3, 2)


def test_rows_may_be_endless() -> None:
    seen = batches_of(numbered(5), (torch.tensor([k % 5]) for k in itertools.count()))
    assert [int(labels) for _, labels, _ in itertools.islice(seen, 12)] == [k % 5 for k in range(12)]
