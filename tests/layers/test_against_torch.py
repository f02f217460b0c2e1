"""Results and gradients: those of torch.nn for every way to build a layer and to call it."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled
from tests.layers.results import results_of
from tests.tolerances import assert_close

N, T, I, H = 3, 17, 5, 7
OPTIONS = [
    {"num_layers": layers, "bidirectional": both, "batch_first": first, "bias": bias}
    for layers, both, first, bias in itertools.product((1, 2), (False, True), (False, True), (True, False))
]


def inputs_of(call, layer, dtype):
    """The input and the initial states of one way to call a layer."""
    one = call == "one sequence"
    shape = (T, I) if one else (N, T, I) if layer.batch_first else (T, N, I)
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    walks = layer.num_layers * (2 if layer.bidirectional else 1)

    def state(width):
        return torch.randn((walks, width) if one else (walks, N, width), dtype=dtype, requires_grad=True)

    hx = state(layer.proj_size or H)
    if layer.mode == "LSTM":
        hx = (hx, state(H))
    if call == "packed":
        x = pack_padded_sequence(x, [4, T, 9], batch_first=layer.batch_first, enforce_sorted=False)
    if call == "packed, sorted":
        x = pack_padded_sequence(x, [T, 4, 1], batch_first=layer.batch_first)
    return x, hx


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("call", ["batch", "one sequence", "packed", "packed, sorted"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(str(value) for value in o.values()))
def test_results_and_gradients_are_those_of_torch_nn(options, call, dtype, make, kernel_calls):
    peer, drop_in = make(I, H, dtype=dtype, **options)
    x, hx = inputs_of(call, peer, dtype)
    assert_close(results_of(drop_in, x), results_of(peer, x))
    assert_close(results_of(drop_in, x, hx), results_of(peer, x, hx))
    assert len(kernel_calls) == 2 * options["num_layers"] * (2 if options["bidirectional"] else 1)


def test_relu_is_torch_nns(kernel_calls):
    peer, drop_in = nn.RNN(I, H, 2, nonlinearity="relu"), unrolled.RNN(I, H, 2, "relu")
    drop_in.load_state_dict(peer.state_dict())
    x, hx = inputs_of("batch", peer, torch.float32)
    assert_close(results_of(drop_in, x, hx), results_of(peer, x, hx))
    assert [layer.kind for layer in kernel_calls] == ["rnn_relu", "rnn_relu"]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("call", ["batch", "one sequence", "packed"])
@pytest.mark.parametrize("bias", [True, False])
def test_projections_run_in_the_kernels(bias, call, kernel_calls):
    options = {"bias": bias, "proj_size": 4, "bidirectional": True}
    peer, drop_in = (layer(I, H, 2, **options) for layer in (nn.LSTM, unrolled.LSTM))
    drop_in.load_state_dict(peer.state_dict())
    x, hx = inputs_of(call, peer, torch.float32)
    assert_close(results_of(drop_in, x, hx), results_of(peer, x, hx))
    assert [layer.kind for layer in kernel_calls] == ["lstm_options"] * 4


@pytest.mark.parametrize("call", ["batch", "one sequence", "packed"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_dropout_between_layers_draws_torch_nns_masks(batch_first, call, make, kernel_calls):
    peer, drop_in = make(I, H, 3, dropout=0.4, batch_first=batch_first, bidirectional=True)
    x, hx = inputs_of(call, peer, torch.float32)
    dropped, expected = results_of(drop_in, x, hx, seed=5), results_of(peer, x, hx, seed=5)
    assert_close(dropped, expected)
    assert not torch.equal(dropped[0], results_of(drop_in, x, hx, seed=6)[0])
    peer.eval(), drop_in.eval()
    assert_close(results_of(drop_in, x, hx), results_of(peer, x, hx))


def test_second_derivatives_are_torch_nns(make, kernel_calls):
    peer, drop_in = make(I, H, dtype=torch.float64)
    x = torch.randn(T, N, I, dtype=torch.float64, requires_grad=True)

    def penalty(layer):
        (slope,) = torch.autograd.grad(layer(x)[0].pow(2).sum(), x, create_graph=True)
        return torch.autograd.grad(slope.pow(2).sum(), list(layer.parameters()))

    assert_close(penalty(drop_in), penalty(peer))


class TestLengths:
    """lengths= is packing and padding again, for any order of lengths, 0 included."""

    @staticmethod
    def expected(peer, x, hx, lengths):
        """Through torch.nn's packing; for empty sequences, which it has not, zeros and the initial state."""
        batch_axis = 0 if peer.batch_first else 1
        full = torch.tensor([row for row, length in enumerate(lengths) if length])
        pack = pack_padded_sequence(
            x.index_select(batch_axis, full),
            [length for length in lengths if length],
            batch_first=peer.batch_first,
            enforce_sorted=False,
        )
        states = hx if isinstance(hx, tuple) else (hx,)
        given = tuple(state[:, full] for state in states)
        outputs, found = peer(pack, given if isinstance(hx, tuple) else given[0])
        outputs, _ = pad_packed_sequence(outputs, peer.batch_first, total_length=T)
        outputs = torch.zeros(*x.shape[:2], outputs.shape[2], dtype=x.dtype).index_copy(
            batch_axis, full, outputs
        )
        found = found if isinstance(found, tuple) else (found,)
        found = tuple(state.index_copy(1, full, new) for state, new in zip(states, found, strict=True))
        return outputs, found if isinstance(hx, tuple) else found[0]

    @pytest.mark.parametrize("lengths", [[9, 0, T], [0, 1, 5]])
    @pytest.mark.parametrize("options", OPTIONS[::3], ids=str)
    def test_they_are_packing_without_packing(self, options, lengths, make, both_ways):
        peer, drop_in = make(I, H, dtype=torch.float64, **options)
        x, hx = inputs_of("batch", peer, torch.float64)

        def through_packing(x, hx=None):
            return self.expected(peer, x, hx, lengths)

        through_packing.parameters = peer.parameters
        assert_close(results_of(drop_in, x, hx, lengths=lengths), results_of(through_packing, x, hx))

    @given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5))
    @pytest.mark.parametrize("way", ["kernels", "reference"])
    def test_a_sequence_does_not_see_its_neighbours_or_its_padding(self, way, lengths):
        layer = unrolled.GRU(3, 4, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
        x = torch.randn(len(lengths), 6, 3, dtype=torch.float64)
        with pytest.MonkeyPatch.context() as patch:
            if way == "reference":
                patch.setenv("UNROLLED_ISA", "reference")
            for row, length in enumerate(lengths):
                x[row, length:] = torch.nan
            outputs, h_n = layer(x, lengths=lengths)
            for row, length in enumerate(lengths):
                assert (outputs[row, length:] == 0).all()
                if length:
                    alone, h_alone = layer(x[row : row + 1, :length])
                    assert_close(outputs[row : row + 1, :length], alone)
                    assert_close(h_n[:, row : row + 1], h_alone)
                else:
                    assert (h_n[:, row] == 0).all()

    def test_padding_of_nan_stays_out_of_the_gradients(self, make, both_ways):
        _, drop_in = make(I, H, 2, batch_first=True)
        x = torch.randn(N, T, I)
        x[0], x[1, 5:] = torch.nan, torch.nan
        drop_in(x, lengths=[0, 5, T])[0].sum().backward()
        assert all(weight.grad.isfinite().all() for weight in drop_in.parameters())
