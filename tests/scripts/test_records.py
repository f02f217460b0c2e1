"""The records of docs/results.md: their table, and the script that trains for them."""

import json
import shlex
import sys

import pytest

from scripts import records
from scripts.records_page import MEMBERS, RECORDS, Record, Records
from unrolled.errors import UnrolledError
from unrolled.training import RECIPES, Run

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
        "`--recipe best`",
    ]
    assert line_of(page.text, "MNIST, rows and columns together")[1] == "99.71"
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

    def call(*words):
        places = ("--data", str(tmp_path), "--runs", str(tmp_path / "runs"))
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


def test_a_run_of_another_recipe_is_not_taken(small, tmp_path, monkeypatch):
    small("run")
    other = records.RECORDS["columns"]._replace(line="--recipe fast --scan columns --epochs 1")
    monkeypatch.setattr(records, "RECORDS", {"columns": other})
    with pytest.raises(UnrolledError, match="columns-0 is not of the line --recipe fast"):
        records.check_line(tmp_path / "runs" / "columns-0", "columns")


def test_a_record_that_is_not_known_is_one_line(small):
    with pytest.raises(SystemExit, match="unknown record 'bset': did you mean 'best'"):
        small("run", "--only", "bset")
