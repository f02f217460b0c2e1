"""One call for the next steps of many sessions, each with the bits that it would have alone."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.errors import UnrolledError
from unrolled.kernels.watch import Watch
from unrolled.networks import SequenceClassifier
from unrolled.serve.session import SessionStates
from unrolled.serve.singly import MOST, singly
from unrolled.stream.source import name_of, source_of
from unrolled.unroll import dynamic_unroll

# A longer message is read in pieces of so many steps, and others have their turn between two of them.
MOST_STEPS = 64
_PROBES = 64


@dataclasses.dataclass(frozen=True)
class Steps:
    """What came of a message.

    Attributes:
        outputs: [T, classes] float32, what the network says after each of its steps, before any softmax.
        count: how many steps the session has read.
    """

    outputs: np.ndarray
    count: int


class Reader:
    """A network that reads on, for rows of states.

    What it says of a row depends on that row alone, bit for bit: it is what `unrolled.Stream` says, whoever
    else is in the call. The cells' kernels promise that; of dense layers see `by_rows`.

    Args:
        network: as `unrolled.Stream` takes it.

    Raises:
        UnrolledError: the network cannot be read step by step, or computes in another type than float32.
    """

    def __init__(self, network: SequenceClassifier) -> None:
        if not isinstance(network, SequenceClassifier):
            raise TypeError(f"network is a {type(network).__name__}, expected a SequenceClassifier")
        self._source = source = source_of(network)
        weight = source.weight
        if weight is None or weight.dtype != torch.float32 or weight.device.type != "cpu":
            came = "without weights" if weight is None else f"{name_of(weight.dtype)} on {weight.device}"
            raise UnrolledError(f"the network is {came}, expected float32 on cpu: convert it")
        self.input_size: int = network.config.input_size
        with torch.inference_mode():
            self.initial: Any = source.cell.initial_state(1)
            self._singly = singly(source.cell, Watch(network))
            self._before = None if source.dense is None else by_rows(source.dense)
            self._after = by_rows(source.classifier)

    def pace(self, states: SessionStates) -> float:
        """Seconds for a step, where a call has some of them; row 0 of the states is overwritten."""
        steps, seconds = [np.zeros((1, self.input_size), np.float32)] * _PROBES, []
        for _ in range(3):
            begun = time.perf_counter()
            self.read(steps, [0] * _PROBES, states)
            seconds.append(time.perf_counter() - begun)
        return min(seconds) / _PROBES

    def read(self, messages: list[np.ndarray], rows: list[int], states: SessionStates) -> list[np.ndarray]:
        """The outputs [T_i, classes] of each message [T_i, I] of these rows, whose states move on."""
        ends = list(itertools.accumulate(map(len, messages)))
        with torch.inference_mode():
            steps = np.concatenate(messages)
            if self._before is not None:
                steps = self._before(torch.from_numpy(steps)).numpy()
                messages = [steps[end - len(x) : end] for end, x in zip(ends, messages, strict=True)]
            y: Any = None
            if self._singly is not None and len(steps) <= MOST:
                y = self._singly.read(messages, rows, states.arrays)
            y = self._together(messages, steps, rows, states) if y is None else torch.from_numpy(y)
            outputs = self._after(y).numpy()
        return [outputs[end - len(x) : end] for end, x in zip(ends, messages, strict=True)]

    def _together(
        self, messages: list[np.ndarray], steps: np.ndarray, rows: list[int], states: SessionStates
    ) -> Tensor:
        """The cell's outputs [sum T_i, H] in one call."""
        lengths = list(map(len, messages))
        places, every = torch.tensor(rows), torch.from_numpy(steps)
        if min(lengths) == max(lengths):
            real = inside = None
            x = every.view(len(messages), lengths[0], -1)
        else:
            real = torch.tensor(lengths)
            inside = torch.arange(max(lengths)) < real[:, None]
            x = every.new_zeros(*inside.shape, every.shape[1])
            x[inside] = every
        y, state = dynamic_unroll(self._source.cell, x, real, states.gather(places))
        states.scatter(places, state)
        return y.flatten(0, 1) if inside is None else y[inside]


def alike(lengths: list[int]) -> Iterator[list[int]]:
    """The indices of those that one call takes, shortest first: in none is half of it padding.

    >>> list(alike([1, 9, 3, 1, 2]))
    [[0, 3], [2, 4], [1]]
    """
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(min(length, MOST_STEPS).bit_length(), []).append(index)
    return (groups[key] for key in sorted(groups))


def by_rows(dense: Any) -> Callable[[Tensor], Tensor]:
    """Dense layers and activations for rows [R, I], each computed as if it were alone.

    The last bits of a product depend on how many rows it has, and on where in memory a row begins: alone, at
    the start of new memory. So it is taken as many products of one row, in
    one call where that gives the bits of `torch.nn.Linear` on one row: tried here, on this processor.
    """
    if isinstance(dense, nn.Sequential):
        parts = [by_rows(part) for part in dense]

        def through(rows: Tensor) -> Tensor:
            for part in parts:
                rows = part(rows)
            return rows

        return through
    if not isinstance(dense, nn.Linear):
        return dense  # type: ignore[no-any-return]  # an activation, element by element

    def one_by_one(rows: Tensor) -> Tensor:
        return torch.cat([dense(row.clone()) for row in rows.split(1)])

    weight, bias = dense.weight.T, dense.bias

    def together(rows: Tensor) -> Tensor:
        many = weight.expand(len(rows), *weight.shape)
        return torch.baddbmm(bias.expand(len(rows), 1, -1), rows[:, None], many)[:, 0]

    probes = torch.randn(_PROBES, dense.in_features, generator=torch.Generator().manual_seed(0))
    same = all(torch.equal(together(probes[:n]), one_by_one(probes[:n])) for n in (1, 2, 7, _PROBES))
    return together if same else one_by_one
