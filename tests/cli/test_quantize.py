"""`unrolled quantize`."""

import json
import shutil

import pytest
from PIL import Image

from unrolled import data


@pytest.fixture
def float_run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "mine")


@pytest.fixture
def digit(tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(data.load("sample").test.sequences[0].numpy()).resize((280, 280)).save(path)
    return path


@pytest.mark.parametrize("weights", ["int8", "bfloat16"])
def test_a_run_becomes_smaller_and_says_the_same(unrolled, float_run, digit, weights):
    result = unrolled("quantize", float_run, "--weights", weights)
    small = float_run.parent / f"mine-{weights}-1"
    assert (result.code, result.err) == (0, "")
    *layers, sizes, last = result.out.splitlines()
    for layer, line in enumerate(layers):
        assert line.startswith(
            f"  cell.cells.{layer}: QuantizedCell, replaced: its weights are {weights}, and it runs in "
        )
    now = {"int8": "0.04", "bfloat16": "0.07"}[weights]
    assert sizes == f"weights   0.14 MB before, {now} MB now"
    assert last == f"quantized {small}"

    def accuracy(folder):
        last_line = unrolled("evaluate", folder).out.splitlines()[-1]
        return float(last_line.split()[2])

    assert abs(accuracy(small) - accuracy(float_run)) < 0.02
    answers = [
        json.loads(unrolled("predict", digit, "--run", run, "--json").out) for run in (small, float_run)
    ]
    assert abs(answers[0]["confidence"] - answers[1]["confidence"]) < 0.02


def test_what_needs_float_weights_says_so(unrolled, float_run, tmp_path):
    small = tmp_path / "small"
    assert unrolled("quantize", float_run, "--to", small).code == 0
    said = "its recurrent weights are int8, and a run must have float32 to"
    for arguments, what in (
        (("quantize", small), "be quantized"),
        (("train", "--resume", small), "be trained"),
        (("train", "--from", small, "--run", tmp_path / "new"), "start a training"),
        (("page", small, "-o", tmp_path / "page.html"), "be shown on a page"),
        (("export-tf1", small, tmp_path / "model.ckpt"), "be exported"),
        (("export-onnx", small, tmp_path / "model.onnx"), "be exported"),
    ):
        result = unrolled(*arguments)
        assert (result.code, f"{said} {what}" in result.err) == (2, True), (arguments, result)
        assert result.err.count("\n") == 1


def test_a_folder_that_is_taken_stays(unrolled, float_run, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    result = unrolled("quantize", float_run, "--to", tmp_path / "taken")
    assert (result.code, "is not empty: choose another folder" in result.err) == (2, True)


def test_an_unknown_kind_of_weights_is_refused(unrolled, float_run):
    result = unrolled("quantize", float_run, "--weights", "int4")
    assert result.code == 2
    assert "kind of weights 'int4'" in result.err
