"""A network that was exported is read back with the same weights, or what is wrong is said."""

import json

import numpy as np
import onnx
import pytest
import torch

from tests.onnx.test_networks import LAYERS, drawn
from unrolled import UnrolledError, networks
from unrolled.networks import CATALOGUE, NetworkConfig
from unrolled.networks.config import SCANS
from unrolled.onnx import export, read_exported

FORMS = {
    "sequences": {},
    "without-lengths": {"lengths": False},
    "with-states": {"states": True},
    "one-step": {"stream": True},
    "16-bits": {"fp16": True},
    "one-step-of-16-bits": {"stream": True, "fp16": True},
}
EVERY_OPTION = NetworkConfig(
    "every-option",
    (
        ("lstm", 4, {"peephole": True, "forget_bias": 0.7, "activation": "softsign"}),
        ("lstm", 6, {"peephole": True, "proj_size": 3, "proj_clip": 0.5, "cell_clip": 2.0}),
        ("lstm", 3, {"layer_norm": "projections", "forget_bias": -0.4, "residual": True}),
        ("lstm", 5, {"layer_norm": "gates", "peephole": True, "activation": "leaky_relu"}),
        ("gru", 5, {"reset": "before", "residual": True}),
        ("rnn", 4, {"nonlinearity": "relu"}),
    ),
    input_size=3,
    classes=2,
    output_dropout=0.2,
    input_layers=((6, "relu"),),
    output_layers=((7, "tanh"), (4, "elu")),
)


def apart(network, back, size):
    x = torch.randn(3, 5, size)
    return (network(x, [5, 2, 1]) - back(x, [5, 2, 1])).abs().max().item()


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_network_of_the_catalogue_comes_back(name, tmp_path):
    network = networks.build(name).eval()
    export(network, tmp_path / "model.onnx")
    back = read_exported(tmp_path / "model.onnx")
    assert back.network.config == network.config
    assert apart(network, back.network, 28) < 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_every_option_comes_back(form, tmp_path):
    network = drawn(EVERY_OPTION)
    if form.endswith("16-bits"):
        network = network.half().float()
    export(network, tmp_path / "model.onnx", **FORMS[form])
    back = read_exported(tmp_path / "model.onnx")
    assert back.network.config == EVERY_OPTION
    assert not back.network.training
    assert (back.half, back.single) == ("16-bits" in form, "one-step" in form)
    assert apart(network, back.network, 3) < (1e-2 if back.half else 1e-5)


@pytest.mark.parametrize("direction", ["backward", "bidirectional", "parallel"])
@pytest.mark.parametrize("layers", LAYERS)
def test_every_direction_comes_back(layers, direction, tmp_path):
    layered = LAYERS[layers]
    if layers == "residual" and direction == "bidirectional":
        layered = (layered[0], ("lstm", 8, layered[1][2]))
    network = drawn(NetworkConfig("mine", layered, direction=direction, input_size=3, classes=5))
    export(network, tmp_path / "model.onnx")
    back = read_exported(tmp_path / "model.onnx")
    assert apart(network, back.network, 3) < 1e-6


@pytest.mark.parametrize("scan", SCANS)
def test_every_scan_comes_back(scan, tmp_path):
    network, x = drawn(NetworkConfig("mine", (("gru", 4),), scan=scan, input_size=5)), torch.randn(3, 5, 5)
    export(network, tmp_path / "model.onnx")
    back = read_exported(tmp_path / "model.onnx").network
    assert back.config == network.config
    assert (network(x) - back(x)).abs().max() < 1e-6


def test_biases_of_zero_that_are_nowhere_in_the_file_come_back(tmp_path):
    network = drawn(NetworkConfig("mine", (("gru", 4), ("gru", 4), ("rnn", 4)), input_size=4, classes=4))
    for name, parameter in network.named_parameters():
        if "bias" in name:
            parameter.zero_()
    export(network, tmp_path / "model.onnx")
    back = read_exported(tmp_path / "model.onnx")
    for name, parameter in network.state_dict().items():
        assert torch.equal(parameter, back.network.state_dict()[name]), name


def test_what_others_wrote_and_what_is_no_network_is_not_read_so(tmp_path):
    from tests.onnx.models import classifier, saved
    from unrolled import LSTMCell

    assert read_exported(saved(classifier(), tmp_path)) is None
    export(LSTMCell(3, 4), tmp_path / "cell.onnx")
    assert read_exported(tmp_path / "cell.onnx") is None


def said(model, **changes):
    for entry in model.metadata_props:
        if entry.key in changes:
            entry.value = changes.pop(entry.key)


def network_of(model, **changes):
    (entry,) = (entry for entry in model.metadata_props if entry.key == "network")
    entry.value = json.dumps({**json.loads(entry.value), **changes})


def weight(model, name, change):
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    values = change(onnx.numpy_helper.to_array(tensor))
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))


def node(model, name):
    (found,) = (each for each in model.graph.node if each.name == name)
    return found


WRONG = {
    "no-json": (lambda m: said(m, network="{"), "its metadata are damaged: network is damaged: Expecting"),
    "no-object": (lambda m: said(m, network="[1]"), "its metadata are damaged: "),
    "twice": (lambda m: m.metadata_props.add(key="form", value="x"), "its metadata say something twice"),
    "no-such-cell": (lambda m: network_of(m, layers=[["lsmt", 4]]), "its metadata are damaged: .*lsmt"),
    "wider": (
        lambda m: network_of(m, layers=[["gru", 5]]),
        r"a weight has shape \[5, 4\], expected \[5, 5\]",
    ),
    "giant": (lambda m: network_of(m, layers=[["gru", 2**24]]), r"numbers, and the network 844,"),
    "other-cell": (lambda m: network_of(m, layers=[["rnn", 4]]), "it has no node 'RNN'"),
    "other-reset": (
        lambda m: network_of(m, layers=[["gru", 4, {"reset": "after"}]]),
        "'GRU' has another linear_before_reset",
    ),
    "other-read": (lambda m: network_of(m, read="mean"), "'last_or_minus_one' stands where"),
    "other-direction": (
        lambda m: network_of(m, direction="backward"),
        "it has 25 nodes, and the network's 21",
    ),
    "more-classes": (lambda m: network_of(m, classes=6), r"a weight has shape \[5, 4\], expected \[6, 4\]"),
    "fewer-steps": (lambda m: said(m, form="one step"), "it has 25 nodes, and the network's 10"),
    "a-nan": (lambda m: weight(m, "W", lambda w: w * np.nan), "the numbers of 'GRU' are others"),
    "gates-that-are-none": (
        lambda m: weight(m, "W", lambda w: w[:, :11]),
        "the weights of 'GRU' have other sizes",
    ),
    "weights-without-axes": (
        lambda m: weight(m, "W", lambda w: w.reshape(-1)),
        "the weights of 'GRU' have other sizes",
    ),
    "weights-of-none": (lambda m: weight(m, "W", lambda w: w[:0]), "the weights of 'GRU' have other sizes"),
    "no-weights": (lambda m: node(m, "GRU").input.__setitem__(1, ""), "'GRU' has no weights"),
    "whole-numbers": (lambda m: weight(m, "W", lambda w: w.astype("i4")), "holds no numbers"),
    "double": (lambda m: weight(m, "W", lambda w: w.astype("f8")), "the numbers of 'GRU' are others"),
    "other-node": (lambda m: node(m, "classifier/output").__setattr__("op_type", "Sub"), "stands where"),
    "other-attribute": (lambda m: node(m, "GRU").attribute[0].__setattr__("i", 5), "has another"),
    "one-more-node": (
        lambda m: m.graph.node.append(onnx.helper.make_node("Exp", ["x"], ["y"])),
        "nodes, and",
    ),
    "one-input-more": (lambda m: node(m, "GRU").input.append("x"), "'GRU' is another node"),
    "other-input": (lambda m: node(m, "GRU").input.__setitem__(4, "lengths_64"), "takes 'lengths_64'"),
    "other-output": (lambda m: m.graph.output[0].__setattr__("name", "scores"), "other inputs or outputs"),
    "other-shape": (
        lambda m: m.graph.input[0].type.tensor_type.shape.dim[2].__setattr__("dim_value", 9),
        "its inputs or outputs have other shapes",
    ),
    "other-opset": (lambda m: m.opset_import[0].__setattr__("version", 13), "operators of another version"),
}


@pytest.mark.parametrize("case", WRONG)
def test_metadata_and_a_graph_that_contradict_each_other_are_told_in_one_line(case, tmp_path):
    change, says = WRONG[case]
    path = tmp_path / "model.onnx"
    export(drawn(NetworkConfig("mine", (("gru", 4),), input_size=3, classes=5)), path)
    assert read_exported(path).apart < 1e-6
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    with pytest.raises(UnrolledError, match=says) as refused:
        read_exported(path)
    line = str(refused.value)
    assert line.startswith(f"{path}: its ")
    assert line.isprintable()
    assert "metadata" in line


def test_of_another_version_that_is_said_too(tmp_path):
    export(drawn(NetworkConfig("mine", (("gru", 4),), input_size=3, classes=5)), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    model.producer_version = "0.1"
    onnx.save(model, tmp_path / "model.onnx")
    assert read_exported(tmp_path / "model.onnx").producer == "0.1"
    network_of(model, read="mean")
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(UnrolledError, match=r"unrolled 0\.1 wrote it, and this is "):
        read_exported(tmp_path / "model.onnx")
