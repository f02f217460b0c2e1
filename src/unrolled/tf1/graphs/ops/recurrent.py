"""Cells whose step, or whole sequence, is one operator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator

OUTPUTS = ("i", "cs", "f", "o", "ci", "co", "h")


class Peepholes(NamedTuple):
    """Weights from the cell to its gates, of none if they are not used."""

    i: Tensor | None
    f: Tensor | None
    o: Tensor | None


def lstm_step(
    node: Node, x: Tensor, c: Tensor, h: Tensor, w: Tensor, peepholes: Peepholes, b: Tensor
) -> tuple[Tensor, ...]:
    """The outputs of one step, as `OUTPUTS` names them: ci is the new candidate, co the activated cell.

        i, f, o = σ([x, h] W + b + peepholes · c)        f with the forget bias, o with the new c
        cs      = ci * i + c * f                         ci = tanh([x, h] W + b)
        h'      = tanh(cs) * o

    The gates stand in the order i, ci, f, o; in the second version of the operator in the order i, f, ci, o.
    """
    gates = torch.addmm(b, torch.cat([x, h], 1), w).chunk(4, 1)
    second = node.op.endswith("V2")
    i, f, ci, o = gates if second else (gates[0], gates[2], gates[1], gates[3])
    if peepholes.i is not None and peepholes.f is not None:
        i, f = i + peepholes.i * c, f + peepholes.f * c
    i, f, ci = i.sigmoid(), (f + node.number("forget_bias", 0.0 if second else 1.0)).sigmoid(), ci.tanh()
    cs = ci * i + c * f
    clip = node.number("cell_clip", 0.0 if second else 3.0)
    if clip > 0:
        cs = cs.clamp(-clip, clip)
    o = (o if peepholes.o is None else o + peepholes.o * cs).sigmoid()
    co = cs.tanh()
    return i, cs, f, o, ci, co, co * o


def peepholes_of(node: Node, i: Tensor, f: Tensor, o: Tensor) -> Peepholes:
    return Peepholes(i, f, o) if node.flag("use_peephole") else Peepholes(None, None, None)


def check_widths(x: Tensor, h: Tensor, w: Tensor, gates: int) -> None:
    I, H = x.shape[-1], h.shape[-1]
    if list(w.shape) != [I + H, gates * H]:
        raise UnrolledError(f"weights are {list(w.shape)}, expected {[I + H, gates * H]} for {I} in, {H} out")


@operator("LSTMBlockCell", outputs=OUTPUTS)
def lstm_block_cell(
    node: Node, x: Tensor, c: Tensor, h: Tensor, w: Tensor, wci: Tensor, wcf: Tensor, wco: Tensor, b: Tensor
) -> tuple[Tensor, ...]:
    check_widths(x, h, w, 4)
    return lstm_step(node, x, c, h, w, peepholes_of(node, wci, wcf, wco), b)


@operator("BlockLSTM", "BlockLSTMV2", outputs=OUTPUTS)
def block_lstm(
    node: Node, steps: Tensor, x: Tensor, c: Tensor, h: Tensor, w: Tensor, wci: Tensor, wcf: Tensor,
    wco: Tensor, b: Tensor,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Each output for all steps, [T, N, H]; zeros after the longest sequence."""
    check_widths(x, h, w, 4)
    peepholes, found = peepholes_of(node, wci, wcf, wco), []
    for t in range(min(int(steps), x.shape[0])):
        found.append(lstm_step(node, x[t], c, h, w, peepholes, b))
        c, h = found[-1][1], found[-1][6]
    rest = torch.zeros([x.shape[0] - len(found), *c.shape], dtype=x.dtype)
    if not found:
        return (rest,) * len(OUTPUTS)
    return tuple(torch.cat([torch.stack(each), rest]) for each in zip(*found, strict=True))


@operator("GRUBlockCell", outputs=("r", "u", "c", "h"))
def gru_block_cell(
    node: Node, x: Tensor, h: Tensor, w_ru: Tensor, w_c: Tensor, b_ru: Tensor, b_c: Tensor
) -> tuple[Tensor, ...]:
    """One step.

    r, u = σ([x, h] W_ru + b_ru)
    c    = tanh([x, r * h] W_c + b_c)
    h'   = u * h + (1 - u) * c
    """
    check_widths(x, h, w_ru, 2)
    r, u = torch.addmm(b_ru, torch.cat([x, h], 1), w_ru).sigmoid().chunk(2, 1)
    c = torch.addmm(b_c, torch.cat([x, r * h], 1), w_c).tanh()
    return r, u, c, u * h + (1 - u) * c
