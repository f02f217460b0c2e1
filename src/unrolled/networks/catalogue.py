"""The eighteen networks of the tutorials, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from unrolled.errors import unknown_name
from unrolled.networks.config import NetworkChanges, NetworkConfig

if TYPE_CHECKING:
    from unrolled.networks.sequence_classifier import SequenceClassifier

LSTM, GRU = ("lstm", 128), ("gru", 128)
MIX = (("lstm", 128), ("gru", 256))

# In the tutorials' own order: 1-14 are one lesson's, the four seeds are the others'.
CATALOGUE = {
    config.name: config
    for config in (
        NetworkConfig("single-layer-static-lstm", (LSTM,), unroll="static"),
        NetworkConfig("single-layer-static-gru", (GRU,), unroll="static"),
        NetworkConfig("single-layer-dynamic-lstm", (LSTM,)),
        NetworkConfig("single-layer-dynamic-gru", (GRU,)),
        NetworkConfig("multi-layer-static-lstm", (LSTM,) * 3, unroll="static"),
        NetworkConfig("multi-layer-static-gru", (GRU,) * 3, unroll="static"),
        NetworkConfig("multi-layer-static-mix", MIX, unroll="static"),
        NetworkConfig("multi-layer-dynamic-lstm", (LSTM,) * 3),
        NetworkConfig("multi-layer-dynamic-gru", (GRU,) * 3),
        NetworkConfig("multi-layer-dynamic-mix", MIX),
        NetworkConfig("single-layer-static-bi-lstm", (LSTM,), unroll="static", direction="bidirectional"),
        NetworkConfig("single-layer-dynamic-bi-lstm", (LSTM,), direction="bidirectional"),
        NetworkConfig("multi-layer-static-bi-lstm", (LSTM,) * 3, unroll="static", direction="bidirectional"),
        NetworkConfig("multi-layer-dynamic-bi-lstm", (LSTM,) * 3, direction="bidirectional"),
        NetworkConfig("seed-000", (("lstm", 28),), unroll="static"),
        NetworkConfig("seed-002", (("lstm", 256),) * 3, output_dropout=0.5),
        NetworkConfig("seed-003", (LSTM,), unroll="static"),
        NetworkConfig("seed-004", (("lstm", 32), ("lstm", 64))),
    )
}


def lookup(name: str) -> NetworkConfig:
    """The configuration of a network of the catalogue.

    Raises:
        UnrolledError: there is none of that name; the message says which is nearest.
    """
    if name not in CATALOGUE:
        raise unknown_name("network", name, CATALOGUE)
    return CATALOGUE[name]


def build(name: str, **changes: Unpack[NetworkChanges]) -> SequenceClassifier:
    """Make a network of the catalogue, with new weights.

    Args:
        name: one of `CATALOGUE`, such as "multi-layer-dynamic-mix".
        changes: other values for fields of `NetworkConfig`, such as classes=26 or read="last".

    Raises:
        UnrolledError: no such network or field, or a value out of range.

    >>> network = build("multi-layer-dynamic-mix")
    >>> network.parameter_count
    378634
    """
    # Here, because the catalogue itself needs no torch.
    from unrolled.networks.sequence_classifier import SequenceClassifier

    return SequenceClassifier(lookup(name).changed(**changes))
