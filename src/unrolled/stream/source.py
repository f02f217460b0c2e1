"""What a model streams as: a cell, what reads its output, and how its state looks to the user."""

from __future__ import annotations

import copy
import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, GRUCell, LSTMCell, LSTMState, RNNCell, StackedCell
from unrolled.cells.state import map_state
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier


class Source(NamedTuple):
    """A cell with the model's own weights, used as when evaluating.

    Attributes:
        cell: what takes the steps.
        classifier: of a network, turns the cell's output into logits; else None.
        layered: whether the state is that of torch.nn's layers, [L, N, H], and not the cell's own.
    """

    cell: Any
    classifier: nn.Module | None = None
    layered: bool = False

    def shown(self, state: Any) -> Any:
        """The cell's state as the model's user knows it."""
        if not self.layered:
            return state
        if isinstance(state[0], LSTMState):
            return tuple(torch.stack(parts) for parts in zip(*state, strict=True))
        return torch.stack(state)

    def hidden(self, state: Any) -> Any:
        """The inverse of `shown`."""
        if not self.layered:
            return state
        if isinstance(state, Tensor):
            return tuple(state)
        return tuple(itertools.starmap(LSTMState, zip(*state, strict=True)))


def source_of(model: Any) -> Source:
    """How `model` streams.

    Raises:
        TypeError: it is nothing that takes steps.
        UnrolledError: it reads sequences from their end, too.
    """
    if isinstance(model, nn.Module):
        model = _evaluating(model)
    if isinstance(model, SequenceClassifier):
        if model.config.direction == "bidirectional":
            raise _needs_the_end(f"network {model.config.name} is bidirectional")
        return Source(model.cell, model.classifier)
    if isinstance(model, nn.Module) and hasattr(model, "initial_state"):
        return Source(model)
    if isinstance(model, nn.Module) and hasattr(
        model, "weight_ih_l0"
    ):  # torch.nn's layers and their drop-ins
        if model.bidirectional:
            raise _needs_the_end(f"the {type(model).__name__} is bidirectional")
        return Source(StackedCell(_cells_of(model)), layered=True)
    kind = type(model)
    raise TypeError(
        f"model is a {kind.__module__}.{kind.__qualname__}, expected a cell such as unrolled.LSTMCell, "
        "a network of unrolled.networks, or a layer such as torch.nn.LSTM"
    )


def weights_of(model: nn.Module) -> list[tuple[int, int, int]]:
    """What tells that a weight has been changed or replaced."""
    return [
        (id(weight), weight.data_ptr(), 0 if weight.is_inference() else weight._version)
        for weight in model.parameters()
    ]


def _evaluating(model: nn.Module) -> nn.Module:
    """The model as `eval()` would make it, with the same weights; the model itself stays as it is."""
    if not any(module.training for module in model.modules()):
        return model
    shared = {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared).eval()


def _cells_of(layers: Any) -> list[Cell]:
    """A cell for each layer of one of torch.nn's modules, with the module's own parameters."""
    cells: list[Cell] = []
    for layer in range(layers.num_layers):
        width = layers.input_size if layer == 0 else layers.proj_size or layers.hidden_size
        size: dict[str, Any] = {
            "input_size": width,
            "hidden_size": layers.hidden_size,
            "bias": layers.bias,
            "device": "meta",
        }
        cell: Cell
        if layers.mode == "LSTM":
            cell = LSTMCell(**size, proj_size=layers.proj_size)
        elif layers.mode == "GRU":
            cell = GRUCell(**size)
        else:
            cell = RNNCell(**size, nonlinearity=layers.mode.removeprefix("RNN_").lower())
        for name, _ in list(cell.named_parameters()):
            setattr(cell, name, getattr(layers, f"{name}_l{layer}"))
        cells.append(cell.eval())
    return cells


def _needs_the_end(what: str) -> UnrolledError:
    return UnrolledError(
        f"{what}: its backward direction needs the end of the sequence before its first output, so it "
        "cannot stream; use a forward model, or give it whole sequences"
    )


def check_state(state: Any, expected: Any) -> None:
    """Raise an UnrolledError unless `state` is nested, shaped and typed as `expected`."""

    def check(like: Tensor, part: Any) -> None:
        if not isinstance(part, Tensor) or part.shape != like.shape or part.dtype != like.dtype:
            raise ValueError("a part has another shape or dtype")

    def describe(part: Any) -> Any:
        return (
            f"{list(part.shape)} {name_of(part.dtype)}" if isinstance(part, Tensor) else type(part).__name__
        )

    try:
        map_state(check, expected, state)
    except (TypeError, ValueError):
        came, wanted = map_state(describe, state), map_state(describe, expected)
        raise UnrolledError(f"state is {came}, expected {wanted}") from None


def name_of(dtype: torch.dtype) -> str:
    """Its name as NumPy has it.

    >>> name_of(torch.float32)
    'float32'
    """
    return str(dtype).removeprefix("torch.")
