"""Hostile calls through the public doors: cells, drop-ins and streams, with weights that were replaced."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import unrolled
from tests.kernels.hostile.calls import Call, Found, gradients_of, how_many, odd_tensor
from tests.kernels.hostile.oddities import REFUSED, odd_lengths, odd_resets
from unrolled import GRUCell, LSTMCell, RNNCell, StackedCell, Stream, dynamic_unroll, static_unroll
from unrolled.cells.state import map_state

_CELLS = [
    lambda: RNNCell(5, 7),
    lambda: RNNCell(5, 7, nonlinearity="relu"),
    lambda: LSTMCell(5, 7),
    lambda: LSTMCell(5, 7, peephole=True, cell_clip=0.4),
    lambda: LSTMCell(5, 7, proj_size=3),
    lambda: LSTMCell(5, 7, layer_norm="gates"),
    lambda: LSTMCell(5, 7, layer_norm="projections"),
    lambda: GRUCell(5, 7),
    lambda: GRUCell(5, 7, reset="before"),
    lambda: StackedCell([GRUCell(5, 7), LSTMCell(7, 4)]),
]
_LAYERS = [
    (unrolled.LSTM, nn.LSTM, {}),
    (unrolled.LSTM, nn.LSTM, {"proj_size": 3}),
    (unrolled.GRU, nn.GRU, {"bidirectional": True}),
    (unrolled.RNN, nn.RNN, {"nonlinearity": "relu"}),
    (unrolled.LSTM, nn.LSTM, {"num_layers": 2, "bias": False}),
]


class Oddities:
    """Oddities of a call, put into two of everything: what is called, and what the loop reads."""

    def __init__(self, chance: random.Random, dtype: torch.dtype) -> None:
        self.chance, self.dtype = chance, dtype
        self.words: list[str] = []
        self._without_numbers: set[str] = set()

    def of(self, what: str, tensor: Tensor) -> tuple[Any, Any]:
        word, odd, plain, _ = odd_tensor(tensor, self.chance, self.dtype)
        self.note(what, word, plain)
        return odd, plain

    def note(self, what: str, word: str, plain: Any) -> None:
        """Remember what is odd now about one thing, and whether it can be read."""
        self.words.append(f"{what} {word}")
        (self._without_numbers.add if plain is REFUSED else self._without_numbers.discard)(
            what.partition(" ")[0]
        )

    @property
    def unreadable(self) -> bool:
        """Whether there is something that nobody can read."""
        return bool(self._without_numbers)

    def of_a_weight(self, module: nn.Module, twin: nn.Module) -> None:
        """Replace a weight by an odd one: as a Parameter, a buffer or a plain attribute."""
        name, weight = self.chance.choice(list(module.named_parameters()))
        way = self.chance.choice(("parameter", "buffer", "attribute"))
        odd, plain = self.of(f"{name} as {way}", weight.detach())
        if way == "parameter" and isinstance(odd, Tensor) and not isinstance(odd, nn.Parameter):
            floating = odd.is_floating_point() and not odd.is_inference()
            odd = nn.Parameter(odd.detach(), requires_grad=floating)
        _replace(module, name, odd, way)
        if isinstance(odd, nn.Parameter) and isinstance(plain, Tensor):
            plain = nn.Parameter(plain.clone(), requires_grad=odd.requires_grad)
        if plain is not REFUSED:
            _replace(twin, name, plain, way)


def _replace(module: nn.Module, name: str, value: Any, way: str) -> None:
    owner, _, last = name.rpartition(".")
    part = module.get_submodule(owner)
    del part._parameters[last]
    if way == "buffer" and isinstance(value, Tensor | None):
        part.register_buffer(last, None if value is None else value.detach())
    else:
        setattr(part, last, value)


def cell_call(chance: random.Random) -> Call:
    """dynamic_unroll."""
    dtype = chance.choice([torch.float32, torch.float64])
    cell = chance.choice(_CELLS)().to(dtype)
    twin = copy.deepcopy(cell)
    oddities = Oddities(chance, dtype)
    batch, time = chance.choice([1, 2, 4]), chance.choice([1, 3, 6])
    x = plain_x = torch.randn(batch, time, 5, dtype=dtype)
    lengths = plain_lengths = (
        [chance.randint(0, time) for _ in range(batch)] if chance.random() < 0.5 else None
    )
    state = plain_state = None
    resets = plain_resets = (torch.rand(batch, time) < 0.4) if chance.random() < 0.5 else None
    for _ in range(how_many(chance)):
        what = chance.choice("wwwwxxlsr")
        if what == "w":
            oddities.of_a_weight(cell, twin)
        elif what == "x":
            x, plain_x = oddities.of("x", torch.randn(batch, time, 5, dtype=dtype))
        elif what == "l":
            whole = [chance.randint(0, time) for _ in range(batch)]
            word, lengths, plain_lengths = odd_lengths(whole, time, chance)
            oddities.note("lengths", word, plain_lengths)
        elif what == "r":
            word, resets, plain_resets = odd_resets(batch, time, chance)
            oddities.note("resets", word, plain_resets)
        elif not isinstance(cell, StackedCell) and not isinstance(cell, LSTMCell):
            state, plain_state = oddities.of("state", torch.randn(batch, 7, dtype=dtype))
    meddled = isinstance(lengths, list) and chance.random() < 0.5
    if meddled:
        lengths = chance.choice([torch.tensor, np.array])(lengths)
        oddities.words.append("lengths changed before backward")

    def run() -> Found:
        outputs, final = dynamic_unroll(cell, x, lengths, state, resets=resets)
        if meddled:
            lengths[:] = time - 1
        return _with_gradients([outputs, *_flat(final)], [x], cell)

    def judge() -> Found:
        read = plain_x.clone().requires_grad_() if _wants(x) else plain_x
        steps = [read[:, t] for t in range(read.shape[1])]
        outputs, final = static_unroll(twin, steps, plain_lengths, plain_state, resets=plain_resets)
        return _with_gradients([torch.stack(outputs, 1), *_flat(final)], [read], twin)

    return Call([type(cell).__name__, *oddities.words], run, judge, oddities.unreadable)


def layer_call(chance: random.Random) -> Call:
    """A drop-in, beside torch.nn's."""
    dtype = chance.choice([torch.float32, torch.float64])
    ours, theirs, options = chance.choice(_LAYERS)
    layer = ours(5, 7, batch_first=True, dtype=dtype, **options)
    peer = theirs(5, 7, batch_first=True, dtype=dtype, **options)
    peer.load_state_dict(layer.state_dict())
    oddities = Oddities(chance, dtype)
    x = plain_x = torch.randn(4, 6, 5, dtype=dtype)
    for _ in range(how_many(chance)):
        if chance.random() < 0.6:
            oddities.of_a_weight(layer, peer)
        else:
            x, plain_x = oddities.of("x", torch.randn(4, 6, 5, dtype=dtype))

    def run() -> Found:
        outputs, final = layer(x)
        return _with_gradients([outputs, *_flat(final)], [x], layer)

    def judge() -> Found:
        read = plain_x.clone().requires_grad_() if _wants(x) else plain_x
        outputs, final = peer(read)
        return _with_gradients([outputs, *_flat(final)], [read], peer)

    return Call([ours.__name__, *oddities.words], run, judge, oddities.unreadable)


def stream_call(chance: random.Random) -> Call:
    """Three steps of a Stream, whose weights were replaced since it was made or took a step."""
    dtype = chance.choice([torch.float32, torch.float64])
    cell = chance.choice(_CELLS)().to(dtype)
    twin = copy.deepcopy(cell)
    oddities = Oddities(chance, dtype)
    batch = chance.choice([1, 2, 4])
    steps = [torch.randn(batch, 5, dtype=dtype) for _ in range(3)]
    plain_steps, read = list(steps), list[Any](steps)
    anew = [torch.rand(batch) < 0.4 if chance.random() < 0.5 else None for _ in range(3)]
    of_weights = 0
    for _ in range(how_many(chance)):
        if chance.random() < 0.5:
            of_weights += 1
        else:
            t = chance.randrange(3)
            steps[t], read[t] = oddities.of(f"x_{t}", plain_steps[t])
            if isinstance(steps[t], np.ndarray):
                read[t] = torch.from_numpy(steps[t])
    stream = Stream(cell)
    if chance.random() < 0.5:
        stream.step(torch.randn(batch, 5, dtype=dtype))
    for _ in range(of_weights):
        oddities.of_a_weight(cell, twin)
    stream.reset()

    def run() -> Found:
        return Found([torch.as_tensor(stream.step(*one)) for one in zip(steps, anew, strict=True)], [])

    def judge() -> Found:
        found, state = [], None
        with torch.no_grad():
            for x, resets in zip(read, anew, strict=True):
                if state is not None and resets is not None:
                    state = map_state(lambda part, resets=resets: part * ~resets[:, None], state)
                output, state = twin.eval()(x if x.dim() == 2 else x[None], state)
                found.append(output if x.dim() == 2 else output[0])
        return Found(found, [])

    return Call([type(cell).__name__, *oddities.words], run, judge, oddities.unreadable)


def _flat(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else [part for parts in state for part in _flat(parts)]


def _wants(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _with_gradients(results: list[Tensor], inputs: list[Tensor], module: nn.Module) -> Found:
    wanting = [tensor for tensor in inputs if _wants(tensor)]
    weights = sorted(module.named_parameters())
    return Found(results, gradients_of(results, [*wanting, *(w for _, w in weights if w.requires_grad)]))
