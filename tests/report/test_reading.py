"""The reading of one sequence, step by step."""

import pytest
import torch

from unrolled import networks
from unrolled.data import Examples
from unrolled.report import read_stepwise, reading
from unrolled.report.reading import changes_of_mind
from unrolled.training import Evaluation
from unrolled.unroll import dynamic_unroll

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


def test_the_features_of_a_forward_network_are_its_outputs_at_each_step():
    network = networks.SequenceClassifier(
        networks.NetworkConfig("small", (("lstm", 5),), input_size=I, classes=3)
    )
    sequence = torch.rand(T, I)
    with torch.no_grad():
        outputs, _ = dynamic_unroll(network.cell, sequence[None])
    torch.testing.assert_close(read_stepwise(network, sequence).features, outputs[0], rtol=0, atol=1e-6)


def test_changes_of_mind_are_counted():
    answers = torch.tensor([0, 0, 2, 1, 1, 2])
    probabilities = torch.nn.functional.one_hot(answers, 3).float()
    from unrolled.report import Reading

    assert changes_of_mind(Reading(torch.zeros(6, 1), probabilities, torch.zeros(6, 1))) == 3


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
        "read_stepwise",
        lambda network, sequence: read.append(len(sequence)) or read_stepwise(network, sequence),
    )
    reading.most_telling([network], examples, [evaluation])
    assert read == [reading.LONGEST + 40, 30, 2000, 30]
