"""The cells and loops of `tf.contrib` against TensorFlow 1.15's own (see make_tf1_contrib.py)."""

import numpy as np
import pytest
import torch

from tests.golden import variables
from tests.golden.drawn import draw, draw_ids
from tests.golden.kept import arrays, parts
from tests.tf1_catalogue import CELLS, I
from tests.tolerances import assert_close
from unrolled import tf1

N, T, H = 4, 5, 6
LENGTHS = [5, 2, 0, 1]

GOLDEN = arrays("tf1_contrib.npz")


def load(cell, name, scope="rnn", input_size=I, dtype=torch.float64):
    """Build a cell with the variables that TensorFlow had below `scope` in the case of that name."""
    cell.build(input_size, dtype)
    variables.load(cell, name, scope)
    return cell


def inputs_of(name, x):
    """What the loop of a case is given: images, times beside x, or x."""
    if name.startswith("conv"):
        shape = [4, 3, 2][: int(name[5])]
        images = torch.from_numpy(draw("images", 1, 1, *shape, I)).to(x.dtype)
        return x.view(N, T, *[1] * len(shape), I) * images
    if name.startswith("phased"):
        return torch.from_numpy(np.abs(draw("times", N, T, 1, scale=4.0)).cumsum(1)), x
    return x


def in_loop(name, cell, x, lengths):
    """The results of a case, in the order in which TensorFlow's are kept."""
    if name == "embedding":
        ids = torch.from_numpy(draw_ids("ids", N, T)).unbind(1)
        outputs, state = tf1.static_rnn(cell, ids, dtype=x.dtype, sequence_length=lengths)
        return torch.stack(outputs, 1) + 0 * x[:, :, :1], state
    if name == "state-saving":
        saver = {key: torch.from_numpy(draw(key, N, H)) for key in ("c", "h")}
        saved = {}
        states = type("Saver", (), {"state": saver.__getitem__, "save_state": saved.__setitem__})
        outputs, state = tf1.static_state_saving_rnn(
            cell, x.unbind(1), states, ("c", "h"), sequence_length=lengths
        )
        return torch.stack(outputs, 1), state, saved["c"], saved["h"]
    if name in ("adaptor", "reversed-tensor", "reversed-list", "lstm-fused", "lstm-fused-peephole-clip"):
        if name in ("adaptor", "reversed-tensor", "reversed-list"):
            cell = tf1.FusedRNNCellAdaptor(cell, use_dynamic_rnn=name == "reversed-tensor")
        if name.startswith("reversed"):
            cell = tf1.TimeReversedFusedRNN(cell)
        steps = x.transpose(0, 1)
        if name in ("adaptor", "reversed-list"):
            outputs, state = cell(list(steps.unbind(0)), dtype=x.dtype, sequence_length=lengths)
            return torch.stack(outputs, 1), state
        outputs, state = cell(steps, dtype=x.dtype, sequence_length=lengths)
        return outputs.transpose(0, 1), state
    return tf1.dynamic_rnn(cell, inputs_of(name, x), lengths, dtype=x.dtype)


SINGLE = (
    "lstm-block",
    "gru-block",
    "cudnn",
    "conv-3d",
    "phased",
    "lstm-fused",
)  # TensorFlow's had float32 alone


def case(name):
    """The cell, x, and the scope of its variables."""
    dtype = torch.float32 if name.startswith(SINGLE) else torch.float64
    scope = "" if name.startswith("lstm-fused") else "rnn"
    cell = load(CELLS[name](), name, scope, 1 if name == "embedding" else I, dtype)
    return cell, torch.from_numpy(draw("x", N, T, I, scale=1.0)).to(dtype), scope


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("kind", ["dense", "ragged"])
def test_outputs_and_states_are_tensorflows(name, kind):
    cell, x, _ = case(name)
    results = parts(in_loop(name, cell, x, LENGTHS if kind == "ragged" else None))
    assert f"{name}/{kind}/{len(results)}" not in GOLDEN
    for number, result in enumerate(results):
        assert_close(result, GOLDEN[f"{name}/{kind}/{number}"])


@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_tensorflows(name):
    cell, x, scope = case(name)
    x.requires_grad_()
    results = in_loop(name, cell, x, LENGTHS)
    variables.backward(results)
    variables.become_gradients(cell)
    variables.assert_gradients({"x": x.grad, **variables.named(cell, scope)}, GOLDEN, name)


@pytest.mark.parametrize("name", CELLS)
def test_variables_have_tensorflows_names_and_shapes(name):
    cell, _, scope = case(name)
    variables.assert_names(variables.named(cell, scope), GOLDEN, name)
