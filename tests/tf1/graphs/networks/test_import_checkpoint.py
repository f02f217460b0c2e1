"""Checkpoints without a graph: cuDNN's names, moving averages, half precision, and what is doubtful."""

import numpy as np
import pytest
import torch

from tests.tolerances import assert_close
from unrolled import UnrolledError, tf1

N, T, I, H, C = 3, 5, 2, 4, 6
random = np.random.default_rng(6)


def arrays(**shapes):
    """Random arrays of these shapes; two underscores stand for a slash."""
    return {
        name.replace("__", "/"): random.normal(scale=0.7, size=shape).astype("f4")
        for name, shape in shapes.items()
    }


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def imported(variables, tmp_path, **choices):
    tf1.write_checkpoint(tmp_path / "model.ckpt", variables)
    return tf1.import_checkpoint(tmp_path / "model.ckpt", **choices).model


def answer(model, x):
    with torch.no_grad():
        return model.network()(torch.from_numpy(x))


def lstm(x, kernel, bias):
    """cuDNN's: gates i, j, f, o, nothing added inside the forget gate."""
    h = c = np.zeros((len(x), len(bias) // 4))
    for step in x.swapaxes(0, 1):
        i, j, f, o = np.split(np.concatenate([step, h], 1) @ kernel + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(j)
        h = sigmoid(o) * np.tanh(c)
        yield h


def gru(x, gates, gates_bias, w, b_w, u, b_u):
    """cuDNN's: the reset gate multiplies the product with h and its bias."""
    h = np.zeros((len(x), len(b_w)))
    for step in x.swapaxes(0, 1):
        r, z = np.split(sigmoid(np.concatenate([step, h], 1) @ gates + gates_bias), 2, axis=1)
        n = np.tanh(step @ w + b_w + r * (h @ u + b_u))
        h = (1 - z) * n + z * h
        yield h


X = random.normal(size=(N, T, I)).astype("f4")


def test_cudnn_s_lstms_of_two_layers_are_imported_from_their_canonical_names(tmp_path):
    home = "cudnn_lstm/rnn/multi_rnn_cell/cell_{}/cudnn_compatible_lstm_cell/"
    v = {}
    for layer, size in enumerate((I, H)):
        shapes = {"kernel": (size + H, 4 * H), "bias": (4 * H,)}
        v |= arrays(**{home.format(layer) + name: shape for name, shape in shapes.items()})
    v |= arrays(W=(H, C), b=(C,))
    x = X
    for layer in range(2):
        names = (home.format(layer) + "kernel", home.format(layer) + "bias")
        x = np.stack(list(lstm(x, *(v[name] for name in names))), axis=1)
    model = imported(v, tmp_path)
    assert model.config.layers == (("lstm", H, {"forget_bias": 0.0}),) * 2
    assert_close(answer(model, X), (x[:, -1] @ v["W"] + v["b"]).astype("f4"))


def test_cudnn_s_gru_resets_after_the_product(tmp_path):
    home = "cudnn_gru/rnn/multi_rnn_cell/cell_0/cudnn_compatible_gru_cell"
    shapes = {
        "gates/kernel": (I + H, 2 * H),
        "gates/bias": (2 * H,),
        "candidate/input_projection/kernel": (I, H),
        "candidate/input_projection/bias": (H,),
        "candidate/hidden_projection/kernel": (H, H),
        "candidate/hidden_projection/bias": (H,),
    }
    v = arrays(**{f"{home}/{name}": shape for name, shape in shapes.items()}) | arrays(W=(H, C), b=(C,))
    *_, h = gru(X, *(v[f"{home}/{name}"] for name in shapes))
    model = imported(v, tmp_path)
    assert model.config.layers == (("gru", H, {"reset": "after"}),)
    assert_close(answer(model, X), (h @ v["W"] + v["b"]).astype("f4"))
    del v[f"{home}/candidate/hidden_projection/bias"]
    (tmp_path / "less").mkdir()
    with pytest.raises(UnrolledError, match="is named like cuDNN's GRU, but its variables are"):
        imported(v, tmp_path / "less")


def test_cudnn_s_two_directions_are_imported(tmp_path):
    home = "cudnn_lstm/stack_bidirectional_rnn/cell_0/bidirectional_rnn/{}/cudnn_compatible_lstm_cell/"
    v = arrays(W=(2 * H, C), b=(C,))
    for way in ("fw", "bw"):
        v |= arrays(**{home.format(way) + "kernel": (I + H, 4 * H), home.format(way) + "bias": (4 * H,)})
    model = imported(v, tmp_path, read="final")
    assert (model.config.direction, model.asks_forget_bias) == ("bidirectional", False)
    *_, f = lstm(X, v[home.format("fw") + "kernel"], v[home.format("fw") + "bias"])
    *_, b = lstm(X[:, ::-1], v[home.format("bw") + "kernel"], v[home.format("bw") + "bias"])
    assert_close(answer(model, X), (np.concatenate([f, b], 1) @ v["W"] + v["b"]).astype("f4"))


def test_opaque_parameters_are_refused_by_name(tmp_path):
    with pytest.raises(UnrolledError, match="cudnn_lstm/opaque_kernel belongs to a opaque_kernel"):
        imported(arrays(cudnn_lstm__opaque_kernel=(99,)), tmp_path)


def plain():
    return arrays(rnn__basic_lstm_cell__kernel=(I + H, 4 * H), rnn__basic_lstm_cell__bias=(4 * H,)) | arrays(
        W=(H, C), b=(C,)
    )


ONE = {"options": {"forget_bias": 1.0}}


def test_moving_averages_alone_are_imported_in_the_place_of_their_variables(tmp_path):
    v = plain()
    expected = answer(imported(v, tmp_path, **ONE), X)
    shadows = {f"{name}/ExponentialMovingAverage": value for name, value in v.items()}
    (tmp_path / "shadows").mkdir()
    model = imported(shadows | {"global_step": np.int64(3)}, tmp_path / "shadows", **ONE)
    assert_close(answer(model, X), expected)
    assert model.describe()[0].startswith("rnn/basic_lstm_cell/kernel/ExponentialMovingAverage: LSTM 2 → 4")


def test_moving_averages_beside_their_variables_stay_out(tmp_path):
    v = plain()
    shadows = {f"{name}/ExponentialMovingAverage": value + 1 for name, value in v.items()}
    with torch.no_grad():
        both = answer(imported(v | shadows, tmp_path, **ONE), X)
        (tmp_path / "own").mkdir()
        assert_close(both, answer(imported(v, tmp_path / "own", **ONE), X))


def test_half_precision_is_imported_as_float32(tmp_path):
    v = {name: value.astype("f2") for name, value in plain().items()}
    model = imported(v, tmp_path, **ONE)
    (tmp_path / "whole").mkdir()
    whole = {name: value.astype("f4") for name, value in v.items()}
    assert_close(answer(model, X), answer(imported(whole, tmp_path / "whole", **ONE), X))


def test_an_encoder_and_a_decoder_are_no_stack(tmp_path):
    v = {}
    for part in ("encoder", "decoder"):
        v |= arrays(**{f"{part}/rnn/gru_cell/{name}": shape for name, shape in GRU.items()})
    message = r"decoder/rnn/gru_cell \(GRU 4 → 4\), encoder/rnn/gru_cell \(GRU 4 → 4\): nothing says"
    with pytest.raises(UnrolledError, match=message):
        imported(v, tmp_path)
    (tmp_path / "one").mkdir()
    assert imported(v, tmp_path / "one", scope="encoder/").config.layers == (("gru", H),)


GRU = {
    "gates/kernel": (2 * H, 2 * H),
    "gates/bias": (2 * H,),
    "candidate/kernel": (2 * H, H),
    "candidate/bias": (H,),
}


def test_scopes_that_only_numbers_tell_apart_are_a_stack(tmp_path):
    v = {}
    for layer in range(3):
        v |= arrays(**{f"layer_{layer}/rnn/gru_cell/{name}": shape for name, shape in GRU.items()})
    assert imported(v, tmp_path).config.layers == (("gru", H),) * 3


def test_an_embedding_as_wide_as_the_classes_stands_before_the_cells(tmp_path):
    v = arrays(rnn__basic_lstm_cell__kernel=(2 * H, 4 * H), rnn__basic_lstm_cell__bias=(4 * H,))
    v |= arrays(embedding=(C, H), fc__W=(H, C), fc__b=(C,))
    model = imported(v, tmp_path, **ONE)
    assert [line.rpartition(": ")[2] for line in model.describe()] == [
        "embedding 6 → 4",
        "LSTM 4 → 4",
        "dense 4 → 6",
    ]
