"""What a cell remembers from one step to the next, and how to walk over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from torch import Tensor

if TYPE_CHECKING:
    from typing_extensions import TypeVar


class LSTMState(NamedTuple):
    """The state of an LSTM, in PyTorch's order.

    Symbols: h [N, H] (or [N, P] with a projection) the hidden state, which is also the output;
    c [N, H] the cell state, which only the cell itself reads.
    """

    h: Tensor
    c: Tensor


# One tensor (RNN, GRU), an LSTMState, or for a stack a tuple with the state of each layer.
State: TypeAlias = "Tensor | tuple[State, ...]"

# What a type checker knows of a cell's state: LSTMState for an LSTMCell, Tensor for a GRUCell; of a cell that
# does not say, anything.
if TYPE_CHECKING:
    S = TypeVar("S", default=Any)
    R = TypeVar("R", default=Any)
    S_co = TypeVar("S_co", default=Any, covariant=True)
else:
    from typing import TypeVar

    S, R, S_co = TypeVar("S"), TypeVar("R"), TypeVar("S_co", covariant=True)

# The widths of a state's tensors, nested as the state is: 128, LSTMState(128, 128), (128, 256), ...
StateSize: TypeAlias = "int | tuple[Any, ...]"


def map_state(function: Callable[..., Any], *states: Any) -> Any:
    """Apply `function` to the tensors of states that are nested alike; keep the nesting of the first.

    >>> map_state(lambda a, b: a + b, (1, LSTMState(2, 3)), (10, (20, 30)))
    (11, LSTMState(h=22, c=33))
    """
    first = states[0]
    if not isinstance(first, tuple):
        return function(*states)
    parts = [map_state(function, *group) for group in zip(*states, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)


def check_state(name: str, size: StateSize, state: Any, batch_size: int, argument: str = "state") -> None:
    """Raise a ValueError if a state of the cell `name` is not nested and shaped as `size` says."""

    def check(width: int, part: Any) -> None:
        if not isinstance(part, Tensor) or part.shape != (batch_size, width):
            raise ValueError("a part has another shape")

    try:
        map_state(check, size, state)
    except (TypeError, ValueError):
        came = map_state(lambda part: list(getattr(part, "shape", [])) or part, state)
        expected = map_state(lambda width: [batch_size, width], size)
        raise ValueError(f"{name}: {argument} has shapes {came}, expected {expected}") from None


def hidden(state: State) -> Tensor:
    """The hidden state h that a cell shows to the outside: of a stack, that of its last layer."""
    if isinstance(state, LSTMState):
        return state.h
    return hidden(state[-1]) if isinstance(state, tuple) else state
