"""Single steps among torch's own tools: autocast, tracing, compiling, subclasses, its database of modules."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.testing._internal.common_modules import module_db

import unrolled
from tests.layers.results import skip_where_torch_cannot, tensors_of
from tests.layers.stepped import CELLS, H, I, N, native, step_of, taken_by
from tests.tolerances import assert_close, assert_equal
from unrolled import layers


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
