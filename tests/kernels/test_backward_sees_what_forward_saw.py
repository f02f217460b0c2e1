"""Between forward and backward the caller may change anything: lengths, the instruction set, the outputs."""

import numpy as np
import pytest
import torch

import unrolled
from tests.kernels.layers import as_leaves, make_layer
from tests.tolerances import assert_equal
from unrolled import GRUCell, LSTMCell, RNNCell, dynamic_unroll, isa
from unrolled.kernels import ops

pytestmark = pytest.mark.skipif(isa.active() == isa.REFERENCE, reason=isa.explain())

N, T, I, H = 3, 40, 4, 21
OPERATOR = torch.ops.unrolled.unroll
LENGTHS = [40, 7, 0]
CELLS = {"lstm": LSTMCell, "gru": GRUCell, "rnn": RNNCell}


@pytest.fixture(params=list(CELLS))
def cell(request):
    return CELLS[request.param](I, H)


def gradients(cell, x, lengths, meanwhile=lambda outputs: outputs, **options):
    outputs, *_ = dynamic_unroll(cell, x, lengths, **options)
    outputs = meanwhile(outputs)
    return torch.autograd.grad(outputs.square().sum(), list(cell.parameters()))


@pytest.mark.parametrize("recompute_gates", [False, True])
@pytest.mark.parametrize("kind", ["array", "tensor", "tensor of an array"])
def test_lengths_that_change_leave_the_gradient_as_it_was(kind, recompute_gates, cell):
    x, given = torch.randn(N, T, I), np.array(LENGTHS)
    lengths = {"array": given, "tensor": torch.tensor(LENGTHS), "tensor of an array": torch.from_numpy(given)}

    def change(outputs):
        lengths[kind][:] = 10**9 if kind == "array" else 1
        return outputs

    found = gradients(cell, x, lengths[kind], change, recompute_gates=recompute_gates)
    assert_equal(found, gradients(cell, x, LENGTHS, recompute_gates=recompute_gates))


@pytest.mark.parametrize("chosen", [isa.active(), isa.REFERENCE])
@pytest.mark.parametrize("recompute_gates", [False, True])
@pytest.mark.parametrize("kind", ["array", "tensor", "tensor of an array"])
def test_resets_that_change_leave_the_gradient_as_it_was(kind, recompute_gates, chosen, cell, monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, chosen)
    x, given = torch.randn(N, T, I), np.random.default_rng(0).random((N, T)) < 0.2
    expected = gradients(cell, x, LENGTHS, resets=given.copy(), recompute_gates=recompute_gates)
    resets = {"array": given, "tensor": torch.tensor(given), "tensor of an array": torch.from_numpy(given)}

    def change(outputs):
        resets[kind][:] = True
        return outputs

    options = {"resets": resets[kind], "recompute_gates": recompute_gates}
    assert_equal(gradients(cell, x, LENGTHS, change, **options), expected)


@pytest.mark.parametrize("recompute_gates", [False, True])
@pytest.mark.parametrize("later", [*isa.available()])
def test_backward_uses_the_instruction_set_of_forward(later, recompute_gates, cell, monkeypatch):
    x = torch.randn(N, T, I)

    def change(outputs):
        monkeypatch.setenv(isa.VARIABLE, later)
        return outputs

    expected = gradients(cell, x, LENGTHS, recompute_gates=recompute_gates)
    assert_equal(gradients(cell, x, LENGTHS, change, recompute_gates=recompute_gates), expected)


def test_the_operator_copies_lengths_too():
    lengths = torch.tensor(LENGTHS)
    layer = unrolled.LSTM(I, H)
    x = torch.randn(T, N, I)

    def found(meanwhile):
        outputs, _ = layer(x, lengths=lengths)
        meanwhile()
        return torch.autograd.grad(outputs.square().sum(), list(layer.parameters()))

    expected = found(lambda: None)
    assert_equal(found(lambda: lengths.fill_(1)), expected)


@pytest.mark.parametrize("door", [ops.unroll, lambda layer: OPERATOR(*layer, True, False, False)])
def test_the_operator_copies_resets_too(door):
    layer = as_leaves(make_layer("gru_after", N, 7, I, H, resets="given"), torch.float64)

    def found(meanwhile):
        own = layer._replace(resets=layer.resets.clone())
        out = door(own)[0]
        meanwhile(own.resets.numpy())
        return torch.autograd.grad(out.square().sum(), [layer.weight_hh, layer.reset_h])

    assert_equal(found(lambda resets: resets.fill(True)), found(lambda resets: None))


CHANGES = {
    "+=": lambda outputs: outputs.add_(1),
    "relu_": lambda outputs: outputs.relu_(),
    "a mask": lambda outputs: outputs.masked_fill_(outputs > 0.1, 0),
    "a slice": lambda outputs: outputs[:, 1:].mul_(2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_outputs_are_the_callers_to_change(change, cell):
    x = torch.randn(N, T, I)
    found = gradients(cell, x, LENGTHS, CHANGES[change])
    assert_equal(found, gradients(cell, x, LENGTHS, lambda outputs: CHANGES[change](outputs.clone())))
