"""What a layer gives for an input, flattened: outputs, final states and gradients."""

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def tensors_of(nested):
    """Every tensor of an output, of a packed sequence its four; whole numbers as float64."""
    if isinstance(nested, Tensor):
        return [nested if nested.is_floating_point() else nested.double()]
    return [tensor for part in nested if part is not None for tensor in tensors_of(part)]


def skip_where_torch_cannot(peer, x):
    """Skip a test where torch's own layer has no code for a narrow dtype, which depends on the CPU."""
    try:
        peer(x)
    except RuntimeError as error:
        pytest.skip(f"torch.nn's own layer says: {str(error).splitlines()[0]}")


def results_of(layer, input, hx=None, seed=0, **options):
    """Outputs and final states, and the gradients of a sum of them that weighs every number differently."""
    torch.manual_seed(seed)  # of the dropout
    found = tensors_of(layer(input, hx, **options))
    weighed = [
        (tensor * torch.arange(tensor.numel(), dtype=tensor.dtype).cos().view(tensor.shape)).sum()
        for tensor in found
        if tensor.requires_grad
    ]
    data = input.data if isinstance(input, PackedSequence) else input
    wanted = [tensor for tensor in (data, *tensors_of(() if hx is None else hx)) if tensor.requires_grad]
    gradients = torch.autograd.grad(sum(weighed), [*wanted, *layer.parameters()])
    return [*found, *gradients]
