"""In what products are formed, and in which type results are given: tensors, autocast, torch's setting.

| numbers on the CPU | products | results |
|---|---|---|
| float64, in autocast too | float64 | float64 |
| float32 | as `torch.set_float32_matmul_precision` asks, where that is faster on this CPU: `float32_parts` | float32 |
| bfloat16 | bfloat16 | bfloat16 |
| float16, which no kernel has | float32 | float16 |
| any of the last three in autocast with bfloat16 | bfloat16 | as torch.nn gives them: `Types` |
| the same in autocast with float16 | float32 | the same |

Whatever the types, kernels read float32 copies of what has fewer bits, round the factors of their products
themselves, and keep sums, gates and states in float32 throughout a call.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.compiler import constant
from unrolled.kernels import isa
from unrolled.kernels.gates import Gates
from unrolled.kernels.native_call import Layer, Results
from unrolled.kernels.readable import DTYPES

SHORT = (torch.bfloat16, torch.float16)  # types of which kernels read copies
TYPES = (*DTYPES, *SHORT)  # all that kernels compute with
_MIXED = (torch.float32, *SHORT)  # what autocast lets stand beside one another

# What set_float32_matmul_precision sets for the CPU, too; a newer interface sets it alone.
_SETTINGS = {"tf32": "high", "bf16": "medium"}
_GETTER: Any = getattr(torch._C, "_get_fp32_precision_getter", None)

# In how many parts float32 is multiplied, by what multiplies bfloat16 and the setting: where that is faster.
_FASTER = {"AVX512_BF16": {"medium": 1}, "AMX": {"high": 2, "medium": 1}}


_PARTS = {
    0: "as float32",
    1: "as one bfloat16",
    2: "as two bfloat16, in three products",
    3: "as three bfloat16, in six products",
}


class Types(NamedTuple):
    """In which types a call gives its results: outputs with their last, and c."""

    h: torch.dtype
    c: torch.dtype

    def results(self, found: Results) -> Results:
        """What a kernel has found, in these types."""
        out, h_n, c_n, c = found[:4]
        return found._replace(
            out=out.to(self.h),
            h_n=h_n.to(self.h),
            c_n=None if c_n is None else c_n.to(self.c),
            c=None if c is None else c.to(self.c),
        )

    def gates(self, found: Gates | None) -> Gates | None:
        """Gates in the type of the outputs."""
        return None if found is None else type(found)(*(gate.to(self.h) for gate in found))


def autocast_type() -> torch.dtype | None:
    """What autocast on the CPU is set to here; None outside of it.

    >>> with torch.autocast("cpu"):
    ...     autocast_type()
    torch.bfloat16
    """
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None


def beside(x: Tensor) -> tuple[torch.dtype, ...]:
    """Which types weights and states may have that are read with this x."""
    if x.dtype in _MIXED and autocast_type() is not None:
        return _MIXED
    return (x.dtype,)


def parts_for(x: torch.dtype) -> int:
    """In how many parts a layer's numbers are multiplied where x has this type: `Layer.parts`.

    >>> parts_for(torch.bfloat16), parts_for(torch.float64)
    (1, 0)
    """
    return parts_of(x, autocast_type())


def parts_of(x: torch.dtype, cast: torch.dtype | None) -> int:
    """The same in autocast of this type, or outside of it."""
    if x == torch.float64:
        return 0
    if cast is not None:
        return int(cast == torch.bfloat16)
    return float32_parts() if x == torch.float32 else int(x == torch.bfloat16)


@constant
def float32_parts() -> int:
    """The same of float32 outside of autocast: 0 unless something asks for less and the CPU is faster so.

    torch's documentation of the settings: "high" may take two bfloat16 for each number, "medium" one, each
    "if the appropriate fast matrix multiplication algorithms are available", and the next better one if not.
    """
    setting = float32_setting()
    return 0 if setting == "highest" else _FASTER.get(isa.bfloat16_product(), {}).get(setting, 0)


def float32_setting() -> str:
    """What `torch.set_float32_matmul_precision` has asked of the CPU: "highest", "high" or "medium".

    >>> float32_setting()
    'highest'
    """
    if _GETTER is None:  # before PyTorch 2.9
        return torch.get_float32_matmul_precision()
    # The public question fails where a program uses both interfaces, and hears of CUDA's setting.
    return _SETTINGS.get(_GETTER("mkldnn", "matmul"), "highest")


def explain() -> str:
    """One line on what is multiplied here, for people.

    >>> print(explain())
    bfloat16 by ...; float32 at matmul precision "highest" as float32
    """
    product, setting, parts = isa.bfloat16_product(), float32_setting(), float32_parts()
    how = f"by {product}" if product else "by conversion, no faster than float32"
    faster = "" if parts or setting == "highest" else ", as nothing less is faster here"
    return f'bfloat16 {how}; float32 at matmul precision "{setting}" {_PARTS[parts]}{faster}'


def explain_products(x: torch.dtype) -> str:
    """What is multiplied for an x of this type, after the words that say where; nothing if that is x itself.

    >>> explain_products(torch.float16), explain_products(torch.float64)
    (', float16 as float32', '')
    """
    parts = parts_for(x)
    if not parts:
        return f", {str(x).removeprefix('torch.')} as float32" if x in SHORT else ""
    product = isa.bfloat16_product()
    return f", multiplied {_PARTS[parts]} by {product or 'conversion'}"


def types_of_cell(
    kind: str,
    h: torch.dtype,
    c: torch.dtype,
    *,
    projects: bool = False,
    keeps: bool = False,
    beside: Iterable[torch.dtype] = (),
) -> Types:
    """What a cell's own step gives in autocast, as it follows from its equations and PyTorch's promotion.

    Products have autocast's type. An RNN gives what it makes of them; a GRU adds h and an LSTM c, which keep
    a float32 state float32; a projection is a product again.

    Args:
        kind: of its kernel.
        h, c: types of the state that it begins with.
        projects: whether an LSTM has a projection.
        keeps: whether it keeps some of the old h and c, as zoneout does.
        beside: types of an LSTM's weights that are multiplied with products, or added, one by one.
    """
    cast = autocast_type()
    assert cast is not None
    if kind.startswith("rnn"):
        return Types(cast, cast)
    if kind.startswith("gru"):
        return Types(torch.promote_types(cast, h), cast)
    c = reduce(torch.promote_types, beside, torch.promote_types(cast, c))
    shown = cast if projects else c
    return Types(torch.promote_types(shown, h) if keeps else shown, c)


def in_float32(value: Any) -> Any:
    """The same as kernels read it: of a tensor with fewer bits a copy; PyTorch gives it its gradient back."""
    return value.float() if isinstance(value, Tensor) and value.dtype in SHORT else value


def layer_in_float32(layer: Layer) -> Layer:
    """The same layer as kernels read it, with the products that its types and the settings ask for."""
    x, cast = layer.x.dtype, autocast_type()
    if x in SHORT or cast is not None:
        layer = Layer(*map(in_float32, layer))
    parts = parts_of(x, cast)
    return layer._replace(parts=parts) if parts else layer
