"""Clients that mean no good, each a strike against a service that runs."""

from attacks.service import http, streams, tokens  # noqa: F401
from attacks.service.strike import STRIKES, Strike, Target

__all__ = ["STRIKES", "Strike", "Target"]
