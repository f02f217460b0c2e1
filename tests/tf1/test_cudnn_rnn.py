"""The layers of cuDNN against their equations, written a second time in numpy, gate by gate."""

import numpy as np
import pytest
import torch

from tests.tolerances import assert_close
from unrolled import tf1
from unrolled.tf1 import cudnn_rnn

T, N, I, H, L = 5, 4, 3, 2, 2
LENGTHS = [5, 2, 0, 1]
KINDS = {
    "lstm": cudnn_rnn.CudnnLSTM,
    "gru": cudnn_rnn.CudnnGRU,
    "tanh": cudnn_rnn.CudnnRNNTanh,
    "relu": cudnn_rnn.CudnnRNNRelu,
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(kind, W, x, h, c):
    """One step of one sequence, from the canonical variables of a cell."""
    if kind == "lstm":
        i, j, f, o = np.split(np.concatenate([x, h]) @ W["kernel"] + W["bias"], 4)
        c = c * sigmoid(f) + sigmoid(i) * np.tanh(j)
        return np.tanh(c) * sigmoid(o), c
    if kind == "gru":
        r, u = np.split(sigmoid(np.concatenate([x, h]) @ W["gates/kernel"] + W["gates/bias"]), 2)
        of_x = x @ W["candidate/input_projection/kernel"] + W["candidate/input_projection/bias"]
        of_h = h @ W["candidate/hidden_projection/kernel"] + W["candidate/hidden_projection/bias"]
        return (1 - u) * np.tanh(of_x + r * of_h) + u * h, c
    total = np.concatenate([x, h]) @ W["kernel"] + W["bias"]
    return (np.tanh(total) if kind == "tanh" else np.maximum(total, 0)), c


def by_hand(kind, layer, x, state, lengths):
    """Outputs [T, N, dirs H] and final states [L dirs, N, H], sequence by sequence and step by step."""
    variables = {name: value.detach().numpy() for name, value in layer.variables.items()}
    scopes = list(dict.fromkeys(name[: name.rindex("_cell/") + 5] for name in variables))
    h_n, c_n = (np.array(part) for part in (state if len(state) == 2 else (state[0], state[0])))
    for number in range(L):
        outputs = np.zeros((T, N, layer.num_dirs * H))
        for direction in range(layer.num_dirs):
            place = number * layer.num_dirs + direction
            W = {
                name.removeprefix(f"{scopes[place]}/"): value
                for name, value in variables.items()
                if name.startswith(f"{scopes[place]}/")
            }
            for n, length in enumerate(lengths):
                h, c = h_n[place, n], c_n[place, n]
                for t in reversed(range(length)) if direction else range(length):
                    h, c = step(kind, W, x[t, n], h, c)
                    outputs[t, n, direction * H : (direction + 1) * H] = h
                h_n[place, n], c_n[place, n] = h, c
        x = outputs
    return x, h_n, c_n


def made(kind, direction):
    layer = KINDS[kind](L, H, direction=direction)
    layer.build(I, torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    count = L * layer.num_dirs
    state = tuple(torch.randn(count, N, H).double() for _ in range(2 if kind == "lstm" else 1))
    return layer, torch.randn(T, N, I).double(), state


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["unidirectional", "bidirectional"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["dense", "ragged"])
def test_a_layer_computes_its_equations(kind, direction, lengths):
    layer, x, state = made(kind, direction)
    outputs, finals = layer(x, state, lengths)
    expected, h_n, c_n = by_hand(kind, layer, x.numpy(), [part.numpy() for part in state], lengths or [T] * N)
    assert_close(outputs, expected)
    assert_close(list(finals), [h_n, c_n] if kind == "lstm" else [h_n])
    batch_first, _ = layer(x.transpose(0, 1), state, lengths, time_major=False)
    assert_close(batch_first.transpose(0, 1), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_differences(kind):
    layer, x, state = made(kind, "bidirectional")
    tensors = (x.requires_grad_(), *layer.parameters())

    def loss(*_):
        outputs, finals = layer(x, state, LENGTHS)
        return outputs.sin().sum() + sum(part.cos().sum() for part in finals)

    assert torch.autograd.gradcheck(loss, tensors, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "cell"), [("lstm", "CudnnCompatibleLSTMCell"), ("gru", "CudnnCompatibleGRUCell")]
)
def test_the_compatible_cells_read_a_layers_variables(kind, cell):
    layer, x, _ = made(kind, "unidirectional")
    stack = tf1.MultiRNNCell([getattr(cudnn_rnn, cell)(H) for _ in range(L)])
    stack.build(I, torch.float64)
    prefix = f"cudnn_{kind}/rnn/"
    stack.assign({name.removeprefix(prefix): value for name, value in layer.variables.items()})
    expected, _ = layer(x, sequence_lengths=LENGTHS)
    outputs, _ = tf1.dynamic_rnn(stack, x, LENGTHS, dtype="float64", time_major=True)
    assert_close(outputs, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["unidirectional", "bidirectional"])
def test_variables_go_out_and_come_back(kind, direction):
    source, x, state = made(kind, direction)
    target = KINDS[kind](L, H, direction=direction)
    assert target.shapes(I) == {name: tuple(value.shape) for name, value in source.variables.items()}
    target.build(I, torch.float64)
    target.assign({name: value.detach().numpy() for name, value in source.variables.items()})
    assert_close(target(x, state)[0], source(x, state)[0])
    assert_close(list(target.variables.values()), list(source.variables.values()))


def test_dropout_is_between_layers_and_while_training_only():
    layer = cudnn_rnn.CudnnLSTM(2, 64, dropout=0.5)
    x = torch.randn(3, 2, I)
    layer(x)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    assert torch.equal(layer(x, training=False)[0], layer(x, training=False)[0])
    single = cudnn_rnn.CudnnLSTM(1, 8, dropout=0.5)
    assert torch.equal(single(x)[0], single(x)[0])


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="unknown direction 'both'"):
        cudnn_rnn.CudnnGRU(1, 2, direction="both")
    for mode in ("skip_input", "auto_select"):
        with pytest.raises(ValueError, match=f"with input_mode '{mode}' and 3 inputs the first layer has no"):
            cudnn_rnn.CudnnGRU(1, 3, input_mode=mode)(torch.zeros(2, 2, 3))
    layer = cudnn_rnn.CudnnLSTM(1, 2)
    with pytest.raises(ValueError, match=r"inputs has shape \[2, 3\], expected \[T, N, I\]"):
        layer(torch.zeros(2, 3))
    with pytest.raises(TypeError, match="initial_state is a Tensor, expected a tuple"):
        layer(torch.zeros(5, 4, 3), torch.zeros(1, 4, 2))
    with pytest.raises(
        ValueError, match=r"initial_state has shapes \[\[1, 3, 2\]\], expected \[\[1, 4, 2\], "
    ):
        layer(torch.zeros(5, 4, 3), (torch.zeros(1, 3, 2),))
