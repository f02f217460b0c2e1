"""Loops along time: run as they stand, and recognised where they compute what a recurrent node does.

tf2onnx writes such loops of Keras' GRU and SimpleRNN, and of LSTMs that it does not know.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.onnx.limits import Limits
from unrolled.onnx.recurrent_layer import RecurrentLayer
from unrolled.onnx.registry import OPERATORS, Body, Node

LOOP = "Loop"
WITHIN = 1e-5
STEPS, BATCH = 4, 2  # of the sequences of the proof
GATES = {"GRU": 3, "RNN": 1, "LSTM": 4}
STATE = "state of the proof "
KERAS_LSTM = (0, 3, 1, 2)  # the standard's gates i, o, f, c among Keras' i, f, c, o
MOST_MATRICES, MOST_TRIED = 8, 200  # of a loop, and ways to take them


def run_loop(node: Node, values: Mapping[str, Tensor], limits: Limits) -> tuple[Tensor, ...]:
    """A Loop: its final states, and what it gives at each step one behind the other.

    Args:
        node: with its body.
        values: what is there outside.
        limits: of all that is computed.

    Raises:
        UnrolledError: it computes too much, or a value is none that it can be.
    """
    body: Body = node.get("body")
    most, going, *states = (values[name] if name else None for name in node.inputs)
    count = None if most is None else int(most.reshape(()).item())
    go_on = going is None or bool(going.reshape(()).item())
    given = {**{name: values[name] for name in body.captured}, **body.constants}
    steps: list[tuple[Tensor, ...]] = []
    kept = len(states)
    number = 0
    while go_on and (count is None or number < count):
        limits.turn(len(body.nodes))
        now = dict(given)
        now |= {
            name: value
            for name, value in zip(
                body.inputs, (torch.tensor(number), torch.tensor(go_on), *states), strict=True
            )
            if value is not None
        }
        for inner in body.nodes:
            taken = [now[name] if name else None for name in inner.inputs]
            limits.check(inner, taken)
            came = OPERATORS[inner.op](inner, *taken)
            now |= dict(zip(inner.outputs, came if isinstance(came, tuple) else (came,), strict=False))
        more, *results = (now[name] for name in body.outputs)
        go_on = bool(more.reshape(()).item())
        states = list(results[:kept])
        given_now = tuple(results[kept:])
        limits.hold((f"{node.name}/{number}/{place}" for place in range(len(given_now))), given_now)
        steps.append(given_now)
        number += 1
    if any(state is None for state in states):
        raise UnrolledError("a state has no value")
    if not steps:
        return (*states, *(torch.zeros(0) for _ in body.outputs[1 + kept :]))  # type: ignore[arg-type]
    return (*states, *(torch.stack(parts) for parts in zip(*steps, strict=True)))  # type: ignore[arg-type]


class _Walk(NamedTuple):
    """How a loop walks along time.

    Attributes:
        x: the value outside, [T, N, I], of which it reads a step at a time.
        states: places among what it carries: h, or h and c, [N, H].
        counters: places of whole numbers that count steps.
        weights: the constants that it sees.
    """

    x: str
    states: tuple[int, ...]
    counters: tuple[int, ...]
    weights: dict[str, Tensor]


def layer_of_loop(node: Node, constants: Mapping[str, Tensor], limits: Limits) -> RecurrentLayer | None:
    """The recurrent layer that computes what a Loop does, with the same weights; None if none is found.

    Weights are taken by their shapes, as Keras lays them out: kernel [I, G H], recurrent kernel [H, G H],
    bias [G H] or [2, G H]. The layer and the loop must give the same of random sequences and states.
    """
    walk = _walk_of(node, constants)
    if walk is None:
        return None
    for candidate in itertools.islice(_candidates(walk), MOST_TRIED):
        try:
            if _agree(node, walk, candidate, constants, limits):
                return candidate
        except (UnrolledError, RuntimeError, ValueError, IndexError, KeyError, TypeError):
            continue  # it takes something else than such a layer does
    return None


def _walk_of(node: Node, constants: Mapping[str, Tensor]) -> _Walk | None:
    body: Body = node.get("body")
    carried = list(zip(body.inputs[2:], node.inputs[2:], body.outputs[1:], strict=False))
    counters, states = [], []
    for place, (inside, outside, after) in enumerate(carried):
        value = constants.get(outside)
        if after == inside:
            continue
        if value is not None and not value.is_floating_point() and value.numel() == 1:
            counters.append(place)
        else:
            states.append(place)
    numbers = {body.inputs[0], *(carried[place][0] for place in counters)}
    read = [
        inner.inputs[0]
        for inner in body.nodes
        if inner.op == "Gather" and inner.inputs[0] in body.captured and inner.inputs[1] in numbers
    ]
    if len(read) != 1 or not 1 <= len(states) <= 2:
        return None
    seen = {outside: constants[outside] for _, outside, _ in carried if outside in constants}
    seen |= {name: constants[name] for name in body.captured if name in constants}
    seen |= body.constants
    weights = {name: value for name, value in seen.items() if value.dtype == torch.float32 and value.dim()}
    return _Walk(read[0], tuple(states), tuple(counters), weights)


def _candidates(walk: _Walk) -> Iterator[RecurrentLayer]:
    """The layers that the weights may be of."""
    matrices = [value for value in walk.weights.values() if value.dim() == 2][:MOST_MATRICES]
    for op, gates in GATES.items():
        if (op == "LSTM") != (len(walk.states) == 2):
            continue
        for W, R in itertools.permutations(matrices, 2):
            H, width = R.shape
            if not H or width != gates * H or W.shape[1] != width:
                continue
            whole = [value for value in walk.weights.values() if value.shape in ((width,), (2, width))]
            for bias in (*whole, None):
                both = torch.zeros(2, width)
                if bias is not None:
                    both[: max(1, bias.dim())] = bias
                if bias is not None and bias.dim() == 1:
                    both[1] = 0
                yield from _layers(op, W.T, R.T, both)


def _layers(op: str, W: Tensor, R: Tensor, biases: Tensor) -> Iterator[RecurrentLayer]:
    if op == "LSTM":
        W, R = (torch.cat([weight.chunk(4)[gate] for gate in KERAS_LSTM]) for weight in (W, R))
        biases = torch.cat([biases.chunk(4, 1)[gate] for gate in KERAS_LSTM], 1)
    choices: dict[str, list[dict[str, Any]]] = {
        "GRU": [{"linear_before_reset": 1}, {"linear_before_reset": 0}],
        "RNN": [{"activations": ["Tanh"]}, {"activations": ["Relu"]}],
        "LSTM": [{}],
    }
    for attributes in choices[op]:
        made = Node(op, op, (), (), {"hidden_size": R.shape[1], **attributes}, 17)
        yield RecurrentLayer.of(made, W[None], R[None], biases.reshape(1, -1))


def _agree(
    node: Node, walk: _Walk, layer: RecurrentLayer, constants: Mapping[str, Tensor], limits: Limits
) -> bool:
    """Whether loop and layer give the same of random sequences, from random states."""
    (cell,) = layer.cells.values()
    random = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS, BATCH, cell.input_size, generator=random)
    states = [torch.randn(BATCH, cell.output_size, generator=random) for _ in walk.states]
    body: Body = node.get("body")
    values = {name: torch.tensor(STEPS) for name in (*node.inputs, *body.captured)}  # such as its end
    values |= {name: constants[name] for name in values if name in constants}
    values[walk.x] = x
    inputs = list(node.inputs)
    for place, state in zip(walk.states, states, strict=True):  # of which two may begin as one value
        inputs[2 + place] = f"{STATE}{place}"
        values[inputs[2 + place]] = state
    inputs[1] = ""
    came = run_loop(dataclasses.replace(node, inputs=tuple(inputs)), values, limits)
    with torch.no_grad():
        outputs, *final = layer(x, None, *(state[None] for state in states))
    carried = len(body.inputs) - 2
    pairs = [(came[place], state[0]) for place, state in zip(walk.states, final, strict=True)]
    pairs += [(steps, outputs[:, 0]) for steps in came[carried:]]
    return all(
        one.shape == other.shape and bool(((one - other).abs() <= WITHIN).all()) for one, other in pairs
    )
