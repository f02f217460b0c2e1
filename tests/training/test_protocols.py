"""What the tutorials print, and when."""

import re

import pytest
import torch

from unrolled.data import Dataset, Examples
from unrolled.networks import build
from unrolled.training import EpochMetrics, Recipe, Step
from unrolled.training.protocols import PROTOCOLS, Protocol


def examples(count, seed):
    generator = torch.Generator().manual_seed(seed)
    sequences = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=generator)
    return Examples(sequences, torch.randint(0, 10, (count,), generator=generator))


DATA = Dataset("noise", examples(60, 1), examples(20, 2), examples(300, 3), tuple("0123456789"))


@pytest.fixture
def listen():
    """Makes a protocol, and the list of the lines that it says."""

    def make(name, network="seed-004", **recipe):
        lines = []
        protocol = PROTOCOLS[name](build(network).train(), DATA, Recipe(**recipe), 7, lines.append)
        return protocol, lines

    return make


def step(number, loss=0.5, batch=8):
    return Step(number, loss, torch.arange(batch))


def epoch(number, loss=0.25):
    return EpochMetrics(
        number, 10 * number, loss, {"accuracy": 0.9}, None, {"accuracy": None}, 0.01, 1.0, True
    )


def accuracy_on(network, x, labels):
    with torch.no_grad():
        return float((network.eval()(x).argmax(dim=1) == labels).float().mean())


def test_seed_000_says_the_accuracy_on_256_test_images_after_each_epoch_counted_from_0(listen):
    protocol, lines = listen("seed-000")
    protocol.after_step(step(1))
    protocol.after_epoch(epoch(1))
    protocol.after_epoch(epoch(2))
    expected = accuracy_on(protocol.network, DATA.test.sequences[:256] / 255, DATA.test.labels[:256])
    assert lines == [f"0 {expected}", f"1 {expected}"]


def test_seed_001_says_every_200_steps_how_the_batch_of_that_step_is_read_now(listen):
    protocol, lines = listen("seed-001", loss="log-of-softmax")
    for number in (1, 199, 200, 201, 400):
        protocol.after_step(step(number))
    x, labels, _ = DATA.train.take(step(1).rows)
    with torch.no_grad():
        cost = float(torch.nn.functional.cross_entropy(protocol.network(x), labels))
    accuracy = accuracy_on(protocol.network, x, labels)
    found = [re.fullmatch(r"Step (\d+):Training set accuracy (.*),cost (.*)\.", line) for line in lines]
    assert [match[1] for match in found] == ["200", "400"]
    assert [float(match[2]) for match in found] == [accuracy] * 2
    assert [float(match[3]) for match in found] == [pytest.approx(cost, rel=1e-5)] * 2


def test_seed_001_begins_with_the_shapes_and_ends_with_200_test_batches(listen):
    protocol, lines = listen("seed-001")
    protocol.begin()
    assert lines == [
        "Training data shape: (60, 784)",
        "Test data shape: (300, 784)",
        "Validation data shape: (20, 784)",
        "Training label shape: (60, 10)",
        "hidden: (?, 64)",
    ]
    lines.clear()
    protocol.end()
    assert [line.split(":")[0] for line in lines] == [f"Step {n}" for n in range(20, 201, 20)] + [
        "Test accuracy"
    ]
    # 200 batches of 50 pass over the 300 examples 33 times and a third.
    over_all = accuracy_on(protocol.network, DATA.test.sequences / 255, DATA.test.labels)
    assert float(lines[-1].split(": ")[1]) == pytest.approx(over_all, abs=0.01)


def test_seed_002_says_shapes_and_that_the_last_output_is_the_top_state(listen):
    protocol, lines = listen("seed-002", network="seed-004")
    protocol.after_step(step(1, loss=73.5))
    assert lines[:4] == ["loss: 73.5", "outputs_: (8, 28, 64)", "h_state_0_: (8, 32)", "h_state_1_: (8, 64)"]
    assert lines[4].startswith("h_state_1_ == outputs_[:,-1,:]: [[ True  True")
    assert "False" not in lines[4]


def test_seed_002s_training_program_says_each_loss_and_every_100_steps_an_accuracy(listen):
    protocol, lines = listen("seed-002-multi-lstm")
    for number in (1, 2, 100, 101):
        protocol.after_step(step(number, loss=float(number)))
    shown = [line for line in lines if line.startswith("step")]
    assert shown == [f"step [{n - 1}] loss:{float(n)}" for n in (1, 2, 100, 101)]
    accuracies = [float(line.split(": ")[1]) for line in lines if line.startswith("total_accuracy")]
    assert len(accuracies) == 2
    assert all(round(accuracy * 50, 3) == round(accuracy * 50) for accuracy in accuracies)


def test_seed_003_says_four_lines_every_100_steps_and_tests_the_first_1280_images(listen):
    protocol, lines = listen("seed-003")
    for number in (99, 100):
        protocol.after_step(step(number))
    assert [line.split("  ")[0] for line in lines] == ["For iter", "Accuracy", "Loss", "_" * 18]
    lines.clear()
    protocol.end()
    expected = accuracy_on(protocol.network, DATA.test.sequences / 255, DATA.test.labels)
    assert lines == [f"Testing Accuracy: {expected}"]


def test_seed_004_says_the_mean_loss_and_the_accuracy_on_one_test_batch_after_each_epoch(listen):
    protocol, lines = listen("seed-004", batch_size=64)
    protocol.after_epoch(epoch(3, loss=0.125))
    match = re.fullmatch(r"After 3 epoch,loss value is 0\.125000 ,and accuracy is (0\.\d{6}) ", lines[0])
    assert float(match[1]) * 64 == pytest.approx(round(float(match[1]) * 64), abs=1e-3)


def test_measuring_leaves_the_network_in_the_mode_it_was_in(listen):
    protocol, _ = listen("seed-000")
    protocol.after_epoch(epoch(1))
    assert protocol.network.training


def test_any_other_training_says_nothing_of_its_own(listen):
    protocol, lines = listen("epochs")
    assert type(protocol) is Protocol
    protocol.begin()
    protocol.after_step(step(200))
    protocol.after_epoch(epoch(1))
    protocol.end()
    assert lines == []
