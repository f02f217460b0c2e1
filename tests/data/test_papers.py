"""Digits on real paper are read as well as on clean paper: rulings, desks, frames, sheets, shadows, pens."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from tests.data import other_papers, papers, unseen_papers
from unrolled.data import as_float, load
from unrolled.data.digit import as_mnist
from unrolled.errors import UnrolledError
from unrolled.networks import build

SAMPLE = load("sample")
POINTS = 0.05
Reader = Callable[[papers.Kind, slice], float]


@pytest.fixture(scope="module")
def accuracy() -> Reader:
    """The share of the sample's test digits that a network reads rightly from pictures of one kind."""
    torch.manual_seed(0)
    network = build("single-layer-dynamic-lstm")
    digits, labels = as_float(SAMPLE.train.sequences), SAMPLE.train.labels
    epochs, batch = 10, 50
    steps = epochs * len(labels) // batch
    optimizer = torch.optim.Adam(network.parameters(), lr=0.004)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.004, total_steps=steps)
    for _ in range(epochs):
        for some in torch.randperm(len(labels)).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(network(digits[some]), labels[some]).backward()
            optimizer.step()
            schedule.step()
    network.eval()

    def measure(kind: papers.Kind, chosen: slice) -> float:
        read = []
        for seed, digit in enumerate(SAMPLE.test.sequences.numpy()[chosen], chosen.start):
            picture = Image.fromarray(kind(digit, np.random.default_rng(seed))).convert("L")
            try:
                read.append(as_mnist(np.asarray(picture, dtype=np.float32)))
            except UnrolledError:
                read.append(np.zeros((28, 28), dtype=np.uint8))  # a refusal is no right answer
        with torch.inference_mode():
            answers = network(as_float(torch.from_numpy(np.stack(read)))).argmax(dim=1)
        inked = torch.tensor([bool(digit.any()) for digit in read])
        return float(((answers == SAMPLE.test.labels[chosen]) & inked).float().mean())

    return measure


MANY = slice(1, 21)


@pytest.fixture(scope="module")
def on_clean_paper(accuracy: Reader) -> float:
    share = accuracy(papers.clean, MANY)
    assert share >= 0.9
    return share


@pytest.mark.parametrize("name", papers.KINDS)
def test_each_kind_of_paper_is_read_as_well_as_clean_paper(
    name: str, accuracy: Reader, on_clean_paper: float
) -> None:
    assert accuracy(papers.KINDS[name], MANY) >= on_clean_paper - POINTS - 1e-6


UNSEEN = {name: kind for name, kind in unseen_papers.KINDS.items() if name not in unseen_papers.HARD}


@pytest.mark.parametrize("kinds", [other_papers.KINDS, UNSEEN], ids=["other", "unseen"])
def test_papers_of_many_more_kinds_are_read_on_average(
    kinds: Mapping[str, papers.Kind], accuracy: Reader
) -> None:
    few = [slice(start, start + 4) for start in range(1, 1 + 4 * len(kinds), 4)]
    clean = np.mean([accuracy(papers.clean, chosen) for chosen in few])
    shares = {name: accuracy(kinds[name], chosen) for name, chosen in zip(kinds, few, strict=True)}
    assert np.mean(list(shares.values())) >= clean - POINTS, shares


def blank(kind: papers.Kind) -> np.ndarray:
    picture = kind(np.zeros((28, 28), dtype=np.uint8), np.random.default_rng(1))
    return np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32)


@pytest.mark.parametrize("kind", [papers.clean, papers.ruled, papers.squared, papers.dotted, papers.shadow])
def test_paper_with_nothing_on_it_is_an_error(kind: papers.Kind) -> None:
    with pytest.raises(UnrolledError, match=r"it is blank|no digit can be made out: there are"):
        as_mnist(blank(kind))
