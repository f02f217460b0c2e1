"""A cell walks its sequences layer by layer: each layer all steps at once where a kernel has its maths.

What a stack gives does not depend on whether its layers take turns at every step, or each takes all steps
after the one below. So a stack, and a wrapper that acts on each step alone, is taken apart here; what remains
is a cell with a kernel, or one that goes through the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from unrolled.cells.dropout import DropoutCell
from unrolled.cells.highway import HighwayCell
from unrolled.cells.quantized import QuantizedCell
from unrolled.cells.residual import ResidualCell
from unrolled.cells.stacked import StackedCell
from unrolled.cells.state import LSTMState, map_state
from unrolled.kernels import isa, torch_ops
from unrolled.kernels.ops import unroll_both
from unrolled.kernels.readable import check_numbers, is_dispatched
from unrolled.kernels.unroll import unroll
from unrolled.unroll.kernel_layer import (
    fits,
    has_hooks,
    is_plain,
    kernel_of,
    layer_of,
    state_fits,
    types_of,
)
from unrolled.unroll.lengths import reverse_sequence
from unrolled.unroll.packed import packed_of
from unrolled.unroll.static import walk

if TYPE_CHECKING:
    from unrolled.kernels.native_call import Layer, Results


class Unrolled(NamedTuple):
    """Outputs, final state, and the states and gates of every step (None if they were not asked for)."""

    outputs: Tensor
    state: Any
    states: Any = None
    gates: Any = None


class Walk(NamedTuple):
    """How sequences are walked; see `dynamic_unroll` for the arguments. lengths and resets are checked.

    resets [N, T] are true where the state before a step is not the one that the step read before has left.
    """

    lengths: Tensor | None
    batch_first: bool
    reverse: bool = False
    return_states: bool = False
    return_gates: bool = False
    recompute_gates: bool = False
    resets: Tensor | None = None

    def through(self, cell: Any, x: Tensor, state: Any, reset_state: Any) -> Unrolled:
        """The results of `cell` on x [N, T, I], T > 0; a state of None is the cell's initial one."""
        if not self._pays(cell, x, state, reset_state):
            return self._loop(cell, x, state, reset_state)
        self._check_states(cell, x, state, reset_state)
        kind = type(cell)  # its own, as `_holds_kernel` has seen it
        if kind is StackedCell:
            return self._stack(cell, x, state, reset_state)
        if kind is DropoutCell:
            cell.begin_sequence()
            inner = self.through(cell.cell, cell.drop_input(x, self._time_axis), state, reset_state)
            return inner._replace(outputs=cell.drop_output(inner.outputs, self._time_axis))
        if kind is ResidualCell:
            inner = self.through(cell.cell, x, state, reset_state)
            return inner._replace(outputs=self._within(x) + inner.outputs)
        if kind is HighwayCell:
            check_numbers(cell, x=x)
            inner = self.through(cell.cell, x, state, reset_state)
            # One product for each step: one for all would round otherwise with other numbers of steps.
            steps = zip(
                self._within(x).unbind(self._time_axis), inner.outputs.unbind(self._time_axis), strict=True
            )
            outputs = torch.stack([cell.combine(*step) for step in steps], self._time_axis)
            return inner._replace(outputs=outputs)
        return self._layer(cell, x, state, reset_state)

    def _check_states(self, cell: Any, x: Tensor, state: Any, reset_state: Any) -> None:
        for name, given in (("state", state), ("reset_state", reset_state)):
            if given is not None:
                cell._check_state(given, x.shape[self._batch_axis], name)

    @property
    def _batch_axis(self) -> int:
        return 0 if self.batch_first else 1

    @property
    def _time_axis(self) -> int:
        return 1 - self._batch_axis

    def _pays(self, cell: Any, x: Tensor, *states: Any) -> bool:
        """Whether there is something in the cell for a kernel, and taking it apart changes nothing."""
        return is_plain(x) and self._holds_kernel(cell, x, *states)

    def _holds_kernel(self, cell: Any, x: Tensor, *states: Any) -> bool:
        kind = type(cell)
        if kind not in (StackedCell, DropoutCell, ResidualCell, HighwayCell):
            return self._takes(cell, x, *states)
        if has_hooks(cell):
            return False
        if kind is StackedCell:
            # What a layer above the first will see is like x, and as wide as it asks for.
            return any(
                self._holds_kernel(part, x.new_empty(0, 0, part.input_size) if layer else x)
                for layer, part in enumerate(cell.cells)
            )
        if kind is DropoutCell and cell.training and cell.state:
            return False  # what it drops of h is gone for the next step
        return self._holds_kernel(cell.cell, x, *states)

    def _takes(self, cell: Any, x: Tensor, *states: Any) -> bool:
        """Whether a kernel takes the cell, neither stack nor wrapper, on this x and from these states."""
        if not fits(cell, x) or not all(state is None or state_fits(state, x) for state in states):
            return False
        if self.return_gates:  # the loop has none to show; so, where no kernel runs, its reference does
            return type(cell) is not QuantizedCell  # of which nothing is kept to show
        if x.device.type == "cpu":
            return bool(isa.active() != isa.REFERENCE)
        return not self.return_states and self.resets is None and kernel_of(cell) in torch_ops.KINDS

    def _stack(self, stack: StackedCell, x: Tensor, *states: Any) -> Unrolled:
        walked = []
        for layer, cell in enumerate(stack.cells):
            own = (None if state is None else state[layer] for state in states)
            walked.append(self.through(cell, x, *own))
            x = walked[-1].outputs
        final, every, gates = (
            tuple(getattr(one, name) for one in walked) for name in ("state", "states", "gates")
        )
        return Unrolled(x, final, every, gates if self.return_gates else None)

    def _layer(self, cell: Any, x: Tensor, state: Any, reset_state: Any) -> Unrolled:
        layer, packed = self._call(cell, x, state, reset_state)
        results, gates = unroll(
            layer,
            packed=packed,
            keep_c=self.return_states,
            return_gates=self.return_gates,
            recompute_gates=self.recompute_gates,
        )
        types = types_of(cell, x, state)
        if types is not None:
            results, gates = types.results(results), types.gates(gates)
        final = _final(layer, results)
        if not self.return_states:
            return Unrolled(results.out, final, None, gates)
        every: Any = self._carried(results.out, results.h_n)
        if every is results.out:  # which is the user's to change
            every = every.clone()
        if layer.has_c:
            every = LSTMState(every, self._carried(results.c, results.c_n))
        return Unrolled(results.out, final, every, gates)

    def _call(self, cell: Any, x: Tensor, state: Any, reset_state: Any) -> tuple[Layer, Tensor | None]:
        """What a kernel takes: the layer, and its packed weights if these are kept."""
        layer = layer_of(
            cell,
            x,
            self.lengths,
            state,
            batch_first=self.batch_first,
            reverse=self.reverse,
            resets=self.resets,
            reset_state=reset_state,
        )
        keeps = type(cell) is QuantizedCell and not is_dispatched(layer)
        return layer, packed_of(cell, layer) if keeps else None

    def _loop(self, cell: Any, x: Tensor, state: Any, reset_state: Any) -> Unrolled:
        """The plain loop, one step of the cell after another: the definition."""
        check_numbers(cell, x=x, state=state, reset_state=reset_state)
        resets = self.resets
        if self.reverse:
            x = reverse_sequence(x, self.lengths, batch_first=self.batch_first)
            resets = None if resets is None else reverse_sequence(resets, self.lengths)
        outputs, states = [], []
        steps = x.unbind(self._time_axis)
        for output, next_state in walk(cell, steps, self.lengths, state, resets, reset_state):
            outputs.append(output)
            state = next_state
            if self.return_states:
                states.append(state)

        def stack(*steps: Tensor) -> Tensor:
            stacked = torch.stack(steps, self._time_axis)
            if self.reverse:
                return reverse_sequence(stacked, self.lengths, batch_first=self.batch_first)
            return stacked

        every = map_state(stack, *states) if self.return_states else None
        return Unrolled(stack(*outputs), state, every)

    def _running(self, steps: Tensor) -> Tensor:
        """Whether a sequence has a step there, to be compared with `steps`."""
        assert self.lengths is not None
        t = torch.arange(steps.shape[self._time_axis], device=steps.device)
        running = t < self.lengths[:, None]
        return (running if self.batch_first else running.T).unsqueeze(2)

    def _within(self, x: Tensor) -> Tensor:
        """Zeros in the place of the padding: a NaN there would come back through a gradient."""
        return x if self.lengths is None else torch.where(self._running(x), x, 0)

    def _carried(self, steps: Tensor, final: Tensor) -> Tensor:
        """The states of every step: past its length a sequence keeps the last."""
        if self.lengths is None:
            return steps
        return torch.where(self._running(steps), steps, final.unsqueeze(self._time_axis))


def through_both(ways: tuple[Walk, Walk], cells: Any, x: Tensor, states: Any, back: Any) -> list[Unrolled]:
    """`Walk.through` of two quantized cells on the same x, at once where there are threads for both.

    Each has its way, its state, and in `back` the state that its resets go back to.
    """
    each = list(zip(ways, cells, states, back, strict=True))
    if not all(way._pays(cell, x, *given) for way, cell, *given in each):
        return [way.through(cell, x, *given) for way, cell, *given in each]
    for way, cell, *given in each:
        way._check_states(cell, x, *given)
    layers, packed = zip(*(way._call(cell, x, *given) for way, cell, *given in each), strict=True)
    found = unroll_both(*layers, packed=packed)
    return [Unrolled(one.out, _final(layer, one)) for layer, one in zip(layers, found, strict=True)]


def _final(layer: Layer, results: Results) -> Any:
    return LSTMState(results.h_n, results.c_n) if layer.has_c else results.h_n
