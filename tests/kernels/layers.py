"""Layers with random weights for the kernel tests, and all that they give: results and gradients."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor

from tests.rounding import moved_by_rounding
from unrolled.kernels import reference
from unrolled.kernels.native_call import KINDS, Layer

# Relative to the largest number of the expected tensor, or to 1 where that is smaller.
TOLERANCES = {torch.float64: 1e-13, torch.float32: 2e-6}

GATES = dict(zip(KINDS, (4, 3, 3, 1, 1, 4, 4, 4), strict=True))
NORMS = {"lstm_norm_gates": 5, "lstm_norm_projections": 9}
OPTIONAL = ("lstm_options", "lstm_norm_gates", "lstm_norm_projections")
OPTIONS = ("peephole", "projection", "clips", "dropout", "zoneout", "mean zoneout")


def make_layer(
    kind: str,
    batch: int,
    time: int,
    width: int,
    hidden: int,
    *,
    lengths: Any = None,
    bias: bool = True,
    states: bool = False,
    reverse: bool = False,
    batch_first: bool = True,
    options: Collection[str] = (),
    resets: str = "",
    seed: int = 0,
) -> Layer:
    """A layer in float64 whose weights are large enough for every gate to move; options by name.

    resets: "" for none, "zeros" for some that go back to zeros, "given" for some with a state of their own.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    def steps(last: int, draw: Any = normal) -> Tensor:
        return draw(batch, time, last) if batch_first else draw(time, batch, last)

    def noise(last: int) -> Tensor:
        return steps(last, lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64))

    rows = GATES[kind] * hidden
    output = max(1, 2 * hidden // 3) if "projection" in options else hidden
    norms = NORMS.get(kind, 0)
    layer = Layer(
        kind,
        steps(width),
        normal(rows, width, scale=width**-0.5),
        normal(rows, output, scale=0.7 * hidden**-0.5),
        normal(rows, scale=0.3) if bias and not norms else None,
        normal(rows, scale=0.3) if bias and not norms else None,
        None if lengths is None else torch.as_tensor(lengths, dtype=torch.int64),
        normal(batch, output) if states else None,
        normal(batch, hidden) if states and kind.startswith("lstm") else None,
        1.0 if kind.startswith("lstm") else 0.0,
        reverse,
        batch_first,
    )
    if norms:
        layer = layer._replace(norm_weight=1 + normal(norms * hidden, scale=0.2))
        layer = layer._replace(norm_bias=normal(norms * hidden, scale=0.2)) if bias else layer
    if "peephole" in options:
        layer = layer._replace(peephole=normal(3, hidden, scale=0.5))
    if "projection" in options:
        layer = layer._replace(weight_hr=normal(output, hidden, scale=hidden**-0.5))
    if "clips" in options:
        layer = layer._replace(cell_clip=0.6, proj_clip=0.3 if "projection" in options else 0.0)
    if "dropout" in options:
        layer = layer._replace(g_noise=noise(hidden), recurrent_dropout=0.4)
    if "zoneout" in options:
        layer = layer._replace(h_noise=noise(output), c_noise=noise(hidden), zoneout=0.3)
    elif "mean zoneout" in options:
        layer = layer._replace(zoneout=0.3)
    if resets:
        layer = layer._replace(resets=torch.rand(batch, time, generator=generator) < 0.3)
    if resets == "given":
        layer = layer._replace(reset_h=normal(batch, output))
        layer = layer._replace(reset_c=normal(batch, hidden)) if layer.has_c else layer
    return layer


def as_leaves(layer: Layer, dtype: torch.dtype, *, wants_x: bool = True) -> Layer:
    """The layer in `dtype`, with inputs that take gradients."""

    def leaf(name: str, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        if name.endswith("noise"):
            return value.to(dtype)
        return value.detach().to(dtype).requires_grad_(wants_x or name != "x")

    return Layer(*(leaf(name, value) for name, value in layer._asdict().items()))


def random_layer(kind: str, seed: int, sizes: list[int], batches: list[int], named: str = "") -> Layer:
    """A layer of random sizes: empty batches, lengths of 0. `named` has other ones drawn."""
    chance = random.Random(f"{named}{kind}{seed}")
    # A layer norm of one or two units divides by next to nothing: its numbers say little.
    widest = sizes[3:] if kind in NORMS else sizes
    batch, time = chance.choice(batches), chance.choice([1, 2, 3, 5, 11])
    return make_layer(
        kind,
        batch,
        time,
        chance.choice(sizes),
        chance.choice(widest),
        lengths=[chance.randint(0, time) for _ in range(batch)] if chance.random() < 0.6 else None,
        bias=chance.random() < 0.8,
        states=chance.random() < 0.5,
        reverse=chance.random() < 0.5,
        batch_first=chance.random() < 0.5,
        options=[name for name in OPTIONS if kind in OPTIONAL and chance.random() < 0.4],
        resets=chance.choice(["", "zeros", "given"]),
        seed=seed,
    )


def episodes(layer: Layer, row: int) -> Iterator[tuple[int, int, bool]]:
    """Where a sequence's episodes begin and end, batches first, and whether a reset begins them."""
    time = layer.x.shape[1]
    length = time if layer.lengths is None else int(layer.lengths[row])
    assert layer.resets is not None
    marks = layer.resets[row, :length].nonzero().flatten().tolist()
    if layer.reverse:
        borders = [0, *(t + 1 for t in marks if t + 1 < length), length]
    else:
        borders = [0, *(t for t in marks if t > 0), length]
    for begin, end in itertools.pairwise(borders):
        if begin < end:
            yield begin, end, (end - 1 if layer.reverse else begin) in marks


def everything(unroll: Any, layer: Layer) -> list[Tensor]:
    """Results and the gradients of all inputs, for one random gradient of the results."""
    results = [result for result in unroll(layer)[:4] if result is not None and result.dim() > 1]
    generator = torch.Generator().manual_seed(99)
    incoming = [
        torch.randn(result.shape, generator=generator, dtype=torch.float64).to(result.dtype)
        for result in results
    ]
    inputs = [value for value in layer if isinstance(value, Tensor) and value.requires_grad]
    return [*results, *torch.autograd.grad(results, inputs, incoming, allow_unused=True)]


def assert_near(unroll: Any, layer: Layer, dtype: torch.dtype) -> None:
    """Compare results and gradients in `dtype` with the reference in float64, relative to their scale.

    A layer norm divides by how much a row varies, and so magnifies errors: there, the tolerance is what
    roundings do to the reference.
    """
    exact = as_leaves(layer, torch.float64)
    expected = everything(reference.unroll, exact)
    actual = everything(unroll, as_leaves(layer, dtype))
    tolerances = [TOLERANCES[dtype]] * len(expected)
    if layer.kind in NORMS:
        moved = moved_by_rounding(lambda: everything(reference.unroll, exact), expected, error, dtype)
        tolerances = [max(pair) for pair in zip(tolerances, moved, strict=True)]
    assert len(actual) == len(expected)
    for place, (a, e, allowed) in enumerate(zip(actual, expected, tolerances, strict=True)):
        assert a.shape == e.shape
        assert a.dtype == dtype
        assert error(a, e) <= allowed, f"tensor {place} of shape {list(e.shape)} is {error(a, e):.1e} away"


def error(actual: Tensor, expected: Tensor) -> float:
    """The greatest difference, relative to the scale of what was expected or to 1."""
    if expected.numel() == 0:
        return 0.0
    difference = (actual.detach().double() - expected.detach()).abs().max()
    return float(difference) / max(1.0, float(expected.detach().abs().max()))
