"""The packed weights that a module keeps between its steps: the next step sees every change of a weight."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import unrolled
from tests.layers.results import tensors_of
from tests.layers.stepped import MODULES, H, I, follows, native, shifted, step_of, taken_by
from tests.tolerances import assert_close
from unrolled import layers
from unrolled.kernels import native_call
from unrolled.layers.keeping import _FIRST_WAIT, _PAYS

IN_PLACE = {
    "copy_": lambda w: w.copy_(torch.randn_like(w)),
    "a row": lambda w: w[-1].add_(1.0),
    "load": lambda w: torch._foreach_mul_([w], 2.0),
    "set_": lambda w: w.set_(torch.randn_like(w)),
    "init": lambda w: nn.init.uniform_(w),
}


UNCOUNTED = {
    "data.mul_": lambda w: w.data.mul_(2.0),
    "data.copy_": lambda w: w.data.copy_(torch.randn_like(w)),
    "a soft update": lambda w: w.data.copy_(0.005 * torch.randn_like(w) + 0.995 * w.data),
    "an own step": lambda w: w.data.sub_(0.01 * torch.ones_like(w)),
    "another memory": lambda w: setattr(w, "data", torch.randn_like(w)),
    "numpy": lambda w: np.add(w.detach().numpy(), 1.0, out=w.detach().numpy()),
    "one gate": lambda w: w.data[: H // 2].fill_(0.5),
    "a number of a bias": lambda w: w.data.view(-1)[5].add_(1.0) if w.dim() == 1 else w.data.neg_(),
}


@native
@pytest.mark.parametrize("change", [*IN_PLACE, *UNCOUNTED])
def test_the_next_step_sees_a_change_of_any_weight(pair, change):
    peer, module = pair
    assert follows(module, peer)
    assert follows(module, peer)
    for weight in list(module.parameters()):
        for _ in range(_PAYS):
            assert follows(module, peer)
        with torch.no_grad():
            (IN_PLACE | UNCOUNTED)[change](weight)
        assert follows(module, peer), change
        assert follows(module, peer)
    assert taken_by(module) is not None


@native
@pytest.mark.parametrize("fused", [True, False])
def test_the_next_step_sees_an_optimizers_step(pair, fused):
    peer, module = pair
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1, fused=fused)
    for _ in range(3):
        assert follows(module, peer)
        sum(part.square().sum() for part in tensors_of(module(*step_of(peer)))).backward()
        optimizer.step()
        optimizer.zero_grad()
        assert follows(module, peer)


@native
def test_the_next_step_sees_other_weights_in_their_places(pair):
    peer, module = pair
    name = next(iter(peer.state_dict()))
    assert follows(module, peer)
    setattr(module, name, nn.Parameter(torch.randn_like(getattr(module, name))))
    assert follows(module, peer)
    module.load_state_dict(shifted(peer).state_dict(), assign=True)
    assert follows(module, peer)
    halved = {key: weight / 2 for key, weight in module.named_parameters()}
    x, state = step_of(peer)
    with torch.no_grad():
        found = torch.func.functional_call(module, halved, (x, state))
        assert_close(tensors_of(found), tensors_of(torch.func.functional_call(peer, halved, (x, state))))
    assert follows(module, peer)


@native
@pytest.mark.parametrize("event", ["train", "to", "accelerate", "apply"])
def test_what_nobody_counts_is_seen_after(event):
    cell = unrolled.accelerate(nn.GRUCell(64, 64)).eval()
    x = torch.randn(1, 64)
    with torch.no_grad():
        cell(x)
        cell.weight_ih.data.view(-1)[1::7].add_(1e-3)  # whether that is seen is not promised
        {
            "train": cell.train,
            "to": lambda: cell.to(torch.float32),
            "accelerate": lambda: unrolled.accelerate(cell),
            "apply": lambda: cell._apply(lambda part: part),
        }[event]()
        assert taken_by(cell) is None
        assert_close(cell(x), nn.GRUCell.forward(cell, x))


@native
def test_a_mode_that_stays_keeps_the_weights():
    cell = unrolled.accelerate(nn.GRUCell(I, H)).eval()
    with torch.no_grad():
        for _ in range(3):
            cell.eval()(torch.randn(1, I))
    assert taken_by(cell) == 3


@native
def test_a_module_that_is_trained_between_its_steps_is_packed_rarely(monkeypatch):
    packed, pack = [], native_call.pack
    monkeypatch.setattr(native_call, "pack", lambda layer: packed.append(layer) or pack(layer))
    cell = unrolled.accelerate(nn.GRUCell(I, H))
    peer = nn.GRUCell(I, H)
    for _ in range(40 * _FIRST_WAIT):
        with torch.no_grad():
            cell.weight_hh.mul_(1.001)
        assert follows(cell, peer)
    assert len(packed) == 6  # after 8, 16, 32, 64 and 128 steps of torch.nn's
    for _ in range(3 * 256):
        assert follows(cell, peer)
    assert taken_by(cell) > 256
    with torch.no_grad():
        cell.weight_hh.mul_(1.001)
    assert follows(cell, peer)
    assert taken_by(cell) == 1


def test_copies_and_pickles_take_no_packed_weights_along(pair):
    peer, module = pair
    assert follows(module, peer)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert taken_by(other) is None
        with torch.no_grad():
            next(other.parameters()).add_(1.0)
        assert follows(other, copy.deepcopy(peer))
    assert follows(module, peer)
    shallow = copy.copy(module)
    shallow._parameters = dict(shifted(peer)._parameters)
    x, state = step_of(peer)
    with torch.no_grad():
        assert_close(tensors_of(shallow(x, state)), tensors_of(shifted(peer)(x, state)))
    assert follows(module, peer)


@pytest.mark.parametrize("name", MODULES)
def test_packed_weights_die_with_their_module(name):
    module = unrolled.accelerate(MODULES[name]())
    with torch.no_grad():
        module(*step_of(module))
    next(module.parameters()).owner = module  # a circle through what is kept
    seen = weakref.ref(module)
    del module
    gc.collect()
    assert seen() is None


@native
def test_weights_that_nobody_counts_or_that_are_computed_are_not_kept():
    with torch.inference_mode():
        cell = unrolled.accelerate(nn.GRUCell(I, H))
        x = torch.randn(1, I)
        assert_close(cell(x), nn.GRUCell.forward(cell, x))
        assert taken_by(cell) is None
    assert "torch.inference_mode" in layers.explain(cell)[0].reason
    normed = nn.utils.parametrizations.weight_norm(unrolled.accelerate(nn.GRUCell(I, H)), "weight_hh")
    with torch.no_grad():
        normed(x)
        normed.parametrizations.weight_hh.original0.mul_(2.0)
        assert_close(normed(x), nn.GRUCell.forward(normed, x))
    assert taken_by(normed) is None
    assert layers.explain(normed)[0].reason.startswith("it runs in torch.nn's code, as its weight_hh")
