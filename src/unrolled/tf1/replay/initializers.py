"""TensorFlow 1's initial weights: the same seeds, the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from unrolled.tf1.holder import as_dtype
from unrolled.tf1.replay import philox

Initializer: TypeAlias = Callable[..., Tensor]  # (shape, dtype) -> a tensor of that shape

DEFAULT_GRAPH_SEED = 87654321
LARGEST_SEED = 2**31 - 1


class _Seeds:
    """The graph's seed, and how many operations without a seed of their own have drawn since it was set."""

    graph: int | None = None
    drawn = 0


def set_random_seed(seed: int | None) -> None:
    """Set the graph's seed, as `tf.set_random_seed`; None for none.

    An operation without a seed of its own then has a number as its second seed. In TensorFlow 1 it was the
    number of operations in the graph at that moment, which nothing outside of the graph can know; here the
    draws are counted, 0, 1, 2, ..., as TensorFlow 2 counts them in its graphs. To get the bits of a
    TensorFlow 1 program, give its operations' seeds: they stand in its graph as `seed` and `seed2`.
    """
    _Seeds.graph, _Seeds.drawn = seed, 0


def get_graph_seed() -> int | None:
    """What `set_random_seed` set."""
    return _Seeds.graph


def get_seed(seed: int | None) -> tuple[int, int]:
    """The two seeds of an operation whose own seed is `seed`, by the rules of `tf.get_seed`.

    Without a graph's and a seed of its own TensorFlow draws at random: here `torch.manual_seed` rules that.

    >>> get_seed(42)
    (87654321, 42)
    """
    graph = _Seeds.graph
    if graph is None and seed is None:
        first, second = torch.randint(LARGEST_SEED, (2,), device="cpu").tolist()
        return first, second
    if seed is None:
        seed, _Seeds.drawn = _Seeds.drawn, _Seeds.drawn + 1
    graph = DEFAULT_GRAPH_SEED if graph is None else graph
    seeds = graph % LARGEST_SEED, seed % LARGEST_SEED
    return (0, LARGEST_SEED) if seeds == (0, 0) else seeds


def zeros(shape: Sequence[int], dtype: Any = torch.float32) -> Tensor:
    """A tensor of zeros, as `tf.zeros_initializer()` gives it."""
    return torch.zeros(tuple(shape), dtype=as_dtype(dtype))


def constant(value: float = 0.0) -> Initializer:
    """An initializer of one number, as `tf.constant_initializer`."""

    def draw(shape: Sequence[int], dtype: Any = torch.float32) -> Tensor:
        return torch.full(tuple(shape), float(value), dtype=as_dtype(dtype))

    return draw


def glorot_uniform(seed: int | None = None) -> Initializer:
    r"""An initializer from U(-l, l), l = √(6 / (fan_in + fan_out)), as `tf.glorot_uniform_initializer`.

    TensorFlow 1 uses it for every variable that has no other, and contrib's layers call it Xavier's. Of a
    kernel [I + H, 4 H] the fans are the two sizes; of a convolution's, times the places in it; of a vector,
    both are its length.

    >>> glorot_uniform(seed=42)((2, 3)).shape
    torch.Size([2, 3])
    """

    def draw(shape: Sequence[int], dtype: Any = torch.float32) -> Tensor:
        places = math.prod(shape[:-2])
        fan_in, fan_out = (
            (shape[0], shape[0]) if len(shape) == 1 else (shape[-2] * places, shape[-1] * places)
        )
        limit = math.sqrt(3.0 * (1.0 / max(1.0, (fan_in + fan_out) / 2.0)))
        return random_uniform(shape, -limit, limit, dtype, seed)

    return draw


def random_uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: Any = "float32",
    seed: int | None = None,
) -> Tensor:
    """Numbers from U[minval, maxval), as `tf.random_uniform` draws them, bit for bit.

    >>> random_uniform((3,), seed=7).tolist() == random_uniform((3,), seed=7).tolist()
    True
    """
    drawn, real = _draw(philox.random_uniform, shape, dtype, seed)
    low = real(minval)
    return torch.as_tensor(drawn * (real(maxval) - low) + low)


def random_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = "float32",
    seed: int | None = None,
) -> Tensor:
    """Normal numbers, as `tf.random_normal` draws them."""
    drawn, real = _draw(philox.random_normal, shape, dtype, seed)
    return torch.as_tensor(drawn * real(stddev) + real(mean))


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = "float32",
    seed: int | None = None,
) -> Tensor:
    """Normal numbers less than two standard deviations from the mean, as `tf.truncated_normal` draws them."""
    drawn, real = _draw(philox.truncated_normal, shape, dtype, seed)
    return torch.as_tensor(drawn * real(stddev) + real(mean))


def _draw(draw: Any, shape: Sequence[int], dtype: Any, seed: int | None) -> tuple[Any, Any]:
    """What the generator draws for a shape, and numpy's type of a number."""
    real = {torch.float32: np.float32, torch.float64: np.float64}.get(as_dtype(dtype))
    if real is None:
        raise ValueError(f"dtype is {dtype!r}, expected float32 or float64")
    return draw(*get_seed(seed), math.prod(shape), real).reshape(tuple(shape)), real
