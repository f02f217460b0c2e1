"""torch.nn's model of a recipe's network, which scripts/torch_peer.py trains."""

import importlib.util
from pathlib import Path

import pytest
import torch

from tests.tolerances import assert_close
from unrolled.networks import NetworkConfig, SequenceClassifier, build
from unrolled.training import lookup

SCRIPT = Path(__file__).parents[2] / "scripts/torch_peer.py"
specification = importlib.util.spec_from_file_location("torch_peer", SCRIPT)
torch_peer = importlib.util.module_from_spec(specification)
specification.loader.exec_module(torch_peer)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("layer", [("lstm", 5), ("gru", 5, {"reset": "after"})])
@pytest.mark.parametrize("count", [1, 3])
def test_torchs_model_starts_as_the_same_function(layer, count, direction):
    config = NetworkConfig("mine", (layer,) * count, direction=direction, input_size=4, classes=3)
    network, x = SequenceClassifier(config), torch.randn(6, 7, 4)
    assert_close(torch_peer.TorchClassifier(network)(x), network(x))


def test_torchs_model_drops_the_same_share_of_outputs_while_training():
    layers = (("gru", 200, {"reset": "after"}),) * 2
    config = NetworkConfig("mine", layers, direction="bidirectional", output_dropout=0.2, input_size=4)
    network, x = SequenceClassifier(config).eval(), torch.randn(6, 7, 4)
    peer = torch_peer.TorchClassifier(network)
    assert_close(peer.eval()(x), network(x))
    assert peer.recurrent.dropout == 0.2
    seen = []
    peer.classifier.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    peer.train()(x)
    assert 0.15 < (seen[0] == 0).float().mean() < 0.25


@pytest.mark.parametrize("name", ["fast", "best"])
def test_our_own_recipes_have_a_peer(name):
    torch_peer.TorchClassifier(SequenceClassifier(lookup(name).network))


@pytest.mark.parametrize(
    "network",
    [
        build("single-layer-dynamic-gru"),
        build("multi-layer-dynamic-mix"),
        build("single-layer-dynamic-bi-lstm", read="last"),
    ],
)
def test_a_network_that_torch_does_not_have_is_refused(network):
    with pytest.raises(SystemExit, match=r"torch\.nn has no network like NetworkConfig"):
        torch_peer.TorchClassifier(network)
