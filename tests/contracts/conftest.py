"""Cells that draw random numbers keep to the loop: a kernel draws for all steps at once."""

import pytest

from tests.catalogue import DRAWN
from unrolled import isa


@pytest.fixture(autouse=True)
def _drawn_by_the_loop(request, monkeypatch):
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    if name in DRAWN:
        monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
