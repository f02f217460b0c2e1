"""A model that reads a sequence as it comes, one step at a time."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.errors import UnrolledError, check_count
from unrolled.stream.parts import walk_of
from unrolled.stream.source import Source, check_state, name_of, source_of, weights_of

Numbers = TypeVar("Numbers", Tensor, np.ndarray)


class Stream:
    r"""Take a sequence one step at a time; the state is kept from one call to the next.

        y_t, s_t = cell(x_t, s_{t-1})       y_t = stream.step(x_t)

    Symbols: x_t [N, I], or [I] if N is 1; y_t [N, O] or [O], of a network the probabilities of its classes.

    Steps and whole sequences give the same results bit for bit, however a sequence is cut: `dynamic_unroll`
    over all steps, calls of `step`, or some of each with `state` handed over. (torch.nn's own layers add up
    in another order, so there it is the same within rounding.) Where `dynamic_unroll` runs in a kernel, so
    does a step, with weights that are packed once; every other cell takes its own step.

    A stream infers: it takes no gradients, and it evaluates as the model would after `eval()`, which
    leaves the model itself as it is. The first step after a weight has changed in place, by an optimizer
    or `load_state_dict`, uses the new one; weights that are replaced (by `to`, through `.data`, by another
    Parameter) are found at the next `reset`.

    Args:
        model: a cell, a forward network, or a layer: `torch.nn.LSTM`, `GRU`, `RNN` and their drop-ins.
        batch_size: N; None to take it from the first step after each `reset`.

    Raises:
        TypeError: model is none of these.
        UnrolledError: the model is bidirectional, or batch_size is not a positive whole number.

    >>> from unrolled import GRUCell, dynamic_unroll
    >>> cell, x = GRUCell(4, 3), torch.randn(2, 5, 4)
    >>> stream = Stream(cell)
    >>> steps = [stream.step(x[:, t]) for t in range(5)]
    >>> outputs, state = dynamic_unroll(cell, x)
    >>> torch.equal(torch.stack(steps, 1), outputs), torch.equal(stream.state, state)
    (True, True)
    """

    def __init__(self, model: nn.Module, batch_size: int | None = None) -> None:
        if batch_size is not None:
            batch_size = check_count("Stream: batch_size", batch_size)
        self._model = model
        self._fixed = batch_size
        self._walk: Any = None
        self._source: Source = source_of(model)
        self.reset()

    def step(self, x: Numbers) -> Numbers:
        """Take one step.

        Args:
            x: [N, I] or, if N is 1, [I]: a tensor, or an array in main memory, of the model's dtype.

        Returns:
            The output [N, O] or [O] of this step, new memory of the same kind as x; of a network the
            probabilities [N, classes] or [classes] after this step.

        Raises:
            TypeError: x is neither a tensor nor an array.
            UnrolledError: x has another shape or dtype, or a number of sequences that is not the last step's.
        """
        output: Numbers | None = self._quick(x)
        return self._careful(x) if output is None else output

    def reset(self) -> None:
        """Go back to the initial state, to begin other sequences; look at the weights anew."""
        self._batch_size: int | None = None
        self._quick: Any = _no_quick_way
        if self._fixed is not None:
            self._begin(self._fixed)

    @property
    def state(self) -> Any:
        """A copy of the state, nested as the cell's, for torch.nn's layers as theirs; None until N is known.

        Set it to go on from another one; N becomes the state's if no step has fixed it.

        Raises:
            UnrolledError: it is nested otherwise, or has other shapes or dtypes.
        """
        return None if self._batch_size is None else self._source.shown(self._walk.state)

    @state.setter
    def state(self, state: Any) -> None:
        if state is None:
            self.reset()
            return
        batch_size = self._batch_size or _batch_size_of(state, self._source)
        with torch.no_grad():
            expected = self._source.shown(self._source.cell.initial_state(batch_size))
        check_state(state, expected)
        if self._batch_size is None:
            self._begin(batch_size)
        self._walk.state = self._source.hidden(state)

    def _begin(self, batch_size: int) -> None:
        """Be ready for N sequences, at the initial state, with the weights of this moment."""
        if self._walk is None or self._walk.batch_size != batch_size or self._seen != weights_of(self._model):
            self._build(batch_size)
        else:
            self._walk.reset()
        self._batch_size = batch_size
        self._quick = self._quick_probabilities if self._source.classifier else self._walk.quick

    def _build(self, batch_size: int) -> None:
        self._source = source_of(self._model)
        self._seen = weights_of(self._model)
        self._walk = walk_of(self._source.cell, batch_size)

    def _careful(self, x: Any) -> Any:
        """A step on an x, or with weights, that the quick way does not take; every mistake is found here."""
        rows = self._rows(x)
        if self._batch_size is None:
            self._begin(len(rows))
        elif self._seen != weights_of(self._model):
            state = self._walk.state
            self._begin(self._batch_size)
            self._walk.state = state
        output = _as(x, self._walk.step(rows))
        return self._probabilities(output) if self._source.classifier else output

    def _quick_probabilities(self, x: Any) -> Any:
        output = self._walk.quick(x)
        return None if output is None else self._probabilities(output)

    def _rows(self, x: Any) -> Tensor:
        """X as a tensor [N, I] where the cell is."""
        like = next(self._source.cell.parameters(), None)
        if isinstance(x, np.ndarray):
            name = str(x.dtype)
        elif isinstance(x, Tensor):
            name = name_of(x.dtype)
        else:
            raise TypeError(f"x is a {type(x).__name__}, expected a torch.Tensor or a numpy.ndarray")
        if like is not None and name != name_of(like.dtype):
            raise UnrolledError(f"x is {name}, but the model is {name_of(like.dtype)}: convert one of them")

        width = getattr(self._source.cell, "input_size", x.shape[-1] if x.ndim else 0)
        known = self._batch_size or self._fixed
        fits = x.ndim in (1, 2) and x.shape[-1] == width
        batch_size = x.shape[0] if x.ndim == 2 else 1
        if not fits or batch_size < 1 or batch_size != (known or batch_size):
            expected = f"[{known or 'N'}, {width}]" + (f" or [{width}]" if known in (None, 1) else "")
            raise UnrolledError(
                f"x has shape {list(x.shape)}, expected {expected}: one step of "
                + ("each sequence" if known is None else f"the same {known} sequences; reset() begins others")
            )
        rows = torch.from_numpy(np.array(x)) if isinstance(x, np.ndarray) else x.detach()
        rows = rows if like is None else rows.to(like.device)
        return rows if x.ndim == 2 else rows.unsqueeze(0)

    def _probabilities(self, output: Any) -> Any:
        classifier: Any = self._source.classifier
        features = torch.as_tensor(output, device=classifier.weight.device)
        with torch.no_grad():
            probabilities = classifier(features.view(-1, features.shape[-1])).softmax(dim=1)
        return _as(output, probabilities)


def _no_quick_way(x: Any) -> None:
    """Before the first step there is none."""


def _as(x: Any, rows: Tensor) -> Any:
    """Rows [N, width] as an array if x is one, and without N if x is."""
    rows = rows if x.ndim == 2 else rows[0]
    return rows.cpu().numpy() if isinstance(x, np.ndarray) else rows


def _batch_size_of(state: Any, source: Source) -> int:
    """N of a state that nobody has checked; 1 if it has none."""
    while isinstance(state, tuple) and state:
        state = state[0]
    axis = 1 if source.layered else 0
    return state.shape[axis] if isinstance(state, Tensor) and state.dim() > axis else 1
