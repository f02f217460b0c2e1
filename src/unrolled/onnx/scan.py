"""LSTM cells that the standard has no operator for: their step as nodes, and a Scan that walks with it."""

from __future__ import annotations

from typing import Any

from torch import nn

from unrolled.cells import LSTMCell
from unrolled.cells.lstm import GateNorm
from unrolled.onnx.activations import activate
from unrolled.onnx.builder import Builder, LSTMNames, under

# Of each parameter the node whose second input it is, and whether it stands there transposed. Of two biases
# that are added there is the sum.
PARAMETERS = {
    "weight_ih": ("W_x", True),
    "bias_ih": ("W_x_plus_bias", False),
    "norm_ih.weight": ("norm_ih/scaled", False),
    "norm_ih.bias": ("norm_ih/shifted", False),
    "weight_hh": ("step/U_h", True),
    "norm_hh.weight": ("step/norm_hh/scaled", False),
    "norm_hh.bias": ("step/norm_hh/shifted", False),
    "norm_gates.weight": ("step/norm_gates/scaled", False),
    "norm_gates.bias": ("step/norm_gates/shifted", False),
    "weight_ci": ("step/seen_by_i", False),
    "weight_cf": ("step/seen_by_f", False),
    "weight_co": ("step/seen_by_o", False),
    "norm_c.weight": ("step/norm_c/scaled", False),
    "norm_c.bias": ("step/norm_c/shifted", False),
    "weight_hr": ("step/projected_h", True),
}


def scan(
    builder: Builder, place: str, cell: LSTMCell, x: str, real: str | None, state: LSTMNames, reverse: bool
) -> tuple[str, LSTMNames]:
    """An LSTM cell over a whole sequence.

    Args:
        builder: takes the nodes.
        place: where in the network this is.
        cell: any of this package's.
        x: [T, N, I].
        real: [T, N, 1] bool, whether a step is within its sequence's length; None if all are. At the others
            the state stays as it is, also before the first one that is read from the end.
        state: the initial one.
        reverse: whether to read from the end.

    Returns:
        The outputs [T, N, O] and the final state.
    """
    from_x = _from_x(builder, place, cell, x)
    h, c, gates, step_is_real = (under(place, f"step/{name}") for name in ("h", "c", "from_x", "is_real"))
    names = [builder.reserve(under(place, f"step/{name}")) for name in ("next_h", "next_c", "output")]
    with builder.body() as nodes:
        new = _step(builder, under(place, "step"), cell, gates, LSTMNames(h, c))
        if real is not None:
            new = LSTMNames(
                builder.add("Where", step_is_real, new.h, h, name=under(place, "step/kept_h")),
                builder.add("Where", step_is_real, new.c, c, name=under(place, "step/kept_c")),
            )
        for value, name in zip((new.h, new.c, new.h), names, strict=True):
            builder.called(value, name)
    hidden, output = cell.hidden_size, cell.output_size
    inputs = [builder.value(h, ["N", output]), builder.value(c, ["N", hidden])]
    inputs.append(builder.value(gates, ["N", 4 * hidden]))
    if real is not None:
        inputs.append(builder.value(step_is_real, ["N", 1], "bool"))
    outputs = [
        builder.value(name, ["N", width]) for name, width in zip(names, (output, hidden, output), strict=True)
    ]
    read = [from_x] if real is None else [from_x, real]
    direction = int(reverse)
    final_h, final_c, steps = builder.add_many(
        "Scan",
        state.h,
        state.c,
        *read,
        names=[under(place, name) for name in ("final_h", "final_c", "all_outputs")],
        body=builder.graph(under(place, "step"), nodes, inputs, outputs),
        num_scan_inputs=len(read),
        scan_input_directions=[direction] * len(read),
        scan_output_directions=[direction],
    )
    return steps, LSTMNames(final_h, final_c)


def one_step(builder: Builder, place: str, cell: LSTMCell, x: str, state: LSTMNames) -> LSTMNames:
    """The next state of an LSTM cell from x [N, I] and its state."""
    return _step(builder, under(place, "step"), cell, _from_x(builder, place, cell, x), state)


def _from_x(builder: Builder, place: str, cell: LSTMCell, x: str) -> str:
    """What x alone puts into the gates i, f, g, o: [..., 4 H], of all steps at once."""
    W = builder.weight(under(place, "weight_ih_transposed"), cell.weight_ih.T)
    gates = builder.add("MatMul", x, W, name=under(place, "W_x"))
    if cell.bias_ih is not None and cell.bias_hh is not None:
        bias = builder.weight(under(place, "bias"), cell.bias_ih.double() + cell.bias_hh.double())
        gates = builder.add("Add", gates, bias, name=under(place, "W_x_plus_bias"))
    if cell.layer_norm == "projections":
        gates = _layer_norm(builder, under(place, "norm_ih"), gates, cell.norm_ih)
    return gates


def _step(builder: Builder, place: str, cell: LSTMCell, from_x: str, state: LSTMNames) -> LSTMNames:
    """The step of `LSTMCell`, line by line."""

    def add(operator: str, *inputs: str, name: str) -> str:
        return builder.add(operator, *inputs, name=under(place, name))

    def weight(name: str, values: Any) -> str:
        return builder.weight(under(place, name), values)

    def activated(x: str, name: str) -> str:
        return activate(builder, cell.activation, x, under(place, name))

    def clipped(x: str, bound: float, name: str) -> str:
        return add("Clip", x, weight(f"{name}_least", -bound), weight(f"{name}_most", bound), name=name)

    h, c = state
    from_h = add("MatMul", h, weight("weight_hh_transposed", cell.weight_hh.T), name="U_h")
    if cell.layer_norm == "projections":
        from_h = _layer_norm(builder, under(place, "norm_hh"), from_h, cell.norm_hh)
    gates = add("Add", from_x, from_h, name="gates")
    if cell.layer_norm == "gates":
        gates = _gate_norm(builder, under(place, "norm_gates"), gates, cell.norm_gates)
    i, f, g, o = builder.add_many(
        "Split", gates, names=[under(place, f"gate_{gate}") for gate in "ifgo"], axis=-1, num_outputs=4
    )
    if cell.peephole:
        i = add(
            "Add", i, add("Mul", c, weight("weight_ci", cell.weight_ci), name="seen_by_i"), name="i_sees_c"
        )
        f = add(
            "Add", f, add("Mul", c, weight("weight_cf", cell.weight_cf), name="seen_by_f"), name="f_sees_c"
        )
    if cell.forget_bias:
        f = add("Add", f, weight("forget_bias", cell.forget_bias), name="f_plus_forget_bias")
    i, f, g = add("Sigmoid", i, name="i"), add("Sigmoid", f, name="f"), activated(g, "g")

    next_c = add("Add", add("Mul", f, c, name="f_c"), add("Mul", i, g, name="i_g"), name="new_c")
    if cell.layer_norm == "gates":
        next_c = _gate_norm(builder, under(place, "norm_c"), next_c, cell.norm_c)
    if cell.cell_clip is not None:
        next_c = clipped(next_c, cell.cell_clip, "clipped_c")
    if cell.peephole:
        o = add(
            "Add",
            o,
            add("Mul", next_c, weight("weight_co", cell.weight_co), name="seen_by_o"),
            name="o_sees_c",
        )
    shown = next_c
    if cell.layer_norm == "projections":
        shown = _layer_norm(builder, under(place, "norm_c"), next_c, cell.norm_c)
    next_h = add("Mul", add("Sigmoid", o, name="o"), activated(shown, "shown_c"), name="new_h")
    if cell.proj_size:
        R = weight("weight_hr_transposed", cell.weight_hr.T)
        next_h = add("MatMul", next_h, R, name="projected_h")
        if cell.proj_clip is not None:
            next_h = clipped(next_h, cell.proj_clip, "clipped_h")

    if cell.zoneout:
        old, new = weight("zoneout", cell.zoneout), weight("one_minus_zoneout", 1 - cell.zoneout)
        next_h, next_c = (
            add(
                "Add",
                add("Mul", old, before, name=f"old_{name}"),
                add("Mul", new, after, name=f"fresh_{name}"),
                name=f"zoned_{name}",
            )
            for name, before, after in (("h", h, next_h), ("c", c, next_c))
        )
    return LSTMNames(next_h, next_c)


def _gate_norm(builder: Builder, place: str, x: str, norm: Any) -> str:
    """`GateNorm`: each of K gates on its own, x [N, K H]."""
    assert isinstance(norm, GateNorm)
    K, H = norm.gates, norm.hidden_size
    if K == 1:
        return _normalised(builder, place, x, 1e-12, norm.weight, norm.bias)
    split = builder.add("Reshape", x, builder.ints(-1, K, H), name=under(place, "by_gate"))
    bias = None if norm.bias is None else norm.bias.view(K, H)
    y = _normalised(builder, place, split, 1e-12, norm.weight.view(K, H), bias)
    return builder.add("Reshape", y, builder.ints(-1, K * H), name=under(place, "joined"))


def _layer_norm(builder: Builder, place: str, x: str, norm: Any) -> str:
    assert isinstance(norm, nn.LayerNorm)
    return _normalised(builder, place, x, norm.eps, norm.weight, norm.bias)


def _normalised(builder: Builder, place: str, x: str, ε: float, weight: Any, bias: Any) -> str:
    """(x - mean) / √(var + ε) * weight + bias over the last axis.

    In 32 bits always: ε is no number of 16. The operator LayerNormalization may subtract the square of the
    mean from the mean of squares, which for gates that are nearly equal leaves nothing.
    """

    def add(operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        return builder.add(operator, *inputs, name=under(place, name), **attributes)

    if builder.half:
        x = builder.cast(x, "single", under(place, "in_32_bits"))
    mean = add("ReduceMean", x, builder.ints(-1), name="mean", keepdims=1)
    centred = add("Sub", x, mean, name="centred")
    square = add("Mul", centred, centred, name="square")
    variance = add("ReduceMean", square, builder.ints(-1), name="variance", keepdims=1)
    above = add("Add", variance, builder.single("epsilon", ε), name="variance_plus_epsilon")
    y = add("Div", centred, add("Sqrt", above, name="deviation"), name="normalised")
    if builder.half:
        y = builder.cast(y, "float", under(place, "in_16_bits"))
    y = add("Mul", y, builder.weight(under(place, "weight"), weight), name="scaled")
    return y if bias is None else add("Add", y, builder.weight(under(place, "bias"), bias), name="shifted")
