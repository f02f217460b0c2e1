"""Networks that read pictures otherwise than row by row, and what a picture is, on the command line."""

import numpy as np
import pytest
from PIL import Image

from unrolled.cli.options import RecipeName
from unrolled.training import RECIPES

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


def test_columns_of_columns_are_refused(unrolled, tmp_path):
    folder, run = pictures(tmp_path / "pictures"), tmp_path / "run"
    refused = unrolled(*small(folder, "--by", "columns", "--scan", "columns", "--run", run))
    assert "rows, in the end. Leave out --by columns or --scan columns" in refused.err
    assert (refused.err.count("\n"), refused.code, run.exists()) == (1, 2, False)
    for said in (("--by", "columns"), ("--scan", "columns"), ("--by", "columns", "--scan", "pixels")):
        assert unrolled(*small(folder, *said)).code == 0


def test_trainings_and_imports_say_the_scan(unrolled, tmp_path):
    folder, run, model = pictures(tmp_path / "pictures"), tmp_path / "run", tmp_path / "model.onnx"
    trained = unrolled(*small(folder, "--scan", "permuted", "--run", run))
    assert "dynamic unrolling, reads pictures pixel by pixel in a permuted order; " in trained.out
    assert unrolled("export-onnx", run, model).out.splitlines()[0] == "  in  x [N, 8, 8]"
    imported = unrolled("import-onnx", model, "--run", tmp_path / "back")
    read = "reads final; pictures of 8 x 8 pixels in, pixel by pixel in a permuted order, 2 out; "
    assert read in imported.out


def test_what_is_seen_of_a_picture_that_is_read_by_columns_stands_upright(unrolled, tmp_path):
    folder, run = pictures(tmp_path / "pictures", height=8, width=12), tmp_path / "run"
    assert unrolled(*small(folder, "--by", "columns", "--run", run)).code == 0
    seen = tmp_path / "seen"
    assert unrolled("predict", folder / "a" / "0.png", "--run", run, "--picture", seen).code == 0
    (picture,) = seen.rglob("seen.png")
    with Image.open(picture) as found, Image.open(folder / "a" / "0.png") as given:
        assert np.array_equal(np.array(found), np.array(given))


@pytest.mark.parametrize(
    ("dtype", "note"),
    [
        (
            "float32",
            "shift, scale, flip are left out: the recipe has them for pictures, which are uint8, and ",
        ),
        (
            "uint8",
            "has sequences of uint8, which are pictures: the recipe distorts them (shift, scale, flip)",
        ),
    ],
)
def test_whether_pictures_are_distorted_is_said_where_it_may_surprise(unrolled, tmp_path, dtype, note):
    folder = tmp_path / "arrays"
    folder.mkdir()
    for part in ("train", "test"):
        np.save(folder / f"{part}-sequences.npy", np.arange(20 * 3 * 2).reshape(20, 3, 2).astype(dtype))
        np.save(folder / f"{part}-labels.npy", np.arange(20) % 2)
    said = ("--cell", "gru", "--hidden", 4, "--steps", 2, "--recipe")
    trained = unrolled("train", "--data", folder, *said, "fashion", "--run", tmp_path / "run")
    assert note in trained.out
    assert "distort" not in unrolled("train", "--data", folder, *said, "sequences").out


def test_pictures_that_are_known_to_be_some_are_distorted_without_a_word(unrolled, tmp_path):
    folder = pictures(tmp_path / "pictures")
    for data in ("sample", folder):
        trained = unrolled(*small(data, "--recipe", "fashion"))
        assert "distort" not in trained.out + trained.err
        assert "left out" not in trained.out + trained.err


def test_the_help_names_every_recipe():
    said = RecipeName.__metadata__[0].help
    assert [name for name in RECIPES if name not in said and not name.startswith("seed-001")] == []
