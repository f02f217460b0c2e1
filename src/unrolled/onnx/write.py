"""Networks, cells and layers as ONNX files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from unrolled.atomic import atomic_path
from unrolled.cells import Cell
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.onnx import heads, metadata, states, torch_layers
from unrolled.onnx.builder import Builder
from unrolled.onnx.require import require
from unrolled.onnx.traced import trace
from unrolled.onnx.walk import Level, Walk, check_known
from unrolled.stream.evaluating import evaluating
from unrolled.stream.source import source_of
from unrolled.training import Run

MOST_BYTES = 2**31 - 1  # of a file of protocol buffers


class _Source(NamedTuple):
    """What is written: its cells, and the network or torch's layers that they are of, if they are."""

    levels: list[Level]
    name: str
    network: SequenceClassifier | None = None
    layers: Any = None

    @property
    def input_size(self) -> int:
        if self.network is not None:
            return self.network.config.input_size
        _, cell = self.levels[0].ways[0]
        return cell.input_size

    @property
    def time(self) -> int | str:
        """T: free, but of pictures that must be square."""
        return (self.network.config.rows if self.network is not None else None) or "T"

    @property
    def batch_first(self) -> bool:
        return bool(getattr(self.layers, "batch_first", True))


def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    stream: bool = False,
    fp16: bool = False,
    lengths: bool = True,
    states: bool | None = None,
    example: Any = None,
    free: Any = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    r"""Write a model as an ONNX file that ONNX Runtime, a browser or a phone computes without this package.

        outputs, h, c = model(x, lengths, h0, c0)      or of a network   logits = model(x, lengths)

    Symbols: x [N, T, I] float32, N and T free, but T of networks that read square pictures by columns or
    permuted; lengths [N] int32 from 0 to T; outputs [N, T, O]; h0, c0, h, c
    [N, H] the states before and after, of a stack layer1_h0, layer2_c, ..., of two directions forward_h0,
    layer1_backward_c, ...; logits [N, classes], with read "steps" [N, T, classes]. Layers of torch.nn keep
    their layout: x [T, N, I] unless batch_first, h0 [layers, N, H]. A cell of torch.nn is a step: x [N, I].

    Of any other module torch traces a call, that with `example`, and the recurrent layers inside become the
    same nodes: those of torch.nn, their drop-ins, and cells that an unrolling of this package walks with,
    called with lengths or without. Inputs have the names of the arguments of its forward; outputs are called
    output, or output1, output2, ... That needs the package onnxscript, too.

    LSTM, GRU and RNN cells become the standard's operators. What those cannot say, layer norms, projections,
    clips, zoneout and some activations, becomes a Scan over the cell's step. It computes as the model does
    when evaluating. Outputs past a length are zero, a length of 0 leaves the initial state, and padding, NaN
    included, touches nothing. Not as here, T must be at least 1, and a length above T is the runtime's error.

    Args:
        model: a network; a cell; a pair of cells, forward and backward, or of lists of them, for
            `bidirectional_unroll` and `stacked_bidirectional_unroll`; a layer or cell of torch.nn or a
            drop-in; a `Run`, which adds what it knows of classes and data; or with `example` any module of
            weights of 32 bits.
        path: the file.
        stream: write one step, x [N, I], with its states in and out: a `Stream` for elsewhere.
        fp16: whether weights, inputs and outputs have 16 bits.
        lengths: whether lengths are an input; without, every sequence has T steps.
        states: whether states are inputs and outputs; by default of everything but networks.
        example: what any other module is called with: a tensor, several, or a dictionary of arguments by
            name, such as x [3, 7, I] and lengths [3]. The first two axes of the first tensor are free, of a
            tensor of numbers with two axes the first one, and every other axis that has one of their sizes,
            which therefore must differ.
        free: which axes are free, as `torch.export.export` takes its `dynamic_shapes`, where it is others.
        more: what else the file is to say of itself, text or values for JSON.

    Raises:
        TypeError: model is nothing that can be written.
        UnrolledError: the package onnx is missing, a cell has no form in ONNX, the model cannot stream, it
            is too large for one file, or torch cannot trace the module: packed sequences, a loop over steps
            in Python, a choice by values.

    >>> import tempfile, onnx
    >>> from unrolled import LSTMCell
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(LSTMCell(4, 3), f"{folder}/lstm.onnx")
    ...     graph = onnx.load(f"{folder}/lstm.onnx").graph
    >>> [value.name for value in graph.input], [value.name for value in graph.output]
    (['x', 'lengths', 'h0', 'c0'], ['outputs', 'h', 'c'])

    Reference: the operators LSTM, GRU, RNN and Scan, https://onnx.ai/onnx/operators/
    """
    require()
    said: dict[str, Any] = {}
    if example is not None:
        if stream or fp16:
            raise UnrolledError(
                "stream and fp16 are for networks, cells and layers, not for what an example traces"
            )
        proto = trace(model, example, free)
        metadata.write(proto, more or {})
        _save(proto, Path(path))
        return
    if isinstance(model, Run):
        model.config.check_float("be exported")
        said = metadata.of_run(model)
        model = model.load_network()
    if stream:
        source_of(model)  # which says what cannot stream
    lengths = lengths and not (isinstance(model, SequenceClassifier) and model.config.scan != "rows")
    single = stream or isinstance(model, nn.RNNCellBase)
    proto = build(model, single=single, fp16=fp16, lengths=lengths, states=states)
    config = getattr(model, "config", None)
    if isinstance(config, NetworkConfig):
        said["network"] = dataclasses.asdict(config)
    said["form"] = "one step" if single else "sequences"
    if lengths and not single:
        said["lengths"] = metadata.LENGTHS
    metadata.write(proto, {**said, **(more or {})})
    _save(proto, Path(path))


def build(model: Any, *, single: bool, fp16: bool, lengths: bool, states: bool | None) -> Any:
    """The ModelProto that `export` writes, without metadata and shapes."""
    source = _source(model)
    for level in source.levels:
        for _, cell in level.ways:
            check_known(cell)
    return _build(
        source,
        Builder(fp16),
        single=single,
        lengths=lengths and not single,
        stateful=single or (source.network is None if states is None else states),
    )


def _source(model: Any) -> _Source:
    if isinstance(model, tuple | list) and len(model) == 2:
        forward, backward = model
        if isinstance(forward, Cell) and isinstance(backward, Cell):
            return _Source([Level(forward, backward)], "bidirectional")
        forwards, backwards = list(forward), list(backward)
        if len(forwards) != len(backwards) or not forwards:
            raise UnrolledError(
                f"{len(forwards)} forward cells and {len(backwards)} backward cells, expected as many of "
                "both, and at least one"
            )
        levels = [Level(*pair) for pair in zip(forwards, backwards, strict=True)]
        return _Source(levels, "stacked_bidirectional")
    kind = type(model)
    if not isinstance(model, nn.Module):
        raise _not_known(kind)
    model = evaluating(model)
    if isinstance(model, SequenceClassifier) and kind.forward is SequenceClassifier.forward:
        return _Source(heads.levels_of(model), model.config.name, network=model)
    if torch_layers.is_of_torch(model):
        layers = model if isinstance(model, nn.RNNBase) else None
        return _Source(torch_layers.levels_of(model), kind.__name__, layers=layers)
    if isinstance(model, Cell):
        return _Source([Level(model)], kind.__name__)
    if kind.__name__ == "GraphNetwork":
        raise UnrolledError(
            "the network is a graph of TensorFlow 1 as it was imported, which is not written as ONNX: "
            "import it as a network of cells, without --as-graph"
        )
    raise _not_known(kind)


def _not_known(kind: type) -> TypeError:
    return TypeError(
        f"model is a {kind.__module__}.{kind.__qualname__}, expected a network of unrolled.networks, a cell "
        "such as unrolled.LSTMCell or a pair of them, or a recurrent layer or cell of torch.nn or a drop-in; "
        "any other torch module with example=..., what it is called with"
    )


def _build(source: _Source, builder: Builder, *, single: bool, lengths: bool, stateful: bool) -> Any:
    axes: list[int | str] = (
        ["N"] if single else ["N", source.time] if source.batch_first else [source.time, "N"]
    )
    inputs = [builder.value(builder.reserve("x"), [*axes, source.input_size])]
    known = None
    if lengths:
        known = builder.reserve("lengths")
        inputs.append(builder.value(known, ["N"], "int32"))
    layered = source.layers is not None
    initial: Any = None
    if stateful:
        given, initial = (
            states.layered_inputs(builder, source.layers)
            if layered
            else states.inputs(builder, source.levels)
        )
        inputs += given
    turn = source.batch_first and not single
    x = builder.add("Transpose", "x", name="x_by_time", perm=[1, 0, 2]) if turn else "x"
    walk = Walk(builder, x, known, single)
    x = walk.masked(x, "x_to_length")  # first of all: NaN times zero is NaN

    network = source.network
    if network is None:
        result, finals = walk.through(source.levels, x, initial)
        result = walk.masked(result, "outputs_to_length")
        name, width = "output" if single else "outputs", _output_size(source.levels[-1])
    else:
        outputs, finals = walk.through(source.levels, heads.before(walk, network, x), initial)
        result = heads.speak(builder, network, heads.features(walk, network, outputs, finals))
        name, width = "logits", network.config.classes
        if network.config.read == "steps" and not single:
            result = walk.masked(result, "logits_to_length")
        else:
            axes, turn = ["N"], False
    if turn:
        result = builder.add("Transpose", result, name=f"{name}_by_sequence", perm=[1, 0, 2])
    returned = [builder.value(builder.called(result, builder.reserve(name)), [*axes, width])]
    if stateful:
        returned += (
            states.layered_outputs(builder, source.layers, finals)
            if layered
            else states.outputs(builder, source.levels, finals)
        )
    return builder.model(source.name, inputs, returned, "Written by unrolled.onnx.export.")


def _output_size(level: Level) -> int:
    return sum(cell.output_size for _, cell in level.ways)


def _save(proto: Any, path: Path) -> None:
    """Write a model with the shapes of all its values, once it has been checked."""
    if proto.ByteSize() > MOST_BYTES:
        raise UnrolledError(
            f"{path} would have {proto.ByteSize()} bytes, expected {MOST_BYTES} at most: fp16 halves them"
        )
    proto = require("onnx.shape_inference").infer_shapes(
        proto, check_type=True, strict_mode=True, data_prop=True
    )
    require("onnx.checker").check_model(proto, full_check=True)
    try:
        with atomic_path(path) as place:
            place.write_bytes(proto.SerializeToString())
    except OSError as error:
        raise UnrolledError(f"cannot write {path}: {error.strerror or error}") from error
