"""TensorFlow 1's cells by their names and arguments, with the numbers that test_tensorflow.py has too."""

import pytest
import torch

from tests.golden.kept import arrays
from tests.golden.named_cells import H, I, P, cells
from tests.tolerances import assert_close
from unrolled import tf1
from unrolled.cells.state import map_state

GOLDEN = arrays("tensorflow.npz")

X = torch.from_numpy(GOLDEN["x"])
LENGTHS = GOLDEN["lengths"].tolist()

CELLS = cells(tf1)


def load(cell, name, scope):
    cell.build(I, torch.float64)
    cell.assign({key: GOLDEN[f"{name}/{scope}/{key}"] for key in cell.variables})
    return cell


def state_of(cell, name, what):
    flat = iter([value for key, value in GOLDEN.items() if key.startswith(f"{name}/{what}/")])
    return map_state(lambda size: torch.from_numpy(next(flat)), cell.state_size)


def single(value):
    return map_state(lambda part: part.float(), value)


@pytest.mark.parametrize("name", CELLS)
def test_dynamic_rnn_equals_tensorflows(name):
    cell = load(CELLS[name](), name, "rnn")
    initial, final = state_of(cell, name, "initial"), state_of(cell, name, "final")
    expected = torch.from_numpy(GOLDEN[f"{name}/outputs/0"])
    outputs, state = tf1.dynamic_rnn(cell, X, LENGTHS, initial)
    assert_close(outputs, expected)
    assert_close(state, final)
    assert type(state) is type(final)

    outputs, state = tf1.dynamic_rnn(cell.float(), X.float(), LENGTHS, single(initial))
    assert_close(outputs, expected.float())
    assert_close(state, single(final))


@pytest.mark.parametrize("name", CELLS)
def test_a_step_by_hand_is_the_first_step_of_the_loop(name):
    cell = load(CELLS[name](), name, "rnn")
    output, _ = cell(X[:, 0], state_of(cell, name, "initial"))
    running = torch.tensor(LENGTHS) > 0
    assert_close(output[running], torch.from_numpy(GOLDEN[f"{name}/outputs/0"])[running, 0])


def test_static_rnn_equals_tensorflows():
    cell = load(CELLS["stack"](), "static-stack", "rnn")
    initial = state_of(cell, "static-stack", "initial")
    outputs, state = tf1.static_rnn(cell, X.unbind(1), initial, sequence_length=LENGTHS)
    assert_close(torch.stack(outputs, 1), GOLDEN["static-stack/outputs/0"])
    assert_close(state, state_of(cell, "static-stack", "final"))


@pytest.mark.parametrize("time_major", [False, True])
def test_bidirectional_dynamic_rnn_equals_tensorflows(time_major):
    forward = load(tf1.BasicLSTMCell(H), "bidirectional", "bidirectional_rnn/fw")
    backward = load(tf1.GRUCell(P), "bidirectional", "bidirectional_rnn/bw")

    def states(what):
        flat = [torch.from_numpy(GOLDEN[f"bidirectional/{what}/{number}"]) for number in range(3)]
        return tf1.LSTMStateTuple(flat[0], flat[1]), flat[2]

    x = X.transpose(0, 1) if time_major else X
    outputs, finals = tf1.bidirectional_dynamic_rnn(
        forward, backward, x, LENGTHS, *states("initial"), time_major=time_major
    )
    outputs = torch.cat(outputs, 2)
    assert_close(outputs.transpose(0, 1) if time_major else outputs, GOLDEN["bidirectional/outputs/0"])
    assert_close(finals, states("final"))
