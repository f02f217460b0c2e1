"""resets= is each episode as a sequence of its own, on the kernels and on torch.nn's forward."""

import re

import hypothesis
import pytest
import torch
from hypothesis import strategies as st
from torch import fx, nn
from torch.nn.utils.rnn import pack_sequence

import unrolled
from tests.layers.conftest import PAIRS
from tests.layers.results import results_of, skip_where_torch_cannot, tensors_of
from tests.tolerances import assert_close, assert_equal
from unrolled import isa

N, T, I, H = 3, 17, 5, 7
RESETS = torch.rand(N, T, generator=torch.Generator().manual_seed(2)) < 0.25
RESETS[0, 0] = RESETS[1, 4] = RESETS[1, 5] = RESETS[2, T - 1] = True
OPTIONS = [
    {},
    {"num_layers": 2, "batch_first": True},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False},
]


def inputs_of(layer, dtype=torch.float64):
    """x, and two states."""
    x = torch.randn(N, T, I, dtype=dtype)
    x = (x if layer.batch_first else x.transpose(0, 1).contiguous()).requires_grad_()
    walks = layer.num_layers * (2 if layer.bidirectional else 1)

    def state():
        parts = tuple(torch.randn(walks, N, H, dtype=dtype).requires_grad_() for _ in range(2))
        return parts if layer.mode == "LSTM" else parts[0]

    return x, state(), state()


def by_episodes(peer, x, hx, lengths, resets, reset_hx):
    """torch.nn's layers one by one, each direction of them, and each episode of a sequence by itself."""
    parts = (lambda state: state) if peer.mode == "LSTM" else (lambda state: (state,))
    x = x if peer.batch_first else x.transpose(0, 1)
    directions = 2 if peer.bidirectional else 1
    final, outputs = [], []
    for place in range(peer.num_layers * directions):
        layer, reverse = divmod(place, directions)
        if not reverse:
            below, outputs = x if place == 0 else torch.cat(outputs, 2), []
        one = type(peer)(below.shape[2], H, batch_first=True, bias=peer.bias, dtype=x.dtype)
        suffix = f"l{layer}" + "_reverse" * reverse
        weights = {name: getattr(peer, name.replace("l0", suffix)) for name, _ in one.named_parameters()}
        found, last = [], []
        for n, length in enumerate(lengths):
            begins = sorted({0, *resets[n, :length].nonzero().flatten().tolist()})
            episodes = list(zip(begins, [*begins[1:], length], strict=True))
            rows, ends = [], []
            for number, (begin, end) in enumerate(episodes):
                first = number == len(episodes) - 1 if reverse else number == 0 and not resets[n, 0]
                start = tuple(part[place : place + 1, n : n + 1] for part in parts(hx if first else reset_hx))
                steps = below[n : n + 1, begin:end]
                if begin < end:
                    steps = steps.flip(1) if reverse else steps
                    call = (steps, start if peer.mode == "LSTM" else start[0])
                    steps, after = torch.func.functional_call(one, weights, call)
                    rows.append(steps.flip(1) if reverse else steps)
                    ends.append(parts(after))
                else:
                    ends.append(tuple(p[place : place + 1, n : n + 1] for p in parts(hx)))
            padding = x.new_zeros(1, T - length, H)
            found.append(torch.cat([*rows, padding], 1))
            last.append(ends[0 if reverse else -1])
        outputs.append(torch.cat(found))
        final.append(tuple(torch.cat(part, 1) for part in zip(*last, strict=True)))
    states = tuple(torch.cat(part) for part in zip(*final, strict=True))
    y = torch.cat(outputs, 2)
    return y if peer.batch_first else y.transpose(0, 1), states if peer.mode == "LSTM" else states[0]


@pytest.mark.parametrize("lengths", [None, [9, 0, T], [1, 6, 5]], ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_each_episode_gives_what_it_gives_alone(options, lengths, make, both_ways):
    peer, drop_in = make(I, H, dtype=torch.float64, **options)
    x, hx, reset_hx = inputs_of(peer)

    def alone(x, hx):
        return by_episodes(peer, x, hx, lengths or [T] * N, RESETS, reset_hx)

    alone.parameters = lambda: [*peer.parameters(), *tensors_of(reset_hx)]
    drop_in_and_state = lambda x, hx: drop_in(x, hx, lengths=lengths, resets=RESETS, reset_hx=reset_hx)  # noqa: E731
    drop_in_and_state.parameters = lambda: [*drop_in.parameters(), *tensors_of(reset_hx)]
    assert_close(results_of(drop_in_and_state, x, hx), results_of(alone, x, hx))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_resets_go_back_to_hx_and_without_it_to_zeros(options, make, both_ways):
    _, layer = make(I, H, dtype=torch.float64, **options)
    x, hx, _ = inputs_of(layer)
    zeros = tuple(map(torch.zeros_like, hx)) if layer.mode == "LSTM" else torch.zeros_like(hx)
    given = layer(x, hx, resets=RESETS)
    assert_close(given, layer(x, hx, resets=RESETS, reset_hx=hx))
    assert_close(layer(x, resets=RESETS), layer(x, zeros, resets=RESETS))
    assert_close(layer(x, resets=RESETS, reset_hx=hx), layer(x, zeros, resets=RESETS, reset_hx=hx))
    assert not torch.equal(given[0], layer(x, hx, resets=RESETS, reset_hx=zeros)[0])


def test_every_layer_and_direction_is_one_kernel_call(make, kernel_calls):
    _, layer = make(I, H, 2, bidirectional=True)
    layer(torch.randn(T, N, I), resets=RESETS)
    assert len(kernel_calls) == 4


@hypothesis.given(
    st.integers(1, 5).flatmap(
        lambda time: st.lists(
            st.tuples(st.integers(0, time), st.lists(st.booleans(), min_size=time, max_size=time)),
            min_size=1,
            max_size=4,
        )
    )
)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_kernels_and_torch_nn_agree_for_any_lengths_and_resets(bidirectional, batch):
    lengths, resets = [length for length, _ in batch], [flags for _, flags in batch]
    layer = unrolled.LSTM(I, H, 2, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
    x = torch.randn(len(batch), len(resets[0]), I, dtype=torch.float64)
    hx = tuple(torch.randn(4 if bidirectional else 2, len(batch), H, dtype=torch.float64) for _ in range(2))
    found = results_of(layer, x, hx, lengths=lengths, resets=resets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(isa.VARIABLE, isa.REFERENCE)
        assert_close(found, results_of(layer, x, hx, lengths=lengths, resets=resets))


@pytest.mark.parametrize("shape", [(T, 0, I), (0, N, I), (1, N, I), (2, 1, I)], ids=str)
def test_few_steps_and_no_sequences_take_resets(shape, make, both_ways):
    peer, layer = make(I, H)
    x, resets = torch.randn(shape), torch.ones(shape[1], shape[0], dtype=torch.bool)
    try:
        expected = peer(x)
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match=re.escape(str(error).splitlines()[0])):
            layer(x, resets=resets)
        return
    found = layer(x, resets=resets)
    assert_close(tensors_of(found)[0][:1], tensors_of(expected)[0][:1])
    alone = peer(x[-1:]) if len(x) else expected
    assert_close(tensors_of(found)[1:], tensors_of(alone)[1:])


MISTAKES = {
    "a packed sequence": (
        lambda layer: layer(pack_sequence([torch.randn(4, I)]), resets=RESETS),
        "resets came with a PackedSequence, expected a padded batch [T, N, I]; lengths take the place of",
    ),
    "one sequence": (
        lambda layer: layer(torch.randn(T, I), resets=RESETS[0]),
        "resets came with shape [17, 5], expected a padded batch [T, N, I]",
    ),
    "time first": (
        lambda layer: layer(torch.randn(T, N, I), resets=RESETS.T),
        "resets has shape [17, 3], expected [3, 17]: [N, T], whatever the layout of x",
    ),
    "floats": (
        lambda layer: layer(torch.randn(T, N, I), resets=RESETS.float()),
        "resets are torch.float32, expected torch.bool: true where an episode begins",
    ),
    "a state without resets": (
        lambda layer: layer(torch.randn(T, N, I), reset_hx=torch.zeros(1, N, H)),
        "reset_hx is given, but resets is None: nothing goes back to it",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_error(mistake, make, both_ways):
    call, message = MISTAKES[mistake]
    _, layer = make(I, H)
    with pytest.raises(ValueError, match=re.escape(message)):
        call(layer)


@pytest.mark.parametrize("name", ["hx", "reset_hx"])
def test_a_state_of_another_shape_is_torch_nns_error(name, make, both_ways):
    peer, layer = make(I, H)
    x, wrong = torch.randn(T, N, I), torch.zeros(2, N, H)
    states = (wrong, wrong) if peer.mode == "LSTM" else wrong
    options = {"resets": RESETS, name: states}
    with pytest.raises(RuntimeError, match=r"Expected hidden.* size \(1, 3, 7\), got \[2, 3, 7\]"):
        layer(x, **options)


def test_autocast_and_half_precision_keep_to_the_episodes(make, both_ways):
    peer, layer = make(I, H)
    x = torch.randn(T, N, I)
    expected = layer(x, resets=RESETS)[0]
    with torch.autocast("cpu", torch.bfloat16):
        skip_where_torch_cannot(peer, x)
        found = layer(x, resets=RESETS)[0]
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.05)
    half = layer.bfloat16()(x.bfloat16(), resets=RESETS)[0]
    torch.testing.assert_close(half.float(), expected, rtol=0, atol=0.05)


def test_torch_func_takes_resets(make):
    _, layer = make(I, H, dtype=torch.float64)
    x = torch.randn(T, N, I, dtype=torch.float64)

    def loss(parameters):
        return torch.func.functional_call(layer, parameters, (x,), {"resets": RESETS})[0].square().sum()

    found = torch.func.grad(loss)(dict(layer.named_parameters()))
    each = torch.func.vmap(lambda x: layer(x, resets=RESETS)[0])(torch.stack([x, 2 * x]))
    assert_close(each[1], layer(2 * x, resets=RESETS)[0])
    expected = torch.autograd.grad(layer(x, resets=RESETS)[0].square().sum(), list(layer.parameters()))
    assert_close(list(found.values()), list(expected))


@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
def test_a_compiled_layer_takes_resets_in_one_graph(options, make):
    torch._dynamo.reset()
    _, layer = make(I, H, **options)
    x, hx, _ = inputs_of(layer, torch.float32)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    found = results_of(compiled, x, hx, resets=RESETS)
    assert_equal(found, results_of(layer, x, hx, resets=RESETS))
    assert_equal(results_of(compiled, x, hx, resets=~RESETS), results_of(layer, x, hx, resets=~RESETS))


def test_an_exported_layer_takes_resets(make):
    _, layer = make(I, H)
    x = torch.randn(T, N, I)
    program = torch.export.export(layer, (x,), {"resets": RESETS})
    assert_equal(program.module()(x, resets=~RESETS), layer(x, resets=~RESETS))


def test_resets_stand_in_the_graph_of_fx(kind):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = PAIRS[kind][1](I, H)

        def forward(self, x, resets):
            return self.layer(x, resets=resets)[0]

    model = Model()
    x = torch.randn(T, N, I)
    assert_equal(fx.symbolic_trace(model)(x, RESETS), model(x, RESETS))


@pytest.mark.filterwarnings("ignore:`torch.jit.trace", "ignore::torch.jit.TracerWarning")
def test_a_trace_takes_other_resets(make):
    _, layer = make(I, H, 2, bidirectional=True)
    layer.requires_grad_(False)
    traced = torch.jit.trace(
        lambda x, resets: layer(x, resets=resets)[0], (torch.randn(T, N, I), RESETS), check_trace=False
    )
    x = torch.randn(T, N, I)
    assert_close(traced(x, ~RESETS), layer(x, resets=~RESETS)[0])


def test_an_accelerated_layer_takes_resets():
    layer, x = nn.GRU(I, H), torch.randn(T, N, I)
    expected = unrolled.accelerate(layer)(x, resets=RESETS)
    assert_close(
        expected, by_episodes(nn_like(layer), x, torch.zeros(1, N, H), [T] * N, RESETS, torch.zeros(1, N, H))
    )


def nn_like(layer):
    peer = nn.GRU(I, H)
    peer.load_state_dict(layer.state_dict())
    return peer


def test_dropout_between_layers_goes_on(make, both_ways):
    _, layer = make(I, H, 2, dropout=0.5)
    x = torch.randn(T, N, I)
    torch.manual_seed(1)
    first = layer(x, resets=RESETS)[0]
    assert not torch.equal(first, layer(x, resets=RESETS)[0])
    layer.eval()
    assert_equal(layer(x, resets=RESETS)[0], layer(x, resets=RESETS)[0])


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_one_step_with_resets_is_one_step_from_other_states(layers, batch_first, make, both_ways):
    peer, layer = make(I, H, layers, batch_first=batch_first)
    x, hx, reset_hx = inputs_of(layer, torch.float32)
    x = x[:, :1] if batch_first else x[:1]
    resets = torch.tensor([[True], [False], [True]])

    def chosen(old, new):
        return torch.where(resets, new, old)

    begun = tuple(map(chosen, hx, reset_hx)) if peer.mode == "LSTM" else chosen(hx, reset_hx)
    assert_close(layer(x, hx, resets=resets, reset_hx=reset_hx), peer(x, begun))
    assert_close(layer(x, resets=resets), peer(x))


@pytest.mark.parametrize("lengths", [None, [9, 0, T]], ids=str)
def test_nothing_is_made_on_the_default_device(lengths, make, both_ways, elsewhere):
    _, layer = make(I, H, 2, bidirectional=True)
    x, hx, _ = inputs_of(layer, torch.float32)
    expected = layer(x, hx, lengths=lengths, resets=RESETS)
    with elsewhere:
        found = layer(x, hx, lengths=lengths, resets=RESETS.tolist())
    assert_equal(found, expected)
