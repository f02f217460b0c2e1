"""Equations as MathML, which browsers draw themselves: no script, and nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml


def as_mathml(equation: str, as_block: bool) -> str:
    r"""An equation in TeX as MathML.

    Raises:
        ValueError: TeX that is not understood; it names the equation.

    >>> print(as_mathml("h_t", as_block=False).split("\n")[0])
    <math xmlns="http://www.w3.org/1998/Math/MathML">
    """
    try:
        drawn: str = tex2mathml(equation, as_block=as_block)
    except MathError as error:
        raise ValueError(f"the equation {equation!r}: {error}") from error
    return drawn


def visit_inline(writer: Any, node: Any) -> None:
    """An equation within a line."""
    writer.body.append(as_mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_block(writer: Any, node: Any) -> None:
    """An equation of its own."""
    writer.body.append(f'<div class="equation">{as_mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Offer the renderer "mathml"."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
