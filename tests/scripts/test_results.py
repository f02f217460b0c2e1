"""docs/results.md and the script that trains for it and writes it."""

import dataclasses
import doctest
import json

import numpy as np
import pytest
import torch

from scripts import asked, results, results_page
from scripts.records_page import RECORDS
from scripts.results_page import OWN, SEEDS, Page
from scripts.tables import MISSING
from unrolled.data import write_idx
from unrolled.networks import NetworkConfig
from unrolled.training import NamedRecipe, Recipe, lookup, train_run
from unrolled.training.recipes import TUTORIALS

RUN = {
    "accuracy": 0.97, "accuracy_1280": 0.96, "steps": 5, "seconds": 2.0, "cpu": "A CPU", "isa": "avx2",
    "threads": 1, "commit": "abc", "torch": "2.13.0", "date": "2030-01-02",
}  # fmt: skip
MACHINE = {
    "cpu": "A CPU", "isa": "avx2", "threads": 2, "torch": "2.13.0", "commit": "def", "date": "2030-01-03",
    "load": 0.1, "clock": "perf_counter", "peers": {"tensorflow_recipe": "tensorflow 2.21.0"},
}  # fmt: skip


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Small files of results that are complete, in the places where the script looks for them."""
    kept = tmp_path / "kept"
    trained = {job.recipe for job in results.jobs()}
    ours = {
        name: {
            "faithful": {str(seed): RUN | {"accuracy": 0.97 + 0.01 * n} for n, seed in enumerate(SEEDS)},
            "corrected": {str(SEEDS[0]): RUN | {"accuracy": 0.9876}},
        }
        for name in trained
    }
    trace = {"tensorflow": "2.21.0", "accuracy": 0.9512, "accuracy_1280": 0.9423}
    step = {"tensorflow_ms": 30.04, "ours_ms": 10.06, "ratio": 2.986}
    written = {
        kept / "unrolled.json": ours,
        tmp_path / "traces.json": dict.fromkeys(trained, trace),
        tmp_path / "times.json": {"machine": MACHINE, "recipes": dict.fromkeys(TUTORIALS, step)},
    }
    for name in OWN:
        written[kept / f"{name}.json"] = RUN | {"network": "GRU 2×9, dynamic", "data": "mnist"}
        written[kept / f"{name}-torch.json"] = {"seconds": 2.1, "steps": 1234, "accuracy": 0.9}
    record = {
        "accuracy": 0.95,
        "cpu_seconds": 90,
        "cpu": "A CPU",
        "isa": "avx2",
        "commit": "def",
        "date": "2030",
    }
    written[kept / "records.json"] = {
        **{name: {str(seed): record for seed in record_of.seeds} for name, record_of in RECORDS.items()},
        "ensemble": {"accuracy": 0.987},
    }
    for path, found in written.items():
        results.keep(path, found)
    monkeypatch.setattr(results, "KEPT", kept)
    monkeypatch.setattr(results, "TENSORFLOW", tmp_path / "traces.json")
    monkeypatch.setattr(results, "TIMES", tmp_path / "times.json")
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    return tmp_path


def call(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["results.py", *map(str, words)])
    results.main()


def row(page, name):
    (line,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def change(path, edit):
    found = json.loads(path.read_text())
    edit(found)
    results.keep(path, found)


def test_every_row_of_the_page_is_filled_from_the_files(files, monkeypatch):
    call(monkeypatch, "write", "--kept", files / "kept")
    page = (files / "results.md").read_text()
    assert MISSING not in page
    times = ["30.0", "10.1", "2.99"]
    assert row(page, "seed-004") == [
        "`seed-004`", "LSTM 32, LSTM 64, dynamic", "nothing", "95.12", "98.00 (97.00 to 99.00)", "98.76",
        *times,
    ]  # fmt: skip
    assert row(page, "seed-003")[2:6] == [
        "96.09 on the first 1,280",
        "95.12; first 1,280: 94.23",
        "98.00 (97.00 to 99.00); first 1,280: 96.00 (96.00 to 96.00)",
        "98.76; first 1,280: 96.00",
    ]
    assert row(page, "fast") == [
        "`fast`", "GRU 2×9, dynamic", "mnist", "1", "2", "5", "97.00%", "2", "1,234", "90.00%"
    ]  # fmt: skip
    assert {name for name in TUTORIALS if f"| `{name}` |" in page} == set(TUTORIALS)
    assert (
        "A CPU, avx2, 2 threads, torch 2.13.0, tensorflow 2.21.0, commit def, 2030-01-03, load 0.1." in page
    )
    call(monkeypatch, "write", "--check", "--kept", files / "kept")


def test_a_static_network_has_the_figures_of_its_twin(files):
    page = Page(files / "kept", files / "traces.json", files / "times.json").text
    static, dynamic = row(page, "seed-001-net-13"), row(page, "seed-001-net-14")
    assert static[1].replace("static", "dynamic") == dynamic[1]
    assert static[4:6] == dynamic[4:6] == ["98.00 (97.00 to 99.00)", "98.76"]
    assert static[3] == "95.12 (net-14)"  # in TensorFlow that is another training
    assert dynamic[3] == "95.12"


@pytest.mark.parametrize(
    ("file", "edit", "missing", "shown", "maker"),
    [
        (
            "kept/unrolled.json",
            lambda found: found["seed-004"]["faithful"].pop("2"),
            "seed-004: faithful, seed 2",
            f"97.50 (97.00 to 98.00), 1 of 3 {MISSING}",
            "scripts/results.py run",
        ),
        (
            "kept/unrolled.json",
            lambda found: found["seed-000"].pop("corrected"),
            "seed-000: corrected, seed 1234",
            MISSING,
            "scripts/results.py run",
        ),
        (
            "traces.json",
            lambda found: found.pop("seed-000"),
            "seed-000: TensorFlow",
            MISSING,
            "make_tf1_trace.py",
        ),
        (
            "times.json",
            lambda found: found["recipes"].pop("seed-001-net-2"),
            "seed-001-net-2: ratio",
            MISSING,
            "python -m benchmarks.recipes",
        ),
        (
            "kept/fast-torch.json",
            lambda found: found.pop("accuracy"),
            "fast: torch.nn, accuracy",
            MISSING,
            "scripts/torch_peer.py",
        ),
    ],
)
def test_a_missing_figure_is_shown_and_fails_the_check(
    files, monkeypatch, capsys, file, edit, missing, shown, maker
):
    change(files / file, edit)
    call(monkeypatch, "write", "--kept", files / "kept")
    assert f"missing: {missing}\n" in capsys.readouterr().out
    assert shown in row((files / "results.md").read_text(), missing.partition(":")[0])
    with pytest.raises(SystemExit, match=rf"error: \d+ figures are missing: `.*{maker}` makes \d+$"):
        call(monkeypatch, "write", "--check", "--kept", files / "kept")


def test_missing_records_are_told_from_other_figures(files, monkeypatch):
    change(files / "kept/records.json", lambda found: (found.pop("ensemble"), found.pop("best")))
    change(files / "kept/unrolled.json", lambda found: found["seed-004"]["faithful"].pop("2"))
    makers = (
        "5 figures are missing: `scripts/records.py run` makes 3, `scripts/records.py ensemble` makes 1, "
        "`scripts/results.py run` makes 1"
    )
    with pytest.raises(SystemExit, match=makers):
        call(monkeypatch, "write", "--check", "--kept", files / "kept")


def test_an_old_page_fails_the_check(files, monkeypatch):
    with pytest.raises(
        SystemExit, match=r"results.md is not what the results make of it: run `results.py write`"
    ):
        call(monkeypatch, "write", "--check", "--kept", files / "kept")


def test_the_page_in_the_repository_is_what_its_results_make_of_it():
    page = Page(results.KEPT, results.TENSORFLOW, results.TIMES)
    assert results.PAGE.read_text(encoding="utf-8") == page.text


def test_every_recipe_or_its_twin_is_trained_one_run_of_each_before_further_seeds():
    planned = list(results.jobs())
    trained = {job.recipe for job in planned}
    assert {*trained, *(results_page.twin(name) for name in trained)} >= set(TUTORIALS)
    assert len(planned) == len(set(planned)) == 4 * len(trained)
    assert {results.trained(name) for name in TUTORIALS} == trained
    assert (results.trained("seed-001-net-1"), results.trained("seed-003")) == ("seed-001-net-3", "seed-003")
    first = planned[: 2 * len(trained)]
    assert {job.seed for job in first} == {SEEDS[0]}


@pytest.fixture
def tiny(monkeypatch):
    """Recipes on the sample that take three steps: a tutorial's, and one of our own."""
    network = NetworkConfig("tiny", (("lstm", 3), ("gru", 5)))

    def made(steps):
        return NamedRecipe(network, Recipe(steps=steps, batch_size=7), data="sample")

    tutorials = {"seed-000": (made(3), made(2))}
    own = {"fast": made(3)}

    def looked_up(name, *, corrected=False):
        return own.get(name) or tutorials[name][corrected]

    monkeypatch.setattr(results, "TUTORIALS", tutorials)
    monkeypatch.setattr(results_page, "TUTORIALS", tutorials)
    monkeypatch.setattr(results, "RECIPES", {**own, "seed-000": tutorials["seed-000"][0]})
    monkeypatch.setattr(results, "lookup", looked_up)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_what_is_missing_is_trained_and_what_is_there_is_not(tiny, tmp_path, monkeypatch, capsys):
    places = "--kept", tmp_path / "kept", "--runs", tmp_path / "runs"
    call(monkeypatch, "run", *places)
    found = json.loads((tmp_path / "kept/unrolled.json").read_text())["seed-000"]
    assert {form: list(runs) for form, runs in found.items()} == {
        "faithful": ["1234", "1", "2"],
        "corrected": ["1234"],
    }
    assert found["faithful"]["1"]["steps"] == 3
    assert found["corrected"]["1234"]["steps"] == 2
    assert 0 < found["faithful"]["1"]["accuracy"] < 1
    assert capsys.readouterr().out.count("...") == 4
    call(monkeypatch, "run", *places)
    assert capsys.readouterr().out == ""
    call(monkeypatch, "run", *places, "--only", "fast", "--threads", "1")
    ours = json.loads((tmp_path / "kept/fast.json").read_text())
    assert (ours["network"], ours["data"], ours["steps"]) == ("LSTM 3, GRU 5, dynamic", "sample", 3)


def test_run_folders_that_are_there_are_collected(tiny, tmp_path, monkeypatch, capsys):
    call(monkeypatch, "run", "--kept", tmp_path / "first", "--runs", tmp_path / "runs")
    folders = sorted((tmp_path / "runs").iterdir())
    half = tmp_path / "runs" / "seed-000-1"
    lines = (half / "metrics.jsonl").read_text().splitlines()
    (half / "metrics.jsonl").write_text("".join(line + "\n" for line in lines[:-1]))
    capsys.readouterr()
    call(monkeypatch, "collect", *folders, "--commit", "abc", "--kept", tmp_path / "second")
    assert f"{half}: not over yet\n" in capsys.readouterr().out
    first, second = (
        json.loads((tmp_path / name / "unrolled.json").read_text()) for name in ("first", "second")
    )
    del first["seed-000"]["faithful"]["1"]
    for runs in first["seed-000"].values():
        for figures in runs.values():
            figures["commit"] = "abc"
    assert second == first


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        (('"steps": 3', '"steps": 4'), "recipe.steps is 4, expected 3"),
        (('"dynamic"', '"static"'), "network.unroll is 'static', expected 'dynamic'"),
        (('"validation": 400', '"validation": 40'), "validation is 40, expected 400"),
        (('"start": null', '"start": "runs/other"'), "start is 'runs/other', expected None"),
        (('"examples": 3600', '"examples": 36'), "train has 3600 examples, not 36"),
    ],
)
def test_a_run_with_other_values_than_its_recipes_is_refused(tiny, tmp_path, monkeypatch, changed, differs):
    call(monkeypatch, "run", "--only", "fast", "--kept", tmp_path / "kept", "--runs", tmp_path / "runs")
    config = tmp_path / "runs/fast-1234/config.json"
    config.write_text(config.read_text().replace(*changed))
    with pytest.raises(SystemExit, match=f"fast-1234 is not of the recipe fast: .*{differs}.*: remove it"):
        call(monkeypatch, "collect", config.parent, "--kept", tmp_path / "kept")


def test_a_run_on_other_data_than_its_recipes_is_refused(tmp_path, monkeypatch, tiny):
    recipe = results.lookup("fast")
    monkeypatch.setattr(results, "lookup", lambda name, **_: recipe)
    run = results.of_recipe(results.Job("fast", "faithful", 1))
    data = asked.data_of(run, None)
    data.train.labels[0] += 1
    train_run(tmp_path / "fast-1", run.completed(data), data)
    with pytest.raises(
        SystemExit, match="recipe fast: the data asked for are others: the labels of train are"
    ):
        call(monkeypatch, "collect", tmp_path / "fast-1", "--kept", tmp_path / "kept")
    (tmp_path / "mnist").mkdir()
    for part in ("train", "t10k"):
        pictures = np.arange(20 * 28 * 28).reshape(20, 28, 28).astype(np.uint8)
        write_idx(tmp_path / f"mnist/{part}-images-idx3-ubyte", pictures)
        write_idx(tmp_path / f"mnist/{part}-labels-idx1-ubyte", np.arange(20, dtype=np.uint8) % 10)
    monkeypatch.setattr(results, "lookup", lambda name, **_: recipe._replace(data="mnist"))
    with pytest.raises(SystemExit, match="data is 'sample', expected 'mnist'"):
        call(monkeypatch, "collect", tmp_path / "fast-1", "--kept", tmp_path / "kept", "--data-dir", tmp_path)


def test_a_folder_that_is_no_run_is_not_one_that_is_not_over(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r"error: no run folder .*/nothing"):
        call(monkeypatch, "collect", tmp_path / "nothing", "--kept", tmp_path / "kept")


def test_an_unknown_recipe_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="unknown recipe 'seed-01'"):
        call(monkeypatch, "run", "--only", "seed-01", "--kept", tmp_path)


def test_a_twin_differs_in_its_unrolling_alone():
    for name in TUTORIALS:
        other = results_page.twin(name)
        if other is not None:
            assert results_page.twin(other) == name
            networks = [dataclasses.asdict(lookup(one).network) for one in (name, other)]
            differing = {key for key in networks[0] if networks[0][key] != networks[1][key]}
            assert differing == {"name", "unroll"}
    assert sum(results_page.twin(name) is not None for name in TUTORIALS) == 14


def test_the_examples_in_docstrings_are_true():
    assert doctest.testmod(results_page).failed == 0
