"""`unrolled report`, and `unrolled train --tensorboard`."""

import json
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from unrolled.cli.main import run as command
from unrolled.cli.report import name_folders
from unrolled.report import pictures_of
from unrolled.report.page import MARK
from unrolled.tasks import TASKS


@pytest.fixture
def runs(trained, tmp_path):
    """A folder with two runs, a and b."""
    for name in ("a", "b"):
        shutil.copytree(trained, tmp_path / "runs" / name)
    return tmp_path / "runs"


def names(page) -> list[str]:
    table = page.read_text(encoding="utf-8").partition("</table>")[0]
    return re.findall(r'<th scope="row">.*</svg> (.*)</th>', table)


def test_a_run_has_its_report_in_its_folder(unrolled, runs):
    result = unrolled("report", runs / "a")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"report  {runs / 'a' / 'report.html'}\n"
    assert names(runs / "a" / "report.html") == ["a"]
    recorded = json.loads((runs / "a" / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"{100 * recorded['test_accuracy']:.2f} %" in (runs / "a" / "report.html").read_text()


def test_a_folder_of_runs_has_all_of_them_in_one_report(unrolled, runs):
    (runs / "notes").mkdir()
    assert unrolled("report", runs).out == f"report  {runs / 'report.html'}\n"
    assert names(runs / "report.html") == ["a", "b"]


def test_several_runs_have_their_report_where_both_are(unrolled, runs, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(runs / "a", tmp_path / "elsewhere" / "a")
    monkeypatch.chdir(tmp_path)
    assert unrolled("report", "runs/b", "elsewhere/a", "runs/b").out == "report  report.html\n"
    assert names(tmp_path / "report.html") == ["runs/b", "elsewhere/a"]


@pytest.mark.parametrize("file", ["config.json", "metrics.jsonl", "weights.safetensors"])
def test_a_damaged_run_costs_the_others_nothing(unrolled, runs, tmp_path, file):
    shutil.copytree(runs / "a", runs / "c")
    (runs / "b" / file).write_bytes(b"nothing of the kind\n")
    result = unrolled("report", runs, tmp_path / "nowhere", "--output", tmp_path / "page.html")
    assert (result.code, result.out) == (2, f"report  {tmp_path / 'page.html'}\n")
    assert len(result.err.splitlines()) == 2
    assert f"runs/b/{file}" in result.err
    assert "no run folder" in result.err
    assert [name.rpartition("/")[2] for name in names(tmp_path / "page.html")] == ["a", "c"]


def test_the_newest_run_is_reported_by_default(unrolled, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (runs / "b" / "weights.safetensors").touch()
    assert unrolled("report").out == "report  runs/b/report.html\n"


def test_the_output_can_be_named(unrolled, runs, tmp_path):
    path = tmp_path / "mine.html"
    assert unrolled("report", runs / "a", "--output", path).code == 0
    assert MARK in path.read_text()


def test_data_that_are_not_at_hand_are_not_downloaded(unrolled, runs, tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    for name, data in (("a", "fashion-mnist"), ("b", "none")):
        config = json.loads((runs / name / "config.json").read_text())
        (runs / name / "config.json").write_text(json.dumps({**config, "data": data}))
    assert unrolled("report", runs).code == 0
    page = (runs / "report.html").read_text()
    assert "The data set fashion-mnist is not at hand. This is what its training left." in page
    assert "The data set none is not at hand." in page
    assert page.count('<img class="kept"') == 2 * 3


def test_mistakes_are_one_line(unrolled, runs, tmp_path):
    (runs / "b" / "metrics.jsonl").write_text('{"epoch": "one"}\n')
    (tmp_path / "work.html").write_text("years of it")
    (tmp_path / "nothing").mkdir()
    mistakes = {
        (runs,): "runs/b/metrics.jsonl is damaged: epoch is 'one' in line 1, expected a number",
        (tmp_path / "nowhere",): "no run folder",
        (tmp_path / "nothing",): "is neither a run folder nor one of runs: no config.json in it",
        (runs / "a", "--output", tmp_path / "work.html"): "work.html is not a report",
        (runs / "a", "--output", runs): "is a folder: name a file with --output",
        (runs / "a", "--output", tmp_path / "no" / "page.html"): "cannot write",
        (runs / "a", "/"): "no folder in common: say with --output where",
        (runs / "a", "--threads", "0"): "--threads is 0, expected a whole number of at least 1",
    }
    for arguments, message in mistakes.items():
        result = unrolled("report", *arguments)
        assert (result.code, len(result.err.splitlines())) == (2, 1), arguments
        assert message in result.err, arguments
    assert (tmp_path / "work.html").read_text() == "years of it"


@pytest.mark.usefixtures("blank_pictures")
def test_a_training_logs_for_tensorboard_and_says_what_it_measures(unrolled, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = tmp_path / "run"
    assert (
        unrolled("train", "--network", "seed-000", "--steps", 5, "--tensorboard", "--run", folder).code == 0
    )
    read = accumulator.EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in read.Scalars("step/loss")] == [1, 2, 3, 4, 5]
    epoch, test = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    assert read.Scalars("epoch/loss")[0].value == pytest.approx(epoch["loss"])
    assert read.Scalars("test/accuracy")[0].value == pytest.approx(test["test_accuracy"])


def test_without_tensorboards_package_no_training_begins(unrolled, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = unrolled("train", "--steps", 1, "--tensorboard", "--run", tmp_path / "run")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("unrolled: logging for TensorBoard needs the package tensorboard")
    assert "pip install 'unrolled[tensorboard]'" in result.err
    assert not (tmp_path / "run").exists()


def own_file(path, task):
    """Sequences in a file, and the options that say how they lie in it."""
    random = np.random.default_rng(0)
    if task == "forecast":
        rows = [(day, np.sin(day / 2) + random.normal() / 9) for day in range(200)]
        path.write_text("day,load\n" + "".join(f"{day},{load}\n" for day, load in rows))
        return ("--task", task, "--time", "day")
    rows = ["visit,minute,pulse,heat,said\n"]
    for visit in range(40):
        said = {"classify": "high" if visit % 2 else "low", "regress": visit / 7}.get(task)
        for minute in range(random.integers(3, 9)):
            pulse, heat = random.normal(size=2)
            label = ("up" if pulse > 0 else "down") if task == "tag" else said
            rows.append(f"{visit},{minute},{pulse + visit % 2},{heat},{label}\n")
    path.write_text("".join(rows))
    return ("--id", "visit", "--time", "minute", "--label", "said", "--task", task)


@pytest.fixture(scope="module")
def own_runs(tmp_path_factory):
    """A folder with a run on such a file of each task, and the file."""
    folder = tmp_path_factory.mktemp("own")
    for task in TASKS:
        path = folder / f"{task}.csv"
        options = own_file(path, task) + (("--horizon", "6") if task == "forecast" else ())
        short = ("--recipe", "default", "--cell", "gru", "--hidden", "5", "--epochs", "2")
        assert command(["train", "--data", str(path), *options, *short, "--run", str(folder / task)]) == 0
    return folder


@pytest.fixture
def own(own_runs, tmp_path):
    """`own(task)`: a run and its file, to do with as one likes."""

    def copy(task):
        folder, path = tmp_path / task, tmp_path / f"{task}.csv"
        shutil.copytree(own_runs / task, folder)
        shutil.copy(own_runs / path.name, path)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "data": str(path)}))
        return folder, path

    return copy


@pytest.mark.parametrize("task", TASKS)
def test_a_run_of_ones_own_file_is_drawn_anew_as_long_as_the_file_is_there(unrolled, own, task):
    run, path = own(task)
    assert {picture.stem for picture in run.glob("*.png")} == set(pictures_of(task))
    page = run / "report.html"
    assert unrolled("report", run).code == 0
    assert "is not at hand" not in page.read_text()
    assert '<img class="kept"' not in page.read_text()
    path.rename(path.with_suffix(".gone"))
    result = unrolled("report", run)
    assert (result.code, result.err) == (0, "")
    assert f"The data set {path} is not at hand. This is what its training left." in page.read_text()
    assert '<img class="kept"' in page.read_text()
    path.write_text("nothing of the kind\n")
    result = unrolled("report", run)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert str(path) in result.err
    assert '<img class="kept"' in page.read_text()


@pytest.mark.parametrize("task", TASKS)
def test_a_finished_run_of_any_task_is_finished_when_its_pictures_are_there(unrolled, own, task):
    run, _ = own(task)
    result = unrolled("train", "--resume", run)
    assert result.code == 2
    name = "accuracy" if task in ("classify", "tag") else "RMSE"
    assert f"{run} is finished, with a test {name} " in result.err
    lost = run / f"{pictures_of(task)[-1]}.png"
    lost.unlink()
    assert unrolled("train", "--resume", run).code == 0
    assert lost.exists()


def test_vector_pictures_are_drawn_on_request_as_long_as_the_data_are_there(unrolled, own):
    run, path = own("classify")
    assert not list(run.glob("*.svg"))
    result = unrolled("report", run, "--svg")
    assert result.code == 0, result.err
    drawn = [run / f"{name}.svg" for name in pictures_of("classify")]
    assert result.out.splitlines()[1] == "pictures: " + "  ".join(map(str, drawn))
    for picture in drawn:
        assert ElementTree.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    path.unlink()
    result = unrolled("report", run, "--svg")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert f"no SVG files for {run}: The data set {path} is not at hand." in result.err


@pytest.mark.usefixtures("blank_pictures")
def test_a_folder_of_arrays_is_at_hand_for_a_report(unrolled, tmp_path):
    random = np.random.default_rng(0)
    data = tmp_path / "arrays"
    data.mkdir()
    for part, count in (("train", 30), ("test", 12)):
        np.save(data / f"{part}-sequences.npy", random.normal(size=(count, 7, 3)).astype(np.float32))
        np.save(data / f"{part}-labels.npy", np.arange(count) % 3)
        np.save(data / f"{part}-lengths.npy", random.integers(1, 8, size=count))
    run = tmp_path / "run"
    short = ("--recipe", "default", "--cell", "rnn", "--hidden", 4, "--epochs", 1)
    assert unrolled("train", "--data", data, *short, "--run", run).code == 0
    assert unrolled("report", run).code == 0
    assert "of 12 test examples predicted correctly" in (run / "report.html").read_text()


@pytest.mark.parametrize("task", TASKS)
def test_inspect_draws_what_it_finds(unrolled, task, tmp_path):
    path, picture = tmp_path / "own.csv", tmp_path / "picture.png"
    result = unrolled("inspect", path, *own_file(path, task), "--picture", picture)
    assert result.code == 0, result.err
    with Image.open(picture) as image:
        image.verify()


def test_folders_are_called_as_they_were_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = name_folders([Path("runs/a"), tmp_path / "runs/a", tmp_path / "runs/b"])
    assert named == {"a": Path("runs/a"), "b": tmp_path / "runs/b"}
