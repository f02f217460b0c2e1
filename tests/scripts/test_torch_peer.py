"""torch.nn's model of a recipe's network: the same logits, and a training in the time that it is given."""

import json
import sys

import pytest
import torch

from scripts import torch_peer
from unrolled.networks import SequenceClassifier
from unrolled.training.recipes import lookup


@pytest.mark.parametrize("recipe", ["default", "fast", "best"])
def test_from_the_same_weights_it_says_the_same(recipe):
    network = SequenceClassifier(lookup(recipe).network).eval()
    x = torch.rand(3, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(torch_peer.TorchClassifier(network).eval()(x), network(x))


def test_it_trains_for_as_long_as_it_is_told_and_keeps_what_came_of_it(tmp_path, monkeypatch):
    out = tmp_path / "default-torch.json"
    arguments = ["default", "--seconds", "1", "--threads", "1", "--data-dir", tmp_path, "--out", out]
    monkeypatch.setattr(sys, "argv", ["torch_peer.py", *map(str, arguments)])
    torch_peer.main()
    kept = json.loads(out.read_text())
    assert (kept["recipe"], kept["network"]) == ("default", "LSTM(28, 128, batch_first=True)")
    assert kept["steps"] >= 10
    assert 0.05 < kept["accuracy"] <= 1
