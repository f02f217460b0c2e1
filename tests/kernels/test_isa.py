"""The choice of the instruction set: it can be asked for and forced, and says no where it must."""

import pytest
import torch

import unrolled
from unrolled.errors import UnrolledError
from unrolled.kernels import isa


@pytest.fixture(autouse=True)
def _chosen_anew():
    isa._chosen.cache_clear()
    yield
    isa._chosen.cache_clear()


def test_the_best_is_active_and_the_reference_is_the_last():
    assert unrolled.isa is isa
    assert isa.available()[-1] == "reference"


def test_every_available_set_can_be_forced(monkeypatch):
    for name in isa.available():
        monkeypatch.setenv("UNROLLED_ISA", name)
        assert isa.active() == name
        assert name in isa.explain()


def test_an_unknown_set_is_refused(monkeypatch):
    monkeypatch.setattr(isa, "_compiled", lambda: (("avx2", "AVX2 and FMA", True),))
    monkeypatch.setenv("UNROLLED_ISA", "avx22")
    with pytest.raises(UnrolledError, match="unknown instruction set in UNROLLED_ISA 'avx22': did you mean"):
        isa.active()


def test_a_set_that_this_cpu_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(isa, "_compiled", lambda: (("avx2", "AVX2 and FMA", False),))
    monkeypatch.setenv("UNROLLED_ISA", "avx2")
    with pytest.raises(UnrolledError, match="this CPU does not have AVX2 and FMA: choose among reference"):
        isa.active()


def test_without_the_native_module_the_reference_runs_and_says_so(monkeypatch):
    monkeypatch.setattr(isa, "_native", lambda: None)
    monkeypatch.setattr(isa, "_compiled", tuple)
    monkeypatch.delenv("UNROLLED_ISA", raising=False)
    assert isa.available() == ("reference",)
    assert isa.active() == "reference"
    assert "no C++ compiler was found" in isa.explain()
    outputs, _ = unrolled.dynamic_unroll(unrolled.GRUCell(3, 2), torch.zeros(1, 4, 3))
    assert outputs.shape == (1, 4, 2)
    monkeypatch.setenv("UNROLLED_ISA", "avx2")
    with pytest.raises(UnrolledError, match="set it to 'reference', or unset it"):
        isa.active()


def test_what_is_said_names_the_instruction_for_int8_where_it_is_used():
    if not isa.has_fast_int8():
        pytest.skip("no VNNI here, or no kernels")
    assert "with VNNI for int8" in isa.explain()
    native = isa._native()
    native.allow_faster_products(False)
    try:
        assert "VNNI" not in isa.explain()
    finally:
        native.allow_faster_products(True)
