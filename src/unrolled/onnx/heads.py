"""What a network has around its recurrent layers: what it reads of them, and its dense layers."""

from __future__ import annotations

from typing import Any

from torch import nn

from unrolled.cells import StackedCell
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.networks.scan import permutation
from unrolled.onnx.activations import activate
from unrolled.onnx.builder import Builder, LSTMNames, under
from unrolled.onnx.walk import Level, Walk

_ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.Identity: "identity",
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.ELU: "elu",
    nn.SELU: "selu",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky_relu",
    nn.Softplus: "softplus",
    nn.Softsign: "softsign",
}


def levels_of(network: SequenceClassifier) -> list[Level]:
    """A network's cells."""
    direction = network.config.direction
    if direction == "forward":
        return [Level(forward=network.cell)]
    if direction == "backward":
        return [Level(backward=network.cell)]
    if direction == "parallel":
        return [Level(StackedCell(network.forward_cells), StackedCell(network.backward_cells))]
    return [
        Level(forward, backward)
        for forward, backward in zip(network.forward_cells, network.backward_cells, strict=True)
    ]


def dense(builder: Builder, place: str, layers: Any, x: str) -> str:
    """Linear layers and activations, x [..., I]."""
    number = 0
    for module in layers:
        if isinstance(module, nn.Linear):
            number += 1
            x = _linear(builder, f"{place}{number}", module, x)
        else:
            x = activate(builder, _ACTIVATIONS[type(module)], x, f"{place}{number}/activation")
    return x


def before(walk: Walk, network: SequenceClassifier, x: str) -> str:
    """What the cells read of x [T, N, I]."""
    x = _scanned(walk.builder, network.config, x)
    if network.config.centre:
        x = walk.builder.add("Sub", x, _last_mean(walk, x, network.config.centre), name="x_minus_last_mean")
    return dense(walk.builder, "input_layer", network.input_layers, x) if network.config.input_layers else x


def _scanned(builder: Builder, config: NetworkConfig, x: str) -> str:
    """The steps [T, N, I] that a scan makes of pictures, see `networks.scan.scanned`."""
    if config.scan == "rows":
        return x
    if config.scan == "columns":
        return builder.add("Transpose", x, name="columns", perm=[2, 1, 0])
    x = builder.add("Transpose", x, name="rows_of_pixels", perm=[0, 2, 1])  # [T, I, N]
    x = builder.add("Flatten", x, name="pixels_by_picture", axis=2)  # [T I, N]
    x = builder.add("Unsqueeze", x, builder.ints(2), name="pixels")
    if config.scan == "pixels":
        return x
    places = permutation(config.input_size**2).tolist()
    return builder.add("Gather", x, builder.ints(*places), name="permuted_pixels", axis=0)


def features(walk: Walk, network: SequenceClassifier, outputs: str, finals: list[list[Any]]) -> str:
    """What the classifier sees, [N, F], or with read "steps" [T, N, F]: see `SequenceClassifier.features`."""
    add, config = walk.builder.add, network.config
    read = config.read
    if read == "steps":
        return outputs
    if read == "memory":
        return str(_last(finals[-1][0]).c)
    if read == "state":
        states = [_last(state) for state in finals[-1]]
        hidden = [state.h if isinstance(state, LSTMNames) else state for state in states]
        return add("Concat", *hidden, name="final_states", axis=-1) if len(hidden) == 2 else str(hidden[0])
    if walk.single:
        return outputs
    outputs = walk.masked(outputs, "outputs_to_length")
    if read == "mean":
        return _mean(walk, outputs)
    if read == "max":
        return _max(walk, outputs)
    if config.direction == "backward":  # whose first step is each sequence's last
        return _at_end(walk, outputs) if read == "first" else _at_start(walk, outputs)
    if read == "first":
        return _at_start(walk, outputs)
    if config.one_way or read == "last":
        return _at_end(walk, outputs)
    width = config.feature_size // 2
    forward, backward = walk.builder.add_many(
        "Split",
        outputs,
        walk.builder.ints(width, width),
        names=["forward_outputs", "backward_outputs"],
        axis=-1,
    )
    return add("Concat", _at_end(walk, forward), _at_start(walk, backward), name="read_by_both", axis=-1)


def speak(builder: Builder, network: SequenceClassifier, v: str) -> str:
    """The logits [..., classes] of features [..., F]."""
    if network.config.output_layers:
        v = dense(builder, "output_layer", network.output_layers, v)
    return _linear(builder, "classifier", network.classifier, v)


def _linear(builder: Builder, place: str, layer: nn.Linear, x: str) -> str:
    W = builder.weight(under(place, "weight_transposed"), layer.weight.T)
    y = builder.add("MatMul", x, W, name=under(place, "W_x"))
    if layer.bias is None:
        return y
    return builder.add(
        "Add", y, builder.weight(under(place, "bias"), layer.bias), name=under(place, "output")
    )


def _last(state: Any) -> Any:
    """The state of the last layer, h or h and c."""
    return state if isinstance(state, LSTMNames) or not isinstance(state, tuple) else _last(state[-1])


def _at_start(walk: Walk, outputs: str) -> str:
    """Those of the first step."""
    return walk.builder.add("Gather", outputs, walk.builder.int(0), name=f"{outputs}_at_start", axis=0)


def _at_end(walk: Walk, outputs: str) -> str:
    """Those of each sequence's last step; of one without steps zeros, which stand at its start."""
    add, builder = walk.builder.add, walk.builder
    if walk.lengths is None:
        return add("Gather", outputs, builder.int(-1), name=f"{outputs}_at_end", axis=0)
    last = add("Sub", walk.long_lengths, builder.int(1), name="last_or_minus_one")
    last = add("Max", last, builder.int(0), name="last_step")
    last = add("Unsqueeze", last, builder.ints(1), name="last_step_column")
    by_sequence = add("Transpose", outputs, name=f"{outputs}_by_sequence", perm=[1, 0, 2])
    return add("GatherND", by_sequence, last, name=f"{outputs}_at_end", batch_dims=1)


def _counts(walk: Walk, name: str, most: int | None = None) -> str:
    """The number of steps of each sequence, at least 1 and `most` at most, [N, 1]."""
    add, builder = walk.builder.add, walk.builder
    counts = add("Max", walk.long_lengths, builder.int(1), name=f"{name}_at_least_one")
    if most is not None:
        counts = add("Min", counts, builder.int(most), name=f"{name}_at_most")
    counts = builder.cast(counts, "float", name)
    return add("Unsqueeze", counts, builder.ints(1), name=f"{name}_column")


def _mean(walk: Walk, outputs: str) -> str:
    add = walk.builder.add
    if walk.lengths is None:
        return add("ReduceMean", outputs, walk.builder.ints(0), name="mean_output", keepdims=0)
    total = add("ReduceSum", outputs, walk.builder.ints(0), name="sum_of_outputs", keepdims=0)
    return add("Div", total, _counts(walk, "counted_steps"), name="mean_output")


def _max(walk: Walk, outputs: str) -> str:
    add = walk.builder.add
    if walk.lengths is None:
        return add("ReduceMax", outputs, walk.builder.ints(0), name="largest_output", keepdims=0)
    counted = walk.masked(outputs, "outputs_that_count", filler=float("-inf"))
    largest = add("ReduceMax", counted, walk.builder.ints(0), name="largest_counted", keepdims=0)
    return add("Where", walk.empty, walk.builder.weight("zero", 0), largest, name="largest_output")


def _last_mean(walk: Walk, x: str, steps: int) -> str:
    """The mean of the last so many steps of each sequence, [1, N, I]: `sequence_classifier.last_mean`."""
    add, builder = walk.builder.add, walk.builder
    if walk.lengths is None:
        ends = add(
            "Slice", x, builder.ints(-steps), builder.ints(2**31 - 1), builder.ints(0), name="last_steps"
        )
        return add("ReduceMean", ends, builder.ints(0), name="last_mean", keepdims=1)
    begin = add("Sub", walk.long_lengths, builder.int(steps), name="begin_of_last_steps")
    begin = add("Unsqueeze", begin, builder.ints(0), name="begin_of_last_steps_row")
    late = add("GreaterOrEqual", walk.times, begin, name="is_late")
    late = add("Unsqueeze", late, builder.ints(2), name="is_late_step")
    counted = add("Where", late, x, builder.weight("zero", 0), name="last_steps")  # x is zero past its length
    total = add("ReduceSum", counted, builder.ints(0), name="sum_of_last_steps", keepdims=1)
    return add("Div", total, _counts(walk, "number_of_last_steps", steps), name="last_mean")
