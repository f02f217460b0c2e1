"""The kernels' fixtures serve here too."""

from tests.kernels.conftest import each_isa

__all__ = ["each_isa"]
