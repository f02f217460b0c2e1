"""Networks in autocast and with fewer bits."""

import copy

import pytest
import torch

from unrolled.kernels import isa, native_call
from unrolled.networks import NetworkConfig, SequenceClassifier

N, T, I = 4, 9, 6
NETWORKS = {
    "stack": NetworkConfig("stack", (("lstm", 16), ("gru", 12)), input_size=I, classes=3),
    "bidirectional": NetworkConfig(
        "bidirectional", (("gru", 16), ("lstm", 12)), input_size=I, classes=3, direction="bidirectional"
    ),
    "beside the last": NetworkConfig(
        "last", (("lstm", 16),), input_size=I, classes=3, direction="bidirectional", read="last"
    ),
    "mean": NetworkConfig("mean", (("rnn", 16),), input_size=I, classes=3, read="mean"),
    "steps": NetworkConfig("steps", (("gru", I, {"residual": True}),), input_size=I, classes=3, read="steps"),
    "residual": NetworkConfig("residual", (("lstm", I, {"residual": True}),), input_size=I, classes=3),
}
LENGTHS = [9, 1, 0, 5]


@pytest.fixture(params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    return SequenceClassifier(NETWORKS[request.param]).eval()


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("way", ["autocast", "model"])
def test_logits_and_gradients_are_near_those_of_float32(way, lengths, network):
    x = torch.randn(N, T, I)
    short = copy.deepcopy(network)
    if way == "model":
        found = short.bfloat16()(x.bfloat16(), lengths)
    else:
        with torch.autocast("cpu", torch.bfloat16):
            found = short(x, lengths)
    expected = network(x, lengths)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.05)
    for logits in (found, expected):
        logits.float().square().sum().backward()
    for a, e in zip(short.parameters(), network.parameters(), strict=True):
        assert a.grad.dtype == a.dtype
        scale = max(1.0, float(e.grad.abs().max()))
        torch.testing.assert_close(a.grad.float(), e.grad, rtol=0, atol=0.1 * scale)


def test_every_layer_of_a_network_runs_in_the_kernels_in_autocast(network, monkeypatch):
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    seen = []
    run = native_call.forward
    monkeypatch.setattr(
        native_call, "forward", lambda layer, *rest, **named: seen.append(layer) or run(layer, *rest, **named)
    )
    with torch.no_grad():
        network(torch.randn(N, T, I))
        before = len(seen)
        with torch.autocast("cpu", torch.bfloat16):
            network(torch.randn(N, T, I))
    assert [layer.parts for layer in seen] == [0] * before + [1] * before
    assert before > 0


def test_a_network_is_compiled_whole_in_autocast(network):
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    x = torch.randn(N, T, I)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(compiled(x), network(x), rtol=0, atol=0.01)
