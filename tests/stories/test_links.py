"""Links between pages lead to files and headings that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for folder in (".", "attacks", "benchmarks", "conformance", "docs", "docs/lessons", "examples")
    for page in sorted((ROOT / folder).glob("*.md"))
]
DRAWN = "figures/"  # the lessons' code draws them: test_lessons.py


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings_that_are_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("https:", DRAWN)):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in map(slug, headings), target


def test_the_pages_are_found_and_an_anchor_is_words_and_hyphens():
    assert {ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/lessons/index.md"} <= set(PAGES)
    assert slug("One LSTM of 28 (`seed-000`)") == "one-lstm-of-28-seed-000"
