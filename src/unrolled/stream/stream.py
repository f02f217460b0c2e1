"""A model that reads a sequence as it comes, one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.cells.state import map_state
from unrolled.compiler import uncompiled
from unrolled.errors import UnrolledError, check_count
from unrolled.kernels.readable import check_numbers, is_recorded
from unrolled.kernels.watch import Watch
from unrolled.stream.inputs import check_flags, flags_of, like_given, rows_of
from unrolled.stream.parts import walk_of
from unrolled.stream.source import Source, check_state, source_of

Numbers = TypeVar("Numbers", Tensor, np.ndarray)


class Stream:
    r"""Take a sequence one step at a time; the state is kept from one call to the next.

        y_t, s_t = cell(x_t, s_{t-1})       y_t = stream.step(x_t)

    Symbols: x_t [N, I], or [I] if N is 1; y_t [N, O] or [O], of a network the probabilities of its classes.

    Steps and whole sequences give the same results bit for bit, however a sequence is cut: `dynamic_unroll`
    over all steps, calls of `step`, or some of each with `state` handed over. (torch.nn's own layers add up
    in another order, so there it is the same within rounding.) Where `dynamic_unroll` runs in a kernel, so
    does a step, with weights that are packed once; every other cell takes its own step.

    A stream infers: it takes no gradients, it evaluates as the model would after `eval()`, which leaves the
    model itself as it is, and it computes in the model's dtype, inside `torch.autocast` too.

    The next step uses new weights if an optimizer of torch.optim has taken a step, if one of PyTorch's
    functions has changed a tensor of the model in place (`load_state_dict`, `add_` under `no_grad`), or if a
    parameter, buffer or module was put in another's place. Every other change counts at the latest from the
    next `reset`, or from the first step: what goes through `.data`
    (as `to` does), an array that shares a weight's memory or another process, a cell's options, hooks.

    `copy.deepcopy` and pickling take the model along, `copy.copy` shares it; each copy goes on from the same
    state by itself.

    Args:
        model: a cell, a forward network, or a layer or cell of torch.nn: `torch.nn.LSTM`, `GRU`, `RNN`, their
            drop-ins, `torch.nn.LSTMCell`, `GRUCell`, `RNNCell`.
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

    _source: Source
    _watch: Watch
    _walk: Any  # what takes the steps; None before the first
    _quick: Any
    _batch_size: int | None
    _resting: Any  # the state of a copy that has taken no step yet, or for one

    def __init__(self, model: nn.Module, batch_size: int | None = None) -> None:
        if batch_size is not None:
            batch_size = check_count("Stream: batch_size", batch_size)
        self._model = model
        self._fixed = batch_size
        with _building():
            source_of(model)  # which says what cannot stream
        self.reset()

    def step(self, x: Numbers, resets: Any = None) -> Numbers:
        """Take one step.

        Args:
            x: [N, I] or, if N is 1, [I]: a tensor, or an array in main memory, of the model's dtype.
            resets: [N] bool, a tensor, an array or a list, or one bool if N is 1: true where another sequence
                begins with this step, from the initial state; the others go on. None: all go on.

        Returns:
            The output [N, O] or [O] of this step, new memory of the same kind as x; of a network the
            probabilities [N, classes] or [classes] after this step.

        Raises:
            TypeError: x is neither a tensor nor an array.
            UnrolledError: x or resets has another shape or dtype, or x a number of sequences that is not the
                last step's; or something records or transforms torch's operators, and would take the step for
                a constant.
        """
        if resets is not None:
            return self._step_after(resets, x)  # type: ignore[no-any-return]
        output: Numbers | None = self._quick(x)
        return self._careful(x) if output is None else output

    @uncompiled
    def _step_after(self, resets: Any, x: Any) -> Any:
        """A step for which some sequences begin anew, or none."""
        anew = flags_of(resets)
        if self._walk is not None and anew.shape == (self._batch_size,) and not anew.any():
            return self.step(x)
        return self._careful(x, anew)

    @uncompiled
    def reset(self) -> None:
        """Go back to the initial state, to begin other sequences, with the model as it is then."""
        self._rest()
        if self._fixed is not None:
            self._begin(self._fixed, *self._look())

    @property
    @uncompiled
    def state(self) -> Any:
        """A copy of the state, nested as the cell's, for torch.nn's layers as theirs; None until N is known.

        Set it to go on from another one; a change of the model counts as at a step. N becomes the state's if
        no step has fixed it.

        Raises:
            UnrolledError: it is nested otherwise, or has other shapes or dtypes.
        """
        if self._walk is not None:
            return self._source.shown(self._walk.state)
        return None if self._resting is None else map_state(Tensor.clone, self._resting)

    @state.setter
    @uncompiled
    def state(self, state: Any) -> None:
        if state is None:
            self.reset()
        elif self._walk is None or self._watch.moved():
            source, watch = self._look()
            self._begin(self._batch_size or _batch_size_of(state, source), source, watch, state)
        else:
            _check_that_nothing_records()
            with _building():
                _put_state(self._walk, self._source, state)

    def __getstate__(self) -> dict[str, Any]:
        """All but what is made of the model, which may not be whole yet when a copy comes to be."""
        # It stays here, too: a process that is being spawned reads it from this one's memory.
        self._resting = self.state
        built = ("_source", "_watch", "_walk", "_quick")
        return {name: value for name, value in vars(self).items() if name not in built}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self._rest()
        vars(self).update(kept)

    def _rest(self) -> None:
        """Forget the sequences."""
        self._batch_size = None
        self._resting = None
        self._walk = None
        self._quick = _no_quick_way

    def _look(self) -> tuple[Source, Watch]:
        """The model as it is now. The watch comes first: it misses no change that happens meanwhile."""
        _check_that_nothing_records()
        with _building():
            watch = Watch(self._model)
            check_numbers(self._model)
            return source_of(self._model), watch

    def _begin(self, batch_size: int, source: Source, watch: Watch, state: Any = None) -> None:
        """Be ready for N sequences, at this state or the initial one; one that does not fit is refused."""
        with _building():
            walk = walk_of(source.cell, batch_size, watch)
            if state is not None:
                _put_state(walk, source, state)
        self._source, self._watch, self._walk = source, watch, walk
        self._batch_size, self._resting = batch_size, None
        if source.dense is not None:
            self._quick = _no_quick_way
        else:
            self._quick = walk.quick if source.classifier is None else self._quick_probabilities

    @uncompiled
    def _careful(self, x: Any, anew: Tensor | None = None) -> Any:
        """A step on an x, or with weights, that the quick way does not take; every mistake is found here."""
        _check_that_nothing_records()
        if self._walk is not None and not self._watch.moved():
            rows = rows_of(x, self._source, self._batch_size)
            check_flags(anew, rows)
        else:
            source, watch = self._look()
            rows = rows_of(x, source, self._batch_size or self._fixed)
            check_flags(anew, rows)
            try:
                self._begin(self._batch_size or len(rows), source, watch, self.state)
            except UnrolledError as error:
                raise UnrolledError(f"the model has changed: {error}; reset() begins others") from None
        if anew is not None:
            with _building():
                self._walk.reset(anew)
        with _inferring():
            if self._source.dense is not None:
                rows = self._source.dense(rows)
            output = like_given(x, self._walk.step(rows))
        return output if self._source.classifier is None else self._probabilities(output)

    def _quick_probabilities(self, x: Any) -> Any:
        output = self._walk.quick(x)
        return None if output is None else self._probabilities(output)

    def _probabilities(self, output: Any) -> Any:
        classifier: Any = self._source.classifier
        features = torch.as_tensor(output, device=next(classifier.parameters()).device)
        with _inferring():
            probabilities = classifier(features.view(-1, features.shape[-1])).softmax(dim=1)
        return like_given(output, probabilities)


def _put_state(walk: Any, source: Source, state: Any) -> None:
    check_state(state, source.shown(walk.state))
    walk.state = source.hidden(state)


def _no_quick_way(x: Any) -> None:
    """Before the first step there is none."""


@contextmanager
def _inferring() -> Iterator[None]:
    """Without gradients, and in the dtype that is there: a kernel knows no other, and so no step does."""
    with torch.no_grad():
        autocast = [kind for kind in ("cpu", "cuda", "mps") if torch.is_autocast_enabled(kind)]
        if not autocast:
            yield
            return
        with torch.autocast(autocast[0], enabled=False):
            yield


@contextmanager
def _building() -> Iterator[None]:
    """What is made inside is as good outside of `torch.inference_mode` as in it."""
    with torch.inference_mode(False), _inferring():
        yield


def _check_that_nothing_records() -> None:
    """Raise an UnrolledError where a step would become a constant of a graph, or would be taken apart."""
    if is_recorded() or torch._C._functorch.peek_interpreter_stack() is not None:
        raise UnrolledError(
            "a Stream came where torch's operators are recorded or transformed (torch.jit.trace, make_fx, "
            "torch.func), and a state that is kept between calls cannot be: give it dynamic_unroll"
        )


def _batch_size_of(state: Any, source: Source) -> int:
    """N of a state that nobody has checked; 1 if it has none."""
    while isinstance(state, tuple) and state:
        state = state[0]
    axis = 1 if source.layered else 0
    return state.shape[axis] if isinstance(state, Tensor) and state.dim() > axis else 1
