"""What the last bits of a training depend on: what was other before is said when it goes on."""

import json

import pytest
import torch

from unrolled import isa
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig
from unrolled.training import Recipe, RunConfig, TrainingStoppedError, train_run

CONFIG = RunConfig(
    NetworkConfig("small", (("gru", 9),), input_size=5, classes=3),
    Recipe(batch_size=32, epochs=3),
    "easy",
    ("a", "b", "c"),
    seed=3,
    validation=60,
)
OTHER = "baseline" if "baseline" in isa.available() and isa.available()[0] != "baseline" else "reference"
BEST = isa.available()[0]


@pytest.fixture
def train(tmp_path, easy_data):
    """Trains one step more, from wherever the run stands, and gives the notes."""

    def step():
        said = []
        with pytest.raises(TrainingStoppedError):
            train_run(
                tmp_path / "run",
                CONFIG,
                easy_data,
                resume=(tmp_path / "run").exists(),
                should_stop=lambda: True,
                say=said.append,
            )
        return [line.removeprefix("note: ") for line in said]

    return step


def test_nothing_is_said_where_all_is_as_it_was(train):
    assert [train(), train(), train()] == [[], [], []]


@pytest.mark.skipif(BEST == "reference", reason="no kernels are installed")
def test_another_instruction_set_is_said_and_what_the_run_has_gone_through_is_remembered(train, monkeypatch):
    train()
    monkeypatch.setenv("UNROLLED_ISA", OTHER)
    (note,) = train()
    assert note.startswith(f"the run was begun with kernels {BEST} (build ")
    assert f" and goes on with {OTHER}" in note
    assert note.endswith(": last bits may differ")
    monkeypatch.delenv("UNROLLED_ISA")
    for _ in range(2):  # back where it began, but its weights have been elsewhere, and that is not forgotten
        (note,) = train()
        assert f"kernels {BEST}" in note
        assert f"went on with {OTHER}" in note
        assert f"goes on with {BEST}" in note


def test_a_process_that_kept_no_checkpoint_has_changed_no_bits(train, tmp_path, easy_data, monkeypatch):
    train()
    with monkeypatch.context() as patch:
        patch.setenv("MKL_CBWR", "COMPATIBLE")
        with pytest.raises(KeyboardInterrupt):
            train_run(
                tmp_path / "run", CONFIG, easy_data, resume=True, on_step=interrupt, say=lambda line: None
            )
    assert train() == []


def interrupt(step):
    raise KeyboardInterrupt


def test_other_threads_and_other_products_of_torchs_are_said(train, monkeypatch):
    train()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        notes = train()
    finally:
        torch.set_num_threads(threads)
    assert notes == [
        f"the run was begun with threads {threads} and goes on with {threads + 1}: last bits may differ",
        "the run was begun with torch's products the best and goes on with ONEDNN_MAX_CPU_ISA=AVX2: "
        "last bits may differ",
    ]


@pytest.mark.parametrize(
    ("place", "key", "name"),
    [("versions", "unrolled", "unrolled"), ("versions", "torch", "torch"), ("versions", "numpy", "numpy")],
)
def test_other_versions_are_said(place, key, name, train, tmp_path):
    train()
    path = tmp_path / "run" / "config.json"
    values = json.loads(path.read_text())
    values[place][key] = "0.0.1"
    path.write_text(json.dumps(values))
    (note,) = train()
    assert note.startswith(f"the run was begun with {name} 0.0.1 and goes on with ")


def test_an_instruction_set_that_is_unknown_is_one_error_and_changes_nothing(
    train, tmp_path, easy_data, monkeypatch
):
    train()
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    monkeypatch.setenv("UNROLLED_ISA", "abacus")
    with pytest.raises(UnrolledError, match="abacus"):
        train_run(tmp_path / "run", CONFIG, easy_data, resume=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


@pytest.mark.parametrize(
    "circumstances", [{}, {"machine": 3, "versions": []}, {"machine": {"threads": [[]]}}]
)
def test_what_config_says_of_them_may_be_anything(circumstances, train, tmp_path):
    train()
    path = tmp_path / "run" / "config.json"
    values = json.loads(path.read_text())
    for key in ("machine", "versions", "processes"):
        values.pop(key)
    path.write_text(json.dumps(values | circumstances))
    train()
