"""Who watches the operators: traces, graphs, modes, checkpoints, hooks and transforms."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import unrolled
from tests.tolerances import assert_close, assert_equal
from unrolled import GRUCell, LSTMCell, StackedCell, dynamic_unroll, isa, networks

N, T, I, H = 4, 6, 3, 5
LENGTHS, OTHER_LENGTHS = torch.tensor([6, 2, 0, 3]), torch.tensor([1, 6, 3, 0])

CELLS = {
    "gru": lambda: GRUCell(I, H),
    "peepholes": lambda: LSTMCell(I, H, peephole=True),
    "norms": lambda: LSTMCell(I, H, layer_norm="gates"),
    "stack": lambda: StackedCell([GRUCell(I, 4), LSTMCell(4, H)]),
}


class Unroll(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, lengths=None):
        return dynamic_unroll(self.cell, x, lengths, reverse=True)[0]


@pytest.fixture(params=list(CELLS))
def unroll(request):
    return Unroll(CELLS[request.param]().double())


@pytest.fixture
def x():
    return torch.randn(N, T, I, dtype=torch.float64)


def in_the_loop(monkeypatch, run):
    with monkeypatch.context() as context:
        context.setenv(isa.VARIABLE, isa.REFERENCE)
        return run()


needs_kernels = pytest.mark.skipif(isa.active() == isa.REFERENCE, reason=isa.explain())


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit.trace", "ignore:Using len")
@pytest.mark.parametrize("with_lengths", [False, True])
def test_a_traced_unrolling_gives_the_loops_values_on_other_numbers(with_lengths, unroll, x):
    others = torch.randn(N + 2, T, I, dtype=torch.float64)
    first = (x, LENGTHS) if with_lengths else (x,)
    second = (others, torch.tensor([0, 1, 6, 3, 6, 2])) if with_lengths else (others,)
    with torch.no_grad():
        traced = torch.jit.trace(unroll, first)
        assert_close(traced(*first), unroll(*first))
        assert_close(traced(*second), unroll(*second))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit.trace")
@pytest.mark.parametrize("name", ["single-layer-dynamic-lstm", "multi-layer-dynamic-bi-lstm"])
def test_a_traced_network_answers_about_what_it_is_given(name):
    network = networks.build(name).eval()
    x, others = torch.rand(2, 28, 28), torch.rand(3, 28, 28)
    with torch.no_grad():
        traced = torch.jit.trace(network, (x,))
        assert_close(traced(others), network(others))


@needs_kernels
@pytest.mark.parametrize("mode", ["real", "pre_dispatch"])
def test_make_fx_holds_the_operator_and_its_numbers(mode, unroll, x):
    options = {"pre_dispatch": True} if mode == "pre_dispatch" else {"tracing_mode": mode}
    graph = make_fx(unroll, **options)(x, LENGTHS)
    assert any("unrolled.unroll" in str(node.target) for node in graph.graph.nodes)
    assert_equal(graph(x, LENGTHS), unroll(x, LENGTHS))
    assert_equal(graph(2 * x, OTHER_LENGTHS), unroll(2 * x, OTHER_LENGTHS))


@needs_kernels
@pytest.mark.parametrize("mode", ["fake", "symbolic"])
def test_make_fx_on_shapes_alone_holds_the_operator(mode, unroll, x):
    weights = dict(unroll.named_parameters())

    def run(weights, x):
        return torch.func.functional_call(unroll, weights, (x,))

    graph = make_fx(run, tracing_mode=mode)(weights, x)
    assert any("unrolled.unroll" in str(node.target) for node in graph.graph.nodes)
    assert_equal(graph(weights, 2 * x), run(weights, 2 * x))


@needs_kernels
def test_make_fx_holds_the_gradients_operator(unroll, x):
    def gradient(x):
        return torch.autograd.grad(unroll(x).square().sum(), x)[0]

    x.requires_grad_()
    graph = make_fx(gradient)(x)
    assert any("unroll_backward" in str(node.target) for node in graph.graph.nodes)
    assert_equal(graph(x), gradient(x))


@needs_kernels
def test_a_drop_in_is_an_operator_in_a_graph_too():
    layer, x = unrolled.LSTM(I, H, 2, batch_first=True), torch.randn(N, T, I)
    graph = make_fx(lambda x: layer(x)[0])(x)
    assert sum("unrolled.unroll" in str(node.target) for node in graph.graph.nodes) == 2
    assert_equal(graph(2 * x), layer(2 * x)[0])


@needs_kernels
def test_every_mode_sees_the_operators(unroll, x):
    seen = []

    class Operators(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    class Functions(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    with Operators():
        unroll(x).sum().backward()
    assert any("unrolled.unroll.default" in name for name in seen)
    assert any("unrolled.unroll_backward" in name for name in seen)
    seen.clear()
    with Functions():
        unroll(x)
    assert any("unrolled.unroll" in name for name in seen)


def test_fake_tensors_get_the_shapes(unroll, x):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        outputs = unroll(mode.from_tensor(x))
    assert outputs.shape == (N, T, H)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_changes_no_gradient(reentrant, unroll, x):
    def gradient(run):
        leaf = x.clone().requires_grad_()
        run(leaf).square().sum().backward()
        return leaf.grad

    assert_equal(gradient(lambda x: checkpoint(unroll, x, use_reentrant=reentrant)), gradient(unroll))


def test_hooks_may_keep_saved_tensors_elsewhere_and_in_half_precision(unroll, x):
    def gradient():
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(unroll(leaf, LENGTHS).square().sum(), leaf)[0]

    def halved(tensor):
        return tensor.half() if tensor.is_floating_point() else tensor

    def doubled(tensor):
        return tensor.double() if tensor.is_floating_point() else tensor

    expected = gradient()
    with torch.autograd.graph.save_on_cpu():
        assert_equal(gradient(), expected)
    with torch.autograd.graph.saved_tensors_hooks(halved, doubled):
        torch.testing.assert_close(gradient(), expected, rtol=0, atol=0.05)


def test_jacobians_and_hessians_are_the_loops(unroll, x, monkeypatch):
    x = x[:2, :3]

    def found():
        functional = torch.autograd.functional
        return [
            functional.jacobian(unroll, x),
            functional.jacobian(unroll, x, vectorize=True),
            functional.hessian(lambda x: unroll(x).square().sum(), x),
        ]

    assert_close(found(), in_the_loop(monkeypatch, found))
