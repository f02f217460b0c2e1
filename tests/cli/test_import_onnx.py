"""`unrolled import-onnx`."""

import pytest

pytest.importorskip("onnx")

import numpy as np
import onnx
import torch

from tests.onnx.models import classifier, recurrent, saved
from unrolled.onnx import load
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
