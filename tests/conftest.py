"""What every test starts from: the same random numbers, on one thread."""

import contextlib
import os
import shutil

import hypothesis
import pytest
import torch

from tests import products
from tests.tolerances import assert_close, assert_equal
from unrolled import isa
from unrolled.tf1 import set_random_seed

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
collect_ignore_glob = ["golden/make_*.py", "golden/tf1_source.py"]  # they need TensorFlow

products.imitate()
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


@pytest.fixture(params=["cpu", *filter(None, [os.environ.get("UNROLLED_TEST_DEVICE")])])
def device(request, monkeypatch):
    """Where a model and its data are: on the CPU, and with `make test_gpu` on a GPU as well."""
    kind = torch.device(request.param).type
    if kind == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("this machine has no GPU that torch can use")
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # it has 10 bits, and is on by default
        monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    return torch.device(request.param)


@pytest.fixture(params=["no default device", "another default device"])
def elsewhere(request):
    """Where tensors go that are made without saying where: in one run of two, to a place without memory."""
    if request.param == "no default device":
        return contextlib.nullcontext()
    return torch.device("meta")


@pytest.fixture(scope="module")
def chromium():
    """A real Chromium, driven by Playwright, one for a file: while it is there, asyncio runs nothing else."""
    if CHROMIUM is None:
        pytest.skip("needs chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with playwright.sync_playwright() as driver:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*sandbox, "--force-color-profile=srgb"]
        )
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def _fixed_random_numbers():
    torch.manual_seed(0)
    yield
    set_random_seed(None)
