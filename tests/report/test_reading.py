"""The reading of one sequence, step by step."""

import pytest
import torch

from unrolled import networks
from unrolled.data import Examples, Numbers
from unrolled.networks.traces import Trace
from unrolled.report import read_stepwise, reading
from unrolled.report.reading import changes_of_mind, outputs_stepwise
from unrolled.training import Evaluation
from unrolled.training.tasks.regress import Regress

T, I = 9, 6


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_every_step_is_what_the_network_says_of_the_beginning_up_to_it(direction):
    config = networks.NetworkConfig(
        "small", (("lstm", 5), ("gru", 4)), direction=direction, input_size=I, classes=3, output_dropout=0.5
    )
    network = networks.SequenceClassifier(config).train()
    sequence = torch.rand(T, I)
    reading = read_stepwise(network, sequence)
    assert network.training
    network.eval()
    for t in range(1, T + 1):
        with torch.no_grad():
            alone = network(sequence[None, :t]).softmax(dim=1)[0]
        torch.testing.assert_close(reading.probabilities[t - 1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["single-layer-dynamic-lstm", "multi-layer-dynamic-mix", "seed-004"])
@pytest.mark.parametrize("direction", ["forward", "backward", "parallel", "bidirectional"])
def test_the_last_layer_that_is_traced_is_what_the_classifier_sees(name, direction):
    """So every layer below it had the right input, in the right direction."""
    base = networks.CATALOGUE[name]
    layers = tuple((kind, width) for (kind, _), width in zip(base.layers, (5, 4), strict=False))
    config = base.changed(
        layers=layers, direction=direction, input_size=I, classes=3, input_layers=((4, "relu"),), centre=3
    )
    network = networks.SequenceClassifier(config).eval()
    sequence = torch.rand(T, I)
    traces = read_stepwise(network, sequence).traces
    ways = [False, True] if not config.one_way else [direction == "backward"]
    assert [(one.layer, one.backward) for one in traces] == [
        (layer, backward) for layer in range(1, len(layers) + 1) for backward in ways
    ]
    ends = [one.values["h"][0 if one.backward else -1] for one in traces[-len(ways) :]]
    with torch.no_grad():
        torch.testing.assert_close(torch.cat(ends), network.features(sequence[None])[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "names"), [("lstm", "h c i f g o"), ("gru", "h r z n"), ("rnn", "h")], ids=["lstm", "gru", "rnn"]
)
def test_state_and_gates_are_those_that_the_equations_ask_for(cell, names):
    network = networks.SequenceClassifier(
        networks.NetworkConfig("small", ((cell, 5),), input_size=I, classes=3)
    )
    (one,) = read_stepwise(network, torch.rand(T, I)).traces
    assert list(one.values) == names.split()
    assert {tuple(value.shape) for value in one.values.values()} == {(T, 5)}
    v = one.values
    if cell == "lstm":
        before = torch.cat([torch.zeros(1, 5), v["c"][:-1]])
        torch.testing.assert_close(v["c"], v["f"] * before + v["i"] * v["g"], rtol=0, atol=1e-6)
        torch.testing.assert_close(v["h"], v["o"] * v["c"].tanh(), rtol=0, atol=1e-6)
    if cell == "gru":
        before = torch.cat([torch.zeros(1, 5), v["h"][:-1]])
        torch.testing.assert_close(v["h"], (1 - v["z"]) * v["n"] + v["z"] * before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("backward", [False, True])
def test_units_have_one_order_in_the_state_and_in_all_gates(backward):
    h = torch.tensor([[0.0, 3.0, 1.0], [9.0, 9.0, 9.0], [2.0, 1.0, 0.0]])
    one = Trace(1, backward, {"h": h, "f": h + 10})
    order = [0, 2, 1] if backward else [2, 1, 0]  # by h at the last step that was read
    assert one.ordered("h").tolist() == h[:, order].tolist()
    assert one.ordered("f").tolist() == (h[:, order] + 10).tolist()


def test_what_is_wider_than_a_projection_is_in_the_order_of_c():
    c = torch.tensor([[2.0, 1.0, 3.0]])
    one = Trace(1, False, {"h": torch.zeros(1, 2), "c": c, "f": c / 10})
    assert one.ordered("c").tolist() == [[1.0, 2.0, 3.0]]
    torch.testing.assert_close(one.ordered("f"), torch.tensor([[0.1, 0.2, 0.3]]))


def test_numbers_are_read_in_their_own_units():
    numbers = Numbers(("load",), (100.0,), (7.0,))
    network = networks.SequenceClassifier(
        networks.NetworkConfig("small", (("gru", 5),), input_size=I, classes=1)
    )
    sequence = torch.rand(T, I)
    reading = read_stepwise(network, sequence, Regress(numbers))
    with torch.no_grad():
        said = network(sequence[None, :4])[0]
    torch.testing.assert_close(reading.numbers[3], 100 + 7 * said.double(), rtol=0, atol=1e-4)
    assert reading.probabilities.shape == (T, 0)


def test_a_network_with_layers_behind_the_cells_answers_through_them():
    config = networks.NetworkConfig(
        "small", (("gru", 5),), input_size=I, classes=3, output_layers=((7, "relu"),)
    )
    network = networks.SequenceClassifier(config).eval()
    sequence = torch.rand(T, I)
    with torch.no_grad():
        alone = network(sequence[None]).softmax(dim=1)[0]
    torch.testing.assert_close(read_stepwise(network, sequence).probabilities[-1], alone, rtol=0, atol=1e-6)


def test_changes_of_mind_are_counted():
    answers = torch.tensor([0, 0, 2, 1, 1, 2])
    assert changes_of_mind(torch.nn.functional.one_hot(answers, 3).float()) == 3


def test_of_a_long_sequence_the_beginning_is_read_and_few_are_chosen_from(monkeypatch):
    config = networks.NetworkConfig("small", (("gru", 3),), input_size=I, classes=2)
    network = networks.SequenceClassifier(config)
    sequences = [torch.rand(length, I) for length in (reading.LONGEST + 40, 30, 2000, 30, 900, 30, 700)]
    examples = Examples(sequences, torch.zeros(7, dtype=torch.int64))
    beginning = read_stepwise(network, sequences[0])
    assert len(beginning.sequence) == len(beginning.probabilities) == reading.LONGEST
    probabilities = torch.tensor([[0.9, 0.1]]).repeat(7, 1)
    evaluation = Evaluation(0.0, {}, probabilities, probabilities.argmax(dim=1))
    read = []
    monkeypatch.setattr(reading, "MOST_READ", 2 * reading.LONGEST**2 + 3 * 30**2)
    monkeypatch.setattr(
        reading,
        "outputs_stepwise",
        lambda network, sequence: read.append(len(sequence)) or outputs_stepwise(network, sequence),
    )
    reading.most_telling([network], examples, [evaluation])
    assert read == [reading.LONGEST + 40, 30, 2000, 30]
