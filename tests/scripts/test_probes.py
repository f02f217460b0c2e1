"""The pictures that are no digits."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def probes():
    described = importlib.util.spec_from_file_location("probes", SCRIPTS / "probes.py")
    module = importlib.util.module_from_spec(described)
    sys.modules["probes"] = module
    described.loader.exec_module(module)
    yield module
    del sys.modules["probes"]


def test_scenes_are_the_same_each_time_and_none_like_another(probes):
    first, again = list(probes.scenes(2)), list(probes.scenes(2))
    assert [kind for kind, _ in first] == [kind for kind in probes.SCENES for _ in range(2)]
    for (_, one), (_, other) in zip(first, again, strict=True):
        assert np.array_equal(one, other)
        assert one.shape == (probes.SIDE, probes.SIDE)
        assert 0 <= one.min() < one.max() <= 255
    assert len({picture.tobytes() for _, picture in first}) == len(first)


def test_a_digit_on_paper_is_read_as_it_was(probes):
    from unrolled.data import load
    from unrolled.data.digit import as_mnist

    for digit in load("sample").test.sequences[:10].numpy():
        read = as_mnist(probes.paper(digit)).astype(float)
        assert np.corrcoef(read.ravel(), digit.ravel())[0, 1] > 0.6


def test_pairs_hold_two_digits_side_by_side(probes):
    digits = np.zeros((4, 28, 28), np.uint8)
    digits[1, 10:20, 10:20] = 255
    blank_left, blank = probes.pairs(digits, 2)
    assert blank_left[:, :112].min() > 200 > blank_left[:, 112:].min()
    assert blank.min() > 200
