"""`unrolled evaluate --ensemble`: several runs that answer together."""

import json
import re
import shutil

import numpy as np
import pytest

from unrolled import data
from unrolled.networks import NetworkConfig
from unrolled.training import Recipe, RunConfig, train_run


def learned(folder, dataset, *layers, steps, seed=0, direction="forward", **config):
    """A run folder of a network that has learned from a data set for some steps."""
    network = NetworkConfig("some", layers, direction=direction)
    recipe = Recipe(steps=steps, batch_size=50, learning_rate=0.01)
    config = RunConfig(network, recipe, dataset.name, (), seed=seed, validation=None, **config)
    return train_run(folder, config.completed(dataset), dataset).run.folder


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """Three runs of the sample's digits: three seeds of three networks, the last of which reads both ways."""
    folder, digits = tmp_path_factory.mktemp("seeds"), data.load("sample", validation=200)
    return [
        learned(folder / "first", digits, ("lstm", 24), steps=60, seed=0),
        learned(folder / "second", digits, ("gru", 20), steps=60, seed=1),
        learned(folder / "third", digits, ("gru", 16), steps=60, seed=2, direction="bidirectional"),
    ]


def verdicts(out, what="test accuracy"):
    return re.findall(rf"^{what} (\S+)  (.*)$", out, re.M)


def test_three_seeds_know_more_together_than_one_by_one(unrolled, seeds):
    alone = [unrolled("evaluate", folder) for folder in seeds]
    result = unrolled("evaluate", *seeds, "--ensemble")
    assert (result.code, result.err) == (0, "")
    *members, (accuracy, words) = verdicts(result.out)
    assert members == [verdicts(one.out)[-1] for one in alone]  # what each says by itself
    assert words == "ensemble of 3 runs"
    assert result.out.splitlines()[-1] == f"test accuracy {accuracy}  {words}"
    assert float(accuracy) > sum(float(member) for member, _ in members) / 3
    # The table and the lines of one run, with the members' before the last.
    lines, of_one = (re.sub(r"[ \d.]+", " ", out).splitlines() for out in (result.out, alone[0].out))
    assert lines[:-4] == of_one[:-1]
    assert "test expected calibration error " in lines
    correct = sum(int(row.split()[2]) for row in result.out.splitlines() if re.match(r"\d  ", row))
    assert correct / 1000 == float(accuracy)


def test_without_the_option_each_run_answers_for_itself(unrolled, seeds):
    out = unrolled("evaluate", *seeds[:2]).out
    assert "ensemble" not in out
    assert out == "".join(unrolled("evaluate", folder).out for folder in seeds[:2])


def test_an_ensemble_reads_other_data_and_splits(unrolled, seeds):
    for options in (("--split", "validation"), ("--split", "train", "--data", "sample")):
        result = unrolled("evaluate", *seeds[:2], "--ensemble", *options)
        split = options[1]
        assert (result.code, result.err) == (0, "")
        assert [words for _, words in verdicts(result.out, f"{split} accuracy")] == [
            *map(str, seeds[:2]),
            "ensemble of 2 runs",
        ]


@pytest.mark.parametrize("count", [0, 1])
def test_one_run_is_no_ensemble(unrolled, seeds, count):
    result = unrolled("evaluate", *seeds[:count], "--ensemble")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"--ensemble came with {count} run" in result.err
    assert "expected at least two" in result.err


def test_one_run_that_cannot_be_used_is_the_end_of_an_ensemble(unrolled, seeds, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(seeds[1], damaged)
    (damaged / "weights.safetensors").write_bytes(b"no weights")
    for other, message in {
        damaged: f"{damaged}/weights.safetensors is damaged",
        tmp_path / "nowhere": "no run folder",
        seeds[0]: "came twice, expected each run once",
    }.items():
        result = unrolled("evaluate", seeds[0], other, "--ensemble")
        assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
        assert message in result.err


def test_a_run_of_other_classes_is_named_with_both(unrolled, seeds, tmp_path):
    other = tmp_path / "letters"
    shutil.copytree(seeds[1], other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "classes": list("abcdefghij")}))
    result = unrolled("evaluate", *seeds, other, "--ensemble")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"{other} has the classes a, b, c, d, e, f, g, h, i, j, expected 0, 1, 2, 3" in result.err
    assert f"as {seeds[0]} has: leave it out" in result.err


def test_a_run_without_a_calibration_is_noted(unrolled, seeds, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(seeds[1], bare)
    (bare / "calibration.json").unlink()
    result = unrolled("evaluate", seeds[0], bare, "--ensemble")
    assert result.code == 0
    assert result.err.startswith(f"note: {bare} has no calibration.json")
    assert len(result.err.splitlines()) == 1


def test_a_run_that_learned_from_what_the_first_one_holds_out_is_refused(unrolled, seeds, tmp_path):
    other = learned(tmp_path / "other", data.load("sample", validation=50), ("rnn", 4), steps=1)
    result = unrolled("evaluate", seeds[0], other, "--ensemble", "--split", "validation")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"{other} splits its data otherwise" in result.err
    assert "validation is 50, expected 200" in result.err
    assert unrolled("evaluate", seeds[0], other, "--ensemble").code == 0  # both were tested on the same


def table_of_numbers(path, slope=2.0):
    random = np.random.default_rng(0)
    lines = ["id,time,person,x,target"]
    for number in range(24):
        level = random.normal()
        for step in range(3):
            x = level + 0.1 * random.normal()
            lines.append(f"s{number},{step},p{number % 4},{x:.3f},{slope * level:.3f}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def learned_numbers(tmp_path):
    """`learned_numbers("gru", 1)`: a run of that cell and seed, of a table of numbers."""
    pytest.importorskip("pyarrow")

    def learn(cell, seed, **options):
        said = {"id": "id", "time": "time", "label": ("target",), "features": ("x",), **options}
        levels = data.open_data(table_of_numbers(tmp_path / "levels.csv"), data.DataOptions(**said))
        folder = tmp_path / f"{cell}-{seed}"
        return learned(folder, levels, (cell, 4), steps=20, seed=seed, options=said)

    return learn


def test_numbers_are_measured_in_the_mean(unrolled, learned_numbers, tmp_path):
    runs = [learned_numbers(cell, seed) for seed, cell in enumerate(("lstm", "gru", "rnn"))]
    result = unrolled("evaluate", *runs, "--ensemble")
    assert (result.code, result.err) == (0, "")
    *members, (rmse, words) = verdicts(result.out, "test RMSE")
    assert words == "ensemble of 3 runs"
    assert members == [verdicts(unrolled("evaluate", run).out, "test RMSE")[-1] for run in runs]
    # That of a mean is at most the mean of all.
    assert float(rmse) <= sum(float(member) for member, _ in members) / 3 + 1e-3
    other = unrolled("evaluate", *runs, "--ensemble", "--data", table_of_numbers(tmp_path / "other.csv", 3.0))
    assert other.code == 0
    assert float(verdicts(other.out, "test RMSE")[-1][0]) > float(rmse)


def test_a_run_that_learned_from_what_the_first_one_tests_on_is_refused(unrolled, learned_numbers):
    runs = [learned_numbers("gru", 0), learned_numbers("gru", 1, test="person=p1")]
    result = unrolled("evaluate", *runs, "--ensemble")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"{runs[1]} splits its data otherwise, and may have been trained on what is measured" in result.err
    assert "test is 'person=p1', expected None" in result.err


def test_networks_that_read_other_steps_do_not_fit_together(unrolled, tmp_path):
    runs = []
    for width in (3, 4):
        sequences = np.random.default_rng(0).normal(size=(20, 5, width)).astype(np.float32)
        piece, folder = (sequences, np.array([0, 1] * 10)), tmp_path / f"waves-{width}"
        data.save_arrays(folder, train=[piece], test=[piece])
        waves = data.load(str(folder), options=data.DataOptions(standardize=False))
        runs.append(learned(tmp_path / f"run-{width}", waves, ("gru", 4), steps=1))
    result = unrolled("evaluate", *runs, "--ensemble")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"{runs[1]} reads steps of 4, expected 3, as the examples have: leave it out" in result.err
