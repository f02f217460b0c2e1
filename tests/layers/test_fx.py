"""torch.fx: a drop-in is one call in the graph, whatever the tracer, as torch.nn's layers are."""

import pytest
import torch
from torch import fx, nn

import unrolled
from tests.layers.conftest import PAIRS
from tests.tolerances import assert_close

N, T, I, H = 3, 17, 5, 7
EVERY = pytest.mark.parametrize("peer", [peer for peer, _ in PAIRS.values()], ids=list(PAIRS))


class Model(nn.Module):
    def __init__(self, peer):
        super().__init__()
        self.blocks = nn.ModuleList([peer(I, H), peer(H, H, 2, bidirectional=True)])
        self.head = nn.Linear(2 * H, 4)

    def forward(self, x):
        x, _ = self.blocks[0](x)
        outputs, state = self.blocks[1](x)
        again, _ = self.blocks[1](x, state)  # with what stands for a state
        return self.head(outputs + again)


class NoLeaves(fx.Tracer):
    """A tracer that would go into every layer."""

    def is_leaf_module(self, module, name):
        return isinstance(module, nn.Linear)


def calls_of(graph):
    return [(node.op, node.target, node.kwargs) for node in graph.nodes if node.op == "call_module"]


@EVERY
def test_a_traced_model_has_the_calls_that_torch_nns_has(peer):
    model = Model(peer)
    x = torch.randn(T, N, I)
    expected, graph = model(x), fx.symbolic_trace(model).graph
    traced = fx.symbolic_trace(unrolled.accelerate(model))
    assert str(traced.graph) == str(graph)
    assert type(traced.get_submodule("blocks.0")) is dict(PAIRS.values())[peer]
    assert_close(traced(x), expected)
    assert type(unrolled.restore(traced).get_submodule("blocks.0")) is peer


@EVERY
def test_a_tracer_that_knows_other_leaves_writes_one_call_as_well(peer):
    model = unrolled.accelerate(Model(peer))
    graph = NoLeaves().trace(model)
    assert len(calls_of(graph)) == 4
    x = torch.randn(T, N, I)
    assert_close(fx.GraphModule(model, graph)(x), model(x))


def test_lengths_stand_in_the_graph():
    class WithLengths(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = unrolled.GRU(I, H, batch_first=True)

        def forward(self, x, lengths):
            return self.layer(x, lengths=lengths)[0]

    model = WithLengths()
    x, lengths = torch.randn(N, T, I), torch.tensor([4, 0, T])
    assert_close(fx.symbolic_trace(model)(x, lengths), model(x, lengths))


def test_a_state_that_is_traced_beside_an_input_that_is_not():
    class FromState(nn.Module):
        def __init__(self, layer, x):
            super().__init__()
            self.layer = layer
            self.register_buffer("x", x)

        def forward(self, h):
            return self.layer(self.x, (h, h))[0]

    model = FromState(unrolled.LSTM(I, H), torch.randn(T, N, I))
    h = torch.randn(1, N, H)
    assert_close(fx.symbolic_trace(model)(h), model(h))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_prepare_fx_takes_an_accelerated_model():
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    model = unrolled.accelerate(Model(nn.GRU)).eval()
    x = torch.randn(T, N, I)
    prepared = quantize_fx.prepare_fx(model, get_default_qconfig_mapping("x86"), (x,))
    assert type(prepared.get_submodule("blocks.0")) is unrolled.GRU
    assert_close(prepared(x), model(x))


@EVERY
def test_the_layer_itself_is_refused_as_torch_nns_is(peer):
    for layer in (peer(I, H), unrolled.accelerate(peer(I, H))):
        with pytest.raises(fx.proxy.TraceError):
            fx.symbolic_trace(layer)
