"""Random numbers: TensorFlow's own where the node has seeds, PyTorch's where it has none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import stateful
from unrolled.tf1.graphs.run import Run
from unrolled.tf1.graphs.values import from_numpy
from unrolled.tf1.replay import philox

# After a draw of n numbers a node goes on in its stream n times so many blocks further.
BLOCKS_SET_ASIDE = 256


def draw(
    run: Run, node: Node, shape: Tensor, seeded: Callable[..., NDArray[Any]], free: Callable[..., Tensor]
) -> Tensor:
    """Numbers of the node's type: from `seeded` (a function of `philox`) if it has seeds, or from `free`."""
    dtype = node.dtype("dtype")
    count = math.prod(sizes(shape))
    if min(sizes(shape), default=0) < 0:
        raise UnrolledError(f"random numbers of shape {sizes(shape)}")
    check_memory(count, dtype)
    seed, seed2 = node.integer("seed"), node.integer("seed2")
    if (seed, seed2) == (0, 0) or dtype not in (torch.float32, torch.float64):
        return free(sizes(shape), dtype=dtype)
    first = run.drawn.get(node, 0)
    run.drawn[node] = first + count * BLOCKS_SET_ASIDE
    mask = 2**64 - 1
    numbers = seeded(seed & mask, seed2 & mask, count, np.dtype(str(dtype)[6:]), first=first)
    return from_numpy(numbers).reshape(sizes(shape))


def _truncated(shape: list[int], dtype: torch.dtype) -> Tensor:
    return torch.nn.init.trunc_normal_(torch.empty(shape, dtype=torch.float32), a=-2.0, b=2.0).to(dtype)


def uniform(shape: Any, *, dtype: torch.dtype) -> Tensor:
    """From 0 to below 1, of 23 bits as TensorFlow's: with 24, 1 + u may be 2, which dropouts floor."""
    x = torch.rand(shape, dtype=dtype)
    return torch.floor(x * 2**23) / 2**23 if dtype == torch.float32 else x


@stateful("RandomUniform")
def random_uniform(run: Run, node: Node, shape: Tensor) -> Tensor:
    return draw(run, node, run.read(shape), philox.random_uniform, uniform)


@stateful("RandomStandardNormal")
def random_normal(run: Run, node: Node, shape: Tensor) -> Tensor:
    return draw(run, node, run.read(shape), philox.random_normal, torch.randn)


@stateful("TruncatedNormal")
def truncated_normal(run: Run, node: Node, shape: Tensor) -> Tensor:
    return draw(run, node, run.read(shape), philox.truncated_normal, _truncated)


@stateful("RandomUniformInt")
def random_integers(run: Run, node: Node, shape: Tensor, least: Tensor, end: Tensor) -> Tensor:
    """Whole numbers from `least` to below `end`: of PyTorch's stream, seeds or not."""
    low, high = int(run.read(least)), int(run.read(end))
    if low >= high:
        raise UnrolledError(f"random numbers from {low} to below {high}")
    wanted = sizes(run.read(shape))
    check_memory(math.prod(wanted), node.dtype("Tout", torch.int32))
    return torch.randint(low, high, wanted, dtype=node.dtype("Tout", torch.int32))


@stateful("RandomShuffle")
def random_shuffle(run: Run, node: Node, x: Tensor) -> Tensor:
    """The rows in another order: of PyTorch's stream, seeds or not."""
    x = run.read(x)
    return x[torch.randperm(x.shape[0])] if x.ndim else x


@stateful("Multinomial")
def multinomial(run: Run, node: Node, logits: Tensor, count: Tensor) -> Tensor:
    """Classes by their unnormalised logarithms: of PyTorch's stream, seeds or not."""
    chances = torch.softmax(run.read(logits).float(), -1)
    check_memory(chances.shape[0] * int(run.read(count)), torch.int64)
    found = torch.multinomial(chances, int(run.read(count)), replacement=True)
    return found.to(node.dtype("output_dtype", torch.int64))
