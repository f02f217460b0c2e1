"""The command line as a user calls it, in this process."""

import pytest

from tests.command_line import caller
from tests.golden import kept
from unrolled.cli.main import main
from unrolled.report import pictures_of


@pytest.fixture
def unrolled(capfd, monkeypatch):
    """`unrolled("train", "--steps", 3)`: what it printed, and the exit code."""
    monkeypatch.setenv("COLUMNS", "200")
    return caller(capfd)


@pytest.fixture
def blank_pictures(monkeypatch):
    """Trainings leave empty files for pictures, which take longer than they: for tests that look at none."""

    def save(folder, metrics, network, data, evaluation):
        paths = [folder / f"{name}.png" for name in pictures_of(data.task)]
        for path in paths:
            path.touch()
        return paths

    monkeypatch.setattr("unrolled.report.save_pictures", save)


@pytest.fixture
def with_graph(tmp_path):
    """`with_graph("max")`: the prefix of a checkpoint of imports.zip, its network's input and output."""

    def unpack(name):
        prefix = kept.unpack("imports.zip", tmp_path, name) / "model.ckpt"
        results = kept.results("imports.zip")
        return prefix, results[f"{name}/x"], results[f"{name}/output"]

    return unpack


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run folder of a small network that has seen a few hundred digits."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.raises(SystemExit) as stop:
        main(["train", "--network", "seed-004", "--steps", "40", "--run", str(folder), "--validation", "100"])
    assert stop.value.code == 0
    return folder
