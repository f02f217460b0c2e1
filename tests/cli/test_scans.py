"""Networks that read pictures otherwise than row by row, and what a picture is, on the command line."""

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("blank_pictures")


def pictures(folder, height=8, width=8):
    """Ten pictures each of two classes."""
    random = np.random.default_rng(0)
    for number in range(20):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        values = random.integers(0, 256, (height, width), dtype=np.uint8)
        Image.fromarray(values).save(folder / "ab"[number % 2] / f"{number}.png")
    return folder


def small(folder, *said):
    return ("train", "--cell", "gru", "--hidden", 4, "--steps", 2, "--data", folder, *said)


def test_a_picture_of_another_size_is_named_with_what_to_do(unrolled, tmp_path):
    square, tall = pictures(tmp_path / "square"), pictures(tmp_path / "tall", height=12)
    run = tmp_path / "run"
    assert unrolled(*small(square, "--scan", "permuted", "--run", run)).code == 0
    fault = (
        "0.png has 12 steps of 8, expected 8: the network gru-4-2-bidirectional reads pictures of 8 x 8 "
        "pixels pixel by pixel in a permuted order: scale or crop it"
    )
    for said in (("predict", tall / "a" / "0.png", "--run", run), ("evaluate", run, "--data", tall)):
        refused = unrolled(*said)
        assert fault in refused.err, said
        assert refused.err.count("\n") == 1
        assert refused.code == 2
