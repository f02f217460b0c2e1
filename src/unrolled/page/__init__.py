"""One file in which networks read: a drawing, or test examples, step by step, in any browser."""

from unrolled.page.writer import write_page

__all__ = ["write_page"]
