"""A single step of a drop-in: of torch.nn's cells, and of its layers on sequences of one step."""

import copy
import gc
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_map

import unrolled
from tests.layers.results import results_of, skip_where_torch_cannot, tensors_of
from tests.tolerances import assert_close, assert_equal
from unrolled import isa, layers
from unrolled.kernels import native_call
from unrolled.layers.keeping import _FIRST_WAIT, _PAYS, KEPT

N, I, H = 3, 5, 7
CELLS = {
    "LSTMCell": lambda: nn.LSTMCell(I, H),
    "LSTMCell without bias": lambda: nn.LSTMCell(I, H, bias=False),
    "GRUCell": lambda: nn.GRUCell(I, H),
    "RNNCell": lambda: nn.RNNCell(I, H),
    "RNNCell of relu": lambda: nn.RNNCell(I, H, nonlinearity="relu"),
}
LAYERS = {
    "LSTM": lambda: nn.LSTM(I, H),
    "LSTM, batch first": lambda: nn.LSTM(I, H, batch_first=True),
    "LSTM of 2 layers, both ways": lambda: nn.LSTM(I, H, 2, bidirectional=True, bias=False),
    "LSTM of 3 layers": lambda: nn.LSTM(I, H, 3, batch_first=True),
    "GRU of 2 layers": lambda: nn.GRU(I, H, 2),
    "GRU, both ways": lambda: nn.GRU(I, H, batch_first=True, bidirectional=True),
    "RNN": lambda: nn.RNN(I, H, 2, nonlinearity="relu"),
}
MODULES = CELLS | LAYERS
native = pytest.mark.skipif(isa.active() == isa.REFERENCE, reason=isa.explain())


@pytest.fixture(params=list(MODULES))
def pair(request):
    """A module of torch.nn and its accelerated twin."""
    peer = MODULES[request.param]()
    return peer, unrolled.accelerate(copy.deepcopy(peer))


def step_of(module, batch=N, dtype=torch.float32):
    """An x and a state for one step of a module; batch None: without an axis for it."""
    rows = () if batch is None else (batch,)
    if isinstance(module, nn.RNNCellBase):
        x, state = torch.randn(*rows, I, dtype=dtype), torch.randn(*rows, H, dtype=dtype)
    else:
        places = module.num_layers * (2 if module.bidirectional else 1)
        x = torch.randn(1, *rows, I, dtype=dtype)
        x = x.transpose(0, 1) if batch is not None and module.batch_first else x
        state = torch.randn(places, *rows, H, dtype=dtype)
    has_c = "LSTM" in type(module).__name__
    return x, (state, torch.randn_like(state)) if has_c else state


def taken_by(module):
    """How many steps the weights that a module keeps have taken; None if it keeps none."""
    kept = vars(module).get(KEPT)
    return None if kept is None or kept._native is None else kept._native.taken


def follows(module, peer, **how):
    """Whether the next step is that of torch.nn with the same weights."""
    peer.load_state_dict(module.state_dict())
    x, state = step_of(peer, **how)
    with torch.no_grad():
        found, expected = tensors_of(module(x, state)), tensors_of(peer(x, state))
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


@native
@pytest.mark.parametrize("batch", [None, 1, N, 13])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_from_state_to_state_are_torch_nns(pair, batch, dtype):
    peer, module = (part.to(dtype) for part in pair)
    x, state = step_of(peer, batch, dtype)
    with torch.no_grad():
        found, expected = module(x), peer(x)
        assert_close(tensors_of(found), tensors_of(expected))
        for _ in range(4):
            found, expected = module(x, state), peer(x, state)
            assert [part.shape for part in tensors_of(found)] == [part.shape for part in tensors_of(expected)]
            assert [p.stride() for p in tensors_of(found)] == [p.stride() for p in tensors_of(expected)]
            assert_close(tensors_of(found), tensors_of(expected))
            assert type(found) is type(expected)
            state = found if isinstance(peer, nn.RNNCellBase) else found[1]
    assert taken_by(module) == 5


@native
@pytest.mark.parametrize("name", [name for name in LAYERS if "both ways" not in name])
def test_steps_have_the_bits_of_the_whole_sequence(name):
    layer = unrolled.accelerate(LAYERS[name]()).eval()
    layer.batch_first = False
    x = torch.randn(17, N, I)
    with torch.no_grad():
        outputs, last = layer(x)
        state = None
        for t in range(17):
            output, state = layer(x[t : t + 1], state)
            assert torch.equal(output[0], outputs[t])
    assert_equal(tensors_of(state), tensors_of(last))


@native
def test_results_are_new_memory_and_leave_the_arguments_alone(pair):
    _, module = pair
    x, state = step_of(module)
    before = copy.deepcopy((x, state))
    with torch.no_grad():
        first, second = tensors_of(module(x, state)), tensors_of(module(x, state))
    assert_equal(tensors_of((x, state)), tensors_of(before))
    places = [part.data_ptr() for part in (*first, *second)]
    assert len(set(places)) == len(places)
    expected = [part.clone() for part in second]
    for part in first:
        part.fill_(9.0)
    assert_equal(second, expected)


@native
@pytest.mark.parametrize("lies", ["apart", "turned", "offset", "negative", "one row for all"])
def test_an_input_may_lie_anyhow(pair, lies):
    peer, module = pair
    x, state = step_of(peer)
    if lies == "apart":
        x = torch.stack([x, x], -1)[..., 0]
    elif lies == "turned":
        x = x.transpose(0, -1).contiguous().transpose(0, -1)
        state = tree_map(lambda s: s.transpose(0, -1).contiguous().transpose(0, -1), state)
    elif lies == "offset":
        x = torch.cat([x, x], -1)[..., I:]
    elif lies == "negative":
        x = torch._neg_view(-x)
    else:
        x = x[:1].expand_as(x) if isinstance(peer, nn.RNNCellBase) else x
    with torch.no_grad():
        module(*step_of(peer))
        assert_close(tensors_of(module(x, state)), tensors_of(peer(x, state)))


WRONG = {
    "too wide": lambda x, state: (torch.cat([x, x], -1), state),
    "of another type": lambda x, state: (x.double(), state),
    "whole numbers": lambda x, state: (x.long(), state),
    "four axes": lambda x, state: (x[None, None, None], state),
    "a state too many": lambda x, state: (
        x,
        (*state, state[0]) if isinstance(state, tuple) else (state, state),
    ),
    "a state of another batch": lambda x, state: (
        x,
        tree_map(lambda s: torch.cat([s, s], -2), state),
    ),
    "no tensor": lambda x, state: (x.numpy(), state),
}


@native
@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_is_torch_nns(pair, wrong):
    peer, module = pair
    arguments = WRONG[wrong](*step_of(peer))
    outcomes = []
    with torch.no_grad():
        module(*step_of(peer))
        for each in (peer, module):
            try:
                outcomes.append([part.shape for part in tensors_of(each(*arguments))])
            except Exception as error:
                outcomes.append((type(error), str(error)))
    assert outcomes[0] == outcomes[1]


def test_gradients_are_torch_nns_bit_for_bit(pair):
    peer, module = pair
    x, state = step_of(peer)
    x.requires_grad_()
    with torch.no_grad():
        module(x, state)
    assert_equal(results_of(module, x, state), results_of(peer, x, state))


@native
def test_a_frozen_module_needs_no_gradients(pair):
    _, module = pair
    module.requires_grad_(False)
    x, state = step_of(module)
    module(x, state)
    assert taken_by(module) == 1
    found = tensors_of(module(x.requires_grad_(), state))
    assert taken_by(module) == 1
    assert all(part.requires_grad for part in found)


@native
def test_a_layer_that_draws_dropout_is_torch_nns_until_it_evaluates():
    layer = unrolled.accelerate(nn.LSTM(I, H, 2, dropout=0.5))
    with torch.no_grad():
        x, state = step_of(layer)
        seen = {tuple(layer(x, state)[0].flatten().tolist()) for _ in range(8)}
        assert len(seen) > 1
        assert taken_by(layer) is None
        (finding,) = layers.explain(layer)
        assert finding.reason.endswith("single steps in torch.nn: it draws dropout between its layers")
        layer.eval()(x, state)
        layer(x, state)
    assert taken_by(layer) == 2


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


def shifted(peer):
    """A module of the same sizes with other weights."""
    other = copy.deepcopy(peer)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.5)
    return other


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


def test_restore_leaves_no_trace(pair):
    peer, module = pair
    with torch.no_grad():
        module(*step_of(peer))
    unrolled.restore(module)
    assert type(module) is type(peer)
    assert vars(module).keys() == vars(peer).keys()


@native
def test_several_threads_may_step_one_module():
    cell = unrolled.accelerate(nn.LSTMCell(64, 96))
    peer = copy.deepcopy(cell)
    unrolled.restore(peer)
    inputs = [(torch.randn(n, 64), (torch.randn(n, 96), torch.randn(n, 96))) for n in (1, 3, 1, 5)]
    wrong = []

    def serve(place):
        x, state = inputs[place]
        with torch.no_grad():
            expected = tensors_of(peer(x, state))
            for _ in range(300):
                found = tensors_of(cell(x, state))
                if not all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True)):
                    wrong.append(place)

    def disturb():
        for _ in range(100):
            cell.train()
            cell.eval()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=serve, args=(place,)) for place in range(4)]
        threads.append(threading.Thread(target=disturb))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


@native
@pytest.mark.parametrize("batch", [1, 40])
def test_a_large_step_gives_the_same_bits_for_any_number_of_threads(batch):
    cell = unrolled.accelerate(nn.LSTMCell(300, 512))
    x, state = torch.randn(batch, 300), (torch.randn(batch, 512), torch.randn(batch, 512))
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with torch.no_grad():
                found.append(cell(x, state))
    finally:
        torch.set_num_threads(threads)
    assert_equal(found[1], found[0])
    assert_equal(found[2], found[0])


@native
def test_inference_mode_gives_what_it_gives_of_torch_nn(pair):
    peer, module = pair
    x, state = step_of(peer)
    with torch.inference_mode():
        found = tensors_of(module(x, state))
        assert all(part.is_inference() for part in found)
    assert follows(module, peer)
    assert taken_by(module) == 2


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


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_whoever_watches_sees_torch_nns_operators(pair):
    peer, module = pair
    x, state = step_of(peer)
    with torch.no_grad():
        module(x, state)
        steps = taken_by(module)

        class Names(torch.utils._python_dispatch.TorchDispatchMode):
            def __init__(self):
                super().__init__()
                self.seen = []

            def __torch_dispatch__(self, function, types, arguments=(), options=None):
                self.seen.append(str(function))
                return function(*arguments, **(options or {}))

        lists = []
        for each in (peer, module):
            with Names() as names:
                each(x, state)
            lists.append(names.seen)
        assert lists[0] == lists[1]
        if isinstance(peer, nn.GRUCell | nn.RNNCell):  # torch has no rule for the others
            mapped = torch.func.vmap(lambda x: tensors_of(module(x, state))[0])(torch.stack([x, x]))
            assert_close(mapped[1], tensors_of(peer(x, state))[0])
    assert taken_by(module) == steps


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_under_autocast_a_step_is_torch_nns(pair):
    peer, module = pair
    x, state = step_of(peer)
    with torch.no_grad():
        module(x, state)
        steps = taken_by(module)
        with torch.autocast("cpu"):
            skip_where_torch_cannot(peer, x)
            assert [part.dtype for part in tensors_of(module(x, state))] == [
                part.dtype for part in tensors_of(peer(x, state))
            ]
    assert taken_by(module) == steps


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_traced_compiled_exported_and_scripted_as_torch_nns(name):
    class Walk(nn.Module):
        def __init__(self, cell):
            super().__init__()
            self.cell = cell

        def forward(self, x, state):
            return self.cell(x, state)

    peer = CELLS[name]()
    model = unrolled.accelerate(Walk(copy.deepcopy(peer)))
    x, state = step_of(peer)
    with torch.no_grad():
        model(x, state)
        expected = tensors_of(peer(x, state))
        graph = torch.fx.symbolic_trace(model)
        assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["cell"]
        assert_close(tensors_of(graph(x, state)), expected)
        exported = torch.export.export(model, (x, state))
        assert_close(tensors_of(exported.module()(x, state)), expected)
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        assert_close(tensors_of(compiled(x, state)), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_torch_nns_for_torch_jit(name):
    peer = CELLS[name]()
    cell = unrolled.accelerate(copy.deepcopy(peer))
    x, state = step_of(peer)
    with torch.no_grad():
        expected = tensors_of(peer(x, state))
        cell(x, state)
        assert_equal(tensors_of(torch.jit.script(cell)(x, state)), expected)
        assert_equal(tensors_of(torch.jit.trace(cell, (x, state))(x * 1, state)), expected)


@pytest.mark.parametrize("name", CELLS)
def test_accelerate_and_restore_keep_the_cell(name):
    cell = CELLS[name]()
    weights, text, kind = list(cell.parameters()), repr(cell), type(cell)
    assert unrolled.accelerate(cell) is cell
    assert isinstance(cell, kind)
    assert type(cell) is not kind
    assert type(cell) is getattr(layers, kind.__name__)
    assert repr(cell) == text
    assert all(a is b for a, b in zip(cell.parameters(), weights, strict=True))
    assert layers.explain(cell)[0].replaced
    unrolled.restore(cell)
    assert type(cell) is kind


class Doubled(nn.GRUCell):
    def forward(self, x, hx=None):
        return super().forward(x, hx) * 2


class Own(nn.GRUCell):
    def forward(self, x, hx=None):
        return torch.tanh(nn.functional.linear(x, self.weight_ih))[:, :H]


@native
def test_a_subclass_of_a_cell_is_accelerated_where_it_goes_on_to_super():
    cell, own = unrolled.accelerate(nn.ModuleList([Doubled(I, H), Own(I, H)]))
    x = torch.randn(N, I)
    with torch.no_grad():
        assert_close(cell(x), 2 * nn.GRUCell.forward(cell, x))
    assert taken_by(cell) == 1
    assert isinstance(cell, Doubled)
    assert type(own) is Own
    other = pickle.loads(pickle.dumps(cell))
    assert type(other) is type(cell)
    assert type(unrolled.restore(cell)) is Doubled


def test_a_stream_of_an_accelerated_cell_is_that_of_the_cell():
    cell = nn.LSTMCell(I, H)
    x = torch.randn(1, I)
    expected = unrolled.Stream(cell).step(x)
    assert torch.equal(unrolled.Stream(unrolled.accelerate(cell)).step(x), expected)


INFOS = [info for info in module_db if info.module_cls in (nn.LSTMCell, nn.GRUCell, nn.RNNCell)]


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.module_cls.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_sample_of_torchs_own_database_of_modules_gives_the_same(info, dtype):
    samples = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=False)
    assert samples
    for sample in samples:
        build, call = sample.constructor_input, sample.forward_input
        peer = info.module_cls(*build.args, **build.kwargs).to(dtype)
        cell = getattr(layers, info.module_cls.__name__)(*build.args, **build.kwargs).to(dtype)
        cell.load_state_dict(peer.state_dict())
        with torch.no_grad():
            assert_close(
                tensors_of(cell(*call.args, **call.kwargs)), tensors_of(peer(*call.args, **call.kwargs))
            )
