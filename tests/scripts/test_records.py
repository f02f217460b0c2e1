"""The records of docs/results.md: their table, and the script that trains for them."""

import json
import shlex
import shutil
import subprocess
import sys

import pytest

from scripts import asked, records
from scripts.records_page import MEMBERS, RECORDS, Record, Records
from unrolled.training import RECIPES, Run, train_run
from unrolled.training.keeping import begun

RUN = {
    "accuracy": 0.95,
    "cpu_seconds": 90,
    "cpu": "A CPU",
    "isa": "avx2",
    "commit": "def",
    "date": "2030-01-03",
}


def line_of(text, task):
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {task} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_is_the_mean_of_its_seeds_and_says_which_are_missing(tmp_path):
    path = tmp_path / "records.json"
    seeds = {str(seed): RUN | {"accuracy": 0.99 + n / 1000} for n, seed in enumerate(RECORDS["best"].seeds)}
    records_of = {"best": seeds | {"2": RUN | {"cpu_seconds": 600, "accuracy": 0.992}}, "columns": {"0": RUN}}
    path.write_text(json.dumps(records_of | {"ensemble": {"accuracy": 0.9971}}))
    page = Records(path)
    assert line_of(page.text, RECORDS["best"].task)[1:4] == [
        "99.10 (99.00 to 99.20)",
        "10",
        "`--recipe best`, seeds 1234, 1, 2",
    ]
    assert line_of(page.text, "MNIST, rows and columns together")[1] == "99.71"
    assert line_of(page.text, RECORDS["columns"].task)[3].endswith("20`, seed 0")
    assert "A CPU, avx2, 2030-01-03; commits def." in page.text
    assert "fashion: seed 0" in page.missing
    assert not any(what.startswith(("best", "columns", "ensemble")) for what in page.missing)
    assert line_of(page.text, RECORDS["fashion"].task)[1] == "**missing**"


def test_some_seeds_of_several_are_told_from_all(tmp_path):
    path = tmp_path / "records.json"
    path.write_text(json.dumps({"best": {"1": RUN}}))
    page = Records(path)
    assert line_of(page.text, RECORDS["best"].task)[1] == "95.00, 2 of 3 **missing**"
    assert {"best: seed 1234", "best: seed 2", "ensemble"} <= set(page.missing)


def test_every_line_is_one_that_the_command_line_takes():
    from typer.main import get_command

    from unrolled.cli.main import app

    train = get_command(app).commands["train"]
    for record in RECORDS.values():
        context = train.make_context("train", shlex.split(record.line))
        assert context.params["recipe"] in {None, *RECIPES}


def test_members_are_records_seeds():
    assert {seed for name, seed in MEMBERS if name == "best"} == set(RECORDS["best"].seeds)
    assert all(seed in RECORDS[name].seeds for name, seed in MEMBERS)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Two records that train in a second, on the digits that come with the package."""
    line = "--cell gru --hidden 4 --steps 2"
    made = {
        "best": Record("digits", line, (1, 2), ("others 99",), "nothing"),
        "columns": Record("columns", f"{line} --scan columns", (0,), (), ""),
    }
    monkeypatch.setattr(records, "RECORDS", made)
    monkeypatch.setattr(records, "MEMBERS", (("best", 1), ("best", 2), ("columns", 0)))
    monkeypatch.setattr(records, "KEPT", tmp_path / "records.json")

    def call(*words, data=tmp_path):
        places = ("--data", str(data), "--runs", str(tmp_path / "runs"))
        monkeypatch.setattr(sys, "argv", ["records.py", *words, *places])
        records.main()
        return json.loads((tmp_path / "records.json").read_text())

    return call


def test_what_is_missing_is_trained_and_kept_once(small, tmp_path, capfd):
    kept = small("run")
    assert {name: set(seeds) for name, seeds in kept.items()} == {"best": {"1", "2"}, "columns": {"0"}}
    for name, seeds in kept.items():
        for seed, figures in seeds.items():
            run = Run.open(tmp_path / "runs" / f"{name}-{seed}")
            assert figures["accuracy"] == run.metrics()[-1]["test_accuracy"]
            assert run.config.seed == int(seed)
            assert figures["steps"] == 2
            assert figures["cpu_seconds"] >= 1
    assert Run.open(tmp_path / "runs" / "columns-0").config.network.scan == "columns"
    capfd.readouterr()
    assert small("run") == kept
    assert capfd.readouterr().out == ""


ASKED = "--cell gru --hidden 4 --steps 2 --seed 1"


def begin(folder, words):
    """A run that was stopped before its first step: its data have not been read."""
    with begun(folder, asked.of_line(shlex.split(words))):
        pass


def train(folder, words):
    """A run that is over."""
    config = asked.of_line(shlex.split(words))
    data = asked.data_of(config, None)
    train_run(folder, config.completed(data), data)


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (f"{ASKED[:-1]}7", "seed is 7, expected 1"),
        (f"{ASKED} --validation 40", "validation is 40, expected None"),
        (
            ASKED.replace("gru", "lstm"),
            "network.name is 'lstm-4', .*network.layers is .*'lstm', 4.*, expected .*",
        ),
        (ASKED.replace("--steps 2", "--steps 3"), "recipe.steps is 3, expected 2"),
        (f"{ASKED} --data mnist", "data is 'mnist', expected 'sample'"),
        (f"{ASKED} --data sample --names {{label}}", "options is {'names': '{label}'}, expected {}"),
    ],
)
def test_a_run_of_another_line_is_refused_before_it_is_trained(small, tmp_path, capfd, words, differs):
    folder = tmp_path / "runs/best-1"
    begin(folder, words)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SystemExit, match=rf"best-1 is not of the line --cell gru .*: {differs}: remove it"):
        small("run", "--only", "best", "--seed", "1", "--cpu-seconds", "5")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "runs/best-2").exists()
    assert not (tmp_path / "records.json").exists()


def test_a_run_on_other_numbers_under_the_same_name_is_refused(small, tmp_path, monkeypatch):
    rows = "id,label,x\n" + "".join(f"{n},{n % 2},{n / 7}\n{n},{n % 2},{n / 9}\n" for n in range(40))
    (tmp_path / "few.csv").write_text(rows)
    line = "--data few.csv --id id --label label --cell gru --hidden 4 --steps 2"
    monkeypatch.setattr(records, "RECORDS", {"best": Record("few", line, (1,), (), "")})
    monkeypatch.chdir(tmp_path)
    train(tmp_path / "runs/best-1", f"{line} --seed 1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "few.csv").write_text(rows)
    kept = small("run", "--cpu-seconds", "5", data=elsewhere)  # the same numbers, wherever they lie
    assert kept["best"]["1"]["cpu_seconds"] == 5
    (tmp_path / "records.json").unlink()
    (elsewhere / "few.csv").write_text(rows.replace("0.0\n", "0.5\n", 1))
    with pytest.raises(SystemExit, match=r"best-1 is not of the line --data few.csv .*of train are others"):
        small("run", "--cpu-seconds", "5", data=elsewhere)


def test_members_of_the_ensemble_are_runs_of_their_lines(small, tmp_path):
    for folder, words in {
        "best-1": ASKED,
        "best-2": f"{ASKED[:-1]}2",
        "columns-0": f"{ASKED[:-1]}0 --scan columns",
    }.items():
        train(tmp_path / "runs" / folder, words)
    assert 0 < small("ensemble")["ensemble"]["accuracy"] < 1
    shutil.rmtree(tmp_path / "runs/best-2")
    begin(tmp_path / "runs/best-2", ASKED)
    with pytest.raises(SystemExit, match=r"best-2 is not of the line --cell gru .*: seed is 1, expected 2"):
        small("ensemble")
    shutil.rmtree(tmp_path / "runs/best-2")
    begin(tmp_path / "runs/best-2", f"{ASKED[:-1]}2")
    with pytest.raises(SystemExit, match=r"best-2 is not over yet: `records.py run` goes on with it"):
        small("ensemble")


def test_the_cpu_time_of_what_was_there_must_be_said_and_is_added(small, tmp_path):
    one = "run", "--only", "best", "--seed", "1"
    begin(tmp_path / "runs/best-1", ASKED)
    with pytest.raises(SystemExit, match="best-1 was begun before: say with --cpu-seconds what it took"):
        small(*one)
    kept = small(*one, "--cpu-seconds", "1000")
    assert kept["best"]["1"]["cpu_seconds"] >= 1001
    train(tmp_path / "runs/best-2", f"{ASKED[:-1]}2")
    kept = small("run", "--only", "best", "--cpu-seconds", "7")
    assert kept["best"]["2"]["cpu_seconds"] == 7


def test_cpu_seconds_are_of_one_run_that_is_there(small, tmp_path):
    with pytest.raises(SystemExit, match=r"--cpu-seconds is of one run, and 3 are missing: .* --seed"):
        small("run", "--cpu-seconds", "7")
    with pytest.raises(SystemExit, match=r"--cpu-seconds is 7, but .*columns-0 is not there: leave it out"):
        small("run", "--only", "columns", "--cpu-seconds", "7")
    assert not (tmp_path / "runs").exists()


def test_a_training_that_fails_says_what_it_took_and_how_to_go_on(small, tmp_path, monkeypatch):
    def fail(command, **options):
        begin(tmp_path / "runs/best-1", ASKED)
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(SystemExit, match=r"best, seed 1, .*`--only best --seed 1 --cpu-seconds 0` goes on"):
        small("run", "--only", "best")


def test_a_folder_of_data_that_is_not_there_is_one_line(small, tmp_path):
    for verb in ("run", "ensemble"):
        with pytest.raises(SystemExit, match=r"--data is .*/nodata, which is no folder: expected the one"):
            small(verb, data=tmp_path / "nodata")


def test_a_seed_of_no_record_is_one_line(small):
    with pytest.raises(SystemExit, match="--seed is 9, expected one of 1, 2"):
        small("run", "--only", "best", "--seed", "9")


def test_a_record_that_is_not_known_is_one_line(small):
    with pytest.raises(SystemExit, match="unknown record 'bset': did you mean 'best'"):
        small("run", "--only", "bset")
