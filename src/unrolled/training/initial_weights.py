"""The weights that a training starts from, where a recipe wants others than PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from unrolled import tf1
from unrolled.cells import DropoutCell, GRUCell
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.tf1.replay.initializers import get_graph_seed
from unrolled.tf1.rnn import gate_layout

Draw = Callable[[tuple[int, ...], int], Tensor]  # (shape, seed of the operation) -> values


def _xavier(shape: tuple[int, ...], seed: int) -> Tensor:
    return tf1.glorot_uniform(seed)(shape) if len(shape) == 2 else tf1.zeros(shape)


def _normal(stddev: float) -> Draw:
    return lambda shape, seed: tf1.random_normal(shape, stddev=stddev, seed=seed)


def _truncated_normal(shape: tuple[int, ...], seed: int) -> Tensor:
    if len(shape) == 2:
        return tf1.truncated_normal(shape, stddev=0.1, seed=seed)
    return tf1.constant(0.1)(shape)


# How the W [F, classes] and the b [classes] of the output layer are drawn.
OUTPUT_LAYERS: dict[str, Draw] = {
    "tf1-xavier": _xavier,
    "tf1-normal-0.01": _normal(0.01),
    "tf1-normal-1": _normal(1.0),
    "tf1-truncated-normal-0.1": _truncated_normal,
}


@torch.no_grad()
def set_initial_weights(network: SequenceClassifier, kind: str, seed: int) -> None:
    """Draw all weights anew as TensorFlow 1 would, unless `kind` is "torch" or "remembering".

    "torch" leaves them as they are. "remembering" adds 1 to the biases of the update gates z of all GRUs, as
    a forget bias does for LSTMs: h' = (1 - z) n + z h then keeps more of h at first, and the loss at the last
    step reaches the first ones.

    TensorFlow draws a cell's joint kernel [I + H, gates H] from Xavier's uniform distribution, its biases are
    0 (1 for the two gates of a GRU), and the output layer is drawn as `kind` says. The k-th variable of the
    graph has the operation's seed k and the graph's seed `seed`: so a TensorFlow program that sets these has
    the same bits. TensorFlow's cells have one bias: the second one, bias_hh, is 0 and stays it.

    Args:
        network: of LSTM, GRU and RNN cells, without options where TensorFlow draws.
        kind: one of `recipe.INITIAL_WEIGHTS`.
        seed: the graph's.

    Raises:
        UnrolledError: a cell has no biases where TensorFlow would draw them.
    """
    if kind == "torch":
        return
    if kind == "remembering":
        for cell in _cells(network):
            if isinstance(cell, GRUCell):
                assert cell.bias_ih is not None  # every cell of a network has its biases
                cell.bias_ih[cell.hidden_size : 2 * cell.hidden_size] += 1
        return
    if any(cell.bias_hh is None for cell in _cells(network)):
        raise UnrolledError(
            f"initial_weights is {kind!r}, which does not draw a cell with layer_norm: expected 'torch'"
        )
    graph_seed = get_graph_seed()
    tf1.set_random_seed(seed)
    try:
        k = 0
        for cell in _cells(network):
            variables = gate_layout.variables(cell)
            for name, value in variables.items():
                if value.dim() == 2:
                    variables[name] = tf1.glorot_uniform(k)(value.shape)
                else:
                    variables[name] = torch.full(value.shape, float(name == "gates/bias"))
                k += 1
            cell.load_state_dict(gate_layout.parameters(cell, variables))
            cell.bias_hh.requires_grad_(False)
        draw = OUTPUT_LAYERS[kind]
        network.classifier.weight.copy_(draw((network.classifier.in_features, network.config.classes), k).T)
        network.classifier.bias.copy_(draw((network.config.classes,), k + 1))
    finally:
        tf1.set_random_seed(graph_seed)


def _cells(network: SequenceClassifier) -> Iterator[Any]:
    """The cells in the order in which TensorFlow makes their variables: both directions layer by layer."""
    if network.config.one_way:
        stacks: list[Any] = [network.cell.cells]
    else:
        stacks = [network.forward_cells, network.backward_cells]
    for layer in zip(*stacks, strict=True):
        for cell in layer:
            yield cell.cell if isinstance(cell, DropoutCell) else cell
