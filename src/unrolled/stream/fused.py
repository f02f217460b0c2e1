"""A cell's steps through the fused kernels, with packed weights."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.cells import DropoutCell, LSTMState, QuantizedCell, ResidualCell, StackedCell
from unrolled.cells.state import map_state
from unrolled.errors import UnrolledError
from unrolled.kernels import isa, native_call
from unrolled.kernels.precision import SHORT, TYPES
from unrolled.kernels.readable import DTYPES, is_memory
from unrolled.kernels.watch import Watch
from unrolled.stream.source import name_of
from unrolled.unroll.kernel_layer import fits, has_hooks, kernel_of, layer_of

# Multiplications of a step from which it pays to wake other threads and to let go of the interpreter.
_LARGE = 1 << 22


def fuses(cell: Any) -> bool:
    """Whether every layer of this cell has a kernel, and nothing but sums stands between them."""
    return isa.active() != isa.REFERENCE and _dtype_of(cell) is not None


def _dtype_of(cell: Any) -> torch.dtype | None:
    """In which all layers of this cell fuse; None if they do not, or one does not fit to the other."""
    kind = type(cell)
    if kind in (StackedCell, DropoutCell, ResidualCell) and has_hooks(cell):
        return None
    if kind is StackedCell:
        dtypes = {_dtype_of(part) for part in cell.cells}
        joined = all(
            _width_of(below, "output_size") == _width_of(above, "input_size")
            for below, above in itertools.pairwise(cell.cells)
        )
        # What one layer gives the next has fewer bits then: a product of bfloat16 takes no more of it.
        return dtypes.pop() if joined and len(dtypes) == 1 and torch.float16 not in dtypes else None
    if kind is ResidualCell:
        dtype = _dtype_of(cell.cell)
        adds = _width_of(cell, "input_size") == _width_of(cell, "output_size") and dtype in DTYPES
        return dtype if adds else None
    if kind is DropoutCell:
        return _dtype_of(cell.cell)
    like: Any = None if kernel_of(cell) is None else _like(cell)
    if not is_memory(like, TYPES) or like.device.type != "cpu":
        return None
    own: torch.dtype = like.dtype
    return own if fits(cell, _step_of(like, 0, cell.input_size)) else None


def _like(cell: Any) -> Any:
    """A tensor of the dtype that a cell computes in, where it is."""
    return cell.like if isinstance(cell, QuantizedCell) else getattr(cell, "weight_ih", None)


def _width_of(cell: Any, name: str) -> int:
    """The input or output size of a cell as its layers have it now: one of them may have been replaced."""
    if isinstance(cell, StackedCell):
        return _width_of(cell.cells[0 if name == "input_size" else -1], name)
    if isinstance(cell, DropoutCell | ResidualCell):
        return _width_of(cell.cell, name)
    return int(getattr(cell, name))


def _step_of(like: Tensor, batch_size: int, width: int) -> Tensor:
    """Zeros [N, 1, width] like another tensor: sequences of one step."""
    return torch.zeros(batch_size, 1, width, dtype=like.dtype, device=like.device)


class FusedWalk:
    """N sequences of a cell that fuses, step by step.

    Each tensor of the state has two places, [2, N, size], in turn: a step reads one and writes the other.
    Where the cell has fewer bits than float32 they are float32, as within a call, and are shown in its type.
    The weights are packed here and now; `quick` takes no step once `watch` would say that they have moved.
    """

    def __init__(self, cell: Any, batch_size: int, watch: Watch) -> None:
        self._x = (batch_size, _width_of(cell, "input_size"))
        self._output = (batch_size, _width_of(cell, "output_size"))
        self._dtype: Any = _dtype_of(cell)
        self._inside = torch.float32 if self._dtype in SHORT else self._dtype
        self._parts: list[tuple[Any, ...]] = []
        self._kept: list[Any] = []
        self._multiplications = 0
        _, self._places = self._through(cell, 0)

        native = native_call._native()
        double = self._dtype == torch.float64
        self._native = (native.StreamFloat64 if double else native.StreamFloat32)(
            isa.active(),
            self._parts,
            (*self._x, self._output[1]),
            watch.slots,
            (self._places, self._kept),
            torch.get_num_threads if self._multiplications >= _LARGE else None,
        )
        self.quick = self._native.step

    def step(self, x: Tensor) -> Tensor:
        """The output of a step [N, O], for an x [N, I]."""
        if not is_memory(x, (self._dtype,)) or x.shape != self._x or x.device.type != "cpu":
            raise UnrolledError(
                f"a layer was given {list(x.shape)} {name_of(x.dtype)} on {x.device}, expected "
                f"{list(self._x)} {name_of(self._dtype)} on cpu: the layers do not fit to each other, or the "
                "model was converted and needs a reset()"
            )
        x = native_call.dense("x", x.to(self._inside))
        output = torch.empty(*self._output, dtype=self._inside, device="cpu")
        self._native.run(x.data_ptr(), x.stride(0), output.data_ptr())
        return output.to(self._dtype)

    def reset(self, anew: Tensor) -> None:
        """Begin anew with the sequences that are told, [N] bool."""
        turn, rows = self._native.turn, anew.unsqueeze(1)
        map_state(lambda places: places[turn].masked_fill_(rows, 0), self._places)

    @property
    def state(self) -> Any:
        """A copy."""
        return map_state(lambda places: places[self._native.turn].to(self._dtype, copy=True), self._places)

    @state.setter
    def state(self, state: Any) -> None:
        map_state(lambda places, part: places[self._native.turn].copy_(part), self._places, state)

    @property
    def memory(self) -> list[np.ndarray]:
        """The state's places, arrays [2, N, size] in the order of the nesting: it stands at `turn`."""
        arrays: list[np.ndarray] = []
        map_state(lambda places: arrays.append(places.numpy()), self._places)
        return arrays

    @property
    def turn(self) -> int:
        """In which of its places the state is now, 0 or 1."""
        turn: int = self._native.turn
        return turn

    def _through(self, cell: Any, value: int) -> tuple[int, Any]:
        """Add the parts of a cell that reads this value; the number of its own, and its state's places."""
        if isinstance(cell, StackedCell):
            every = []
            for part in cell.cells:
                value, places = self._through(part, value)
                every.append(places)
            return value, tuple(every)
        if isinstance(cell, DropoutCell):
            return self._through(cell.cell, value)
        if isinstance(cell, ResidualCell):
            inner, places = self._through(cell.cell, value)
            return self._sum(value, inner, _width_of(cell, "output_size")), places
        return self._layer(cell, value)

    def _layer(self, cell: Any, value: int) -> tuple[int, Any]:
        x = _step_of(_like(cell), self._x[0], cell.input_size)
        layer = layer_of(cell, x, None, None, batch_first=True, reverse=False).dense()
        packed = native_call.pack(layer)
        x, (_, batch_size, width, hidden, output) = layer.x, layer.sizes
        self._multiplications += batch_size * (width + output) * layer.weight_hh.shape[0]
        h = x.new_zeros(2, batch_size, output)
        c = x.new_zeros(2, batch_size, hidden) if layer.has_c else None
        self._kept += [layer, packed]
        own = self._add(layer, packed.data_ptr(), value, 0, output, _addresses(h), _addresses(c))
        return own, h if c is None else LSTMState(h, c)

    def _sum(self, first: int, second: int, width: int) -> int:
        memory = torch.zeros(1, self._x[0], width, dtype=self._inside, device="cpu")
        self._kept.append(memory)
        return self._add(None, 0, first, second, width, _addresses(memory), _addresses(None))

    def _add(self, *part: Any) -> int:
        self._parts.append(part)
        return len(self._parts)


def _addresses(places: Tensor | None) -> tuple[int, int]:
    return (0, 0) if places is None else (places[0].data_ptr(), places[-1].data_ptr())
