"""Threads change nothing but the time: how many there are, what they share, whether they get a processor."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

import unrolled
from tests.kernels.conftest import NATIVE
from tests.kernels.layers import as_leaves, everything, make_layer
from unrolled.kernels import ops
from unrolled.kernels.native_call import KINDS

# Layers here are so large that a call is worth a second thread: see threads_for() in native/plan.h.
LENGTHS = [3, 0, 24, 24, 1, 17, 2, 15, 24, 4, 16, 8, 1, 2, 24, 24, 3]


def unroll(layer):
    return ops.unroll(layer, keep_c=True)


@pytest.fixture
def same_with():
    """That results are the same bits with each number of threads."""
    before = torch.get_num_threads()

    def check(run, numbers):
        found = []
        for threads in numbers:
            torch.set_num_threads(threads)
            found.append(run())
        for other in found[1:]:
            assert len(other) == len(found[0])
            assert all(torch.equal(a, b) for a, b in zip(other, found[0], strict=True))

    yield check
    torch.set_num_threads(before)


@pytest.mark.usefixtures("each_isa")
@pytest.mark.parametrize("resets", ["", "given"])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_share_the_sequences_do_not_change_a_bit(kind, dtype, lengths, resets, same_with):
    layer = as_leaves(make_layer(kind, 17, 24, 9, 53, lengths=lengths, states=True, resets=resets), dtype)
    same_with(lambda: everything(unroll, layer), (1, 2, 3, 7))


@pytest.mark.usefixtures("each_isa")
@pytest.mark.parametrize("resets", ["", "given"])
@pytest.mark.parametrize("batch", [1, 4, 20])
@pytest.mark.parametrize(("kind", "hidden"), [("lstm", 260), ("gru_after", 300), ("rnn_tanh", 520)])
def test_threads_that_share_the_units_do_not_change_a_bit(kind, hidden, batch, resets, same_with):
    lengths = [9, 0, 5, 7, 1] * 4 if batch == 20 else None
    layer = make_layer(kind, batch, 9, 6, hidden, lengths=lengths, states=True, resets=resets)
    layer = as_leaves(layer, torch.float32)
    same_with(lambda: everything(unroll, layer), (1, 2, 3))


BUSY = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import subprocess, sys, torch, unrolled
busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
try:
    layer, x = unrolled.LSTM(30, 400), torch.randn(60, 12, 30)
    found = []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        out = layer(x)[0]
        found.append([out.detach(), *torch.autograd.grad(out.square().sum(), list(layer.parameters()))])
    assert all(torch.equal(a, b) for one in found[1:] for a, b in zip(found[0], one, strict=True))
finally:
    for process in busy:
        process.kill()
"""


@pytest.mark.skipif(not NATIVE, reason="no fused kernels")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no say in who runs where")
def test_a_thread_that_gets_no_processor_changes_nothing():
    """Two threads and two busy loops on one processor: who waits for too long goes on alone."""
    found = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
class TestBothDirections:
    """They run on a thread each."""

    def layer(self, kind):
        torch.manual_seed(0)
        return getattr(unrolled, kind)(20, 48, num_layers=2, bidirectional=True), torch.randn(25, 3, 20)

    def test_they_give_the_same_bits_as_one_after_the_other(self, kind, same_with):
        layer, x = self.layer(kind)

        def run():
            given = x.clone().requires_grad_()
            out, states = layer(given)
            loss = out.square().sum() + sum(s.sum() for s in (states if kind == "LSTM" else [states]))
            return [out.detach(), *torch.autograd.grad(loss, [given, *layer.parameters()])]

        same_with(run, (1, 2, 4))

    def test_they_equal_torchs(self, kind, two_threads):
        layer, x = self.layer(kind)
        twin = getattr(nn, kind)(20, 48, num_layers=2, bidirectional=True)
        twin.load_state_dict(layer.state_dict())
        for lengths in (None, torch.tensor([25, 7, 18])):
            given = x
            if lengths is not None:
                given = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
            (ours, _), (theirs, _) = layer(given), twin(given)
            if lengths is not None:
                ours, theirs = ours.data, theirs.data
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
            for a, b in zip(
                torch.autograd.grad(ours.square().sum(), list(layer.parameters())),
                torch.autograd.grad(theirs.square().sum(), list(twin.parameters())),
                strict=True,
            ):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)

    def test_a_frozen_direction_and_one_that_nothing_uses_have_no_gradients(self, kind, two_threads):
        layer, x = self.layer(kind)
        layer = type(layer)(20, 48, bidirectional=True)
        frozen = [p for name, p in layer.named_parameters() if not name.endswith("_reverse")]
        for parameter in frozen:
            parameter.requires_grad_(False)
        out, _ = layer(x)
        out[..., 48:].sum().backward()
        assert all(p.grad is None for p in frozen)
        assert all(p.grad is not None for name, p in layer.named_parameters() if name.endswith("_reverse"))
        (d_x,) = torch.autograd.grad(layer(x.requires_grad_())[0][..., :48].sum(), x)
        assert d_x.abs().sum() > 0

    def test_a_gradient_of_a_gradient_comes_from_the_reference(self, kind, two_threads):
        layer, x = self.layer(kind)
        layer = type(layer)(20, 48, bidirectional=True)
        given = x.clone().requires_grad_()
        (d_x,) = torch.autograd.grad(layer(given)[0].square().sum(), given, create_graph=True)
        twice = torch.autograd.grad(d_x.square().sum(), given)[0]
        twin = getattr(nn, kind)(20, 48, bidirectional=True)
        twin.load_state_dict(layer.state_dict())
        (t_x,) = torch.autograd.grad(twin(given)[0].square().sum(), given, create_graph=True)
        torch.testing.assert_close(
            twice, torch.autograd.grad(t_x.square().sum(), given)[0], rtol=1e-4, atol=1e-4
        )

    def test_outputs_are_the_users_to_change_and_backward_runs_twice(self, kind, two_threads):
        layer, x = self.layer(kind)
        given = x.clone().requires_grad_()
        expected = torch.autograd.grad((2 * layer(given)[0]).sum(), given)[0]
        out, _ = layer(given)
        out.mul_(2)
        for _ in range(2):
            assert torch.equal(torch.autograd.grad(out.sum(), given, retain_graph=True)[0], expected)
