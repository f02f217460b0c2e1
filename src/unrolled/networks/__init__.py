"""Networks: cells, layers, directions and unrollings put together, and the catalogue of the tutorials'."""

from unrolled.networks.catalogue import CATALOGUE, build, lookup
from unrolled.networks.config import NetworkConfig
from unrolled.networks.sequence_classifier import SequenceClassifier

__all__ = ["CATALOGUE", "NetworkConfig", "SequenceClassifier", "build", "lookup"]
