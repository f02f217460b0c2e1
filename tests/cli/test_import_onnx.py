"""`unrolled import-onnx`."""

import json
import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("onnx")

import numpy as np
import onnx
import torch
from PIL import Image

from tests.onnx.models import classifier, recurrent, saved
from unrolled import UnrolledError, data
from unrolled import __version__ as VERSION
from unrolled.onnx import load, metadata
from unrolled.training import Run


def test_an_import_says_what_it_found_and_leaves_a_run_that_evaluate_takes(unrolled, tmp_path):
    path = saved(classifier("GRU", linear_before_reset=1, producer="a maker"), tmp_path, "digits.onnx")
    result = unrolled("import-onnx", path, "--run", tmp_path / "run")
    assert (result.code, result.err) == (0, "")
    *lines, verified, imported = result.out.splitlines()
    assert lines == [
        f"{path}: 5 nodes, written by a maker",
        "  takes X float32 [N, T, 28]; gives logits",
        "  rnn.forward: GRUCell(28, 5, reset='after')",
        "network: gru 5; forward, reads final; steps of 28 in, 10 out; 575 parameters",
    ]
    assert verified.startswith("verified: network and model agree within ")
    assert imported == f"imported  {tmp_path / 'run'}"
    x = torch.randn(3, 28, 28)
    with torch.no_grad():
        came, expected = Run.open(tmp_path / "run").load_network()(x), load(path)(x)["logits"]
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-5)
    evaluated = unrolled("evaluate", tmp_path / "run", "--data", "sample")
    assert evaluated.code == 0
    assert "accuracy" in evaluated.out


def test_a_model_that_is_no_network_leaves_nothing(unrolled, tmp_path):
    path = saved(recurrent("LSTM", states=True), tmp_path)
    result = unrolled("import-onnx", path, "--run", tmp_path / "run")
    assert result.code == 2
    assert "  rnn.forward: LSTMCell(3, 2)" in result.out
    assert result.err.startswith(f"unrolled: {path} is no network of layers of cells with a classifier: ")
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_model_is_told_in_one_line(unrolled, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xff" * 40)
    result = unrolled("import-onnx", path)
    assert (result.code, result.err) == (2, f"unrolled: {path} is no ONNX model, or it is damaged\n")
    onnx.save(onnx.ModelProto(), path)
    assert "it has no outputs" in unrolled("import-onnx", path).err
    assert "cannot read" in unrolled("import-onnx", tmp_path / "missing.onnx").err


def answers_of(unrolled, run, file, **data):
    """What predict and evaluate print of a run, but for the run's own name."""
    options = [each for name, value in data.items() for each in (f"--{name}", value)]
    said = [unrolled("predict", file, "--run", run, *how) for how in ([], ["--json"])]
    said.append(unrolled("evaluate", run, *options))
    assert all(result.code == 0 for result in said), said
    return "".join(result.out + result.err for result in said).replace(str(run), "RUN")


def round_trip(unrolled, run, folder, *form):
    path = folder / f"model{len(form)}.onnx"
    assert unrolled("export-onnx", run, path, *form).code == 0
    return unrolled("import-onnx", path, "--run", folder / f"back{len(form)}")


@pytest.mark.parametrize("threshold", [None, -1e9])
def test_a_run_that_leaves_and_comes_back_answers_as_before(unrolled, trained, tmp_path, threshold):
    trained = Path(shutil.copytree(trained, tmp_path / "run"))
    calibration = json.loads((trained / "calibration.json").read_text()) | {"threshold": threshold}
    (trained / "calibration.json").write_text(json.dumps(calibration, indent=2) + "\n")
    result = round_trip(unrolled, trained, tmp_path)
    assert (result.code, result.err) == (0, "")
    back, model = tmp_path / "back0", tmp_path / "model0.onnx"
    first, second, verified, imported = result.out.splitlines()
    assert first == f"{model}: the network seed-004, exported from the run run by unrolled {VERSION}"
    assert second.startswith("network: lstm 32, lstm 64; forward, reads final; steps of 28 in, 10 out; ")
    assert verified.startswith("verified: exported again, the network is this graph, its numbers within ")
    assert imported == f"imported  {back}"
    assert Run.open(back).config == Run.open(trained).config
    for name in ("calibration.json", "likeness.safetensors"):
        assert (back / name).read_bytes() == (trained / name).read_bytes()
    digit = tmp_path / "digit.png"
    Image.fromarray(data.load("sample").test.sequences[0].numpy()).resize((280, 280)).save(digit)
    answers = answers_of(unrolled, back, digit)
    assert answers == answers_of(unrolled, trained, digit)
    assert ("not a digit" in answers) == (threshold is not None)


@pytest.mark.parametrize("form", [["--stream"], ["--fp16"], ["--stream", "--fp16"]])
def test_a_step_and_16_bits_come_back_too(unrolled, trained, tmp_path, form):
    result = round_trip(unrolled, trained, tmp_path, *form)
    assert (result.code, result.err) == (0, "")
    assert ("one step of the network" in result.out) == ("--stream" in form)
    assert ("note: its weights were rounded to 16 bits" in result.out) == ("--fp16" in form)
    x = torch.rand(3, 28, 28)
    back = Run.open(tmp_path / f"back{len(form)}")
    assert back.config == Run.open(trained).config
    with torch.no_grad():
        came, expected = back.load_network()(x), Run.open(trained).load_network()(x)
    np.testing.assert_allclose(came, expected, rtol=0, atol=3e-3 if "--fp16" in form else 1e-6)


def table(path, task):
    """A long table of 30 sequences of 5 steps, of one value far larger than the other."""
    random = np.random.default_rng(0)
    lines = ["id,time,x,y,what"]
    for number in range(30):
        for step in range(5):
            x, y = random.normal(number % 2, 1), random.normal(1000, 300)
            word = {"classify": "ab"[number % 2], "tag": "pq"[step % 2], "regress": number * 0.5}[task]
            lines.append(f"s{number},{step},{x:.3f},{y:.1f},{word}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("task", ["classify", "tag", "regress"])
def test_what_was_done_to_a_tables_values_comes_back(unrolled, tmp_path, task):
    file, run = table(tmp_path / "train.csv", task), tmp_path / "run"
    made = unrolled("train", "--data", file, "--task", task, "--label", "what", "--steps", 3, "--run", run)
    assert made.code == 0, made.err
    assert round_trip(unrolled, run, tmp_path).err == ""
    assert (tmp_path / "back0" / "data.json").read_bytes() == (run / "data.json").read_bytes()
    assert Run.open(tmp_path / "back0").config == Run.open(run).config
    assert answers_of(unrolled, tmp_path / "back0", file) == answers_of(unrolled, run, file)


@pytest.mark.usefixtures("blank_pictures")
def test_the_scales_of_a_forecast_come_back(unrolled, tmp_path):
    file, run = tmp_path / "load.csv", tmp_path / "run"
    lines = [f"{hour},{500 + 90 * np.sin(hour / 4):.2f},{hour % 24}" for hour in range(300)]
    file.write_text("\n".join(["hour,load,of_day", *lines]) + "\n")
    made = unrolled(
        "train", "--data", file, "--task", "forecast", "--label", "load", "--horizon", 4, "--time", "hour",
        "--season", 24, "--steps", 3, "--run", run,
    )  # fmt: skip
    assert made.code == 0, made.err
    assert round_trip(unrolled, run, tmp_path).err == ""
    assert Run.open(tmp_path / "back0").config == Run.open(run).config
    assert answers_of(unrolled, tmp_path / "back0", file) == answers_of(unrolled, run, file)


DAMAGED = {
    "classes": ('["only one"]', "1 classes have names, expected 10"),
    "task": ("guess", "unknown task 'guess'"),
    "recipe": ('{"epochs": -1}', "epochs is -1"),
    "seed": ("NaN", "seed is damaged: NaN is no number of JSON"),
    "calibration": ('{"version": 1}', r"calibration\.json is damaged: expected an object with version"),
    "likeness": ("AAAA", "likeness is damaged: "),
    "preparation": ('{"missing": "guess"}', "unknown rule for missing values 'guess'"),
    "scales": ('{"names": ["a"], "mean": [0], "deviation": [1]}', "scales 1 numbers, but the network"),
    "validation": ('"many"', "validation is 'many'"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_metadata_are_told_in_one_line_and_leave_nothing(unrolled, trained, tmp_path, name):
    path = tmp_path / "model.onnx"
    assert unrolled("export-onnx", trained, path).code == 0
    model = onnx.load(path)
    value, says = DAMAGED[name]
    said = {entry.key: entry.value for entry in model.metadata_props} | {name: value}
    onnx.helper.set_model_props(model, said)
    onnx.save(model, path)
    result = unrolled("import-onnx", path, "--run", tmp_path / "back")
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert re.match(f"unrolled: {re.escape(str(path))}: its metadata are damaged: .*{says}", line), line
    assert not (tmp_path / "back").exists()


def test_a_likeness_that_unpacks_to_gigabytes_is_cut_off():
    import base64
    import zlib

    packing = zlib.compressobj(9)
    packed = b"".join(packing.compress(bytes(2**24)) for _ in range(8)) + packing.flush()
    with pytest.raises(UnrolledError, match=r"unpacks to more than 67,108,864 bytes"):
        metadata._unpacked(base64.b64encode(packed).decode())


def test_another_data_set_takes_the_place_of_the_runs(unrolled, trained, tmp_path):
    assert unrolled("export-onnx", trained, tmp_path / "model.onnx").code == 0
    result = unrolled("import-onnx", tmp_path / "model.onnx", "--run", tmp_path / "back", "--data", "mnist")
    assert result.code == 0
    assert Run.open(tmp_path / "back").config.data == "mnist"
