"""ONNX's own tests of its recurrent operators, read from files."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx.backend.test.case import node as node_tests  # noqa: E402
from onnx.backend.test.case.node import gru, lstm, rnn  # noqa: E402, F401  each enters its tests

from unrolled.onnx import load  # noqa: E402

# Of these tests, none: a name with a reason would stand here.
LEFT_OUT: dict[str, str] = {}


RECURRENT = {"LSTM", "GRU", "RNN"}
CASES = [
    case for case in node_tests._NodeTestCases if {node.op_type for node in case.model.graph.node} & RECURRENT
]


def check(model, path, data_sets, weights_in_file):
    """Save a model, with its weights as inputs or in the file, and compare what comes with what should."""
    names = [entry.name for entry in model.graph.input]
    (inputs, outputs), *_ = data_sets
    fed = dict(zip(names, inputs, strict=True))
    if weights_in_file:
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(fed.pop(name), name) for name in names if name in "WRBP"
        )
    onnx.save(model, path)
    read = load(path)
    assert len(read.layers) == (1 if weights_in_file else 0)
    came = read(**fed)
    assert list(came) == [entry.name for entry in model.graph.output]
    for value, expected in zip(came.values(), outputs, strict=True):
        assert value.shape == expected.shape
        np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights_in_file", [False, True], ids=["weights fed", "weights in the file"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_onnxs_own_test_of_a_recurrent_operator_passes(case, weights_in_file, tmp_path):
    if case.name in LEFT_OUT:
        pytest.skip(LEFT_OUT[case.name])
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    check(model, tmp_path / "model.onnx", case.data_sets, weights_in_file)


def test_there_are_tests_of_every_recurrent_operator():
    assert len(CASES) >= 18
    assert {node.op_type for case in CASES for node in case.model.graph.node} == RECURRENT
    assert {case.name for case in CASES} >= set(LEFT_OUT)
