"""Digits on real paper are read as well as on clean paper: rulings, desks, frames, sheets, shadows, pens."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data import other_papers, papers
from unrolled.data import as_float, load
from unrolled.data.digit import as_mnist
from unrolled.errors import UnrolledError

SAMPLE = load("sample")
CHOSEN = slice(1, 13)
POINTS = 0.05
Reader = Callable[[papers.Kind], float]


@pytest.fixture(scope="module")
def accuracy() -> Reader:
    """The share of digits that their nearest neighbour among the sample's 4000 names rightly."""
    known = as_float(SAMPLE.train.sequences).flatten(1)
    digits, labels = SAMPLE.test.sequences[CHOSEN].numpy(), SAMPLE.test.labels[CHOSEN]

    def measure(kind: papers.Kind) -> float:
        right = 0
        for seed, (digit, label) in enumerate(zip(digits, labels, strict=True)):
            grey = Image.fromarray(kind(digit, np.random.default_rng(seed))).convert("L")
            read = as_float(torch.from_numpy(as_mnist(np.asarray(grey, dtype=np.float32)))[None]).flatten(1)
            right += int(SAMPLE.train.labels[torch.cdist(read, known).argmin()] == label)
        return right / len(labels)

    return measure


@pytest.fixture(scope="module")
def on_clean_paper(accuracy: Reader) -> float:
    return accuracy(papers.clean)


@pytest.mark.parametrize("name", papers.KINDS)
def test_each_kind_of_paper_is_read_as_well_as_clean_paper(
    name: str, accuracy: Reader, on_clean_paper: float
) -> None:
    assert accuracy(papers.KINDS[name]) >= on_clean_paper - POINTS


@pytest.mark.parametrize("name", other_papers.KINDS)
def test_papers_by_which_nothing_was_chosen_are_read_too(
    name: str, accuracy: Reader, on_clean_paper: float
) -> None:
    assert accuracy(other_papers.KINDS[name]) >= on_clean_paper - POINTS


def blank(kind: papers.Kind) -> np.ndarray:
    picture = kind(np.zeros((28, 28), dtype=np.uint8), np.random.default_rng(1))
    return np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32)


@pytest.mark.parametrize("kind", [papers.clean, papers.ruled, papers.squared, papers.dotted, papers.shadow])
def test_paper_with_nothing_on_it_is_an_error(kind: papers.Kind) -> None:
    with pytest.raises(UnrolledError, match=r"it is blank|no digit can be made out: there are"):
        as_mnist(blank(kind))
