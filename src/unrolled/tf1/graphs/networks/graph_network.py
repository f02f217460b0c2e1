"""A graph of TensorFlow 1 that stands where a network does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import UnrolledError
from unrolled.networks.graph_config import LENGTHS, GraphConfig
from unrolled.tf1.graphs.files import Source
from unrolled.tf1.graphs.graph import Graph
from unrolled.tf1.graphs.networks.feeding import LAYOUTS, OF_ONE_NUMBER, OF_TOKENS, filled
from unrolled.tf1.graphs.part import meta_of
from unrolled.unroll.lengths import Lengths, check_lengths


class GraphNetwork(nn.Module):
    """A graph that reads sequences, as a network does: x in, logits out.

        logits = graph.run(config.output, {config.input: x, ...})

    Symbols: x [N, T, I] sequences, or whole numbers [N, T] where the graph reads tokens; logits
    [N, classes], or [N, T, classes] of a graph that answers at every step.

    Sequences of several lengths go to the graph together if it takes lengths, else those of one length after
    those of another. A graph of a fixed batch size gets its batches filled up. Gradients reach the trainable
    variables, which are the parameters. It computes on the CPU.

    Args:
        config: where sequences go in, and where the answer comes out.
        source: the graph; its variables are given with `set_weights`.
    """

    def __init__(self, config: GraphConfig, source: Source) -> None:
        super().__init__()
        self.config, self._source = config, source
        self.graph = Graph(source)
        self.trained = nn.ParameterList()

    def set_weights(self, weights: dict[str, Any]) -> None:
        """Give all variables their values, by their names.

        Raises:
            UnrolledError: the graph has no such variable, or it has another shape.
        """
        for name, value in weights.items():
            self.graph.set_variable(name, value)
        self.trained = nn.ParameterList(self.graph.parameters())

    def weights(self) -> dict[str, Tensor]:
        """The values of all variables."""
        return {name: value.detach() for name, value in self.graph.variables.items()}

    def meta(self) -> bytes:
        """The graph as the content of a .meta file."""
        return meta_of(self._source)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> GraphNetwork:
        one = torch.empty(0, dtype=torch.float32, device="cpu")
        moved = fn(one)
        if (moved.device, moved.dtype) != (one.device, one.dtype):
            raise UnrolledError(
                f"{self.config.name} is a graph of TensorFlow 1, which computes on the CPU in the types that "
                "it has: leave --device out"
            )
        return self

    def forward(self, x: Tensor, lengths: Lengths | None = None) -> Tensor:
        """Read sequences x [N, T, I] with lengths [N] and return logits.

        Raises:
            UnrolledError: x has another shape, the graph takes only one number of steps, or a node fails.
        """
        x = self._checked(x)
        count, steps = x.shape[:2]
        if lengths is None:
            return self._read(x, torch.full((count,), steps, device="cpu"))
        lengths = check_lengths(lengths, count, steps, x.device)
        if self.config.ragged or bool((lengths == steps).all()):
            return self._read(x, lengths)
        parts = [(lengths == length).nonzero().flatten() for length in lengths.unique().tolist()]
        said = [self._read(x[rows, : int(lengths[rows[0]])], lengths[rows]) for rows in parts]
        if self.config.read == "steps":
            said = [nn.functional.pad(part, (0, 0, 0, steps - part.shape[1])) for part in said]
        return torch.cat(said)[torch.cat(parts).argsort()]

    def _checked(self, x: Tensor) -> Tensor:
        """Steps [N, T, I], or tokens [N, T] as whole numbers."""
        config = self.config
        if config.tokens:
            if x.dim() == 3 and x.shape[2] == 1:
                x = x[..., 0]
            whole = not x.dtype.is_floating_point or bool((x == x.round()).all())
            if x.dim() != 2 or not whole or not x.shape[1]:
                raise UnrolledError(
                    f"x has shape {list(x.shape)} and type {x.dtype}, expected whole numbers [N, T]: "
                    f"{config.name} reads tokens"
                )
            return x.long()
        if x.dim() != 3 or x.shape[2] != config.input_size or not x.shape[1]:
            raise UnrolledError(
                f"x has shape {list(x.shape)}, expected [N, T, {config.input_size}] with at least one step"
            )
        return x

    def _read(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The answers to sequences that the graph takes together, in batches of the size that it has."""
        count, steps = x.shape[:2]
        fixed, batch = self.config.sizes.get("T", steps), self.config.sizes.get("N", max(1, count))
        if fixed != steps:
            if not (self.config.ragged and fixed > steps):
                raise UnrolledError(f"{self.config.name} reads {fixed} steps, and sequences of {steps} came")
            x = torch.cat([x, x.new_zeros(count, fixed - steps, *x.shape[2:])], dim=1)
        parts = []
        for first in range(0, count, batch):
            rows = torch.arange(first, first + batch).clamp(max=count - 1)
            said = self._run(x[rows], lengths[rows])[: count - first]
            parts.append(said[:, :steps] if self.config.read == "steps" else said)
        return torch.cat(parts) if parts else x.new_zeros(0, self.config.classes)

    def _run(self, x: Tensor, lengths: Tensor) -> Tensor:
        config = self.config
        n, t = x.shape[:2]
        numbers = lengths.to(torch.int32).numpy()
        feeds = {name: filled(feed, n, t, numbers) for name, feed in config.feeds.items()}
        y = self.graph.run(config.output, {**feeds, config.input: lay(config, x)})
        expected = {"N C": (n,), "N T C": (n, t), "T N C": (t, n)}[config.answers]
        shape = (*expected, config.classes)
        if not isinstance(y, Tensor) or y.numel() != torch.Size(shape).numel():
            raise UnrolledError(
                f"{config.output} is {list(getattr(y, 'shape', ()))}, expected {config.classes} numbers "
                f"{'for each step' if config.read == 'steps' else 'for each sequence'}"
            )
        y = y.reshape(shape)
        return y.transpose(0, 1) if config.answers == "T N C" else y

    @property
    def takes_lengths(self) -> bool:
        """Whether the graph is told how long each sequence is."""
        return LENGTHS in self.config.feeds.values()

    @property
    def parameter_count(self) -> int:
        """How many numbers the trainable variables have."""
        return sum(parameter.numel() for parameter in self.trained)


def lay(config: GraphConfig, x: Any) -> Any:
    """Sequences as they lie in the graph's tensor."""
    ways = OF_TOKENS if config.tokens else LAYOUTS | OF_ONE_NUMBER
    return ways[config.layout](x)
