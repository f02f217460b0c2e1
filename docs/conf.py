"""How Sphinx builds the documentation: `make docs`."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # where the extensions and the drawings are

project = "unrolled"
author = "The unrolled contributors"
copyright = author
release = version = installed_version("unrolled")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "extensions.diagrams",
    "extensions.equations",
    "extensions.live",
    "extensions.pages",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "unrolled"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"
suppress_warnings = ["ref.python"]  # RNNCell is a cell, a drop-in and TensorFlow's: signatures name no module
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_use_ivar = True

SECTION = re.compile(r"(Args|Returns|Raises|Attributes|Yields):$|\.\. ")


def show_equations(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Show the indented parts of a docstring, its equations and tables, as they are written.

    What is indented in a section, in a directive, or in what an example prints, stays as it is.
    """
    shown: list[str] = []
    in_section, in_example, in_block = False, False, False
    for line in lines:
        if not line.strip():
            in_example = False
        elif not line.startswith(" "):
            in_section, in_block = bool(SECTION.match(line)), False
            in_example = in_example or line.startswith(">>> ")
        elif not (in_section or in_example or in_block):
            shown += ["::", ""]
            in_block = True
        shown.append(line)
    lines[:] = shown


def setup(app: Any) -> None:
    """Run before napoleon, which turns the sections into fields."""
    app.connect("autodoc-process-docstring", show_equations, priority=400)
