"""Four checkpoints that strangers trained, imported; TensorFlow's equations in numpy are the judge."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled import UnrolledError, tf1
from unrolled.tf1.graphs.networks.definition import Graph

pytestmark = pytest.mark.skipif(
    "UNROLLED_DATA_DIR" not in os.environ, reason="needs UNROLLED_DATA_DIR with tf1-checkpoints/"
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(steps, kernel, bias, forget_bias):
    width = len(bias) // 4
    h = c = np.zeros((len(steps[0]), width))
    for x in steps:
        i, j, f, o = np.split(np.concatenate([x, h], 1) @ kernel + bias, 4, axis=1)
        c = c * sigmoid(f + forget_bias) + sigmoid(i) * np.tanh(j)
        h = np.tanh(c) * sigmoid(o)
        yield h


def gru(steps, gates, gates_bias, candidate, candidate_bias):
    h = np.zeros((len(steps[0]), len(candidate_bias)))
    for x in steps:
        r, u = np.split(sigmoid(np.concatenate([x, h], 1) @ gates + gates_bias), 2, axis=1)
        h = u * h + (1 - u) * np.tanh(np.concatenate([x, r * h], 1) @ candidate + candidate_bias)
        yield h


def three_grus(v, steps):
    for layer in range(3):
        cell = f"rnn/multi_rnn_cell/cell_{layer}/gru_cell"
        names = ("gates/weights", "gates/biases", "candidate/weights", "candidate/biases")
        steps = list(gru(steps, *(v[f"{cell}/{name}"] for name in names)))
    return steps[-1] @ v["Variable"] + v["Variable_1"]


def one_lstm(v, steps):
    cell = "rnn/basic_lstm_cell"
    *_, h = lstm(steps, v[f"{cell}/kernel"], v[f"{cell}/bias"], 1.0)
    return h @ v["W_out"] + v["b_out"]


def two_lstms(v, steps):
    for layer in range(2):
        cell = f"model/rnn/multi_rnn_cell/cell_{layer}/basic_lstm_cell"
        steps = list(lstm(steps, v[f"{cell}/kernel"], v[f"{cell}/bias"], 1.0))
    hidden = steps[-1] @ v["model/dense/kernel"] + v["model/dense/bias"]
    return hidden @ v["model/dense_1/kernel"] + v["model/dense_1/bias"]


def lstm_of_the_first_era(v, steps):
    steps = [x @ v["inference/weight1"] + v["inference/bias1"] for x in steps]
    cell = "RNN/BasicLSTMCell/Linear"
    *_, h = lstm(steps, v[f"{cell}/Matrix"], v[f"{cell}/Bias"], 0.8)
    return h @ v["inference/weight2"] + v["inference/bias2"]


NETWORKS = {
    "Enny1991__TIDIGITS_task/model": three_grus,
    "Pooja-AI__LSTM_TimeSeries_Analysis/model": one_lstm,
    "Woshiwzl1997__Signal-Frequency-Change-Detection-Based-on-LSTM/model": two_lstms,
    "infordio-naka__tf-training/rnn": lstm_of_the_first_era,
}


@pytest.mark.parametrize("folder", NETWORKS)
def test_a_stranger_s_network_computes_what_tensorflow_s_equations_do(folder):
    prefix = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-checkpoints" / folder / "model.ckpt"
    meta = prefix.with_name("model.ckpt.meta")
    variables = tf1.read_checkpoint(prefix)
    model = tf1.find_model(variables, Graph.read(meta) if meta.exists() else None)
    if not meta.exists():
        assert model.asks_forget_bias
        model = tf1.find_model(variables, options={"forget_bias": 1.0})
    x = np.random.default_rng(5).normal(size=(6, 9, model.config.input_size))
    expected = NETWORKS[folder](
        {name: value.astype("f8") for name, value in variables.items()}, list(x.swapaxes(0, 1))
    )
    with torch.no_grad():
        came = model.network().double()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("folder", NETWORKS)
def test_a_stranger_s_checkpoint_is_written_back_byte_for_byte(folder, tmp_path):
    prefix = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-checkpoints" / folder / "model.ckpt"
    tf1.write_checkpoint(tmp_path / "model.ckpt", tf1.read_checkpoint(prefix))
    for piece in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        assert (tmp_path / piece).read_bytes() == prefix.with_name(piece).read_bytes()


WITH_GRAPHS = sorted(set(NETWORKS) - {"Woshiwzl1997__Signal-Frequency-Change-Detection-Based-on-LSTM/model"})


@pytest.mark.parametrize("folder", WITH_GRAPHS)
def test_a_stranger_s_graph_proves_the_network(folder):
    prefix = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-checkpoints" / folder / "model.ckpt"
    assert tf1.import_checkpoint(prefix).proof is not None


# What no run can hold: a state to begin with that is trained, two vectors of one layer side by side, gates of
# straight lines.
REFUSED = {
    "nonzero_init": "c0 has no place among",
    "two_outputs_concat": "fc/W has no place among",
    "keras_lstm": "they part at lstm/strided_slice_3:0",
}


def graphs():
    if "UNROLLED_DATA_DIR" not in os.environ:
        return []
    return sorted(path.stem for path in (Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-graphs").glob("*.npz"))


@pytest.mark.parametrize("name", graphs())
def test_a_graph_becomes_its_network_or_is_refused(name):
    folder = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-graphs"
    if name in REFUSED:
        with pytest.raises(UnrolledError, match=REFUSED[name]):
            tf1.import_checkpoint(folder / f"{name}.ckpt")
        return
    imported = tf1.import_checkpoint(folder / f"{name}.ckpt")
    assert imported.proof is not None
    with np.load(folder / f"{name}.npz") as file, torch.no_grad():
        came = imported.model.network()(torch.from_numpy(file["x"])).numpy()
        np.testing.assert_allclose(came, file["y"], rtol=0, atol=1e-5 * np.abs(file["y"]).max())


def test_most_graphs_become_their_networks():
    assert len(set(graphs()) - set(REFUSED)) >= 16
