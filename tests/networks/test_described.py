"""A network from a few words keeps what nothing is said of."""

import pytest
import torch

from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.networks.config import NetworkConfig
from unrolled.networks.described import Description

BASE = NetworkConfig("base", (("gru", 12, {"reset": "after"}),), direction="bidirectional", input_size=3)


def test_nothing_said_changes_nothing_but_the_name() -> None:
    assert Description().of(BASE) == BASE.changed(name="gru-12-bidirectional")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_every_cell_runs_in_both_kinds_of_direction(cell: str, bidirectional: bool) -> None:
    config = Description(cell=cell, hidden=7, layers=3, bidirectional=bidirectional, dropout=0.2).of(BASE)
    assert [layer[:2] for layer in config.layers] == [(cell, 7)] * 3
    assert config.output_dropout == 0.2
    assert SequenceClassifier(config)(torch.zeros(2, 5, 3)).shape == (2, 10)


def test_an_lstm_can_be_normalised() -> None:
    config = Description(cell="lstm", layer_norm=True).of(BASE)
    assert config.layers == (("lstm", 12, {"layer_norm": "gates"}),)
    assert Description(layer_norm=False).of(config).layers == (("lstm", 12),)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (Description(cell="ltsm"), "unknown cell 'ltsm': did you mean 'lstm'"),
        (Description(cell="rnn", layer_norm=True), "layer_norm goes with the cell lstm, not with rnn"),
        (Description(layers=0), "layers is 0, expected a whole number of at least 1"),
        (Description(hidden=0), "the width of layer 1 is 0, expected a whole number"),
        (Description(dropout=1.5), "output_dropout is 1.5, expected a probability"),
    ],
)
def test_what_cannot_be_is_refused(description: Description, message: str) -> None:
    with pytest.raises(UnrolledError, match=message):
        description.of(BASE)
