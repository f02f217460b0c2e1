"""What `predict` says of its answers, and when it gives none."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from unrolled import data


@pytest.fixture
def digit(tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(data.load("sample").test.sequences[0].numpy()).resize((280, 280)).save(path)
    return path


@pytest.fixture
def changed(trained, tmp_path):
    """A copy of the trained run, with other values in its calibration."""

    def change(**values):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(trained, folder)
        path = folder / "calibration.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        return folder

    return change


def test_what_is_unlike_the_digits_of_the_training_is_no_digit(unrolled, changed, digit):
    folder = changed(threshold=-1e9)
    (line,) = unrolled("predict", digit, "--run", folder).out.splitlines()
    assert line.startswith(f"{digit}: not a digit; the nearest is ")
    answer = json.loads(unrolled("predict", digit, "--run", folder, "--json").out)
    assert (answer["status"], answer["refused"]) == ("unlike the training data", True)


def test_what_is_unlike_other_classes_is_none_of_them(unrolled, changed, digit):
    folder = changed(threshold=-1e9)
    config = json.loads((folder / "config.json").read_text())
    config["classes"] = [f"sign {number}" for number in range(10)]
    (folder / "config.json").write_text(json.dumps(config))
    assert ": none of the classes; the nearest is sign " in unrolled("predict", digit, "--run", folder).out


def test_an_answer_that_is_not_confident_enough_is_not_sure(unrolled, changed, digit):
    folder = changed(sure=1.01, threshold=None)
    assert f"{digit}: not sure: " in unrolled("predict", digit, "--run", folder).out
    answer = json.loads(unrolled("predict", digit, "--run", folder, "--json").out)
    assert (answer["status"], answer["refused"]) == ("not sure", True)


def test_the_temperature_makes_answers_more_or_less_confident(unrolled, changed, digit):
    said = [
        json.loads(unrolled("predict", digit, "--json", "--run", changed(temperature=temperature)).out)
        for temperature in (0.2, 1.0, 5.0)
    ]
    assert len({answer["predicted"] for answer in said}) == 1
    cold, own, hot = (answer["confidence"] for answer in said)
    assert cold > own > hot


def test_a_run_of_earlier_versions_answers_and_says_that_it_is_not_calibrated(unrolled, changed, digit):
    folder = changed()
    (folder / "calibration.json").unlink()
    (folder / "likeness.safetensors").unlink()
    result = unrolled("predict", digit, "--run", folder, "--json")
    assert result.code == 0
    assert json.loads(result.out)["status"] in ("answered", "not sure")
    assert f"note: {folder} has no calibration.json" in result.err
    evaluated = unrolled("evaluate", folder)
    assert evaluated.code == 0
    assert re.search(
        r"^test expected calibration error 0\.\d{4}\ntest calibration error by chance 0\.\d{4}$",
        evaluated.out,
        re.MULTILINE,
    )
    assert f"note: {folder} has no calibration.json" in evaluated.err


def test_a_damaged_calibration_is_one_line(unrolled, changed, digit):
    folder = changed(temperature="warm")
    for verb in (("predict", digit, "--run", folder), ("evaluate", folder)):
        result = unrolled(*verb)
        assert result.code == 2
        assert "calibration.json is damaged: temperature is 'warm'" in result.err.splitlines()[-1]


def test_what_was_seen_of_a_picture_is_written_and_nothing_is_overwritten(unrolled, trained, digit, tmp_path):
    seen = tmp_path / "seen"
    for time in (1, 2):
        result = unrolled("predict", digit, "--run", trained, "--picture", seen)
        assert result.code == 0
        assert result.err.splitlines()[-1] == f"pictures: {seen / f'digit.png-{time}'}"
    assert sorted(path.name for path in seen.iterdir()) == ["digit.png-1", "digit.png-2"]
    with Image.open(seen / "digit.png-1" / "seen.png") as picture:
        assert np.array_equal(np.asarray(picture), data.read_digits(digit)[0].numpy())
    with Image.open(seen / "digit.png-1" / "reading.png") as picture:
        assert picture.width > 300


def test_the_picture_of_what_is_refused_says_so_in_its_title(unrolled, changed, digit, tmp_path):
    titles = {}
    for status, values in (
        ("answered", {"sure": 0.0, "threshold": None}),
        ("not sure", {"sure": 1.01, "threshold": None}),
        ("unlike the training data", {"threshold": -1e9}),
    ):
        seen = tmp_path / f"seen {status}"
        said = unrolled("predict", digit, "--run", changed(**values), "--picture", seen, "--json").out
        assert json.loads(said)["status"] == status
        with Image.open(seen / "digit.png-1" / "reading.png") as picture:
            titles[status] = np.asarray(picture.convert("L"))[:24]
    answered, unsure, unlike = titles.values()
    assert not np.array_equal(answered, unsure)
    assert not np.array_equal(answered, unlike)
    assert not np.array_equal(unsure, unlike)


def table(path, labels):
    """Four steps of two features for each label."""
    lines = ["id,time,x,y,label"]
    for number, label in enumerate(labels):
        lines += [f"s{number},{step},{step * (number % 2)},{number % 3},{label}" for step in range(4)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.usefixtures("blank_pictures")
def test_sequences_of_files_have_the_same_fields_and_what_was_seen(unrolled, tmp_path):
    train, run, seen = table(tmp_path / "train.csv", "ab" * 10), tmp_path / "run", tmp_path / "seen"
    assert unrolled("train", "--data", train, "--steps", 2, "--run", run).code == 0
    result = unrolled("predict", train, "--run", run, "--json", "--picture", seen)
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert len(answers) == 20
    fields = ["predicted", "confidence", "runner_up", "runner_up_confidence", "status", "refused"]
    for answer in answers:
        assert list(answer) == ["run", "sequence", *fields, "probabilities"]
    rows = list(csv.DictReader(io.StringIO(unrolled("predict", train, "--run", run, "--csv").out)))
    assert list(rows[0])[:7] == ["sequence", *fields]
    assert float(rows[0]["confidence"]) == answers[0]["confidence"]
    header, *steps = (seen / "s0-1" / "seen.csv").read_text().splitlines()
    assert (header, len(steps)) == ("x,y", 4)
    assert (seen / "s0-1" / "reading.png").exists()


@pytest.mark.usefixtures("blank_pictures")
def test_what_there_is_to_know_is_said_once_before_the_first_answer_if_there_is_any(
    unrolled, changed, digit, tmp_path
):
    train, run = table(tmp_path / "train.csv", "ab" * 10), tmp_path / "run"
    assert unrolled("train", "--data", train, "--steps", 2, "--run", run).code == 0
    for folder, sort in ((run, train), (changed(), digit)):
        for name in ("calibration.json", "likeness.safetensors"):
            (folder / name).unlink()
        note = f"note: {folder} has no calibration.json"
        missing = unrolled("predict", tmp_path / "missing.csv", "--run", folder)
        assert (missing.code, len(missing.err.splitlines()), note in missing.err) == (2, 1, False)
        answered = unrolled("predict", tmp_path / "missing.csv", sort, sort, "--run", folder)
        assert (answered.code, answered.err.count(note)) == (2, 1)
        assert answered.err.index("missing.csv") < answered.err.index(note)


@pytest.mark.usefixtures("blank_pictures")
def test_runs_on_numbers_say_nothing_of_confidence_and_have_no_such_pictures(unrolled, tmp_path):
    train, run = table(tmp_path / "train.csv", [0.5 * number for number in range(20)]), tmp_path / "run"
    assert unrolled("train", "--data", train, "--steps", 2, "--run", run).code == 0
    assert not (run / "calibration.json").exists()
    result = unrolled("predict", train, "--run", run, "--json")
    assert list(json.loads(result.out.splitlines()[0])) == ["run", "sequence", "predicted"]
    assert result.err == ""
    refused = unrolled("predict", train, "--run", run, "--picture", tmp_path / "seen")
    assert (refused.code, refused.out) == (2, "")
    assert "--picture is for runs that name a class" in refused.err
