"""Any torch module, traced by torch: its recurrent layers become the standard's nodes."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_leaves

from unrolled import __version__
from unrolled.cells import Cell, GRUCell, LSTMCell, RNNCell
from unrolled.errors import UnrolledError
from unrolled.kernels import isa
from unrolled.kernels.native_call import Layer
from unrolled.layers import accelerate
from unrolled.onnx.builder import IR_VERSION, OPSET, Builder, LSTMNames, under
from unrolled.onnx.model import fold
from unrolled.onnx.reading import graph_of, node_of
from unrolled.onnx.registry import Node
from unrolled.onnx.require import require
from unrolled.onnx.walk import Level, Walk
from unrolled.stream.evaluating import evaluating
from unrolled.unroll.kernel_layer import NORMS

DOMAIN = "unrolled"
UNROLL = "unrolled.unroll"  # a recurrent layer in one direction, until it is written as the standard's nodes
# What of a `Layer` is a tensor and has a form in ONNX, in this order; what is a number or a name.
TENSORS = (
    "x", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "lengths", "h0", "c0", "peephole", "weight_hr",
    "norm_weight", "norm_bias",
)  # fmt: skip
FED = ("x", "lengths", "h0", "c0")
ATTRIBUTES = ("kind", "forget_bias", "reverse", "batch_first", "zoneout", "cell_clip", "proj_clip")


def trace(model: nn.Module, example: Any, free: Any = None) -> Any:
    """A module as a ModelProto, its recurrent layers LSTM, GRU, RNN or Scan nodes.

    Args:
        model: any module that torch.export takes; its recurrent layers of torch.nn are accelerated meanwhile.
        example: what it is called with: a tensor, several, or a dictionary by name.
        free: which axes are free, as torch.export takes its dynamic_shapes; by default those of `_free_axes`.

    Raises:
        UnrolledError: torch cannot trace the module, or not with free axes; a layer has resets, or weights
            that are computed; or the packages onnx and onnxscript are missing.
    """
    require("onnxscript")
    if not hasattr(torch.onnx, "ops"):
        raise UnrolledError(f"modules are exported by torch 2.8 and later, and this is {torch.__version__}")
    arguments, named = _arguments(example)
    twin = accelerate(evaluating(model))
    _check_single(twin)
    with _quiet(), torch.no_grad(), isa.assumed():  # what is traced is the operator, compiled or not
        axes = _free_axes(twin, arguments, named) if free is None else free
        try:
            program = torch.export.export(twin, arguments, named, dynamic_shapes=axes)
            program = program.run_decompositions({torch.ops.unrolled.unroll.default: _as_one_node})
            outputs = len(program.graph_signature.user_outputs)
            names = ["output"] if outputs == 1 else [f"output{number + 1}" for number in range(outputs)]
            found = torch.onnx.export(
                program, (), dynamo=True, opset_version=OPSET, output_names=names, verbose=False
            )
        except Exception as error:
            raise UnrolledError(f"{type(model).__name__} cannot be exported: {_reason(error)}") from error
    assert found is not None
    proto = found.model_proto
    _write_layers(proto)
    _tidy(proto, type(model).__name__, _axis_names(twin, free is None))
    return proto


def _arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example) if isinstance(example, tuple | list) else (example,)), {}


def _check_single(model: nn.Module) -> None:
    other = {p.dtype for p in model.parameters() if p.is_floating_point()} - {torch.float32}
    if other:
        raise UnrolledError(
            f"the model has weights of {min(map(str, other))}, expected torch.float32: float()"
        )


def _free_axes(model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The first two axes of the first tensor are free, N and T, and every other axis of one of their sizes.

    Of a tensor of numbers [N, I] the first one is.

    Raises:
        UnrolledError: those sizes are too small to be told from others, or the same; or the model is called
            otherwise.
    """
    try:
        called = inspect.signature(model.forward).bind(*arguments, **named).arguments
    except TypeError as error:
        raise UnrolledError(f"{type(model).__name__} is not called as the example is: {error}") from None
    tensors = [leaf for leaf in tree_leaves((arguments, named)) if isinstance(leaf, Tensor)]
    if not tensors or not tensors[0].dim():
        raise UnrolledError("the example has no tensor with axes, expected what the model is called with")
    steps = tensors[0].dim() > 2 or not tensors[0].is_floating_point()
    sizes = list(tensors[0].shape[: 2 if steps else 1])
    if min(sizes) < 2 or len(set(sizes)) < len(sizes):
        raise UnrolledError(
            f"the example's first axes are {sizes}, expected two different sizes of at least 2, such as 3 "
            "sequences of 7 steps: they stand for any other"
        )
    axes = dict(zip(sizes, (Dim("N"), Dim("T")), strict=False))
    first = {number: axes[size] for number, size in enumerate(sizes)}

    def of(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(of(part) for part in value)
        if isinstance(value, Mapping):
            return {name: of(part) for name, part in value.items()}
        if not isinstance(value, Tensor):
            return None
        if value is tensors[0]:
            return first
        return {number: axes[size] for number, size in enumerate(value.shape) if size in axes}

    return of(called)


def _as_one_node(*values: Any) -> Any:
    """The operator `unrolled::unroll` as a node that `_write_layers` knows."""
    layer = Layer(*values[: len(Layer._fields)])
    if layer.resets is not None:
        raise UnrolledError("a recurrent layer is called with resets, which have no form in ONNX")
    time, batch, _, hidden, output = layer.sizes
    out = (batch, time, output) if layer.batch_first else (time, batch, output)
    return torch.onnx.ops.symbolic_multi_out(
        f"{DOMAIN}::unroll",
        [getattr(layer, name) for name in TENSORS],
        {name: getattr(layer, name) for name in ATTRIBUTES},
        dtypes=[layer.x.dtype] * 5,
        shapes=[out, (batch, output), (batch, hidden if layer.has_c else 0), (0,), (0,)],
        version=1,
    )


def _write_layers(proto: Any) -> None:
    """Put the standard's nodes in the place of those of recurrent layers."""
    constants, _ = fold(graph_of(proto, Path()))
    builder = Builder()
    for name in _names(proto.graph):
        builder.reserve(name)
    nodes = []
    walks: dict[str, Walk] = {}  # by lengths: of the same lengths T is the same, and so is what is past them
    for entry in proto.graph.node:
        node = node_of(entry, OPSET, Path())
        if node.op != UNROLL:
            nodes.append(entry)
            continue
        with builder.body() as written:
            _write_layer(builder, node, constants, walks)
        nodes += written
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(builder.constants)


def _write_layer(
    builder: Builder, node: Node, constants: Mapping[str, Tensor], walks: dict[str, Walk]
) -> None:
    names = dict(zip(TENSORS, (*node.inputs, *[""] * len(TENSORS)), strict=False))
    place = re.sub(r"\.?weight_ih", "", names["weight_ih"]).strip("_").replace(".", "/") or "recurrent"
    weights = {}
    for name, value in names.items():
        if value and name not in FED:
            if value not in constants:
                raise UnrolledError(
                    f"the {name} of the recurrent layer {place!r} is computed when the model runs, expected "
                    "a parameter: take its parametrization away, or fold it in"
                )
            weights[name] = constants[value]
    cell = _cell(node, weights)
    x = names["x"]
    if node.get("batch_first"):
        x = builder.add("Transpose", x, name=under(place, "x_by_time"), perm=[1, 0, 2])
    if not names["lengths"]:
        walk = Walk(builder, x, None)
    elif names["lengths"] in walks:
        walk = walks[names["lengths"]]
    else:
        lengths = builder.cast(names["lengths"], "int32", under(place, "lengths"))
        walk = walks[names["lengths"]] = Walk(builder, x, lengths)
    state: Any = names["h0"] or None
    if isinstance(cell, LSTMCell) and state is not None:
        state = LSTMNames(state, names["c0"])
    level = Level(backward=cell) if node.get("reverse") else Level(forward=cell)
    x = walk.masked(x, under(place, "x_to_length"))
    result, ((final,),) = walk.through([level], x, [[state]], [[place]])
    result = walk.masked(result, under(place, "outputs_to_length"))
    if node.get("batch_first"):
        result = builder.add("Transpose", result, name=under(place, "by_sequence"), perm=[1, 0, 2])
    states = final if isinstance(final, LSTMNames) else (final,)
    for value, name in zip((result, *states), node.outputs, strict=False):
        if name:
            builder.called(value, name)


def _cell(node: Node, weights: dict[str, Tensor]) -> Cell:
    """The cell of a layer, with its weights."""
    kind, bias = node.get("kind"), "bias_ih" in weights
    I, H = weights["weight_ih"].shape[1], weights["weight_hh"].shape[1]
    cell: Cell
    if kind.startswith("rnn"):
        cell = RNNCell(I, H, bias, nonlinearity=kind.removeprefix("rnn_"))
    elif kind.startswith("gru"):
        cell = GRUCell(I, H, bias, reset=kind.removeprefix("gru_"))
    else:
        layer_norm = kind.removeprefix("lstm_norm_") if kind.startswith("lstm_norm_") else None
        projection = weights.get("weight_hr")
        cell = LSTMCell(
            I,
            H if projection is None else projection.shape[1],
            bias if layer_norm is None else "norm_bias" in weights,
            forget_bias=node.get("forget_bias"),
            peephole="peephole" in weights,
            proj_size=0 if projection is None else H,
            cell_clip=node.get("cell_clip") or None,
            proj_clip=node.get("proj_clip") or None,
            layer_norm=layer_norm,
            zoneout=node.get("zoneout"),
        )
        weights = dict(weights)
        if "peephole" in weights:
            peephole = weights.pop("peephole")
            weights |= dict(zip(("weight_ci", "weight_cf", "weight_co"), peephole, strict=True))
        for part in ("weight", "bias"):
            joined = weights.pop(f"norm_{part}", None)
            if joined is not None:
                sizes: Any = [gates * cell.hidden_size for _, gates in NORMS[layer_norm]]
                norms = (f"{norm}.{part}" for norm, _ in NORMS[layer_norm])
                weights |= dict(zip(norms, joined.split(sizes), strict=True))
    cell.load_state_dict(weights)
    return cell.eval()


def _names(graph: Any) -> set[str]:
    """Every name of a value or a node."""
    values = {entry.name for part in (graph.input, graph.initializer, graph.node) for entry in part}
    return values | {name for node in graph.node for name in node.output if name}


def _tidy(proto: Any, name: str, axes: tuple[str, ...]) -> None:
    """Leave out what nothing needs, and what torch notes of whoever traced it; name the free axes."""
    graph = proto.graph
    needed, kept = {entry.name for entry in graph.output}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= {*node.input, *(name for inner in _inner(node) for name in inner.input)}
            kept.append(node)
    initializers = [entry for entry in graph.initializer if entry.name in needed]
    for field, values in (("node", kept[::-1]), ("initializer", initializers), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    symbols = [axis.dim_param for axis in graph.input[0].type.tensor_type.shape.dim]
    known = {symbol: name for symbol, name in zip(symbols, axes, strict=False) if symbol}
    for entry in (*graph.input, *graph.output):
        for axis in entry.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = re.sub(r"\w+", lambda word: known.get(word[0], word[0]), axis.dim_param)
    graph.name, graph.doc_string = name, "Written by unrolled.onnx.export."
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "unrolled", __version__
    del proto.opset_import[:]
    proto.opset_import.append(require("onnx.helper").make_opsetid("", OPSET))


def _inner(node: Any) -> Iterator[Any]:
    """The nodes of a node's sub-graphs."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield inner
            yield from _inner(inner)


def _axis_names(model: nn.Module, by_default: bool) -> tuple[str, ...]:
    """What the first two axes of the first input are called: as its recurrent layers take their input."""
    if not by_default:
        return ()
    layers = [part for part in model.modules() if isinstance(part, nn.RNNBase)]
    return ("T", "N") if layers and not layers[0].batch_first else ("N", "T")


def _reason(error: BaseException) -> str:
    """What hinders a trace, in one line."""
    text = str(error.__cause__ or error).partition("While executing %")[0].strip()
    if _meets_packed_sequences(error) or "pack_padded_sequence" in text:
        return "packed sequences have no form in ONNX: give its recurrent layer lengths=... in their place"
    fixed = re.search(r"You marked (\w+) as dynamic .* specialized it to be a constant \((\d+)\)", text)
    if fixed:
        name, size = fixed.groups()
        return (
            f"its code holds for {name} = {size} alone, as a loop over steps in Python does, or a layer of "
            "that width; free=... says which axes are to be free"
        )
    if "data-dependent" in text:
        return "its code goes one way or another by what values come, and a graph cannot"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _meets_packed_sequences(error: BaseException) -> bool:
    return any(
        isinstance(value, PackedSequence)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        for value in list(frame.f_locals.values())
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says of itself, and prints of the graph where it gives up."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
