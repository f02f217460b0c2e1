"""Networks, and the layers of torch.nn: ONNX Runtime beside the library."""

import dataclasses
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import nn

import unrolled
from tests.golden import kept
from tests.onnx.nearness import assert_near, with_rubbish
from unrolled import UnrolledError, networks, tf1
from unrolled.networks import CATALOGUE, NetworkConfig, SequenceClassifier
from unrolled.networks.config import ACTIVATIONS, DIRECTIONS, READS, SCANS

LENGTHS = [6, 3, 0, 1]


def drawn(config):
    network = SequenceClassifier(config).eval()
    for parameter in network.parameters():
        parameter.normal_(std=0.5)
    return network


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_network_of_the_catalogue_computes_what_it_does_here(exported, name):
    network = networks.build(name).eval()
    x = torch.randn(4, 6, 28)
    assert_near(exported(network)(with_rubbish(x, LENGTHS), LENGTHS), network(x, LENGTHS))


LAYERS = {
    "plain": (("lstm", 4), ("gru", 6)),
    "residual": (("rnn", 4), ("lstm", 4, {"residual": True, "peephole": True})),
    "projection": (("gru", 3), ("lstm", 4, {"proj_size": 2, "layer_norm": "gates"})),
}


@pytest.mark.parametrize(("read", "direction"), list(itertools.product(READS, DIRECTIONS)))
@pytest.mark.parametrize("layers", LAYERS)
def test_every_read_of_every_direction(exported, read, direction, layers):
    layered = LAYERS[layers]
    if read == "memory" and (layers == "plain" or direction in ("bidirectional", "parallel")):
        return  # which a configuration refuses
    if layers == "residual" and direction == "bidirectional":
        layered = (layered[0], ("lstm", 8, layered[1][2]))
    network = drawn(NetworkConfig("mine", layered, direction=direction, read=read, input_size=3, classes=5))
    x = torch.randn(4, 6, 3)
    assert_near(exported(network)(with_rubbish(x, LENGTHS), LENGTHS), network(x, LENGTHS))
    assert_near(exported(network, lengths=False)(x), network(x))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("scan", SCANS[1:])
def test_every_scan_of_a_picture(exported, scan, direction):
    layers = (("gru", 3), ("lstm", 4))
    config = NetworkConfig("mine", layers, direction=direction, scan=scan, input_size=6, classes=5, centre=2)
    network, x = drawn(config), torch.randn(4, 6, 6)
    assert_near(exported(network)(x), network(x))


@pytest.mark.parametrize("scan", SCANS)
def test_a_picture_of_another_size_is_refused_as_it_is_here(exported, scan):
    config = NetworkConfig("mine", (("gru", 3),), scan=scan, input_size=6, classes=5)
    network, square = drawn(config), scan in ("columns", "permuted")
    model = exported(network, lengths=False)
    assert model.session.get_inputs()[0].shape == ["N", 6 if square else "T", 6]
    for x in (torch.randn(2, 7, 6), torch.randn(2, 5, 6)):
        if square:
            with pytest.raises(UnrolledError, match=r"expected \[N, 6, 6\]"):
                network(x)
            with pytest.raises(InvalidArgument, match=r"x for the following indices\s+index: 1 Got"):
                model(x)
        else:
            assert_near(model(x), network(x))
    for x in (torch.randn(2, 6, 5), torch.randn(2, 6, 7)):
        with pytest.raises(InvalidArgument, match=r"x for the following indices\s+index: 2 Got"):
            model(x)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_layers_and_a_mean_that_is_taken_away(exported, activation):
    network = drawn(
        NetworkConfig(
            "mine",
            (("gru", 4),),
            input_size=3,
            classes=2,
            centre=2,
            input_layers=((6, activation), (5, "relu")),
            output_layers=((7, activation),),
        )
    )
    x = 3 * torch.randn(4, 6, 3)
    assert_near(exported(network)(with_rubbish(x, LENGTHS), LENGTHS), network(x, LENGTHS))
    assert_near(exported(network, lengths=False)(x), network(x))


def test_steps_of_a_network_give_what_whole_sequences_do(exported):
    config = NetworkConfig("mine", (("lstm", 4), ("gru", 5)), input_size=3, output_layers=((6, "tanh"),))
    network = drawn(config)
    x = torch.randn(2, 5, 3)
    model = exported(network, stream=True)
    assert model.inputs == ["x", "layer1_h0", "layer1_c0", "layer2_h0"]
    state = (torch.zeros(2, 4), torch.zeros(2, 4), torch.zeros(2, 5))
    for t in range(5):
        logits, *after = model(x[:, t], None, state)
        state = tuple(map(torch.from_numpy, after))
        assert_near([logits], network(x[:, : t + 1]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"direction": "bidirectional"}, "its backward direction needs the end of the sequence"),
        ({"read": "mean"}, 'reads "mean", which is not its last output, so it cannot stream'),
    ],
)
def test_what_cannot_stream_is_refused_as_a_stream_does(exported, change, why):
    network = networks.build("seed-004", **change)
    with pytest.raises(UnrolledError, match=why):
        exported(network, stream=True)


KINDS = ("LSTM", "GRU", "RNN")


@pytest.mark.parametrize(
    ("kind", "both", "first"), list(itertools.product(KINDS, (False, True), (False, True)))
)
def test_layers_of_torch_keep_their_layout(exported, kind, both, first):
    options = {"proj_size": 2} if kind == "LSTM" and first else {}
    layers = getattr(nn, kind)(3, 5, num_layers=2, bidirectional=both, batch_first=first, **options)
    rows, directions = torch.randn(4, 6, 3), 2 if both else 1
    x = with_rubbish(rows, LENGTHS)
    state = [torch.randn(2 * directions, 4, 2 if options else 5)]
    state += [torch.randn(2 * directions, 4, 5)] if kind == "LSTM" else []
    came = exported(layers)(x if first else x.transpose(0, 1), LENGTHS, tuple(state))
    given = tuple(state) if kind == "LSTM" else state[0]
    drop_in = unrolled.accelerate(layers)
    expected = drop_in(rows if first else rows.transpose(0, 1), given, lengths=LENGTHS)
    assert_near(came, *expected)
    assert_near(exported(drop_in)(x if first else x.transpose(0, 1), LENGTHS, tuple(state)), *expected)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_a_cell_of_torch_is_a_step(exported, kind):
    cell = getattr(nn, kind)(3, 5)
    x, state = torch.randn(4, 3), torch.randn(4, 5)
    if kind == "LSTMCell":
        pair = (state, torch.randn(4, 5))
        h, c = cell(x, pair)
        assert_near(exported(cell)(x, None, pair), h, h, c)
    else:
        h = cell(x, state)
        assert_near(exported(cell)(x, None, state), h, h)


def test_a_forward_of_ones_own_is_not_looked_into(exported):
    class Mine(nn.GRU):
        def forward(self, x, hx=None):
            return super().forward(2 * x, hx)

    with pytest.raises(UnrolledError, match="Mine has a forward of its own, which is not looked into"):
        exported(Mine(3, 4))


def test_a_file_says_what_network_is_in_it(exported):
    network = networks.build("seed-004")
    model = exported(network, more={"classes": ["a", "b"], "author": "me"})
    said = {entry.key: entry.value for entry in model.proto.metadata_props}
    assert json.loads(said["network"]) == json.loads(json.dumps(dataclasses.asdict(network.config)))
    assert json.loads(said["classes"]) == ["a", "b"]
    assert (said["author"], said["form"]) == ("me", "sequences")
    assert (model.proto.producer_name, model.proto.producer_version) == ("unrolled", unrolled.__version__)


@pytest.mark.parametrize(
    "name",
    ["dense-around", "every-option", "bi-states", "single-layer-static-bi-lstm", "multi-layer-dynamic-mix"],
)
def test_what_tensorflow_wrote_computes_what_tensorflow_did(exported, tmp_path, name):
    results = kept.results("checkpoints.zip")
    x, expected = results[f"{name}/x"], results[f"{name}/output"]
    folder = kept.unpack("checkpoints.zip", tmp_path, name)
    network = tf1.import_checkpoint(folder / "model.ckpt").model.network().eval()
    (came,) = exported(network, lengths=False)(x)
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-5)


STRANGERS = {
    "Enny1991__TIDIGITS_task/model": {},
    "Pooja-AI__LSTM_TimeSeries_Analysis/model": {},
    "Woshiwzl1997__Signal-Frequency-Change-Detection-Based-on-LSTM/model": {"options": {"forget_bias": 1.0}},
    "infordio-naka__tf-training/rnn": {},
}


@pytest.mark.skipif(
    "UNROLLED_DATA_DIR" not in os.environ, reason="needs UNROLLED_DATA_DIR with tf1-checkpoints/"
)
@pytest.mark.parametrize("folder", STRANGERS)
def test_a_strangers_checkpoint_computes_what_tensorflow_s_equations_do(exported, folder):
    from tests.tf1.graphs.networks import test_strangers as strangers

    prefix = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-checkpoints" / folder / "model.ckpt"
    meta = prefix.with_name("model.ckpt.meta")
    variables = tf1.read_checkpoint(prefix)
    graph = strangers.Graph.read(meta) if meta.exists() else None
    model = tf1.find_model(variables, graph, **STRANGERS[folder])
    x = np.random.default_rng(5).normal(size=(6, 9, model.config.input_size)).astype("f4")
    wide = {name: value.astype("f8") for name, value in variables.items()}
    expected = strangers.NETWORKS[folder](wide, list(x.astype("f8").swapaxes(0, 1)))
    (came,) = exported(model.network().eval(), lengths=False)(x)
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


ONWARD = [
    name
    for name, config in CATALOGUE.items()
    if config.direction == "forward" and config.read in ("final", "last", "state")
]


@pytest.mark.parametrize("name", ONWARD)
def test_a_network_that_is_cut_goes_on_from_the_states_it_gave(exported, name):
    """Ragged: of the second part, what is left of each length."""
    network = networks.build(name).eval()
    x, lengths = torch.randn(4, 6, 28), np.array([6, 3, 2, 5])
    model = exported(network, states=True)
    widths = [axes[-1] for axes in (entry.shape for entry in model.session.get_inputs()[2:])]
    state = tuple(torch.zeros(4, width) for width in widths)
    _, *between = model(with_rubbish(x, lengths)[:, :2], lengths.clip(max=2), state)
    logits, *_ = model(with_rubbish(x, lengths)[:, 2:], lengths - 2, tuple(map(torch.from_numpy, between)))
    real = lengths > 2  # of a part without steps "last" reads nothing
    assert_near([logits[real]], network(x, lengths.tolist())[real])
    assert len(ONWARD) > 5
