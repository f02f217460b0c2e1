"""A model is fed by place and by name, says what is wrong, and refuses what it cannot read."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from tests.onnx.models import classifier, model, numbers, recurrent, saved
from unrolled import UnrolledError
from unrolled.onnx import find_network, load


@pytest.fixture
def read(tmp_path):
    return load(saved(recurrent("GRU", lengths=True), tmp_path))


def test_inputs_come_by_place_and_by_name_as_tensors_and_as_arrays(read):
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    by_place = read(x, [4, 2])
    by_name = read(sequence_lens=torch.tensor([4, 2]), X=torch.from_numpy(x))
    assert list(by_place) == ["Y", "Y_h"]
    assert all((by_place[name] == by_name[name]).all() for name in by_place)


@pytest.mark.parametrize(
    ("inputs", "named", "says"),
    [
        ([], {}, r"the input 'X' is missing: float32 \[T, N, 3\]"),
        ([0, 0, 0], {}, "3 inputs came, expected 2: X, sequence_lens"),
        ([], {"x": 1}, "unknown input 'x': expected one of X, sequence_lens"),
        ([np.zeros((4, 2, 3))], {"X": 1}, "the input 'X' came twice"),
        ([np.zeros((4, 2, 5)), [4, 4]], {}, r"the input 'X' is float64 \[4, 2, 5\], expected float32"),
        ([np.zeros((4, 3)), [4, 4]], {}, r"the input 'X' is float64 \[4, 3\], expected"),
        ([np.zeros((4, 2, 3), int), [4, 4]], {}, r"the input 'X' is int64"),
        (["text", [4, 4]], {}, "the input 'X' is a str, expected float32"),
        ([np.zeros((4, 2, 3)), [4, 5]], {}, r"the node 'rnn' \(GRU\) cannot be computed: lengths\[1\] is 5"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_told_apart(read, inputs, named, says):
    with pytest.raises(UnrolledError, match=says):
        read(*inputs, **named)


def test_an_unknown_operator_is_named(tmp_path):
    made = recurrent("RNN")
    made.graph.node.append(helper.make_node("TopK", ["Y", "Y"], ["a", "b"]))
    made.graph.node.append(helper.make_node("Own", ["Y"], ["c"], domain="com.example"))
    with pytest.raises(
        UnrolledError, match=r"operators that are not read: TopK, com\.example\.Own\. Read are"
    ):
        load(saved(made, tmp_path))


def test_weights_may_be_made_of_constants_by_nodes_that_move_them(tmp_path):
    plain = recurrent("LSTM", 2, inputs=4)
    made = onnx.ModelProto.FromString(plain.SerializeToString())
    (W,) = (entry for entry in made.graph.initializer if entry.name == "W")
    turned = np.ascontiguousarray(onnx.numpy_helper.to_array(W).transpose(0, 2, 1)).astype("f8")
    made.graph.initializer.remove(W)
    made.graph.initializer.append(onnx.numpy_helper.from_array(turned, "turned"))
    moves = [
        helper.make_node("Cast", ["turned"], ["narrow"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["narrow"], ["all"], perm=[0, 2, 1]),
        helper.make_node("Split", ["all"], ["one", "two"], axis=0),
        helper.make_node("Concat", ["one", "two"], ["joined"], axis=0),
        helper.make_node("Identity", ["joined"], ["W"]),
    ]
    for node in reversed(moves):
        made.graph.node.insert(0, node)
    x = torch.randn(3, 2, 4)
    came, expected = load(saved(made, tmp_path, "a"))(x), load(saved(plain, tmp_path, "b"))(x)
    assert len(load(tmp_path / "a").layers) == 1
    assert (came["Y"] == expected["Y"]).all()


def test_large_tensors_may_lie_in_a_file_beside_the_model(tmp_path):
    path = saved(recurrent("RNN", hidden=20), tmp_path)
    x = torch.randn(3, 2, 3)
    expected = load(path)(x)["Y"]
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=8)
    assert (tmp_path / "weights.bin").stat().st_size > 1000
    assert (load(path)(x)["Y"] == expected).all()


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "", "..", "a\\b"])
def test_tensors_elsewhere_are_not_looked_for(location, tmp_path):
    made = recurrent("RNN")
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    with pytest.raises(UnrolledError, match=r"the tensor 'W' lies in .*, expected a file beside the model"):
        load(saved(made, tmp_path))


def test_damage_is_told_in_one_line(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(UnrolledError, match="is no ONNX model, or it is damaged"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(UnrolledError, match="it has no outputs"):
        load(path)
    made = recurrent("RNN")
    made.graph.initializer[0].dims[0] = 7
    with pytest.raises(
        UnrolledError, match=r"the tensor 'W' has shape \[7, 2, 3\] and 6 numbers, expected 42"
    ):
        load(saved(made, tmp_path))
    whole = recurrent("RNN").SerializeToString()
    path.write_bytes(whole.replace(b"rnn", b"r\xffn"))
    with pytest.raises(UnrolledError, match=r"a name is b'r.*, expected text: the file is damaged"):
        load(path)
    made = recurrent("RNN")
    made.graph.initializer[0].raw_data += b"ab"
    with pytest.raises(UnrolledError, match=r"and 6\.5 numbers, expected 6"):
        load(saved(made, tmp_path))
    made = recurrent("RNN")
    made.graph.node[0].input[1] = "elsewhere"
    with pytest.raises(UnrolledError, match="takes 'elsewhere', which nothing before it makes"):
        load(saved(made, tmp_path))


def test_a_shape_that_no_memory_holds_is_refused(tmp_path):
    made = model(
        [helper.make_node("ConstantOfShape", ["shape"], ["y"])], [], ["y"],
        {"shape": np.array([2**40, 2**20])},
    )  # fmt: skip
    with pytest.raises(
        UnrolledError, match=r"the node 'y' \(ConstantOfShape\) cannot be computed: .* at most"
    ):
        load(saved(made, tmp_path))()


def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(UnrolledError, match=r"unrolled\[onnx\]"):
        load(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("op", "options", "layer"),
    [
        ("LSTM", {"lengths": True, "peepholes": True}, ("lstm", 5, {"forget_bias": 0.0, "peephole": True})),
        ("GRU", {"linear_before_reset": 0, "bias": False}, ("gru", 5, {"reset": "before"})),
        ("RNN", {"direction": "reverse", "activations": ["Relu"]}, ("rnn", 5, {"nonlinearity": "relu"})),
    ],
)
def test_the_network_of_a_model_is_found_and_computes_the_same(op, options, layer, tmp_path):
    read = load(saved(classifier(op, **options), tmp_path))
    network, proof = find_network(read, "mine")
    config = network.config
    assert (config.layers, config.input_size, config.classes) == ((layer,), 28, 10)
    assert config.direction == ("backward" if "direction" in options else "forward")
    assert proof.startswith("network and model agree within")
    x = torch.randn(4, 9, 28)
    lengths = torch.tensor([9, 1, 4, 7]) if "lengths" in options else None
    came = read(x, *([] if lengths is None else [lengths]))["logits"]
    torch.testing.assert_close(network(x, lengths), came, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda made: made.graph.node.append(helper.make_node("Exp", ["logits"], ["more"])), "none computes"),
        (lambda made: made.graph.node.remove(made.graph.node[3]), "no dense layer after its recurrent ones"),
    ],
)
def test_a_model_that_no_network_computes_is_said_to_be_none(change, says, tmp_path):
    made = classifier()
    change(made)
    made.graph.node[-1].output[0] = "answer"
    if made.graph.node[-1].op_type == "Add":
        made.graph.node[-1].input[0] = "last"
        made.graph.initializer[-1].CopyFrom(onnx.numpy_helper.from_array(numbers(5, seed=1), "shift"))
    made.graph.output[0].name = "answer"
    with pytest.raises(UnrolledError, match=says):
        find_network(load(saved(made, tmp_path)), "mine")
