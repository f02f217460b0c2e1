"""The episodes of a batch, each as a sequence of its own: for torch.nn's layers, which know no resets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Episodes:
    """A batch of N sequences of T > 0 steps, cut where they start anew into E episodes, in the order of both.

    Args:
        resets: [N, T] bool, checked, true where an episode begins.
        lengths: [N], checked, or None; a sequence of length 0 is one episode.

    >>> episodes = Episodes(torch.tensor([[False, False, True], [False, True, True]]), torch.tensor([3, 2]))
    >>> episodes.lengths.tolist(), episodes.split(torch.arange(6).view(2, 3)).tolist()
    ([2, 1, 1, 1], [[0, 1], [2, 2], [3, 4], [4, 5]])
    """

    def __init__(self, resets: Tensor, lengths: Tensor | None) -> None:
        batch, time = resets.shape
        steps = torch.arange(time, device=resets.device)
        sizes = torch.full((batch,), time, device=resets.device) if lengths is None else lengths
        self._running = steps < sizes[:, None]
        resets = resets & self._running
        begins = resets | (steps == 0)
        self._rows, self._begins = begins.nonzero().unbind(1)
        self._number = begins.flatten().cumsum(0).view(batch, time) - 1  # of the episode of each step
        last = self._number[:, -1]
        ends = self._begins.roll(-1).index_copy(0, last, sizes)
        self.lengths = ends - self._begins
        self._offset = steps - self._begins[self._number]
        is_last = torch.zeros_like(ends, dtype=torch.bool).index_fill(0, last, True)
        # Of each direction: which episodes begin with the state that was given, and which end each sequence.
        self._goes_on = ((self._begins == 0) & ~resets[self._rows, 0], is_last)
        self._ends = (last, self._number[:, 0])

    def split(self, steps: Tensor) -> Tensor:
        """[N, T, ...] as [E, longest, ...], with anything in the padding."""
        offset = torch.arange(max(1, int(self.lengths.max())), device=steps.device)
        return steps[self._rows[:, None], (self._begins[:, None] + offset).clamp(max=steps.shape[1] - 1)]

    def join(self, steps: Tensor) -> Tensor:
        """The inverse of `split`, with zeros in the padding."""
        joined = steps[self._number, self._offset.clamp(max=steps.shape[1] - 1)]
        return torch.where(self._running.view(*self._running.shape, *[1] * (steps.dim() - 2)), joined, 0)

    def begin(self, state: Any, anew: Any, directions: int) -> Tensor | None:
        """The initial states [layers, E, H] of those [layers, N, H] that were given and those of a reset."""
        if state is None and anew is None:
            return None
        state = torch.zeros_like(anew) if state is None else state
        anew = torch.zeros_like(state) if anew is None else anew
        goes_on = torch.stack(self._goes_on[:directions]).repeat(len(state) // directions, 1).unsqueeze(2)
        return torch.where(goes_on, state[:, self._rows], anew[:, self._rows])

    def end(self, states: Tensor, directions: int) -> Tensor:
        """The final states [layers, N, H] of those of the episodes [layers, E, H]."""
        return torch.stack([part[self._ends[layer % directions]] for layer, part in enumerate(states)])
