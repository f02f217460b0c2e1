"""Trainings on sequences of lengths of their own: every task, whatever stands beyond a sequence's end."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from tests.tolerances import assert_equal
from tests.training.test_resuming import assert_same_record, record, stop_after
from unrolled.data import Dataset, Examples, Numbers, Preparation, Sequences, Standardization
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.tasks import TASKS
from unrolled.training import Recipe, RunConfig, Trainer, TrainingStoppedError, evaluate, task_of, train_run
from unrolled.training.contents import contents_of, differences

SCALING = Standardization((0.1, 0.2, 0.3, 0.0, -1.0), (1.0, 0.5, 2.0, 1.0, 3.0))
PREPARED = Preparation(standardization=SCALING)
NUMBERS = Numbers(("one", "two"), (3.0, -2.0), (2.0, 0.5))
AHEAD = Numbers(("one",), (0.3,), (2.0,), horizon=4, features=(2,), season=2, scale=(0.7,))
DIRECTIONS = ["forward", "bidirectional", "parallel"]
RECIPE = Recipe(batch_size=16, epochs=3, learning_rate=0.02)


def sequences_of(count, seed):
    """Noise of 2 to 9 steps, and for each the place of its brightest step."""
    random = np.random.default_rng(seed)
    steps = [random.normal(size=(random.integers(2, 10), 5)).astype(np.float32) for _ in range(count)]
    return steps, [int(one[:, 2].argmax()) for one in steps]


def kept(steps, labels, how):
    lengths = torch.tensor([len(one) for one in steps])
    if how == "list":
        return Examples(steps, labels, preparation=PREPARED)
    extra, garbage = how
    dense = torch.full((len(steps), int(lengths.max()) + extra, 5), garbage)
    for row, one in enumerate(steps):
        dense[row, : len(one)] = torch.from_numpy(one)
    return Examples(dense, labels, lengths, preparation=PREPARED)


def part(task, count, seed, how):
    steps, brightest = sequences_of(count, seed)
    match task:
        case "classify":
            labels = torch.tensor([place % 3 for place in brightest])
        case "tag":
            signs = [torch.from_numpy((one[:, 2] > 0).astype(np.int64)) for one in steps]
            labels = Sequences.flat(torch.cat(signs), torch.tensor([len(one) for one in signs]))
        case "regress":
            labels = torch.tensor([[3.0 + one[:, 2].sum(), one[:, 1].max() - 2.0] for one in steps])
        case "forecast":
            labels = torch.tensor([[one[-1, 2], one[-2, 2], one[:, 2].mean(), 0.1] for one in steps])
    return kept(steps, labels, how)


def make_data(task, how="list"):
    classes = {"classify": ("a", "b", "c"), "tag": ("low", "high")}.get(task, ())
    parts = [part(task, count, seed, how) for seed, count in enumerate((70, 20, 30))]
    numbers = {"regress": NUMBERS, "forecast": AHEAD}.get(task)
    return Dataset("ragged", *parts, classes, task=task, numbers=numbers)


def network_of(task, direction="forward", **options):
    outputs = {"classify": 3, "tag": 2, "regress": 2, "forecast": 4}[task]
    read = "steps" if task == "tag" else "final"
    layers = (("lstm", 6), ("gru", 5))
    return NetworkConfig(
        "small", layers, direction=direction, read=read, input_size=5, classes=outputs, **options
    )


def trained(data, direction="forward", **options):
    torch.manual_seed(1)
    network = SequenceClassifier(network_of(data.task, direction, **options))
    trainer = Trainer(network, data, RECIPE, seed=3)
    metrics = [line._replace(seconds=0.0) for line in trainer.epochs()]
    found = evaluate(network, data.test, trainer.task)
    return metrics, list(network.state_dict().values()), found


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("task", TASKS)
def test_no_bit_of_a_training_depends_on_what_stands_beyond_a_length(task, direction):
    """In a list nothing stands there."""
    expected = trained(make_data(task), direction)
    for how in [(0, math.nan), (7, math.inf), (1, 3e38)]:
        metrics, weights, found = trained(make_data(task, how), direction)
        assert metrics == expected[0]
        assert_equal(weights, expected[1])
        assert found.loss == expected[2].loss
        assert found.metrics == expected[2].metrics
        assert_equal(found.predictions, expected[2].predictions)
        assert_equal(found.probabilities, expected[2].probabilities)


@pytest.mark.parametrize("task", TASKS)
def test_a_training_of_any_task_that_was_stopped_goes_on_with_the_same_bits(task, tmp_path):
    network = network_of(task, output_dropout=0.3)
    classes = make_data(task).classes
    numbers = {"regress": NUMBERS.names, "forecast": AHEAD.names}.get(task, ())
    config = RunConfig(network, RECIPE, "ragged", classes, seed=3, validation=20, task=task, numbers=numbers)
    outcome = train_run(tmp_path / "whole", config, make_data(task))
    folder, ways, steps = tmp_path / "stopped", iter(["list", (3, math.nan), (0, 7.0)]), 0
    for more in (3, 2, 6):
        data = make_data(task, next(ways))
        with pytest.raises(TrainingStoppedError):
            train_run(folder, config, data, resume=steps > 0, should_stop=stop_after(more))
        steps += more
    train_run(folder, config, make_data(task, (1, math.inf)), resume=True)
    assert_same_record(folder, record(tmp_path / "whole"))
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert last[f"test_{outcome.task.metric}"] == outcome.test.metrics[outcome.task.metric]


@pytest.mark.parametrize("task", TASKS)
def test_a_network_learns_each_task(task):
    data = make_data(task)
    torch.manual_seed(0)
    network = SequenceClassifier(network_of(task))
    before = evaluate(network, data.train, task_of(data))
    recipe = dataclasses.replace(RECIPE, epochs=30, keep="last")
    *_, last = Trainer(network, data, recipe, seed=3).epochs()
    after = evaluate(network, data.train, task_of(data))
    assert after.loss < 0.7 * before.loss
    assert abs(last.loss / after.loss - 1) < 0.5


def test_contents_are_told_apart_by_lengths_steps_and_scaling_and_not_by_how_they_are_kept():
    data = make_data("classify")
    then = contents_of(data)
    assert contents_of(make_data("classify", (5, math.nan))) == then
    steps, _ = sequences_of(70, 0)
    labels = data.train.labels
    whole = torch.from_numpy(np.concatenate(steps))
    shifted = torch.tensor([len(one) for one in steps])
    shifted[0] += 1
    shifted[1] -= 1
    for other, word in (
        (
            Examples([one * 2 for one in steps], labels, preparation=PREPARED),
            "the sequences of train are others",
        ),
        (Examples(steps, labels), "the values of train are prepared otherwise"),
        (
            Examples(Sequences.flat(whole, shifted), labels, preparation=PREPARED),
            "the lengths of the sequences of train are others",
        ),
        (Examples(steps, (labels + 1) % 3, preparation=PREPARED), "the labels of train are others"),
    ):
        assert differences(then, contents_of(dataclasses.replace(data, train=other))) == [word]


def test_other_numbers_and_other_tags_are_other_contents():
    data = make_data("forecast")
    other = dataclasses.replace(data, numbers=dataclasses.replace(AHEAD, season=1))
    assert differences(contents_of(data), contents_of(other)) == [
        "the names, scales or season of the numbers are others"
    ]
    data = make_data("tag")
    turned = dataclasses.replace(
        data.train,
        labels=Sequences(1 - data.train.labels.values, data.train.labels.starts, data.train.lengths),
    )
    other = dataclasses.replace(data, train=turned)
    assert differences(contents_of(data), contents_of(other)) == ["the labels of train are others"]


def test_a_network_that_answers_otherwise_than_the_task_asks_is_refused():
    for task, other, message in (
        (
            "classify",
            "tag",
            "network small reads 'steps', expected one answer for a sequence, such as 'final'",
        ),
        ("tag", "classify", "network small reads 'final', expected 'steps': an answer for each step"),
    ):
        with pytest.raises(UnrolledError, match=message):
            Trainer(SequenceClassifier(network_of(other)), make_data(task), RECIPE)


def test_a_configuration_takes_the_task_and_the_names_from_the_data():
    base = RunConfig(network_of("classify"), RECIPE, "ragged", (), 0, None)
    tag = base.completed(make_data("tag"))
    assert (tag.task, tag.network.read, tag.classes, tag.network.classes) == (
        "tag",
        "steps",
        ("low", "high"),
        2,
    )
    ahead = base.completed(make_data("forecast"))
    assert (ahead.task, ahead.numbers, ahead.network.classes, ahead.is_complete) == (
        "forecast",
        ("one",),
        4,
        True,
    )
    assert RunConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(ahead)))) == ahead
    for changes, message in (
        ({"task": "sing"}, "unknown task 'sing'"),
        ({"task": "classify"}, "numbers have names, but classify predicts none"),
        ({"numbers": ("a", "b", "c")}, "3 numbers have names, expected 4"),
        ({"numbers": 3}, "numbers is 3, expected the name of each number"),
    ):
        with pytest.raises(UnrolledError, match=message):
            dataclasses.replace(ahead, **changes)
