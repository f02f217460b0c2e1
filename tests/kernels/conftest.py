"""Every kernel test runs once for each instruction set that this machine has."""

import pytest
import torch

from unrolled.kernels import isa

NATIVE = [name for name in isa.available() if name != isa.REFERENCE]


@pytest.fixture(params=NATIVE or [pytest.param("", marks=pytest.mark.skip(reason=isa.explain()))])
def each_isa(request, monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, request.param)
    return request.param


STAND_INS = list(isa._native().stand_ins()) if NATIVE else []


@pytest.fixture(
    params=[*NATIVE, *STAND_INS] or [pytest.param("", marks=pytest.mark.skip(reason=isa.explain()))]
)
def each_product(request, monkeypatch):
    """Each way to multiply bfloat16: instruction sets, and what stands in for hardware."""
    monkeypatch.setenv(isa.VARIABLE, request.param)
    return request.param


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
