"""Recurrent loops of a plan become one step each, which runs whole sequences through the unrolling here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.cells import Cell, GRUCell, LSTMCell, RNNCell
from unrolled.tf1.graphs.loop_recognition import recognised
from unrolled.tf1.graphs.ops.tensor_arrays import FLOW, TensorArray
from unrolled.tf1.graphs.plan import COMPUTE, ENTER, Plan, Step
from unrolled.tf1.graphs.recurrent_loop import LayerOfLoop, RecurrentLoop, Value
from unrolled.tf1.graphs.run import RunError
from unrolled.tf1.rnn import gate_layout
from unrolled.unroll import dynamic_unroll

MOST_LOOPS = 100  # of one plan: each costs a look at all of it
GATES = {"lstm": 4, "gru": 2, "rnn": 1}  # of the first kernel


class NotFusedError(RunError):
    """What came into a loop is not what layers take: it is to run step by step."""


def fuse(plan: Plan) -> dict[str, str]:
    """Put one step in the place of each loop that is layers of cells; their kinds, by the loops' names."""
    entering: dict[str, list[Step]] = {}
    for step in plan.steps:
        if step.kind == ENTER:
            entering.setdefault(step.frame, []).append(step)
    found: dict[str, str] = {}
    sources = sources_of(plan)
    for frame, enters in entering.items():
        loop = recognised(enters, sources) if len(found) < MOST_LOOPS else None
        if loop is not None:
            _replace(plan, loop)
            sources = sources_of(plan)
            found[frame] = loop.name
    return found


def sources_of(plan: Plan) -> dict[int, list[Value | None]]:
    """What the inputs of each step come from, by its index."""
    sources: dict[int, list[Value | None]] = {step.index: [None] * step.arity for step in plan.steps}
    for step in plan.steps:
        for output, targets in enumerate(step.targets):
            for target, place in targets:
                sources[target.index][place] = (step, output)
    return sources


def _replace(plan: Plan, loop: RecurrentLoop) -> None:
    """Lead what enters a loop into one step, and what leaves it out of that."""
    fused = Step(len(plan.steps), COMPUTE, loop.variables[0].switch.node)
    plan.steps.append(fused)
    places = {enter.index: place for place, enter in enumerate(loop.enters)}
    fused.arity = len(places)
    for step in plan.steps:
        for targets in step.targets:
            targets[:] = [
                (fused, places[target.index]) if target.index in places else (target, place)
                for target, place in targets
            ]
        step.after = [fused if target.index in places else target for target in step.after]
    fused.waits = sum(enter.waits for enter in loop.enters)
    for number, variable in enumerate(loop.variables):
        leaving = variable.exit
        fused.targets.append(leaving.targets[0] if leaving is not None and leaving.targets else [])
        if leaving is not None:
            fused.after += leaving.after
            fused.fetched += [(place, number if output >= 0 else output) for place, output in leaving.fetched]

    def function(node: Any, *inputs: Any) -> tuple[Any, ...]:
        return run(loop, places, inputs)

    fused.function = function


def run(loop: RecurrentLoop, places: dict[int, int], inputs: Sequence[Any]) -> tuple[Any, ...]:
    """What the variables of a loop are after its last step.

    Raises:
        NotFusedError: what came is not what layers take.
    """

    def given(step: Step) -> Any:
        return inputs[places[step.index]]

    starts = [given(variable.enter) for variable in loop.variables]
    limits = [int(_number(given(bound))) for _, bound in loop.bounds]
    if min(limits) < 1 or any(int(_number(starts[counter])) for counter, _ in loop.bounds):
        raise NotFusedError("a loop without steps, or one that begins later")
    steps = min(limits)
    outputs = loop.outputs
    read, written = given(loop.x), None if outputs is None else given(outputs.array)
    if not isinstance(read, TensorArray) or not isinstance(written, TensorArray | None) or read.size < steps:
        raise NotFusedError("arrays of another kind")
    x = read.stack(list(range(steps)))
    if x.dim() != 3 or x.dtype not in (torch.float32, torch.float64):
        raise NotFusedError("steps that are no rows of numbers")
    lengths = None
    if loop.lengths is not None:
        lengths = given(loop.lengths)
        if lengths.shape != x.shape[1:2]:
            raise NotFusedError("lengths of another shape")
        if outputs is not None and outputs.zeros is not None and bool(given(outputs.zeros).any()):
            raise NotFusedError("outputs past the lengths that are not zero")
        lengths = lengths.long().clamp(0, steps)
    results = list(starts)
    for counter, _ in loop.bounds:
        results[counter] = torch.full_like(starts[counter], steps)
    for layer in loop.layers:
        states = [starts[place] for place in layer.states]
        cell = _cell(layer, {name: given(step) for name, step in layer.weights.items()}, x, states)
        state: Any = tuple(states) if layer.kind == "lstm" else states[0]
        if layer.kind == "lstm":
            state = cell.initial_state(0)._make(states)
        x, state = dynamic_unroll(cell, x, lengths, state, batch_first=False)
        for place, value in zip(layer.states, state if layer.kind == "lstm" else [state], strict=True):
            results[place] = value
    if outputs is not None and written is not None:
        results[outputs.flow] = FLOW
        for step, output in enumerate(x.unbind(0)):
            written.write(step, output)
    return tuple(results)


def _number(value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.dim():
        raise NotFusedError("a bound that is no number")
    return value


def _cell(layer: LayerOfLoop, variables: dict[str, Any], x: Tensor, states: list[Any]) -> Cell:
    """A cell whose weights are computed from the variables: gradients pass."""
    count, size = x.shape[1:]
    hidden = states[0].shape[-1]
    for value in (*variables.values(), *states):
        if not isinstance(value, Tensor) or value.dtype != x.dtype:
            raise NotFusedError("numbers of several types")
    shapes = {name: (size + hidden, hidden) if "kernel" in name else (hidden,) for name in variables}
    first = "gates/" if layer.kind == "gru" else ""
    for name in ("kernel", "bias"):
        *rows, width = shapes[first + name]
        shapes[first + name] = (*rows, GATES[layer.kind] * width)
    fit = all(tuple(variables[name].shape) == shape for name, shape in shapes.items())
    if not fit or any(tuple(state.shape) != (count, hidden) for state in states):
        raise NotFusedError("weights or states of another shape")
    with torch.device("meta"):
        cell: Cell
        if layer.kind == "lstm":
            cell = LSTMCell(size, hidden, forget_bias=layer.forget_bias)
        elif layer.kind == "gru":
            cell = GRUCell(size, hidden, reset="before")
        else:
            cell = RNNCell(size, hidden)
    for name, value in gate_layout.parameters(cell, variables).items():
        del cell._parameters[name]
        setattr(cell, name, value)
    return cell
