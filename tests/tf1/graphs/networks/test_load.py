"""Variables of a checkpoint into a cell, by scope."""

import numpy as np
import pytest
import torch

from tests import catalogue
from tests.tolerances import assert_equal
from unrolled import (
    DropoutCell,
    GRUCell,
    HighwayCell,
    LSTMCell,
    ResidualCell,
    RNNCell,
    StackedCell,
    UnrolledError,
)
from unrolled.tf1 import load_variables
from unrolled.tf1.rnn import gate_layout

I, H, K = 3, 4, 6


def named(cell, scope):
    return {f"{scope}/{name}": value.numpy() for name, value in gate_layout.variables(cell).items()}


def same(cell, other):
    for (name, value), expected in zip(cell.state_dict().items(), other.state_dict().values(), strict=True):
        if not name.endswith(("bias_ih", "bias_hh")):
            assert_equal(value, expected)


def randomised(cell):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_(generator=generator)
    return cell


STACK = [
    lambda: LSTMCell(I, H, peephole=True),
    lambda: DropoutCell(GRUCell(H, K, reset="before"), output=0.5),
    lambda: ResidualCell(RNNCell(K, K)),
]
NAMES = {
    "first era": ("RNN/MultiRNNCell/Cell{}", ["LSTMCell", "GRUCell", "BasicRNNCell"]),
    "today": ("rnn/multi_rnn_cell/cell_{}", ["lstm_cell", "gru_cell", "basic_rnn_cell"]),
    "no level": ("rnn/cell_{}", ["lstm_cell", "gru_cell", "basic_rnn_cell"]),
    "own names": ("rnn/multi_rnn_cell/cell_{}", ["one", "two", "three"]),
}
FIRST_ERA = {
    "LSTMCell/kernel": "LSTMCell/W_0",
    "LSTMCell/bias": "LSTMCell/B",
    "w_i_diag": "W_I_diag",
    "w_f_diag": "W_F_diag",
    "w_o_diag": "W_O_diag",
    "gates/kernel": "Gates/Linear/Matrix",
    "gates/bias": "Gates/Linear/Bias",
    "candidate/kernel": "Candidate/Linear/Matrix",
    "candidate/bias": "Candidate/Linear/Bias",
    "BasicRNNCell/kernel": "BasicRNNCell/Linear/Matrix",
    "BasicRNNCell/bias": "BasicRNNCell/Linear/Bias",
}


@pytest.mark.parametrize("era", NAMES)
def test_a_stack_of_wrapped_cells_is_taken_apart(era):
    source = randomised(StackedCell([make() for make in STACK]))
    level, classes = NAMES[era]
    variables = {}
    for layer, name in enumerate(classes):
        cell = source.cells[layer]
        cell = getattr(cell, "cell", cell)
        variables |= named(cell, f"{level.format(layer)}/{name}")
    if era == "first era":
        for new, old in FIRST_ERA.items():
            variables = {name.replace(new, old): value for name, value in variables.items()}
    target = StackedCell([make() for make in STACK])
    load_variables(target, variables, scope="RNN" if era == "first era" else "rnn")
    same(target, source)


def test_both_directions_are_found_by_their_scopes():
    cells = {direction: catalogue.make("lstm") for direction in ("fw", "bw")}
    with torch.no_grad():
        cells["bw"].weight_ih.add_(1)
    variables = {}
    for direction, cell in cells.items():
        variables |= named(cell, f"net/bidirectional_rnn/{direction}/basic_lstm_cell")
    for direction, cell in cells.items():
        target = LSTMCell(catalogue.I, catalogue.H).double()
        load_variables(target, variables, scope=f"net/bidirectional_rnn/{direction}")
        same(target, cell)


def test_a_highway_s_gate_and_its_cell_are_found():
    source = randomised(HighwayCell(GRUCell(H, H, reset="before")))
    variables = named(source, "rnn") | named(source.cell, "rnn/gru_cell")
    target = HighwayCell(GRUCell(H, H, reset="before"))
    load_variables(target, variables, "rnn")
    same(target, source)


def test_shards_of_a_matrix_are_put_together():
    source = randomised(LSTMCell(I, H))
    kernel = gate_layout.variables(source)["kernel"].numpy()
    variables = {f"RNN/LSTMCell/W_{n}": part for n, part in enumerate(np.array_split(kernel, 3))}
    variables["RNN/LSTMCell/B"] = gate_layout.variables(source)["bias"].numpy()
    target = LSTMCell(I, H)
    load_variables(target, variables, "RNN")
    same(target, source)


def test_what_does_not_fit_is_explained():
    variables = named(randomised(LSTMCell(I, H)), "rnn/basic_lstm_cell")
    with pytest.raises(
        UnrolledError, match=r"rnn: weight_hh would be \[16, 3\], expected \[16, 4\]: the cell has other"
    ):
        load_variables(LSTMCell(I, H), {**variables, "rnn/basic_lstm_cell/kernel": np.zeros((6, 16))})
    with pytest.raises(
        UnrolledError, match="rnn: a LSTMCell needs the variable w_f_diag, and there are only"
    ):
        load_variables(LSTMCell(I, H, peephole=True), variables)
    message = (
        "encoder: it has no variables kernel of a LSTMCell, expected one; the checkpoint has rnn/basic_lstm"
    )
    with pytest.raises(UnrolledError, match=message):
        load_variables(LSTMCell(I, H), variables, scope="encoder")
    with pytest.raises(UnrolledError, match="rnn has no cell_0, expected one for each of 1 layers"):
        load_variables(StackedCell([LSTMCell(I, H)]), variables)
    twice = variables | named(randomised(LSTMCell(I, H)), "rnn/lstm_cell")
    with pytest.raises(UnrolledError, match="it has 2 variables kernel of a LSTMCell"):
        load_variables(LSTMCell(I, H), twice)
