"""Our cells and unrollings against what TensorFlow 1's compute, from its weights (see make_tensorflow.py)."""

import numpy as np
import pytest
import torch
from numpy import ndarray

from tests.golden.kept import arrays
from tests.golden.named_cells import H, I, K, P
from tests.tolerances import assert_close
from unrolled import (
    Cell,
    GRUCell,
    LSTMCell,
    LSTMState,
    ResidualCell,
    RNNCell,
    StackedCell,
    bidirectional_unroll,
    dynamic_unroll,
    static_unroll,
)

GOLDEN = arrays("tensorflow.npz")

X = torch.from_numpy(GOLDEN["x"])
LENGTHS = torch.from_numpy(GOLDEN["lengths"])

CELLS = {
    "basic-rnn": lambda: RNNCell(I, H),
    "basic-lstm": lambda: LSTMCell(I, H, forget_bias=1.0),
    "basic-lstm-forget-bias": lambda: LSTMCell(I, H, forget_bias=0.3),
    "lstm-relu": lambda: LSTMCell(I, H, forget_bias=1.0, activation="relu"),
    "lstm-peephole": lambda: LSTMCell(I, H, forget_bias=1.0, peephole=True),
    "lstm-cell-clip": lambda: LSTMCell(I, H, forget_bias=1.0, cell_clip=0.4),
    "lstm-projection": lambda: LSTMCell(I, H, forget_bias=1.0, proj_size=P),
    "lstm-projection-clip": lambda: LSTMCell(I, H, forget_bias=1.0, proj_size=P, proj_clip=0.2),
    "lstm-every-option": lambda: LSTMCell(
        I,
        H,
        forget_bias=0.3,
        activation="softsign",
        peephole=True,
        cell_clip=0.4,
        proj_size=P,
        proj_clip=0.2,
    ),
    "gru": lambda: GRUCell(I, H, reset="before"),
    "stack": lambda: StackedCell([LSTMCell(I, H, forget_bias=1.0), GRUCell(H, K, reset="before")]),
    "residual": lambda: ResidualCell(LSTMCell(I, H, forget_bias=1.0, proj_size=I)),
}


def load(cell: Cell, scope: str) -> Cell:
    """Give a cell the variables that TensorFlow has below `scope`: joint kernels [I + H, gates H]."""
    cell = cell.double()

    def variable(name: str) -> torch.Tensor:
        (value,) = (GOLDEN[key] for key in GOLDEN if key.startswith(f"{scope}/") and key.endswith(name))
        return torch.from_numpy(value)

    if isinstance(cell, StackedCell):
        for layer, part in enumerate(cell.cells):
            load(part, f"{scope}/rnn/multi_rnn_cell/cell_{layer}")
        return cell
    if isinstance(cell, ResidualCell):
        load(cell.cell, scope)
        return cell

    if isinstance(cell, LSTMCell):
        # TensorFlow's j is our g, and it stands before f.
        i, j, f, o = variable("lstm_cell/kernel").chunk(4, dim=1)
        kernel = torch.cat([i, f, j, o], dim=1)
        i, j, f, o = variable("lstm_cell/bias").chunk(4)
        bias = torch.cat([i, f, j, o])
    elif isinstance(cell, GRUCell):
        kernel = torch.cat([variable("gates/kernel"), variable("candidate/kernel")], dim=1)
        bias = torch.cat([variable("gates/bias"), variable("candidate/bias")])
    else:
        kernel, bias = variable("rnn_cell/kernel"), variable("rnn_cell/bias")
    W, U = kernel.T[:, : cell.input_size], kernel.T[:, cell.input_size :]
    weights = {"weight_ih": W, "weight_hh": U, "bias_ih": bias, "bias_hh": torch.zeros_like(bias)}
    if isinstance(cell, LSTMCell) and cell.peephole:
        weights |= {f"weight_c{gate}": variable(f"w_{gate}_diag") for gate in "ifo"}
    if isinstance(cell, LSTMCell) and cell.proj_size:
        weights["weight_hr"] = variable("projection/kernel").T
    cell.load_state_dict(weights)
    return cell


def read_state(cell: Cell, flat: list[ndarray]):
    """The state of `cell` from TensorFlow's list of arrays, in which c comes before h."""
    if isinstance(cell, StackedCell):
        return tuple(read_state(part, flat) for part in cell.cells)
    if isinstance(cell.state_size, LSTMState):
        c, h = flat.pop(0), flat.pop(0)
        return LSTMState(torch.from_numpy(h), torch.from_numpy(c))
    return torch.from_numpy(flat.pop(0))


def recorded(name: str, what: str) -> list[ndarray]:
    return [value for key, value in GOLDEN.items() if key.startswith(f"{name}/{what}/")]


@pytest.mark.parametrize("name", CELLS)
def test_dynamic_unroll_computes_what_dynamic_rnn_does(name):
    cell = load(CELLS[name](), name)
    outputs, final = dynamic_unroll(cell, X, LENGTHS, read_state(cell, recorded(name, "initial")))
    assert_close(outputs, recorded(name, "outputs")[0])
    assert_close(final, read_state(cell, recorded(name, "final")))


def test_static_unroll_computes_what_static_rnn_does():
    cell = load(CELLS["stack"](), "static-stack")
    outputs, final = static_unroll(
        cell, X.unbind(1), LENGTHS, read_state(cell, recorded("static-stack", "initial"))
    )
    assert_close(torch.stack(outputs, 1), recorded("static-stack", "outputs")[0])
    assert_close(final, read_state(cell, recorded("static-stack", "final")))


def test_the_default_initial_state_is_that_of_tensorflow():
    cell = load(CELLS["stack"](), "whole-stack")
    outputs, final = dynamic_unroll(cell, X)
    assert_close(outputs, recorded("whole-stack", "outputs")[0])
    assert_close(final, read_state(cell, recorded("whole-stack", "final")))


def test_bidirectional_unroll_computes_what_bidirectional_dynamic_rnn_does():
    forward = load(LSTMCell(I, H, forget_bias=1.0), "bidirectional/bidirectional_rnn/fw")
    backward = load(GRUCell(I, P, reset="before"), "bidirectional/bidirectional_rnn/bw")

    def states(what):
        flat = recorded("bidirectional", what)
        return read_state(forward, flat), read_state(backward, flat)

    outputs, finals = bidirectional_unroll(forward, backward, X, LENGTHS, states("initial"))
    assert_close(outputs, recorded("bidirectional", "outputs")[0])
    assert_close(finals, states("final"))


def test_a_state_of_one_tensor_is_c_beside_h():
    cell = load(LSTMCell(I, H, forget_bias=1.0), "basic-lstm-one-tensor")
    c, h = torch.from_numpy(recorded("basic-lstm-one-tensor", "initial")[0]).chunk(2, dim=1)
    outputs, final = dynamic_unroll(cell, X, LENGTHS, LSTMState(h, c))
    assert_close(outputs, recorded("basic-lstm-one-tensor", "outputs")[0])
    assert_close(torch.cat([final.c, final.h], dim=1), recorded("basic-lstm-one-tensor", "final")[0])


def test_the_clips_of_the_golden_numbers_bite():
    assert (np.abs(recorded("lstm-cell-clip", "final")[0]) == 0.4).any()
    assert (np.abs(recorded("lstm-projection-clip", "outputs")[0]) == 0.2).any()


def test_the_golden_numbers_name_the_tensorflow_that_made_them():
    assert str(GOLDEN["tensorflow"]) == "2.21.0"
