"""The network of this package that computes what an ONNX model does: looked for, and proved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.cells import GRUCell, LSTMCell, RNNCell
from unrolled.cells.cell import Cell
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.networks.config import MOST_LAYERS, READS
from unrolled.onnx.loops import LOOP
from unrolled.onnx.model import OnnxModel
from unrolled.onnx.recurrent_layer import KINDS, RecurrentLayer
from unrolled.onnx.registry import Node

WITHIN = 1e-5
BATCH, TIME = 3, 6  # of the sequences of the proof, where a model leaves them free
MOST_USERS = 100  # of a value, to be looked at: any network has a few
ACTIVATIONS = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softplus": "softplus"}
ACTIVATIONS |= {"Softsign": "softsign"}
ANSWERS: dict[str, Callable[[Tensor], Tensor]] = {  # what a model may make of logits
    "": lambda y: y,
    "softmax": lambda y: torch.softmax(y, -1),
    "log softmax": lambda y: torch.log_softmax(y, -1),
    "sigmoid": torch.sigmoid,
}


class FoundNetwork(NamedTuple):
    """A network, and how it is known to be the model's.

    Attributes:
        network: with the model's weights, in evaluation mode.
        proof: in words, on what both agreed and how closely.
    """

    network: SequenceClassifier
    proof: str


class _Dense(NamedTuple):
    weight: Tensor  # [out, in]
    bias: Tensor
    activation: str


class _Ends(NamedTuple):
    """What goes in and comes out, as the network has it, and as the model has it."""

    x: Tensor
    lengths: Tensor | None
    came: Tensor
    batch_first: bool


def find_network(model: OnnxModel, name: str) -> FoundNetwork:
    """Find the network of cells that computes what a model computes.

    Layers are taken as they stand in the file; what no node says by itself, such as what the classifier sees,
    is tried. A network counts as found if it gives the model's output on random sequences, of different
    lengths where the model takes lengths.

    Raises:
        UnrolledError: there is none: the message says why.
    """
    layers = _layers_of(model)
    before, after = _dense_layers(model)
    if not after:
        raise UnrolledError("it has no dense layer after its recurrent ones, which would be the classifier")
    tried = 0
    width = before[0].weight.shape[1] if before else next(iter(model.cells.values())).input_size
    for ends in _ends(model, width):
        for direction, read in itertools.product(_directions(layers), READS):
            config = _config(name, layers, before, after, direction, read, ends)
            if config is None:
                continue
            network = _network(config, layers, before, after)
            with torch.no_grad():
                logits = network(ends.x, ends.lengths)
            tried += 1
            for answer, function in ANSWERS.items():
                apart = _apart(function(logits), ends)
                if apart <= WITHIN:
                    sequences = f"{ends.x.shape[0]} random sequences of up to {ends.x.shape[1]} steps"
                    of = f" (the model gives {answer} of the network's)" if answer else ""
                    proof = f"network and model agree within {apart:.1e} on {sequences}{of}"
                    return FoundNetwork(network, proof)
    raise UnrolledError(f"of {tried} networks with its layers none computes what it computes")


def _layers_of(model: OnnxModel) -> list[RecurrentLayer]:
    """The recurrent layers, each of which reads the one before it."""
    layers = [layer for layer in model.layers.values() if isinstance(layer, RecurrentLayer)]
    if not layers or len(layers) != sum(node.op in (*KINDS, LOOP) for node in model.graph_nodes):
        raise UnrolledError("it has no recurrent layer whose weights it holds")
    ways = layers[0].cells.keys()
    width = next(iter(layers[0].cells.values())).input_size
    for name, layer in zip(model.layers, layers, strict=True):
        first = next(iter(layer.cells.values()))
        if layer.cells.keys() != ways or first.input_size != width:
            raise UnrolledError(f"the layer {name!r} does not read the whole output of the one before it")
        if first.weight_ih.dtype != torch.float32:
            raise UnrolledError(f"its weights are {first.weight_ih.dtype}, expected torch.float32")
        width = first.output_size * len(ways)
    return layers


def _dense_layers(model: OnnxModel) -> tuple[list[_Dense], list[_Dense]]:
    """The dense layers before the first recurrent one, and those after it."""
    before: list[_Dense] = []
    after: list[_Dense] = []
    takers: dict[str, list[Node]] = {}
    for node in model.graph_nodes:
        for name in node.inputs:
            takers.setdefault(name, []).append(node)
    seen = False
    for node in model.graph_nodes:
        seen = seen or node.op in (*KINDS, LOOP)
        if node.op not in ("MatMul", "Gemm") or len(node.inputs) < 2:
            continue
        weight = model.constant(node.inputs[1])
        if weight is None or weight.dim() != 2:
            continue
        bias = None
        end = node.outputs[0]
        if node.op == "Gemm":
            weight = weight if node.get("transB", 0) else weight.T
            bias = model.constant(node.inputs[2]) if len(node.inputs) > 2 else None
        else:
            weight = weight.T
            for user in _users(takers, end, "Add"):
                added = [model.constant(other) for other in user.inputs]
                for value in (value for value in added if value is not None and value.dim() == 1):
                    bias, end = value, user.outputs[0]
        bias = weight.new_zeros(len(weight)) if bias is None else bias
        if bias.shape != weight.shape[:1]:
            continue
        activation = next((ACTIVATIONS[user.op] for user in _users(takers, end, *ACTIVATIONS)), "identity")
        if len(before) + len(after) == MOST_LAYERS:
            raise UnrolledError(f"it has more than {MOST_LAYERS:,} dense layers")
        (after if seen else before).append(_Dense(weight.detach(), bias.detach(), activation))
    return before, after


def _users(takers: Mapping[str, list[Node]], value: str, *ops: str) -> Iterator[Node]:
    """The nodes of these kinds that take a value, or what of it is only laid out otherwise."""
    same, seen = [value], 0
    while same and seen < MOST_USERS:
        for node in takers.get(same.pop(0), ()):
            seen += 1
            if node.op in ops:
                yield node
            elif node.op in ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Cast"):
                same.append(node.outputs[0])


def _ends(model: OnnxModel, width: int) -> Iterator[_Ends]:
    """Random sequences of that width and what the model makes of them, for each way in which they may lie.

    Raises:
        UnrolledError: the model takes something else, or cannot be run, whichever way they lie.
    """
    lengths_name = None
    x_name = None
    for name, expected in model.inputs.items():
        rank = None if expected.shape is None else len(expected.shape)
        if expected.dtype == torch.float32 and rank in (3, None) and x_name is None:
            x_name = name
        elif expected.dtype in (torch.int32, torch.int64) and rank == 1 and lengths_name is None:
            lengths_name = name
        else:
            raise UnrolledError(f"it takes {name!r}, {expected}: networks take sequences and lengths")
    if x_name is None:
        raise UnrolledError("it takes no sequences [N, T, I] of float32")
    shape = model.inputs[x_name].shape
    random = torch.Generator().manual_seed(0)
    refused: list[UnrolledError] = []
    for batch_first in (True, False):
        sizes = [BATCH, TIME, width] if batch_first else [TIME, BATCH, width]
        said = shape or ("?",) * 3
        sizes = [own if isinstance(size, str) else size for own, size in zip(sizes, said, strict=True)]
        if sizes[2] != width or min(sizes) < 1 or max(sizes[:2]) > 1000:
            continue
        x = torch.randn(sizes, generator=random)
        batch, time = sizes[:2] if batch_first else (sizes[1], sizes[0])
        lengths = None
        fed: dict[str, Any] = {x_name: x}
        if lengths_name is not None:
            lengths = torch.arange(batch) % time + 1
            fed[lengths_name] = lengths
        try:
            with torch.no_grad():
                came = next(iter(model(**fed).values()))
        except UnrolledError as error:
            refused.append(error)  # they do not lie so
            continue
        yield _Ends(x if batch_first else x.movedim(0, 1), lengths, came, batch_first)
    if len(refused) == 2:
        raise refused[0]


def _directions(layers: list[RecurrentLayer]) -> list[str]:
    """The directions to try: turning sequences round is not always a recurrent node's affair."""
    ways = list(layers[0].cells)
    return ["bidirectional"] if len(ways) == 2 else ["forward", "backward"]


def _config(
    name: str,
    layers: list[RecurrentLayer],
    before: list[_Dense],
    after: list[_Dense],
    direction: str,
    read: str,
    ends: _Ends,
) -> NetworkConfig | None:
    """The network to try, None if there can be none that reads so."""
    if (read == "steps") != (ends.came.dim() == 3):
        return None
    *hidden, classifier = after
    try:
        config = NetworkConfig(
            name,
            tuple(_layer(next(iter(layer.cells.values()))) for layer in layers),
            direction=direction,
            read=read,
            input_size=ends.x.shape[2],
            classes=len(classifier.weight),
            input_layers=tuple((len(dense.weight), dense.activation) for dense in before),
            output_layers=tuple((len(dense.weight), dense.activation) for dense in hidden),
        )
    except UnrolledError:  # such as one that reads the memory of another cell than an LSTM
        return None
    fits = after[0].weight.shape[1] == config.feature_size
    return config if fits else None


def _layer(cell: Cell) -> Any:
    """A layer of a configuration, of a cell."""
    if isinstance(cell, LSTMCell):
        options: dict[str, Any] = {"forget_bias": 0.0}
        if cell.activation != "tanh":
            options["activation"] = cell.activation
        if cell.peephole:
            options["peephole"] = True
        return "lstm", cell.hidden_size, options
    if isinstance(cell, GRUCell):
        return "gru", cell.hidden_size, {"reset": cell.reset}
    assert isinstance(cell, RNNCell)
    return "rnn", cell.hidden_size, {"nonlinearity": cell.nonlinearity}


def _network(
    config: NetworkConfig, layers: list[RecurrentLayer], before: list[_Dense], after: list[_Dense]
) -> SequenceClassifier:
    network = SequenceClassifier.outline(config).to_empty(device="cpu").eval()
    stacks: list[Any] = (
        [network.cell.cells] if config.one_way else [network.forward_cells, network.backward_cells]
    )
    for number, layer in enumerate(layers):
        for stack, cell in zip(stacks, layer.cells.values(), strict=True):
            own, other = stack[number].state_dict(), cell.state_dict()
            stack[number].load_state_dict(
                {key: other.get(key, torch.zeros_like(value)) for key, value in own.items()}
            )
    linears = [part for part in network.modules() if isinstance(part, nn.Linear)]
    for linear, dense in zip(linears, [*before, *after], strict=True):
        linear.load_state_dict({"weight": dense.weight, "bias": dense.bias})
    return network


def _apart(logits: Tensor, ends: _Ends) -> float:
    """How far the network's answer is from the model's, of real steps alone; infinite if shapes differ."""
    came = ends.came.movedim(0, 1) if logits.dim() == 3 and not ends.batch_first else ends.came
    if came.shape != logits.shape or came.dtype != logits.dtype or not came.numel():
        return float("inf")
    difference = (came - logits).abs()
    if logits.dim() == 3 and ends.lengths is not None:
        difference = difference[torch.arange(logits.shape[1]) < ends.lengths[:, None]]
    return difference.max().nan_to_num(float("inf")).item()
