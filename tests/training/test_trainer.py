"""The training loop."""

import dataclasses
import math

import pytest
import torch

from tests.tolerances import assert_equal
from unrolled.data import Examples, Preparation
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Augmentation, Recipe, Trainer, TrainingDivergedError, evaluate
from unrolled.training.optimizer import share_of_rate

CONFIG = NetworkConfig("small", (("gru", 12),), input_size=5, classes=3)


def make_trainer(data, seed=0, config=CONFIG, **recipe):
    torch.manual_seed(seed)
    defaults = {"batch_size": 32, "epochs": 8, "learning_rate": 0.03}
    return Trainer(SequenceClassifier(config), data, Recipe(**{**defaults, **recipe}), seed=seed)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_every_optimizer_learns_the_easy_task(easy_data, optimizer):
    rate = {"adam": 0.03, "rmsprop": 0.01, "sgd": 0.3}[optimizer]
    trainer = make_trainer(easy_data, optimizer=optimizer, learning_rate=rate, epochs=15)
    *_, last = trainer.epochs()
    assert last.validation_accuracy > 0.95
    assert evaluate(trainer.network, easy_data.test).accuracy > 0.95


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_training_in_bfloat16_comes_to_the_same_loss(easy_data, cell):
    config = dataclasses.replace(CONFIG, layers=((cell, 12),))
    losses = {}
    for precision in ("float32", "bfloat16"):
        trainer = make_trainer(easy_data, config=config, epochs=15, precision=precision)
        *_, last = trainer.epochs()
        assert all(weight.dtype == torch.float32 for weight in trainer.network.parameters())
        losses[precision] = last.validation_loss
        assert evaluate(trainer.network, easy_data.test).accuracy > 0.95
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.05)


def test_losses_of_a_training_in_bfloat16_have_all_their_bits(easy_data):
    trainer = make_trainer(easy_data, precision="bfloat16", steps=3)
    values = []
    list(trainer.epochs(lambda step: values.append(step.loss)))
    rounded = [torch.tensor(value).bfloat16().item() for value in values]
    assert values != rounded


def test_the_same_seed_gives_the_same_weights(easy_data):
    config = dataclasses.replace(CONFIG, output_dropout=0.3)
    weights = []
    for seed in (1, 1, 2):
        trainer = make_trainer(easy_data, seed, config, epochs=2)
        list(trainer.epochs())
        weights.append(torch.cat([parameter.flatten() for parameter in trainer.network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def as_pictures(data):
    train = dataclasses.replace(data.train, sequences=(data.train.sequences * 255).to(torch.uint8))
    return dataclasses.replace(data, train=train)


def test_pictures_alone_are_distorted(easy_data):
    losses = []
    for data in (easy_data, as_pictures(easy_data)):
        for strengths in ({}, {"shift": 1}):
            trainer = make_trainer(data, steps=1, augmentation=Augmentation(**strengths))
            losses += [metrics.loss for metrics in trainer.epochs()]
    assert losses[0] == losses[1]
    assert losses[2] != losses[3]


def test_a_picture_that_is_read_by_columns_is_mirrored_left_for_right(easy_data):
    pictures = as_pictures(easy_data)
    read = Preparation({"format": "folder", "kind": "pictures", "settings": {"by": "columns", "width": 5}})
    train = dataclasses.replace(pictures.train, preparation=read)
    mirrored = dataclasses.replace(pictures.train, sequences=pictures.train.sequences.flip(1))
    losses = []
    for examples, flip in ((train, 1.0), (mirrored, 0.0)):
        data = dataclasses.replace(pictures, train=examples)
        trainer = make_trainer(data, steps=1, augmentation=Augmentation(flip=flip))
        losses += [metrics.loss for metrics in trainer.epochs()]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_examples_are_changed_as_the_recipe_says(easy_data):
    losses = []
    for strengths in ({}, {"noise": 0.3}, {"affine": 0.3}, {"time_mask": 0.5}):
        trainer = make_trainer(easy_data, steps=1, augmentation=Augmentation(**strengths))
        losses += [metrics.loss for metrics in trainer.epochs()]
    assert len(set(losses)) == len(losses)


def test_no_bit_of_a_training_on_noise_depends_on_padding(easy_data):
    lengths = 1 + torch.arange(300) % 6
    strengths = Augmentation(noise=0.3, affine=0.2, time_mask=0.5)
    weights = []
    for padding in (0, 3):
        padded = torch.nn.functional.pad(easy_data.train.sequences, (0, 0, 0, padding), value=9.0)
        train = Examples(padded, easy_data.train.labels, lengths)
        data = dataclasses.replace(easy_data, train=train)
        trainer = make_trainer(data, steps=5, augmentation=strengths)
        list(trainer.epochs())
        weights.append(torch.cat([parameter.flatten() for parameter in trainer.network.parameters()]))
    assert_equal(*weights)


def test_a_budget_in_steps_ends_within_an_epoch(easy_data):
    steps = []
    trainer = make_trainer(easy_data, steps=13)  # an epoch has 10
    metrics = list(trainer.epochs(on_step=lambda step: steps.append(step.number)))
    assert steps == list(range(1, 14))
    assert [(line.epoch, line.step) for line in metrics] == [(1, 10), (2, 13)]


def test_training_metrics_are_measured_before_each_update(easy_data):
    trainer = make_trainer(easy_data, batch_size=300, epochs=1)
    before = evaluate(trainer.network, easy_data.train)
    (metrics,) = trainer.epochs()
    assert math.isclose(metrics.loss, before.loss, rel_tol=1e-5)
    assert math.isclose(metrics.accuracy, before.accuracy, rel_tol=1e-6)


def test_best_weights_are_those_of_the_best_validation_accuracy(easy_data):
    trainer = make_trainer(easy_data, schedule="constant", learning_rate=0.1, epochs=6)
    kept, scores = [], []
    for metrics in trainer.epochs():
        scores.append((metrics.validation_accuracy, -metrics.validation_loss))
        kept.append({name: tensor.clone() for name, tensor in trainer.network.state_dict().items()})
        assert metrics.best == (scores[-1] == max(scores) and scores.count(scores[-1]) == 1)
    best = kept[scores.index(max(scores))]
    assert all(torch.equal(best[name], trainer.best_weights[name]) for name in best)


def test_without_validation_the_last_weights_are_the_best(easy_data):
    data = dataclasses.replace(easy_data, validation=easy_data.validation[:0])
    trainer = make_trainer(data, epochs=2)
    metrics = list(trainer.epochs())
    assert [line.best for line in metrics] == [True, True]
    assert all(line.validation_accuracy is None and line.validation_loss is None for line in metrics)
    assert all(
        torch.equal(tensor, trainer.best_weights[name])
        for name, tensor in trainer.network.state_dict().items()
    )


def test_patience_stops_after_so_many_epochs_without_a_better_one(easy_data):
    # At a learning rate of nearly nothing the first epoch stays the best but for the loss's last digits.
    trainer = make_trainer(easy_data, epochs=50, patience=3, learning_rate=1e-12, schedule="constant")
    metrics = list(trainer.epochs())
    last_best = max(line.epoch for line in metrics if line.best)
    assert len(metrics) == last_best + 3 < 50


def test_a_loss_that_is_not_finite_stops_the_training_and_says_where(easy_data):
    trainer = make_trainer(easy_data)
    with torch.no_grad():
        trainer.network.classifier.bias.fill_(math.inf)
    message = r"the loss is nan at step 1 \(epoch 1, learning rate .*\): try a lower learning rate"
    with pytest.raises(TrainingDivergedError, match=message):
        list(trainer.epochs())


def test_an_answer_that_is_sure_and_wrong_has_a_finite_loss(easy_data):
    """B2: the tutorials' softmax, then logarithm, gives NaN here."""
    trainer = make_trainer(easy_data, steps=1)
    with torch.no_grad():
        trainer.network.classifier.bias.copy_(torch.tensor([2000.0, 0.0, 0.0]))
    (metrics,) = trainer.epochs()
    assert 500 < metrics.loss < 2000


def test_gradients_are_clipped_to_the_norm(easy_data):
    trainer = make_trainer(
        easy_data, optimizer="sgd", schedule="constant", learning_rate=1.0, clip_norm=0.01, steps=1
    )
    before = torch.cat([parameter.detach().clone().flatten() for parameter in trainer.network.parameters()])
    list(trainer.epochs())
    after = torch.cat([parameter.detach().flatten() for parameter in trainer.network.parameters()])
    assert math.isclose(float((after - before).norm()), 0.01, rel_tol=1e-3)


def test_pictures_are_distorted_while_training_and_whole_when_measured(easy_data):
    data = as_pictures(easy_data)
    trainer = make_trainer(data, batch_size=300, epochs=2, augmentation=Augmentation(shift=2))
    read = []
    trainer.network.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    given = []
    list(trainer.epochs(on_step=lambda step: given.append(data.train.sequences[step.rows] / 255)))
    first, first_validation, second, second_validation = read
    assert not torch.equal(first, given[0])
    assert not torch.equal(second, given[1])
    assert not torch.equal(first.sum(dim=(1, 2)).sort().values, second.sum(dim=(1, 2)).sort().values)
    assert torch.equal(first_validation, easy_data.validation.sequences)
    assert torch.equal(second_validation, easy_data.validation.sequences)


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("cosine", [1.0, 0.8536, 0.5, 0.1464, 0.0]),
        ("one-cycle", [0.04, 0.9357, 0.8117, 0.2831, 0.0]),
    ],
)
def test_schedules_follow_their_curves(schedule, shares):
    assert [round(share_of_rate(schedule, progress), 4) for progress in (0, 0.25, 0.5, 0.75, 1)] == shares
