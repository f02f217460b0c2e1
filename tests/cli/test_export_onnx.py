"""`unrolled export-onnx`."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from unrolled.training import Run


def test_a_run_becomes_a_file_that_gives_the_runs_logits(unrolled, trained, tmp_path):
    path = tmp_path / "model.onnx"
    result = unrolled("export-onnx", trained, path)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "  in  x [N, T, 28]",
        "  in  lengths [N]",
        "  out logits [N, 10]",
        f"exported  {path}",
    ]
    x, lengths = torch.rand(3, 28, 28), [28, 9, 0]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (came,) = session.run(None, {"x": x.numpy(), "lengths": np.array(lengths, np.int32)})
    with torch.no_grad():
        np.testing.assert_allclose(came, Run.open(trained).load_network()(x, lengths), rtol=0, atol=1e-5)
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(said["classes"]) == list("0123456789")
    assert (said["run"], said["task"], said["data"]) == ("run", "classify", "sample")


@pytest.mark.filterwarnings("error")
def test_a_stream_in_16_bits(unrolled, trained, tmp_path):
    result = unrolled("export-onnx", trained, tmp_path / "step.onnx", "--stream", "--fp16")
    assert result.code == 0
    assert result.out.splitlines()[:2] == ["  in  x [N, 28]", "  in  layer1_h0 [N, 32]"]
    kind = onnx.load(tmp_path / "step.onnx").graph.input[0].type.tensor_type.elem_type
    assert kind == onnx.TensorProto.FLOAT16


def test_a_file_that_is_there_stays(unrolled, trained, tmp_path):
    (tmp_path / "mine").write_text("mine")
    result = unrolled("export-onnx", trained, tmp_path / "mine")
    assert (result.code, result.err) == (
        2,
        f"unrolled: {tmp_path / 'mine'} is there already: choose another name, or remove it\n",
    )
    assert (tmp_path / "mine").read_text() == "mine"
