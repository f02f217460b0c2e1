"""Networks: cells, layers, directions and unrollings put together, and the catalogue of the tutorials'.

Configurations need no torch; `SequenceClassifier` is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

from unrolled.networks.catalogue import CATALOGUE, build, lookup
from unrolled.networks.config import NetworkConfig

if TYPE_CHECKING:
    from unrolled.networks.sequence_classifier import SequenceClassifier

__all__ = ["CATALOGUE", "NetworkConfig", "SequenceClassifier", "build", "lookup"]


if not TYPE_CHECKING:  # a type checker is to find a name that is not there

    def __getattr__(name: str) -> Any:
        if name == "SequenceClassifier":
            from unrolled.networks.sequence_classifier import SequenceClassifier

            return SequenceClassifier
        raise AttributeError(f"module 'unrolled.networks' has no attribute {name!r}")
