"""A hostile call, drawn from its number: through which door, what is odd, and what the loop makes of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tests.kernels.hostile.guarded import guarded
from tests.kernels.hostile.oddities import ODDITIES, REFUSED, is_value_preserving, odd_lengths, odd_resets
from tests.kernels.layers import OPTIONS, make_layer
from unrolled.kernels import ops, reference
from unrolled.kernels.native_call import KINDS, Layer


class Found(NamedTuple):
    """What a call, or the loop in its place, gave."""

    results: list[Tensor]
    gradients: list[Tensor]


class Call(NamedTuple):
    """What is called, and what judges it.

    Attributes:
        odd: what is odd about the call, in words.
        run: makes the call.
        judge: computes the same with the loop on plain tensors; None if it cannot; ANYTHING if any numbers
            may be right, as long as nothing crashes.
        unreadable: whether there is something that has no numbers, so that none can be right.
    """

    odd: list[str]
    run: Callable[[], Found]
    judge: Any
    unreadable: bool = False


ANYTHING = object()
UNROLL, BACKWARD = ops.torch.ops.unrolled.unroll, ops.torch.ops.unrolled.unroll_backward
_TENSORS = [
    name
    for name, kind in Layer.__annotations__.items()
    if "Tensor" in str(kind) and name not in ("lengths", "resets")
]
_NUMBERS = ("forget_bias", "recurrent_dropout", "zoneout", "cell_clip", "proj_clip")
_STRANGE = (float("nan"), float("inf"), -float("inf"), -1.0, 0.5, 1.0, 2.0, 1e300, 3)


def how_many(chance: random.Random) -> int:
    """Of oddities in a call: mostly one, so that it is that one which counts."""
    return chance.choices([0, 1, 2, 3], [1, 6, 2, 1])[0]


def some_layer(chance: random.Random, dtype: torch.dtype) -> tuple[Layer, list[int]]:
    """A layer that is right, and lengths that fit it."""
    kind = chance.choice(KINDS)
    optional = kind in ("lstm_options", "lstm_norm_gates", "lstm_norm_projections")
    batch, time = chance.choice([0, 1, 2, 3, 5]), chance.choice([1, 2, 3, 6])
    lengths = [chance.randint(0, time) for _ in range(batch)]
    layer = make_layer(
        kind,
        batch,
        time,
        chance.choice([1, 2, 4, 7, 19]),
        chance.choice([3, 5, 8, 17]),
        lengths=lengths if chance.random() < 0.5 else None,
        bias=chance.random() < 0.8,
        states=chance.random() < 0.5,
        reverse=chance.random() < 0.5,
        batch_first=chance.random() < 0.5,
        options=[name for name in OPTIONS if optional and chance.random() < 0.4],
        resets=chance.choice(["", "zeros", "given"]),
        seed=chance.randrange(2**31),
    )
    for name in _TENSORS:
        value = getattr(layer, name)
        layer = layer._replace(**{name: None if value is None else value.to(dtype)})
    return layer, lengths


def odd_tensor(tensor: Any, chance: random.Random, dtype: torch.dtype) -> tuple[str, Any, Any, bool]:
    """What is odd, the odd one, what the loop reads, and whether that has the numbers of `tensor`."""
    oddity = chance.choice(ODDITIES)
    had = (
        tensor
        if isinstance(tensor, Tensor)
        else torch.rand(chance.choice([(3,), (3, 4), (8, 5)]), dtype=dtype)
    )
    odd, plain = oddity(had, chance)
    if isinstance(odd, Tensor) and odd.is_contiguous() and type(odd) is Tensor and odd.device.type == "cpu":
        odd = _guarded(odd)
    return oddity.__name__.strip("_"), odd, plain, is_value_preserving(oddity) and had is tensor


def _guarded(odd: Tensor) -> Tensor:
    plain = odd.layout == torch.strided and odd.untyped_storage().nbytes() and not odd.requires_grad
    special = odd.is_neg() or odd.is_conj() or odd.is_inference() or odd._is_zerotensor()
    return guarded(odd) if plain and not special else odd


def odd_layer(
    layer: Layer, lengths: list[int], chance: random.Random, dtype: torch.dtype
) -> tuple[list[str], Layer, Any, bool]:
    """Oddities put into a layer: their words, the odd layer, the plain one or REFUSED, and whether none
    changes its numbers.
    """
    plain = layer
    time = layer.sizes[0]
    words: list[str] = []
    same = True
    layer = layer._replace(**{n: None if (t := getattr(layer, n)) is None else guarded(t) for n in _TENSORS})
    for _ in range(how_many(chance)):
        what = chance.random()
        if what < 0.7:
            name = chance.choice(_TENSORS if chance.random() < 0.3 else _TENSORS[:7])
            word, odd, read, kept = odd_tensor(getattr(plain, name), chance, dtype)
        elif what < 0.85:
            name = "lengths"
            word, odd, read = odd_lengths(lengths, time, chance)
            kept = False
            if chance.random() < 0.4:
                name = "resets"
                word, odd, read = odd_resets(len(lengths), time, chance)
        elif what < 0.9:
            name, word, kept = chance.choice(_NUMBERS), "strange", False
            odd = read = chance.choice(_STRANGE)
        elif what < 0.94:
            name, other = chance.sample(_TENSORS[:5], 2)
            word, odd, read, kept = f"is {other}", getattr(layer, other), getattr(plain, other), False
        elif what < 0.97:
            name, word, kept = chance.choice(["reverse", "batch_first"]), "turned", False
            odd = read = not getattr(layer, name)
        else:
            name, kept = "kind", False
            odd = read = word = chance.choice(
                [*KINDS, "", "LSTM", "lstm ", "lstm_options_", "gru", "rnn_x", "\0"]
            )
        words.append(f"{name} {word}")
        same = same and kept
        layer = layer._replace(**{name: odd})
        if plain is not REFUSED:
            plain = REFUSED if read is REFUSED else plain._replace(**{name: read})
        if plain is REFUSED:
            return words, layer, REFUSED, False
    if plain.kind not in KINDS:
        plain = REFUSED
    return words, layer, plain, same


def forward_call(chance: random.Random) -> Call:
    """torch.ops.unrolled.unroll, and its gradients where something wants them."""
    dtype = chance.choice([torch.float32, torch.float64])
    words, layer, plain, _ = odd_layer(*some_layer(chance, dtype), chance, dtype)
    keep, keep_c, recompute = (chance.random() < 0.5 for _ in range(3))
    wanting = [n for n in _TENSORS if isinstance(t := getattr(layer, n), Tensor) and t.requires_grad]

    def results_of(found: Any, layer: Layer) -> Found:
        out, h_n, c_n, c = found[:4]
        shown = [out, h_n, *([c_n, *([c] if keep_c else [])] if layer.kind.startswith("lstm") else [])]
        return Found(shown, gradients_of([out, h_n], [getattr(layer, name) for name in wanting]))

    def run() -> Found:
        return results_of(UNROLL(*layer, keep, keep_c, recompute), layer)

    def judge() -> Found:
        read = plain._replace(**{n: getattr(plain, n).detach().clone().requires_grad_() for n in wanting})
        return results_of(reference.unroll(read), read)

    return Call(words, run, None if plain is REFUSED else judge, plain is REFUSED)


def gradients_of(results: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """The gradients of a sum that weighs every number differently, zeros where nothing depends on it."""
    moving = [result for result in results if result.requires_grad]
    if not moving or not inputs:
        return []
    weighed = [(r * torch.arange(r.numel(), dtype=r.dtype).cos().view(r.shape)).sum() for r in moving]
    found = torch.autograd.grad(sum(weighed), inputs, allow_unused=True)
    return [torch.zeros_like(i) if g is None else g for g, i in zip(found, inputs, strict=True)]


def backward_call(chance: random.Random) -> Call:
    """torch.ops.unrolled.unroll_backward on what a right forward kept, with something odd among it."""
    dtype = chance.choice([torch.float32, torch.float64])
    right, lengths = some_layer(chance, dtype)
    words, layer, plain, same = odd_layer(right, lengths, chance, dtype)
    recomputes = chance.random() < 0.3
    out, h_n, c_n, c, saved = UNROLL(*right, not recomputes, recomputes, False)
    given: dict[str, Any] = {"out": out, "c": c, "saved": saved}
    for name, result in (("d_out", out), ("d_h_n", h_n), ("d_c_n", c_n), ("d_c", c)):
        there = result.dim() > 1 and chance.random() < 0.7
        given[name] = torch.randn(result.shape, dtype=dtype) if there else None
    read = dict(given)
    for _ in range(how_many(chance) if chance.random() < 0.6 else 0):
        name = chance.choice([name for name in given if read[name] is not REFUSED])
        word, given[name], read[name], kept = odd_tensor(read[name], chance, dtype)
        words.append(f"{name} {word}")
        same = same and kept
    wants_x = chance.random() < 0.7
    if not layer.has_c:  # nothing can have used a c, and nothing reads its gradients
        read |= {"d_c_n": None, "d_c": None}

    def run() -> Found:
        found = BACKWARD(*layer, *given.values(), wants_x)
        return Found([], [gradient for gradient in found[0 if wants_x else 1 :] if gradient.numel()])

    def judge() -> Found:
        names = [n for n in _TENSORS if getattr(plain, n) is not None and not n.endswith("noise")]
        leaves = plain._replace(**{n: getattr(plain, n).detach().clone().requires_grad_() for n in names})
        leaves = _with_initial_states(leaves)
        results = reference.unroll(leaves)[:4]
        pairs = [(r, d) for r, d in zip(results, list(read.values())[3:], strict=True) if d is not None]
        inputs = [t for t in _gradients_order(leaves) if t is not None]
        moving, incoming = [r for r, _ in pairs], [d for _, d in pairs]
        if not pairs:
            found = [torch.zeros_like(t) for t in inputs]
        else:
            found = list(torch.autograd.grad(moving, inputs, incoming, allow_unused=True))
        shown = [torch.zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True)]
        return Found([], [gradient for gradient in shown[0 if wants_x else 1 :] if gradient.numel()])

    unread = () if recomputes else ("out", "c")  # all that forward kept is read in their place
    refused = plain is REFUSED or any(read[name] is REFUSED for name in read if name not in unread)
    return Call(words, run, None if refused else judge if same else ANYTHING, refused)


def _with_initial_states(layer: Layer) -> Layer:
    """Zeros as initial states where there are none: backward gives their gradients all the same."""
    _, batch, _, hidden, output = layer.sizes
    zeros = {"h0": (batch, output), **({"c0": (batch, hidden)} if layer.has_c else {})}
    changed = {
        n: layer.x.new_zeros(s).requires_grad_() for n, s in zeros.items() if getattr(layer, n) is None
    }
    return layer._replace(**changed)


def _gradients_order(layer: Layer) -> list[Any]:
    names = ("x", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0")
    more = ("peephole", "weight_hr", "norm_weight", "norm_bias", "reset_h", "reset_c")
    return [getattr(layer, name) for name in (*names, *more)]
