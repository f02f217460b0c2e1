"""What every test starts from: the same random numbers, on one thread."""

import hypothesis
import pytest
import torch

from tests.tolerances import assert_close, assert_equal
from unrolled import isa

collect_ignore_glob = ["golden/make_*.py"]  # they need TensorFlow

torch.set_num_threads(1)
hypothesis.settings.register_profile("unrolled", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("unrolled")


@pytest.fixture(params=["reference", "fused"])
def assert_agree(request, monkeypatch):
    """How a fused unrolling is compared with the plain loop.

    Bit for bit where both do the same operations, within rounding where a kernel adds up in another order.
    """
    if request.param == "reference":
        monkeypatch.setenv("UNROLLED_ISA", "reference")
        return assert_equal
    if isa.active() == isa.REFERENCE:
        pytest.skip("no fused kernels, or a cell that draws random numbers")
    return assert_close


@pytest.fixture(autouse=True)
def _fixed_random_numbers() -> None:
    torch.manual_seed(0)
