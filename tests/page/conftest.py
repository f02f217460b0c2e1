"""A real Chromium, driven by Playwright; without one the tests of this folder that need it are skipped."""

import os
import shutil

import pytest

from unrolled.page import modules

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)


@pytest.fixture(scope="session")
def chromium():
    """The browser, one for all tests."""
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


@pytest.fixture(scope="session")
def blank(chromium):
    """An empty page that has the page's modules of numbers as `modules`."""
    page = chromium.new_page()
    names = ("network", "model", "digit", "shapes", "strokes", "address")
    shared = ", ".join(f"...${name}" for name in names)
    page.add_script_tag(
        content=f"{modules.script(*names)}\nglobalThis.modules = {{ {shared} }};", type="module"
    )
    page.wait_for_function("globalThis.modules")
    yield page
    page.close()
