"""`unrolled import-tf1` and `unrolled export-tf1`."""

import io
import json

import numpy as np
import pytest
import torch

from tests.golden import kept
from unrolled import tf1
from unrolled.training import Run


@pytest.fixture
def checkpoint(tmp_path):
    """`checkpoint("every-option")`: a folder that TensorFlow wrote, its network's input and output."""

    def unpack(name):
        results = kept.results("checkpoints.zip")
        return kept.unpack("checkpoints.zip", tmp_path, name), results[f"{name}/x"], results[f"{name}/output"]

    return unpack


def test_an_import_says_what_it_found_and_leaves_a_run(unrolled, checkpoint, tmp_path):
    folder, x, expected = checkpoint("dense-around")
    result = unrolled("import-tf1", folder / "model.ckpt", "--run", tmp_path / "run")
    assert result.code == 0
    assert result.out.splitlines() == [
        f"{folder / 'model.ckpt'}: 8 variables, with graph (.meta)",
        "  before/kernel, before/bias: dense 3 → 6",
        "  rnn/lstm_cell/kernel: LSTM 6 → 4",
        "  hidden/weights, hidden/biases: dense 4 → 8",
        "  last/weights, last/biases: dense 8 → 5",
        "network: lstm 4, activation relu, forget_bias 1.0; forward, dynamic unrolling; "
        "steps of 3 in, 5 out; 285 parameters",
        "verified: it computes what the graph's last/add:0 is for x:0, on random sequences of 7 steps, "
        "to 1e-07 of its scale",
        "note: it does not read MNIST's rows: in Python, Run.open(...).load_network()(x), x [N, T, I]",
        f"imported  {tmp_path / 'run'}",
    ]
    run = Run.open(tmp_path / "run")
    with torch.no_grad():
        np.testing.assert_allclose(run.load_network()(torch.from_numpy(x)), expected, rtol=0, atol=1e-5)
    assert run.config.network.name == "model"
    result = unrolled("evaluate", run.folder)
    assert (result.code, result.err) == (
        2,
        f"unrolled: {run.folder} was imported, and says nothing of data: name some with --data\n",
    )


def test_what_the_graph_proved_is_said_and_kept_in_the_run(unrolled, with_graph, tmp_path):
    prefix, x, expected = with_graph("max")
    ends = ("--input", "x:0", "--output", "fc/add:0")
    result = unrolled("import-tf1", prefix, "--run", tmp_path / "run", *ends)
    assert result.code == 0
    assert "forward, dynamic unrolling, reads max; steps of 3 in, 2 out" in result.out
    assert "verified: it computes what the graph's fc/add:0 is for x:0" in result.out
    with torch.no_grad():
        came = Run.open(tmp_path / "run").load_network()(torch.from_numpy(x))
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-5)


def test_a_network_that_is_not_the_graph_s_is_refused_in_one_line(unrolled, with_graph, tmp_path):
    prefix, *_ = with_graph("sum")
    result = unrolled("import-tf1", prefix, "--run", tmp_path / "run")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "the network that was found is not the graph's: they part at Sum:0, by" in result.err
    assert f"nothing is imported; `unrolled import-tf1 {prefix} --as-graph` makes a run of" in result.err
    assert not (tmp_path / "run").exists()
    assert unrolled("run-tf1", prefix).code == 0


def test_a_run_is_numbered_when_no_folder_is_named(unrolled, checkpoint, tmp_path, monkeypatch):
    folder, *_ = checkpoint("bi-states")
    monkeypatch.chdir(tmp_path)
    assert unrolled("import-tf1", folder).out.splitlines()[-1] == "imported  runs/model-1"
    assert unrolled("import-tf1", folder).out.splitlines()[-1] == "imported  runs/model-2"


def test_a_forget_bias_that_nothing_says_must_be_given(unrolled, checkpoint, tmp_path, monkeypatch):
    folder, x, expected = checkpoint("single-layer-dynamic-lstm")
    monkeypatch.setattr("sys.stdin", None)
    result = unrolled("import-tf1", folder, "--run", tmp_path / "run")
    assert result.code == 2
    assert result.err.startswith(
        "unrolled: nothing beside model.ckpt says which forget_bias its LSTMs had: give it with --forget-bias"
    )
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    assert unrolled("import-tf1", folder, "--forget-bias", "1.0", "--run", tmp_path / "run").code == 0
    with torch.no_grad():
        came = Run.open(tmp_path / "run").load_network()(torch.from_numpy(x))
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-5)


def test_a_forget_bias_is_asked_for_at_a_terminal(unrolled, checkpoint, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    folder, *_ = checkpoint("single-layer-dynamic-lstm")
    monkeypatch.setattr("sys.stdin", Terminal("0.25\n"))
    assert unrolled("import-tf1", folder, "--run", tmp_path / "run").code == 0
    assert Run.open(tmp_path / "run").config.network.layers == (("lstm", 4, {"forget_bias": 0.25}),)


def test_options_that_nothing_says_can_be_given(unrolled, checkpoint, tmp_path):
    folder, x, expected = checkpoint("second-era-options")
    given = ("--forget-bias", 0.3, "--cell-clip", 0.4, "--proj-clip", 0.2)
    assert unrolled("import-tf1", folder, *given, "--run", tmp_path / "run").code == 0
    with torch.no_grad():
        came = Run.open(tmp_path / "run").load_network()(torch.from_numpy(x))
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-5)


def test_mistakes_are_one_line_and_leave_no_folder(unrolled, checkpoint, tmp_path):
    folder, *_ = checkpoint("bi-states")
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in folder.iterdir():
        (cut / path.name).write_bytes(path.read_bytes()[:-30])
    for arguments, message in {
        (tmp_path / "nowhere.ckpt",): "no checkpoint",
        (cut / "model.ckpt",): "model.ckpt.index is damaged",
        (folder, "--scope", "decoder/"): "no recurrent cell was found",
        (folder, "--ignore", "("): "--ignore is '(', which is no regular expression",
        (folder, "--read", "lats"): "unknown read 'lats': did you mean 'last'",
        (folder, "--cell", "gru"): "unknown kind of cell 'gru': expected one of lstm, rnn",
        (folder, "--activation", "rleu"): "unknown activation 'rleu': did you mean 'relu'",
        (folder, "--cell-clip", "-1"): "cell_clip is -1.0",
    }.items():
        if "--cell-clip" in arguments:
            arguments = (checkpoint("peepholes")[0], "--forget-bias", "1", *arguments[1:])
        result = unrolled("import-tf1", *arguments, "--run", tmp_path / "run")
        assert (result.code, len(result.err.splitlines())) == (2, 1), arguments
        assert message in result.err, arguments
        assert not (tmp_path / "run").exists(), arguments


def test_a_trained_network_goes_to_tensorflow_s_format_and_back(unrolled, trained, tmp_path):
    prefix = tmp_path / "model" / "digits.ckpt"
    result = unrolled("export-tf1", trained, prefix)
    assert result.code == 0
    assert "  rnn/multi_rnn_cell/cell_1/lstm_cell/kernel [96, 256]" in result.out.splitlines()
    assert "note: TensorFlow adds forget_bias at run time: give its LSTM cells forget_bias=1.0" in result.out
    assert result.out.splitlines()[-1] == f"exported  {prefix}"
    assert "beta1_power" in tf1.read_checkpoint(prefix)  # the run was trained with Adam
    back = tmp_path / "back"
    result = unrolled("import-tf1", prefix, "--forget-bias", 1, "--run", back, "--data", "sample")
    assert result.code == 0
    before, after = (unrolled("evaluate", folder).out.splitlines()[-1].split() for folder in (trained, back))
    assert before[:2] == ["test", "accuracy"]
    assert before[:3] == after[:3]
    assert json.loads((back / "config.json").read_text())["data"] == "sample"


def test_slots_can_be_chosen_and_nothing_is_written_over(unrolled, trained, tmp_path):
    prefix = tmp_path / "m"
    assert unrolled("export-tf1", trained, prefix, "--slots", "none").code == 0
    assert not any("Adam" in name or "power" in name for name in tf1.read_checkpoint(prefix))
    result = unrolled("export-tf1", trained, prefix)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "m.index is there already: choose another prefix, or remove it" in result.err
    assert unrolled("export-tf1", trained, tmp_path / "r", "--slots", "rmsprop").code == 0
    assert any(name.endswith("/RMSProp_1") for name in tf1.read_checkpoint(tmp_path / "r"))
    assert (
        "unknown optimizer with slots 'sgd'"
        in unrolled("export-tf1", trained, tmp_path / "s", "--slots", "sgd").err
    )
