"""This library: cells and unrollings; TensorFlow 1's names where a case asks for their forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import unrolled
from conformance.problem import Layer, Problem, sizes
from conformance.protocol import Numbers, serve
from conformance.torch_nn.runner import derived, laid_out
from unrolled.cells import Cell
from unrolled.kernels import native_call

LACKS = {
    "mask": "sequences have lengths and resets; no other steps can be left out",
    "recurrent dropout": "dropout of state is on the outgoing h, which the output and the next state share",
}
OUTER = {
    "W": "weight_ih",
    "U": "weight_hh",
    "b": "bias_ih",
    "d": "bias_hh",
    "R": "weight_hr",
    "pi": "weight_ci",
    "pf": "weight_cf",
    "po": "weight_co",
}
calls: list[str] = []


def run(problem: Problem) -> Numbers:
    torch.manual_seed(0)
    calls.clear()
    with torch.set_grad_enabled(bool(problem.weigh)):
        answer = _form(problem) if problem.form else _answer(problem)
    return answer | {"path": "fused" if calls else "step by step"}


def _answer(problem: Problem) -> Numbers:
    dtype = getattr(torch, problem.dtype)
    options: dict[str, Any] = {"dtype": dtype, "requires_grad": bool(problem.weigh)}
    leaves = {"x": torch.tensor(problem.x, **options)}
    leaves |= {f"state.{name}": torch.tensor(value, **options) for name, value in problem.state.items()}
    cells: dict[str, Cell] = {}
    for number, layer in enumerate(problem.layers):
        for way in layer.ways:
            place = f"{number}.{way}"
            cells[place] = _cell(layer, way, dtype)
            leaves |= {f"{place}.{name}": getattr(cells[place], OUTER[name]) for name in layer.ways[way]}
            cells[place] = _wrapped(cells[place], number, problem).train(problem.training)
    first = problem.layout != "time major"
    given = {
        "lengths": None if problem.lengths is None else torch.tensor(problem.lengths),
        "resets": None if problem.resets is None else torch.tensor(problem.resets),
        "batch_first": first,
    }
    found = _walk(problem, cells, laid_out(leaves["x"], problem.layout), _states(problem, leaves), given)
    if not first:
        found["outputs"] = found["outputs"].transpose(0, 1)
    return derived(problem, leaves, found, dtype)


def _cell(layer: Layer, way: str, dtype: torch.dtype) -> Cell:
    weights, options = layer.ways[way], dict(layer.options)
    kind: Callable[..., Cell] = {
        "rnn": unrolled.RNNCell,
        "lstm": unrolled.LSTMCell,
        "gru": unrolled.GRUCell,
    }[layer.cell]
    if "activation" in options:
        options["nonlinearity"] = options.pop("activation")
    if "pi" in weights:
        options["peephole"] = True
    if "R" in weights:
        options["proj_size"] = len(weights["R"])
    cell = kind(weights["W"].shape[1], sizes(layer, way)[-1], bias="b" in weights, dtype=dtype, **options)
    with torch.no_grad():
        for name, outer in OUTER.items():
            parameter = getattr(cell, outer, None)
            if parameter is not None:
                parameter.copy_(torch.tensor(weights[name])) if name in weights else parameter.zero_()
    return cell


def _wrapped(cell: Any, number: int, problem: Problem) -> Any:
    """The cell with its dropout."""
    for place, p in problem.dropout.items():
        if place == "candidate":
            cell.recurrent_dropout = p
        elif place == "between layers":
            last = number == len(problem.layers) - 1
            cell = cell if last else unrolled.DropoutCell(cell, output=p)
        else:
            variational, place = place.startswith("variational"), place.split()[-1]
            cell = unrolled.DropoutCell(cell, variational=variational, **{place: p})
    return cell


def _states(problem: Problem, leaves: dict[str, Tensor]) -> dict[str, Any]:
    """The initial state of each layer and direction, as its cell takes it."""
    found: dict[str, Any] = {}
    for name in problem.state:
        place, part = name.rsplit(".", 1)
        found.setdefault(place, {})[part] = leaves[f"state.{name}"]
    return {
        place: unrolled.LSTMState(**parts) if len(parts) == 2 else parts["h"]
        for place, parts in found.items()
    }


def _walk(
    problem: Problem, cells: dict[str, Cell], x: Tensor, states: dict[str, Any], given: dict[str, Any]
) -> dict[str, Tensor]:
    ways = list(problem.layers[0].ways)
    places = {way: [f"{k}.{way}" for k in range(len(problem.layers))] for way in ways}
    lists = [[cells[place] for place in places[way]] for way in ways]
    starts = [tuple(states[place] for place in places[way]) for way in ways] if states else None
    if len(ways) == 2:
        options = {"states": starts and (starts[0], starts[1]), "kind": problem.unroll, **given}
        if problem.stacking == "interleaved":
            outputs, finals = unrolled.stacked_bidirectional_unroll(lists[0], lists[1], x, **options)
        else:
            stacks = unrolled.StackedCell(lists[0]), unrolled.StackedCell(lists[1])
            outputs, finals = unrolled.bidirectional_unroll(*stacks, x, **options)
        every_place = [place for way in ways for place in places[way]]
        found = dict(zip(every_place, [*finals[0], *finals[1]], strict=True))
        return {"outputs": outputs} | _named("final", found)
    way, one = ways[0], len(problem.layers) == 1
    cell = lists[0][0] if one else unrolled.StackedCell(lists[0])
    start: Any = starts and (starts[0][0] if one else starts[0])
    if problem.unroll == "static":
        first = given.pop("batch_first")
        steps, final = unrolled.static_unroll(cell, x.unbind(int(first)), state=start, **given)
        outputs, every = torch.stack(steps, int(first)), None
    else:
        outputs, final, every = unrolled.dynamic_unroll(
            cell, x, state=start, reverse=way == "backward", return_states=True, **given
        )
    found = {f"0.{way}": final} if one else dict(zip(places[way], final, strict=True))
    named = {"outputs": outputs} | _named("final", found)
    return named if every is None else named | _named("states", {f"0.{way}": every} if one else {})


def _named(title: str, states: dict[str, Any]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for place, state in states.items():
        parts = state._asdict() if isinstance(state, unrolled.LSTMState) else {"h": state}
        found |= {f"{title}.{place}.{part}": value for part, value in parts.items()}
    return found


def _form(problem: Problem) -> Numbers:
    """TensorFlow 1's own way to say it: without a dtype, or with a state of one tensor."""
    weights = problem.layers[0].ways["forward"]
    H = weights["U"].shape[1]
    cell = unrolled.tf1.BasicLSTMCell(H, forget_bias=0.0, state_is_tuple=problem.form != "joined")
    cell.build(problem.x.shape[2])
    i, f, g, o = (torch.arange(k * H, (k + 1) * H) for k in range(4))
    order = torch.cat([i, g, f, o])
    joint = torch.tensor(weights["W"]), torch.tensor(weights["U"])
    kernel = torch.cat(joint, dim=1)[order].T
    bias = torch.tensor(weights["b"] + weights["d"])[order]
    named = {"kernel": kernel.float().numpy(), "bias": bias.float().numpy()}
    unrolled.tf1.load_variables(cell, {f"rnn/basic_lstm_cell/{k}": v for k, v in named.items()}, "rnn")
    dtype = None if problem.form == "no dtype" else "float32"
    outputs, state = unrolled.tf1.dynamic_rnn(cell, torch.tensor(problem.x).float(), dtype=dtype)
    return {"outputs": outputs.detach().numpy(), "final.0.forward.joined": state.detach().numpy()}


def _count() -> None:
    """Note each call of the native kernels."""
    for name in ("forward", "forward_both"):
        native = getattr(native_call, name)

        def counted(*values: Any, native: Any = native, **options: Any) -> Any:
            calls.append("native")
            return native(*values, **options)

        setattr(native_call, name, counted)


if __name__ == "__main__":
    torch.set_num_threads(1)
    _count()
    serve("unrolled", {"unrolled": unrolled.__version__, "torch": torch.__version__}, LACKS, run)
