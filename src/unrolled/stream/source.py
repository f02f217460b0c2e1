"""What a model streams as: a cell, what stands before and after it, and how its state looks to the user."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.cells import QuantizedCell
from unrolled.cells.state import map_state
from unrolled.errors import UnrolledError
from unrolled.layers.quantized import QuantizedLayers, QuantizedStep
from unrolled.networks import SequenceClassifier
from unrolled.stream.evaluating import evaluating
from unrolled.stream.torch_nn import cell_of, layered, unlayered


class Source(NamedTuple):
    """A cell with the model's own weights, used as when evaluating.

    Attributes:
        cell: what takes the steps.
        input_size: I; None if the cell does not say.
        dense: of a network, the layers that an x goes through before the cell; else None.
        classifier: of a network, turns the cell's output into logits; else None.
        layered: whether the state is that of torch.nn's layers, [L, N, H], and not the cell's own.
    """

    cell: Any
    input_size: int | None
    dense: nn.Module | None = None
    classifier: nn.Module | None = None
    layered: bool = False

    @property
    def weight(self) -> Tensor | None:
        """The first that an x meets: it tells dtype and device; None if there is none."""
        first = self.cell if self.dense is None else self.dense
        for module in first.modules():
            if isinstance(module, QuantizedCell):
                like: Tensor = module.like
                return like
            for tensor in itertools.chain(module._parameters.values(), module._buffers.values()):
                if isinstance(tensor, Tensor):
                    return tensor
        return None

    def shown(self, state: Any) -> Any:
        """The cell's state as the model's user knows it."""
        return layered(state) if self.layered else state

    def hidden(self, state: Any) -> Any:
        """The inverse of `shown`."""
        return unlayered(state) if self.layered else state


def source_of(model: Any) -> Source:
    """How `model` streams.

    Raises:
        TypeError: it is nothing that takes steps.
        UnrolledError: it reads sequences from their end, too.
    """
    kind = type(model)
    twin: Any = evaluating(model) if isinstance(model, nn.Module) else None
    if isinstance(twin, SequenceClassifier) and kind.forward is SequenceClassifier.forward:
        if twin.config.direction != "forward":
            raise _needs_the_end(f"network {twin.config.name} is {twin.config.direction}")
        if twin.config.scan != "rows":
            raise UnrolledError(
                f"network {twin.config.name} reads whole pictures {twin.config.order}, so it cannot "
                "stream; use one that reads rows, or give it whole pictures"
            )
        if twin.config.centre:
            raise _needs_the_end(f"network {twin.config.name} takes the mean of the last steps away")
        if twin.config.read in ("memory", "first", "mean", "max"):
            raise UnrolledError(
                f'network {twin.config.name} reads "{twin.config.read}", which is not its last output, so it '
                "cannot stream; give it whole sequences"
            )
        dense = twin.input_layers if twin.config.input_layers else None
        after: nn.Module = twin.classifier
        if twin.config.output_layers:
            after = nn.Sequential(twin.output_layers, after).eval()
        return Source(twin.cell, twin.config.input_size, dense, after)
    if isinstance(twin, nn.RNNBase | QuantizedLayers):
        if twin.bidirectional:
            raise _needs_the_end(f"the {kind.__name__} is bidirectional")
        return Source(cell_of(twin), twin.input_size, layered=True)
    if isinstance(twin, nn.RNNCellBase | QuantizedStep):
        return Source(cell_of(twin), twin.input_size)
    if hasattr(twin, "initial_state"):
        return Source(twin, getattr(twin, "input_size", None))
    raise TypeError(
        f"model is a {kind.__module__}.{kind.__qualname__}, expected a cell such as unrolled.LSTMCell, "
        "a network of unrolled.networks, or a layer or cell such as torch.nn.LSTM or LSTMCell"
    )


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
