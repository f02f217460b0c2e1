"""A recurrent network that reads a sequence and says what it is: its class, or numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, DropoutCell, GRUCell, LSTMCell, ResidualCell, RNNCell, StackedCell
from unrolled.cells.state import hidden
from unrolled.errors import UnrolledError
from unrolled.networks.config import NetworkConfig, output_width
from unrolled.networks.over_time import OVER_TIME, memory, over_time
from unrolled.networks.scan import scanned
from unrolled.unroll.bidirectional import bidirectional_unroll
from unrolled.unroll.kernel_layer import kernel_of
from unrolled.unroll.kinds import unroll
from unrolled.unroll.lengths import Lengths, check_lengths, reverse_sequence
from unrolled.unroll.stacked_bidirectional import stacked_bidirectional_unroll

# TensorFlow 1's defaults, which the seeds' networks have: a forget bias of 1, and the paper's GRU.
CELL_MAKERS: dict[str, Callable[..., Cell]] = {
    "rnn": RNNCell,
    "lstm": partial(LSTMCell, forget_bias=1.0),
    "gru": partial(GRUCell, reset="before"),
}
ACTIVATION_MODULES: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "relu6": nn.ReLU6,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),  # TensorFlow's slope
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
}


class SequenceClassifier(nn.Module):
    r"""Layers of cells that read a sequence, and a linear layer that names its class.

        logits = W v + b,    v the features that `config.read` picks from the last recurrent layer

    Symbols: x [N, T, I] sequences; v [N, F], F = H, or 2 H for a bidirectional network;
    logits [N, classes], not yet normalised: softmax turns them into probabilities. A network that is trained
    on numbers gives those in their place.

    With f_t and b_t the outputs of the last layer's two directions and L a sequence's length, v is

        "final"  [f_L, b_1]: what each direction knows when it has read everything
        "last"   [f_L, b_L]: the outputs beside the last step, where the backward direction has read one
                 step only; what the tutorials with bidirectional networks do
        "state"  the h of each direction's final state: as "final", but before any output dropout or sum
                 with the layer's input
        "memory" the c of the final state of an LSTM in one direction
        "first", "mean", "max"   [f_t, b_t] at the first step, and over all steps
        "steps"  [f_t, b_t] of every step t: v is [N, T, F] and logits are [N, T, classes], of which those
                 past a length say nothing

    With `config.scan` x are pictures, and the steps are their columns or pixels: see `scan.scanned`. With
    `config.centre` x is without the mean of each sequence's last steps, whatever reads it.

    Networks of one direction have no b: there "final" and "last" are one. A backward network reads each
    sequence from its end; its first step is there. With `config.input_layers` the x that the
    cells read is what those dense layers make of each step, and with `config.output_layers` W sees what they
    make of v. Steps may be given as integers x [N, T], which stand for one-hot vectors [N, T, I]: then the
    first layer is an embedding.

    `config.unroll` rules under torch.compile and torch.export, where a static network is a graph of T steps.
    In eager mode, where static and dynamic unrolling give the same numbers, every network takes the dynamic
    one.

    Args:
        config: what the network is made of.

    >>> network = SequenceClassifier(NetworkConfig("mine", (("lstm", 32), ("gru", 64)), classes=3))
    >>> tuple(network(torch.zeros(5, 28, 28)).shape)
    (5, 3)
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        if config.input_layers:
            self.input_layers = _make_dense(config.step_size, config.input_layers)
        if config.one_way:
            self.cell = StackedCell(_make_cells(config))
        else:
            self.forward_cells: Any = nn.ModuleList(_make_cells(config))
            self.backward_cells: Any = nn.ModuleList(_make_cells(config))
        seen = config.feature_size
        if config.output_layers:
            self.output_layers = _make_dense(seen, config.output_layers)
            seen = config.output_layers[-1][0]
        self.classifier = nn.Linear(seen, config.classes)

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, lengths: Lengths | None = None) -> Tensor: ...

    def forward(self, x: Tensor, lengths: Lengths | None = None) -> Tensor:
        """Read the sequences x [N, T, I] with lengths [N], T at least 1, and return logits [N, classes].

        With `config.read` "steps" they are [N, T, classes].
        """
        v = self.features(x, lengths)
        if self.config.read == "steps" and lengths is not None and not torch.compiler.is_compiling():
            return self._speak_at_each(v, lengths)
        return self.speak(v)

    def speak(self, v: Tensor) -> Tensor:
        """The logits [..., classes] from features v [..., F]."""
        logits: Tensor = self.classifier(self.output_layers(v) if self.config.output_layers else v)
        return logits

    def _speak_at_each(self, v: Tensor, lengths: Lengths) -> Tensor:
        """Logits of the real steps alone: the last bits of a product depend on how many rows it has."""
        batch_size, time, _ = v.shape
        lengths = check_lengths(lengths, batch_size, time, v.device)
        real = torch.arange(time, device=v.device) < lengths[:, None]
        rows = self.speak(v[real])
        logits = rows.new_zeros(batch_size, time, rows.shape[1])
        logits[real] = rows
        return logits

    def features(self, x: Tensor, lengths: Lengths | None = None) -> Tensor:
        """The vector v [N, F] of each sequence that is left when the recurrent layers have read it.

        With `config.read` "steps" there is one after each step: [N, T, F], zero past each length.
        """
        if self.config.scan != "rows":
            x, lengths = self._scanned(x, lengths), None
        return self.features_of_steps(x, lengths)

    def features_of_steps(self, x: Tensor, lengths: Lengths | None = None) -> Tensor:
        """The same of steps as the cells read them: of what `config.scan` has made of the pictures."""
        kind, read = self._kind(), self.config.read
        tokens = x.dim() == 2 and not x.dtype.is_floating_point
        if (x.dim() != 3 and not tokens) or x.shape[1] == 0:
            raise UnrolledError(f"x has shape {list(x.shape)}, expected [N, T, I] with at least one step")
        if self.config.centre and not tokens:
            x = x - last_mean(x, lengths, self.config.centre)
        x = self._embed(x) if tokens else self.input_layers(x) if self.config.input_layers else x
        if self.config.one_way:
            backward = self.config.direction == "backward"
            if backward:
                x = reverse_sequence(x, lengths)
            outputs, state = unroll(self.cell, x, lengths, kind=kind)
            if read == "steps":
                return reverse_sequence(outputs, lengths) if backward else outputs
            if read in OVER_TIME:
                return over_time(outputs, lengths, read)
            if read == "memory":
                return memory(state)
            return hidden(state) if self._reads_state() else last_output(outputs, lengths)

        if self.config.direction == "bidirectional" and read == "last":
            return self._beside_last_step(x, lengths, kind)
        if self.config.direction == "parallel":
            outputs, (forwards, backwards) = bidirectional_unroll(
                StackedCell(self.forward_cells), StackedCell(self.backward_cells), x, lengths, kind=kind
            )
        else:
            outputs, (forwards, backwards) = stacked_bidirectional_unroll(
                self.forward_cells, self.backward_cells, x, lengths, kind=kind
            )
        if read == "steps":
            return outputs
        if read in OVER_TIME:
            return over_time(outputs, lengths, read)
        if self._reads_state():
            return torch.cat([hidden(forwards), hidden(backwards)], dim=1)
        last = last_output(outputs, lengths)
        if read == "last":
            return last
        forward_width = output_width(self.config.layers[-1])
        return torch.cat([last[:, :forward_width], outputs[:, 0, forward_width:]], dim=1)

    def _scanned(self, x: Tensor, lengths: Lengths | None) -> Tensor:
        """What the scan makes of pictures, which have no lengths."""
        config = self.config
        if x.dim() != 3 or x.shape[2] != config.input_size or config.rows not in (None, x.shape[1]):
            raise UnrolledError(
                f"x has shape {list(x.shape)}, expected [N, {config.rows or 'T'}, {config.input_size}]: "
                f"network {config.name} reads {config.pictures} {config.order}: bring them to that size, or "
                "take another network"
            )
        batch_size, time, _ = x.shape
        if lengths is not None and batch_size and not torch.compiler.is_compiling():
            shortest = int(check_lengths(lengths, batch_size, time, x.device).min())
            if shortest < time:
                raise UnrolledError(
                    f"lengths begin at {shortest}, expected {time} for all: network {config.name} reads "
                    f"whole pictures {config.order}"
                )
        return scanned(x, config.scan)

    def _embed(self, x: Tensor) -> Tensor:
        """What the input layers make of the one-hot vectors that integers x [N, T] stand for."""
        size = self.config.input_size
        if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < size:
            raise UnrolledError(
                f"x has values from {int(x.min())} to {int(x.max())}, expected 0 to {size - 1}: "
                f"network {self.config.name} reads {size} numbers a step"
            )
        if not self.config.input_layers:
            return nn.functional.one_hot(x.long(), size).to(next(self.parameters()).dtype)
        first: Any
        first, *others = self.input_layers
        x = nn.functional.embedding(x, first.weight.T) + first.bias
        for module in others:
            x = module(x)
        return x

    def _beside_last_step(self, x: Tensor, lengths: Lengths | None, kind: str) -> Tensor:
        """[f_L, b_L]: the top layer's backward cell, which reads from the end, has taken one step there."""
        *forwards, forward_cell = self.forward_cells
        *backwards, backward_cell = self.backward_cells
        if forwards:
            x, _ = stacked_bidirectional_unroll(forwards, backwards, x, lengths, kind=kind)
        f, state = unroll(forward_cell, x, lengths, kind=kind)
        batch_size, time, _ = x.shape
        one_step = (
            None if lengths is None else check_lengths(lengths, batch_size, time, x.device).clamp(max=1)
        )
        b, _ = unroll(backward_cell, last_output(x, lengths)[:, None], one_step, kind=kind)
        last = hidden(state) if self._state_is_output() else last_output(f, lengths)
        return torch.cat([last, b[:, 0]], dim=1)

    def _reads_state(self) -> bool:
        """Whether v is in the final states: also where it is an output, if nothing is dropped of that.

        An output among all would need a gradient of all in backward, of which most are zero.
        """
        config = self.config
        beside = config.read == "last" and not config.one_way  # the backward one's first output
        return config.read == "state" or (self._state_is_output() and not beside)

    def _state_is_output(self) -> bool:
        """Whether the last layer's h is what it gives at the last step."""
        residual = any(option.get("residual") for option in self.config.layers[-1][2:])
        return not (self.config.output_dropout or residual)

    def _kind(self) -> str:
        # In eager mode the two unrollings give the same numbers, and the dynamic one can run in kernels. In a
        # graph they differ: T copies of a step, or one operation with a free time axis.
        return self.config.unroll if torch.compiler.is_compiling() else "dynamic"

    @classmethod
    def outline(cls, config: NetworkConfig) -> SequenceClassifier:
        """A network of shapes and types without memory, on the device "meta": to be counted and compared.

        >>> from unrolled.networks import CATALOGUE
        >>> SequenceClassifier.outline(CATALOGUE["seed-000"]).parameter_count
        6674
        """
        with torch.device("meta"):
            return cls(config)

    @property
    def parameter_count(self) -> int:
        """How many numbers training can change, the second of two biases that only add up left out."""
        held = [*self.named_parameters(), *self.named_buffers()]  # of quantized cells, buffers
        counted = sum(
            weight.numel() for name, weight in held if not name.endswith(("bias_hh", "scale_ih", "scale_hh"))
        )
        # bias_hh is only ever added to bias_ih, but for b_hn of a GRU that resets after the product.
        cells: Any = self.modules()
        total: int = counted + sum(cell.hidden_size for cell in cells if kernel_of(cell) == "gru_after")
        return total


def last_mean(x: Tensor, lengths: Lengths | None, steps: int) -> Tensor:
    """The mean [N, 1, I] of the last so many steps of each sequence in x [N, T, I], of all if it has fewer.

    >>> last_mean(torch.tensor([[[9.0], [1.0], [3.0], [0.0]]]), torch.tensor([3]), steps=2).item()
    2.0
    """
    batch_size, time, _ = x.shape
    if lengths is None:
        return x[:, -steps:].mean(dim=1, keepdim=True)
    ends = check_lengths(lengths, batch_size, time, x.device)[:, None]
    places = torch.arange(time, device=x.device)
    counted = (places < ends) & (places >= ends - steps)
    total = x.masked_fill(~counted[:, :, None], 0).sum(dim=1, keepdim=True)
    return total / counted.sum(dim=1).clamp(min=1)[:, None, None]


def last_output(outputs: Tensor, lengths: Lengths | None) -> Tensor:
    """The output y_L [N, O] of each sequence's last step; of one of length 0 what stands at its end."""
    if lengths is None:
        return outputs[:, -1]
    batch_size, time, _ = outputs.shape
    lengths = check_lengths(lengths, batch_size, time, outputs.device)
    # An empty sequence wraps to the last step: of an unrolling's outputs, that is zero.
    return outputs[torch.arange(batch_size, device=outputs.device), lengths - 1]


def _make_cells(config: NetworkConfig) -> list[Cell]:
    cells: list[Cell] = []
    input_size = config.input_layers[-1][0] if config.input_layers else config.step_size
    for kind, width, *options in config.layers:
        try:
            known = dict(options[0]) if options else {}
            residual = known.pop("residual", False)
            cell = CELL_MAKERS[kind](input_size, width, **known)
            cell = ResidualCell(cell) if residual else cell
        except ValueError as error:
            raise UnrolledError(f"network {config.name}: {error}") from error
        cells.append(DropoutCell(cell, output=config.output_dropout) if config.output_dropout else cell)
        input_size = cell.output_size * (2 if config.direction == "bidirectional" else 1)
    return cells


def _make_dense(input_size: int, layers: tuple[tuple[int, str], ...]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for width, activation in layers:
        modules += [nn.Linear(input_size, width), ACTIVATION_MODULES[activation]()]
        input_size = width
    return nn.Sequential(*modules)
