"""Data that a small network learns in a second."""

import pytest
import torch

from unrolled.data import Dataset, Examples


def _make_examples(count: int, seed: int) -> Examples:
    """Noise of 6 steps and 5 inputs, in which the step with a bright input 2 gives the class."""
    generator = torch.Generator().manual_seed(seed)
    sequences = 0.3 * torch.rand(count, 6, 5, generator=generator)
    labels = torch.randint(0, 3, (count,), generator=generator)
    sequences[torch.arange(count), 2 * labels, 2] = 1.0
    return Examples(sequences, labels)


@pytest.fixture
def easy_data() -> Dataset:
    return Dataset(
        "easy", _make_examples(300, 1), _make_examples(60, 2), _make_examples(90, 3), ("a", "b", "c")
    )
