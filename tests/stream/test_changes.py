"""When a change of the model counts: what the next step finds, and what is found at the latest by a reset."""

import mmap
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from tests.catalogue import FIXED, make
from tests.stream.walks import H, I, follows, started
from tests.tolerances import assert_equal
from unrolled import (
    GRUCell,
    LSTMCell,
    Stream,
    dynamic_unroll,
)

OPTIMIZERS = {
    "Adam-fused": lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
    "AdamW-fused": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True),
    "SGD-fused": lambda p: torch.optim.SGD(p, lr=0.1, fused=True),
    "Adagrad-fused": lambda p: torch.optim.Adagrad(p, lr=0.1, fused=True),
    "Adam-foreach": lambda p: torch.optim.Adam(p, lr=0.1, foreach=True),
    "SGD-loop": lambda p: torch.optim.SGD(p, lr=0.1, foreach=False, momentum=0.9),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.1),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1),
}


def train(cell, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = dynamic_unroll(cell, torch.randn(3, 4, cell.input_size))[0].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_next_step_uses_what_any_optimizer_has_made_of_the_weights(name):
    cell = LSTMCell(I, H)
    optimizer = OPTIMIZERS[name](cell.parameters())
    stream = started(cell)
    for _ in range(3):
        before = cell.weight_hh.clone()
        train(cell, optimizer)
        assert not torch.equal(cell.weight_hh, before)
        assert follows(stream, cell)
        assert follows(stream, cell)


def test_the_step_of_an_optimizer_through_a_gradient_scaler_counts():
    cell = GRUCell(I, H)
    optimizer, scaler = torch.optim.AdamW(cell.parameters(), lr=0.1, fused=True), torch.amp.GradScaler("cpu")
    stream = started(cell)
    scaler.scale(dynamic_unroll(cell, torch.randn(2, 3, I))[0].sum()).backward()
    scaler.step(optimizer)
    assert follows(stream, cell)


def test_an_optimizer_step_of_another_model_changes_nothing():
    cell, other = GRUCell(I, H), nn.Linear(3, 2)
    stream = started(cell)
    other(torch.randn(4, 3)).sum().backward()
    torch.optim.SGD(other.parameters(), lr=1.0).step()
    assert follows(stream, cell)


def average(cell):
    swa = torch.optim.swa_utils.AveragedModel(cell)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.add_(1.0)
    stream = started(swa.module)
    swa.update_parameters(cell)  # the second takes the average
    return stream, swa.module


def in_place(change):
    def changed(cell):
        stream = started(cell)
        with torch.no_grad():
            change(cell)
        return stream, cell

    return changed


def registered_anew(cell):
    del cell.weight_ih
    cell.register_parameter("weight_ih", nn.Parameter(torch.randn(3 * H, I)))


AT_ONCE = {
    "lerp": in_place(lambda cell: cell.weight_hh.lerp_(torch.randn(3 * H, H), 0.5)),
    "foreach": in_place(lambda cell: torch._foreach_mul_(list(cell.parameters()), 2.0)),
    "copy": in_place(lambda cell: cell.bias_ih.copy_(torch.randn(3 * H))),
    "set": in_place(lambda cell: cell.weight_hh.set_(torch.randn(3 * H, H))),
    "a view": in_place(lambda cell: cell.weight_hh[1:3].view(-1).mul_(3.0)),
    "detached": in_place(lambda cell: cell.weight_hh.detach().mul_(3.0)),
    "initialised": in_place(lambda cell: nn.init.orthogonal_(cell.weight_hh)),
    "load_state_dict": in_place(lambda cell: cell.load_state_dict(GRUCell(I, H).state_dict())),
    "load_state_dict assigns": in_place(
        lambda cell: cell.load_state_dict(GRUCell(I, H).state_dict(), assign=True)
    ),
    "another parameter": in_place(
        lambda cell: setattr(cell, "weight_hh", nn.Parameter(torch.randn(3 * H, H)))
    ),
    "registered anew": in_place(registered_anew),
    "averaged": average,
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_the_next_step_finds_what_pytorch_has_counted_or_replaced(name):
    stream, cell = AT_ONCE[name](GRUCell(I, H))
    assert follows(stream, cell)
    assert follows(stream, cell)


def test_weights_for_one_call_of_functional_call_hold_for_that_call():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = GRUCell(I, H)
            self.stream = Stream(self.cell)

        def forward(self, x):
            return self.stream.step(x)

    model, x = Model().eval(), torch.randn(1, I)
    plain = model(x)
    model.stream.reset()
    scaled = {name: 2 * weight for name, weight in model.named_parameters()}
    doubled = torch.func.functional_call(model, scaled, x)
    assert not torch.equal(doubled, plain)
    model.stream.reset()
    assert_equal(model(x), plain)


def through_numpy(cell):
    cell.weight_hh.detach().numpy()[:] *= 2


UNCOUNTED = {
    "data": lambda cell: cell.weight_hh.data.mul_(2),
    "a bias's data": lambda cell: cell.bias_ih.data.add_(1),
    "one number": lambda cell: cell.weight_ih.data.view(-1)[-1:].add_(0.5),
    "another data": lambda cell: setattr(cell.weight_hh, "data", torch.randn(3 * H, H)),
    "numpy": through_numpy,
    "a vector": lambda cell: nn.utils.vector_to_parameters(
        torch.randn(sum(weight.numel() for weight in cell.parameters())), cell.parameters()
    ),
    "swapped": lambda cell: torch.utils.swap_tensors(cell.weight_hh, nn.Parameter(torch.randn(3 * H, H))),
    "an operator without an optimizer": lambda cell: torch._fused_sgd_(
        list(cell.parameters()),
        [torch.ones_like(weight) for weight in cell.parameters()],
        [],
        weight_decay=0.0,
        momentum=0.0,
        lr=0.5,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    ),
}


@pytest.mark.parametrize("begin", ["reset", "another number of sequences", "first step"])
@pytest.mark.parametrize("name", UNCOUNTED)
def test_a_change_that_nothing_counts_is_found_by_every_beginning(name, begin):
    cell = GRUCell(I, H)
    stream = Stream(cell.eval())
    if begin != "first step":
        assert follows(stream, cell)
        assert follows(stream, cell)
    with torch.no_grad():
        UNCOUNTED[name](cell)
    if begin == "reset":
        stream.reset()
    elif begin == "another number of sequences":
        stream.reset()
        x = torch.randn(3, 1, I)
        assert_equal(stream.step(x[:, 0]), dynamic_unroll(cell, x)[0][:, 0])
        return
    assert follows(stream, cell)


def test_a_stream_of_a_fixed_number_of_sequences_finds_them_too():
    cell = GRUCell(I, H).eval()
    stream, x = Stream(cell, batch_size=2), torch.randn(2, 1, I)
    cell.weight_hh.data.mul_(2)
    stream.reset()
    assert_equal(stream.step(x[:, 0]), dynamic_unroll(cell, x)[0][:, 0])


@pytest.mark.parametrize("name", sorted(FIXED))
def test_no_cell_of_the_catalogue_has_a_weight_that_a_reset_overlooks(name):
    cell = make(name)
    x = torch.randn(2, 3, cell.input_size, dtype=torch.float64)
    stream = Stream(cell)
    for weight in cell.parameters():
        for t in range(3):
            stream.step(x[:, t])
        weight.data.add_(0.3)
        stream.reset()
        outputs = torch.stack([stream.step(x[:, t]) for t in range(3)], 1)
        assert_equal(outputs, dynamic_unroll(cell, x)[0])


def test_weights_in_a_file_that_another_process_writes_are_found_by_a_reset(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(np.random.default_rng(0).normal(size=3 * H * H).astype(np.float32).tobytes())
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        cell = GRUCell(I, H).eval()
        cell.weight_hh = nn.Parameter(torch.frombuffer(memory, dtype=torch.float32).view(3 * H, H))
        stream = started(cell)
        write = f"import numpy; numpy.memmap({str(path)!r}, 'float32', 'r+')[:] *= 2"
        subprocess.run([sys.executable, "-c", write], check=True)
        stream.reset()
        assert follows(stream, cell)
        cell.weight_hh = None
        del stream


def test_weights_of_safetensors_that_are_assigned_count_from_the_next_step(tmp_path):
    cell = GRUCell(I, H).eval()
    safetensors.torch.save_file(GRUCell(I, H).state_dict(), tmp_path / "weights.safetensors")
    stream = started(cell)
    cell.load_state_dict(safetensors.torch.load_file(tmp_path / "weights.safetensors"), assign=True)
    assert follows(stream, cell)
