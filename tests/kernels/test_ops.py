"""The operators as PyTorch sees them: schema, shapes, gradients of gradients, compilation."""

import pytest
import torch

from tests.kernels.layers import NORMS, OPTIONS, as_leaves, make_layer
from unrolled.kernels import ops
from unrolled.kernels.native_call import KINDS, Layer

pytestmark = pytest.mark.usefixtures("each_isa")

OP = torch.ops.unrolled.unroll.default
BACKWARD = torch.ops.unrolled.unroll_backward.default


@pytest.mark.parametrize("kind", KINDS)
def test_opcheck_passes(kind):
    options = OPTIONS if kind.startswith("lstm_") else ()
    layer = make_layer(kind, 3, 4, 2, 5, lengths=[4, 4, 4], states=True, options=options, resets="given")
    torch.library.opcheck(OP, (*as_leaves(layer, torch.float64), True, True, False))


def test_opcheck_passes_with_recomputed_gates():
    layer = as_leaves(make_layer("lstm", 3, 4, 2, 5, states=True, resets="zeros"), torch.float64)
    torch.library.opcheck(OP, (*layer, False, True, True))


def test_opcheck_passes_for_backward():
    layer = make_layer("lstm", 3, 4, 2, 5, resets="given")
    results = OP(*layer, True, False, False)
    arguments = (
        *layer,
        results[0],
        results[3],
        results[4],
        torch.ones_like(results[0]),
        None,
        None,
        None,
        True,
    )
    torch.library.opcheck(BACKWARD, arguments)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "rnn_relu"])
def test_gradients_and_their_gradients_are_right(kind):
    options = ("peephole", "projection", "dropout", "zoneout") if kind.startswith("lstm_") else ()
    layer = make_layer(kind, 2, 3, 2, 3, lengths=[3, 2], states=True, options=options, resets="given", seed=1)
    assert layer.resets[:, 1:].any()
    layer = as_leaves(layer, torch.float64)
    names = [n for n, v in layer._asdict().items() if isinstance(v, torch.Tensor) and v.requires_grad]

    def results(*values):
        return ops.unroll(Layer(**(layer._asdict() | dict(zip(names, values, strict=True)))))[:2]

    values = tuple(getattr(layer, name) for name in names)
    assert torch.autograd.gradcheck(results, values)
    if kind not in NORMS:  # there, the steps that gradgradcheck takes are too coarse
        assert torch.autograd.gradgradcheck(results, values)


def test_a_layer_compiles_into_one_graph():
    layer = as_leaves(make_layer("gru_after", 3, 4, 2, 5, resets="given"), torch.float32)

    def loss(x):
        return ops.unroll(layer._replace(x=x)).out.square().sum()

    eager, compiled = (
        torch.autograd.grad(run(layer.x), [layer.x, layer.weight_hh])
        for run in (loss, torch.compile(loss, backend="aot_eager", fullgraph=True))
    )
    for a, b in zip(eager, compiled, strict=True):
        assert torch.equal(a, b)
