"""What a classifier reads of the last recurrent layer."""

import pytest
import torch

import unrolled.unroll.kinds
from tests.tolerances import assert_close, assert_equal
from unrolled import (
    StackedCell,
    UnrolledError,
    bidirectional_unroll,
    dynamic_unroll,
    stacked_bidirectional_unroll,
)
from unrolled.kernels import isa, native_call
from unrolled.networks import NetworkConfig, SequenceClassifier, build
from unrolled.networks.sequence_classifier import last_output

N, T, I, H = 4, 7, 3, 5
LENGTHS = [7, 0, 1, 4]
LAYERS = (("lstm", 6), ("gru", H))

both_directions = pytest.mark.parametrize("direction", ["forward", "bidirectional"])
any_lengths = pytest.mark.parametrize("lengths", [None, LENGTHS])


def network(layers=LAYERS, **options):
    return SequenceClassifier(NetworkConfig("mine", layers, input_size=I, classes=2, **options))


def twins(one, other, **options):
    """Two networks with the same weights that read differently."""
    first, second = network(read=one, **options), network(read=other, **options)
    second.load_state_dict(first.state_dict())
    return first, second


def test_logits_are_a_linear_function_of_the_features():
    model, x = network(direction="bidirectional"), torch.randn(N, T, I)
    W, b = model.classifier.weight, model.classifier.bias
    assert W.shape == (2, 2 * H)
    assert_close(model(x, LENGTHS), model.features(x, LENGTHS) @ W.T + b)


@both_directions
@any_lengths
@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_read_final_is_the_final_state_when_nothing_is_dropped(direction, lengths, kind):
    final, state = twins("final", "state", direction=direction, unroll=kind)
    x = torch.randn(N, T, I)
    assert_equal(final.features(x, lengths), state.features(x, lengths))


@any_lengths
def test_read_final_is_both_directions_final_states_side_by_side(lengths):
    model, x = network(direction="bidirectional"), torch.randn(N, T, I)
    _, (forwards, backwards) = stacked_bidirectional_unroll(
        model.forward_cells, model.backward_cells, x, lengths
    )
    assert_equal(model.features(x, lengths), torch.cat([forwards[-1], backwards[-1]], dim=1))


@any_lengths
def test_read_last_is_the_output_beside_the_last_step(lengths):
    model, x = network(direction="bidirectional", read="last"), torch.randn(N, T, I)
    outputs, _ = stacked_bidirectional_unroll(model.forward_cells, model.backward_cells, x, lengths)
    features = model.features(x, lengths)
    for n, length in enumerate(lengths or [T] * N):
        expected = outputs[n, length - 1] if length else torch.zeros(2 * H)
        assert_equal(features[n], expected)


@any_lengths
def test_read_last_and_final_are_one_for_forward_networks(lengths):
    last, final = twins("last", "final")
    x = torch.randn(N, T, I)
    assert_equal(last.features(x, lengths), final.features(x, lengths))


@any_lengths
@pytest.mark.parametrize(
    ("direction", "read", "dense"),
    [
        ("forward", "final", 0),
        ("forward", "last", 0),
        ("bidirectional", "final", 0),
        ("bidirectional", "last", 1),  # that of the backward direction's one step
        ("parallel", "final", 0),
    ],
)
def test_the_gradient_of_all_outputs_is_never_made(direction, read, dense, lengths, monkeypatch):
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    seen, backward = [], native_call.backward

    def recorded(layer, saved, incoming, wants_x):
        seen.append(incoming.out)
        return backward(layer, saved, incoming, wants_x)

    monkeypatch.setattr(native_call, "backward", recorded)
    model = network((("lstm", H),), direction=direction, read=read)
    model(torch.randn(N, T, I), lengths).square().sum().backward()
    assert sum(gradient is not None for gradient in seen) == dense


@any_lengths
@pytest.mark.parametrize("direction", ["forward", "bidirectional", "parallel"])
def test_the_state_has_the_outputs_bits_and_gradients(direction, lengths):
    model, x = network(direction=direction), torch.randn(N, T, I)
    found = [model.features(x, lengths)]
    outputs, _ = (
        dynamic_unroll(model.cell, x, lengths)
        if direction == "forward"
        else bidirectional_unroll(
            StackedCell(model.forward_cells), StackedCell(model.backward_cells), x, lengths
        )
        if direction == "parallel"
        else stacked_bidirectional_unroll(model.forward_cells, model.backward_cells, x, lengths)
    )
    last = last_output(outputs, lengths)
    expected = [last if direction == "forward" else torch.cat([last[:, :H], outputs[:, 0, H:]], dim=1)]
    weighed = torch.randn_like(found[0])
    for parts in (found, expected):
        parts += torch.autograd.grad(
            (parts[0] * weighed).sum(), [p for n, p in model.named_parameters() if "classifier" not in n]
        )
    assert_equal(found, expected)


def rows_that_reach_the_backward_half(read, lengths=None):
    """For each sequence the steps of x on which the backward half of the features depends."""
    model = network((("lstm", H),), direction="bidirectional", read=read)
    x = torch.randn(2, 28, I, requires_grad=True)
    model.features(x, lengths)[:, H:].sum().backward()
    return [row.nonzero().flatten().tolist() for row in x.grad.abs().sum(2)]


def test_read_last_sees_only_the_last_row_backwards():
    """Defect B3 of the tutorials' bidirectional networks."""
    assert rows_that_reach_the_backward_half("last") == [[27], [27]]
    assert rows_that_reach_the_backward_half("last", [28, 10]) == [[27], [9]]


@pytest.mark.parametrize("read", ["final", "state"])
def test_read_final_and_state_see_every_row_backwards(read):
    assert rows_that_reach_the_backward_half(read) == [list(range(28))] * 2
    assert rows_that_reach_the_backward_half(read, [28, 10]) == [list(range(28)), list(range(10))]


@both_directions
def test_read_state_is_whole_where_read_final_is_dropped(direction, assert_agree):
    """Defect B9: the output dropout of the top layer never reaches a classifier that reads the state."""
    final, state = twins("final", "state", layers=(("lstm", 50),), direction=direction, output_dropout=0.5)
    x = torch.randn(N, T, I)
    whole = state.eval().features(x)
    assert_agree(state.train().features(x), whole)
    dropped = final.train().features(x)
    assert_agree(dropped, torch.where(dropped == 0, 0.0, 2 * whole))
    assert 0.3 < (dropped == 0).float().mean() < 0.7
    assert_equal(final.eval().features(x), whole)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_lengths_may_be_whole_numbers_of_any_kind(dtype):
    model, x = network(), torch.randn(N, T, I)
    assert_equal(model(x, torch.tensor(LENGTHS, dtype=dtype)), model(x, LENGTHS))


@pytest.mark.parametrize("read", ["final", "last", "state"])
@both_directions
def test_an_empty_sequence_is_classified_by_the_bias_alone(direction, read):
    model = network(direction=direction, read=read)
    logits = model(torch.randn(N, T, I), LENGTHS)
    assert_equal(logits[1], model.classifier.bias)
    assert_equal(model(torch.randn(N, T, I), [0] * N), model.classifier.bias.expand(N, 2))


@both_directions
def test_the_padding_does_not_touch_the_logits(direction):
    model, x = network(direction=direction), torch.randn(N, T, I)
    padding = (torch.arange(T) >= torch.tensor(LENGTHS)[:, None])[:, :, None]
    assert_equal(model(x.masked_fill(padding, float("nan")), LENGTHS), model(x, LENGTHS))


@pytest.mark.parametrize(("kind", "other"), [("static", "dynamic"), ("dynamic", "static")])
@both_directions
def test_in_a_graph_a_network_unrolls_as_configured_and_in_no_other_way(direction, kind, other, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    monkeypatch.delattr(unrolled.unroll.kinds, f"{other}_unroll")
    network(direction=direction, unroll=kind)(torch.randn(N, T, I))
    with pytest.raises(NameError, match=other):
        network(direction=direction, unroll=other)(torch.randn(N, T, I))


@both_directions
def test_in_eager_mode_every_network_takes_the_unrolling_that_has_kernels(direction, monkeypatch):
    monkeypatch.delattr(unrolled.unroll.kinds, "static_unroll")
    network(direction=direction, unroll="static")(torch.randn(N, T, I))


@both_directions
def test_an_exported_static_network_has_its_steps_in_the_graph(direction):
    x = torch.randn(N, T, I)
    sizes = {}
    for kind in ("static", "dynamic"):
        model = network(direction=direction, unroll=kind).eval()
        program = torch.export.export(model, (x,))
        assert_close(program.module()(x), model(x))
        sizes[kind] = len(program.graph.nodes)
    assert sizes["static"] > T * sizes["dynamic"] / 10 > sizes["dynamic"] / 10


def test_every_layer_drops_its_output():
    dropouts = [m.output for m in network(output_dropout=0.3).modules() if hasattr(m, "variational")]
    assert dropouts == [0.3, 0.3]


def test_a_bidirectional_layer_reads_both_directions_of_the_one_below():
    model = network(direction="bidirectional")
    assert [cell.input_size for cell in model.forward_cells] == [I, 12]
    assert [cell.input_size for cell in model.backward_cells] == [I, 12]


def test_the_parameter_count_counts_two_biases_that_only_add_up_once():
    rnn, lstm, gru = (network(((kind, H),)) for kind in ("rnn", "lstm", "gru"))
    linear = H * 2 + 2
    assert rnn.parameter_count == I * H + H * H + H + linear
    assert lstm.parameter_count == 4 * (I * H + H * H + H) + linear
    assert gru.parameter_count == 3 * (I * H + H * H + H) + linear


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@both_directions
def test_sequences_of_another_shape_are_refused(direction, kind):
    model = network(direction=direction, unroll=kind)
    with pytest.raises(ValueError, match=r"x has shape \[4, 8\], expected \[N, 3\]"):
        model(torch.zeros(N, T, 8))
    with pytest.raises(ValueError, match=r"lengths has shape \[2\], expected \[4\]"):
        model(torch.zeros(N, T, I), [1, 2])
    with pytest.raises(ValueError, match=r"x has shape .*, expected \["):
        model(torch.zeros(N, I))


@pytest.mark.parametrize("unroll", ["static", "dynamic"])
@pytest.mark.parametrize("shape", [(3, 0, 28), (28, 28)])
def test_sequences_without_a_step_or_a_batch_are_refused_by_their_shape(unroll, shape):
    network = build("seed-000", unroll=unroll)
    message = rf"x has shape \[{', '.join(map(str, shape))}\], expected \[N, T, I\] with at least one step"
    with pytest.raises(ValueError, match=message):
        network(torch.zeros(shape))


@any_lengths
def test_parallel_stacks_meet_at_the_top_only(lengths):
    model, x = network(direction="parallel", read="last"), torch.randn(N, T, I)
    stacks = StackedCell(model.forward_cells), StackedCell(model.backward_cells)
    outputs, states = bidirectional_unroll(*stacks, x, lengths)
    assert stacks[0].cells[1].input_size == 6
    last = outputs[torch.arange(N), torch.tensor(lengths or [T] * N) - 1]
    assert_equal(model.features(x, lengths), last)
    state, _ = twins("state", "last", direction="parallel")
    state.load_state_dict(model.state_dict())
    assert_equal(state.features(x, lengths), torch.cat([part[-1] for part in states], dim=1))


def test_dense_layers_stand_before_the_cells_and_before_the_classifier():
    around = {"input_layers": ((8, "relu"), (7, "tanh")), "output_layers": ((9, "sigmoid"), (4, "identity"))}
    model, x = network(**around), torch.randn(N, T, I)
    plain = network(layers=LAYERS)
    assert model.cell.cells[0].input_size == 7
    first, _, second, _ = model.input_layers
    steps = torch.tanh(torch.relu(x @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    outputs, _ = dynamic_unroll(model.cell, steps, LENGTHS)
    features = model.features(x, LENGTHS)
    for n, length in enumerate(LENGTHS):
        assert_equal(features[n], outputs[n, length - 1] if length else torch.zeros(H))
    third, _, fourth, _ = model.output_layers
    hidden = torch.sigmoid(features @ third.weight.T + third.bias) @ fourth.weight.T + fourth.bias
    assert_close(model(x, LENGTHS), hidden @ model.classifier.weight.T + model.classifier.bias)
    assert not any(name.startswith(("input", "output")) for name in plain.state_dict())


def test_a_layer_s_options_reach_its_cell():
    model = network(layers=(("lstm", 6, {"forget_bias": 0.25, "proj_size": 3, "peephole": True}), ("gru", 4)))
    lstm, gru = model.cell.cells
    assert (lstm.forget_bias, lstm.proj_size, lstm.peephole, gru.input_size) == (0.25, 3, True, 3)
    with pytest.raises(
        UnrolledError, match=r"network mine: LSTMCell: cell_clip is -1\.0, expected a positive"
    ):
        network(layers=(("lstm", 6, {"cell_clip": -1.0}),))


def test_grus_that_reset_after_the_product_are_torch_s():
    layers = (("gru", H, {"reset": "after"}),) * 2
    model, x = network(layers, direction="bidirectional"), torch.randn(N, T, I)
    peer = torch.nn.GRU(I, H, num_layers=2, batch_first=True, bidirectional=True)
    weights = {
        f"{name}_l{layer}{suffix}": parameter
        for cells, suffix in ((model.forward_cells, ""), (model.backward_cells, "_reverse"))
        for layer, cell in enumerate(cells)
        for name, parameter in cell.named_parameters()
    }
    peer.load_state_dict(weights)
    _, h_n = peer(x)
    assert_close(model.features(x), torch.cat([h_n[2], h_n[3]], dim=1))
    # W x, U h, b and, within the reset, one more bias; then the classifier.
    first, second = 3 * H * (I + H + 1) + H, 3 * H * (2 * H + H + 1) + H
    assert model.parameter_count == 2 * (first + second) + 2 * (2 * H + 1)


def test_a_reset_that_there_is_not_is_refused():
    with pytest.raises(UnrolledError, match="unknown reset 'befor': did you mean 'before'"):
        network((("gru", H, {"reset": "befor"}),))


def test_a_level_makes_no_difference_to_what_is_centred():
    config = NetworkConfig("centred", (("gru", 5),), classes=3, input_size=2, centre=4)
    network = SequenceClassifier(config)
    x, lengths = torch.randn(3, 7, 2), torch.tensor([7, 5, 2])
    level = torch.tensor([[[3.0, -8.0]]])
    assert_close(network(x + level, lengths), network(x, lengths))
    assert_close(network(x[:1] + level), network(x[:1], [7]))
    padded = torch.cat([x, torch.full((3, 2, 2), float("nan"))], dim=1)
    padded = torch.where(torch.arange(9)[:, None] < lengths[:, None, None], padded, float("nan"))
    assert_close(network(padded, lengths), network(x, lengths))
    assert not torch.allclose(network(x * 2, lengths), network(x, lengths))
