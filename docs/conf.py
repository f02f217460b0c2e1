"""How Sphinx builds the documentation: `make docs`."""

from importlib.metadata import version as installed_version

project = "unrolled"
author = "The unrolled contributors"
copyright = author  # noqa: A001
release = version = installed_version("unrolled")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "unrolled"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
nitpicky = False
