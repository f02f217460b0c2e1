"""The memory of a drop-in's results: torch.nn's strides, and free to be changed in place as torch.nn's is."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled
from tests.layers.results import tensors_of
from tests.tolerances import assert_close

N, T, I, H = 6, 9, 5, 64
SHAPES = [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}]


@pytest.mark.parametrize("call", ["batch", "one sequence", "packed", "one in the batch"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_results_have_torch_nns_strides(shape, batch_first, call, make, kernel_calls):
    peer, drop_in = make(I, H, batch_first=batch_first, **shape)
    x = torch.randn(N, T, I) if batch_first else torch.randn(T, N, I)
    if call == "one sequence":
        x = torch.randn(20, I)
    elif call == "packed":
        x = pack_padded_sequence(x, [9, 9, 5, 4, 2, 1], batch_first=batch_first)
    elif call == "one in the batch":
        x = torch.randn(1, 20, I) if batch_first else torch.randn(20, 1, I)
    found, expected = drop_in(x), peer(x)
    assert kernel_calls
    assert [part.stride() for part in tensors_of(found)] == [part.stride() for part in tensors_of(expected)]


@pytest.mark.parametrize("batch_first", [False, True])
def test_dropout_behind_a_layer_draws_torch_nns_mask(batch_first, make):
    dropped = []
    for layer in make(I, H, batch_first=batch_first):
        torch.manual_seed(3)
        dropped.append(nn.functional.dropout(layer(torch.ones(N, T, I))[0], 0.5) == 0)
    assert torch.equal(*dropped)


CHANGES = {
    "+=": lambda outputs: outputs.add_(1),
    "relu_": lambda outputs: outputs.relu_(),
    "a mask": lambda outputs: outputs.masked_fill_(outputs > 0.1, 0),
    "a slice": lambda outputs: outputs[1:].mul_(2),
    "an activation": nn.ReLU(inplace=True),
    "sigmoid_": lambda outputs: outputs.sigmoid_(),
    "transpose_": lambda outputs: outputs.transpose_(0, 1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outputs_may_be_changed_in_place(shape, batch_first, change, make):
    peer, drop_in = make(I, H, batch_first=batch_first, dtype=torch.float64, **shape)
    x = torch.randn(N, T, I, dtype=torch.float64)
    gradients = []
    for layer in (peer, drop_in):
        outputs, _ = layer(x)
        CHANGES[change](outputs)
        gradients.append(torch.autograd.grad(outputs.square().sum(), list(layer.parameters())))
    assert_close(*gradients)


@pytest.mark.parametrize("batch_first", [False, True])
def test_outputs_may_be_detached_and_resized_in_place(batch_first, make):
    _, drop_in = make(I, H, batch_first=batch_first)
    outputs, _ = drop_in(torch.randn(N, T, I))
    assert not outputs.detach_().requires_grad
    with torch.no_grad():
        outputs, _ = drop_in(torch.randn(N, T, I))
        assert outputs.resize_(20, 30, 40).shape == (20, 30, 40)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(6, 9, I), (1, 20, I), (20, 1, I)], ids=str)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("what", ["made in inference mode", "overwritten"])
def test_an_input_that_is_gone_before_backward_is_torch_nns_affair(what, batch_first, shape, dtype, make):
    found = []
    for layer in make(I, H, 2, batch_first=batch_first, dtype=dtype):
        try:
            with torch.inference_mode(what == "made in inference mode"):
                x = torch.full(shape, 0.3, dtype=dtype)
            outputs, _ = layer(x)
            if what == "overwritten":
                x.fill_(7)
            found.append(torch.autograd.grad(outputs.square().mean(), list(layer.parameters())))
        except RuntimeError as error:
            found.append(str(error)[:40])
    if isinstance(found[0], str):
        assert found[1] == found[0]
    else:
        assert_close(found[1], found[0])


class Named(torch.Tensor):
    """As libraries have them: a name for plain memory."""


class NamedParameter(nn.Parameter):
    """A name for a weight."""


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_subclasses_over_plain_memory_run_in_the_kernels(shape, make, kernel_calls):
    peer, drop_in = make(I, H, batch_first=True, **shape)
    for layer in (peer, drop_in):
        layer.weight_hh_l0 = NamedParameter(layer.weight_hh_l0.detach())
    x = torch.randn(N, T, I).as_subclass(Named)
    found, expected = tensors_of(drop_in(x)), tensors_of(peer(x))
    assert kernel_calls
    assert [type(part) for part in found] == [type(part) for part in expected] == [Named] * len(found)
    assert_close(
        [part.as_subclass(torch.Tensor) for part in found],
        [part.as_subclass(torch.Tensor) for part in expected],
    )


def test_packed_input_has_nothing_to_do_with_the_default_device():
    layer, packed = unrolled.GRU(I, H), pack_padded_sequence(torch.randn(T, 3, I), [9, 5, 1])
    expected = layer(packed)[0].data
    with torch.device("meta"):
        found = layer(packed)[0].data
    assert_close(found, expected)
