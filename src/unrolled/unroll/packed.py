"""The weights of quantized cells as their kernels read them, kept from call to call: nothing trains them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.cells.quantized import QuantizedCell
from unrolled.kernels import isa, native_call
from unrolled.kernels.native_call import Layer
from unrolled.kernels.watch import is_there, slot

_KEPT = "_kept"  # the attribute of a cell


def packed_of(cell: QuantizedCell, layer: Layer) -> Tensor:
    """What `native_call.pack` makes of the cell's weights, which stand in `layer`, for the active kernels.

    It is made anew where a weight was changed in place, as `load_state_dict` does, or another one put there.
    """
    kept = vars(cell).get(_KEPT)
    if kept is None or not kept.holds():
        kept = vars(cell)[_KEPT] = _Kept(cell, layer)
    packed: Tensor = kept.packed
    return packed


class _Kept:
    """Packed weights; a copy or a pickle of a cell takes none along."""

    def __init__(self, cell: QuantizedCell | None = None, layer: Layer | None = None) -> None:
        self._slots: list[Any] = []
        if cell is None or layer is None:
            return
        self._isa = isa.active()
        self._slots = [slot(cell._buffers, name) for name in cell._buffers]  # before they are read
        alone = layer._replace(lengths=None, h0=None, c0=None, resets=None, reset_h=None, reset_c=None)
        x = layer.x.new_zeros(1, 1, layer.x.shape[2])
        self.packed = native_call.pack(alone._replace(x=x).dense())

    def holds(self) -> bool:
        """Whether they are still those of the cell, and of the kernels that run."""
        return bool(self._slots) and self._isa == isa.active() and all(map(is_there, self._slots))

    def __reduce__(self) -> Any:
        return _Kept, ()
