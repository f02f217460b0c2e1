"""What each task measures, against sums by hand."""

import math

import pytest
import torch

from unrolled.data import Batch, Numbers, Standardization
from unrolled.training.progress import EpochMetrics
from unrolled.training.tasks import Classify, Forecast, Regress, Tag
from unrolled.training.tasks.classes import macro_f1


def test_macro_f1_weighs_each_class_alike_and_leaves_out_what_never_occurs():
    labels, predictions = torch.tensor([0, 0, 0, 1, 4]), torch.tensor([0, 0, 1, 1, 2])
    assert macro_f1(labels, predictions) == pytest.approx((4 / 5 + 2 / 3 + 0 + 0) / 4)
    assert macro_f1(labels, labels) == 1


def test_tags_are_of_the_steps_that_are_real():
    task = Tag(2)
    labels = torch.tensor([[0, 1, -1], [1, 1, 0]])
    batch = Batch(torch.zeros(2, 3, 1), labels, torch.tensor([2, 3]))
    outputs = torch.arange(12.0).view(2, 3, 2)
    outputs[0, 2] = math.nan
    said, asked = task.said(outputs, batch), task.asked(batch)
    assert said.tolist() == [[0, 1], [2, 3], [6, 7], [8, 9], [10, 11]]
    assert asked.tolist() == [0, 1, 1, 1, 0]
    assert task.score(said, asked) == 3
    assert task.measured(3, 5) == {"accuracy": 0.6}


def test_numbers_are_learned_standardised_and_measured_in_their_own_units():
    task = Regress(Numbers(("a", "b"), (10.0, 0.0), (2.0, 0.5)))
    batch = Batch(torch.zeros(2, 3, 1), torch.tensor([[12.0, 1.0], [10.0, 0.0]]), None)
    asked = task.asked(batch)
    assert asked.tolist() == [[1, 2], [0, 0]]
    said = torch.tensor([[2.0, 2.0], [0.0, 4.0]])
    found = task.evaluation(said, asked, None)
    assert found.predictions.tolist() == [[14, 1], [10, 2]]
    assert found.metrics == {"rmse": pytest.approx(math.sqrt(8 / 4)), "mae": pytest.approx(1.0)}
    assert found.loss == pytest.approx((0.5 + 8) / 2)
    assert found.rmse == found.metrics["rmse"]
    assert task.measured(task.score(said, asked), 2) == {"rmse": pytest.approx(math.sqrt(2))}
    assert task.verdict(found.metrics) == "RMSE 1.414"
    with pytest.raises(AttributeError, match="no accuracy: its metrics are rmse, mae"):
        _ = found.accuracy


@pytest.mark.parametrize("scaling", [None, Standardization((1.0, 100.0), (2.0, 10.0))])
def test_a_forecast_begins_with_what_was_there_a_season_ago(scaling):
    numbers = Numbers(("load",), (100.0,), (10.0,), horizon=5, features=(1,), season=3, scale=(4.0,))
    task = Forecast(numbers, scaling)
    raw = torch.tensor([[[0, 90.0], [0, 100], [0, 120], [0, 80]], [[0, 10], [0, 20], [0, 30], [0, 0]]])
    x = raw if scaling is None else scaling.apply(raw)
    labels = torch.tensor([[100.0, 120, 80, 100, 124], [10, 20, 30, 10, 20]])
    batch = Batch(x, labels, torch.tensor([4, 3]))
    naive = task.baseline(batch)
    in_units = [[100, 120, 80, 100, 120], [10, 20, 30, 10, 20]]
    torch.testing.assert_close(task.in_units(naive).float(), torch.tensor(in_units).float())
    outputs = torch.zeros(2, 5)
    outputs[1] = 0.2  # two units too much in each of five
    asked = task.asked(batch)
    found = task.evaluation(task.said(outputs, batch), asked, naive)
    assert found.metrics["mae"] == pytest.approx((4 + 5 * 2) / 10, rel=1e-5)
    assert found.metrics["mase"] == pytest.approx(1.4 / 4, rel=1e-5)
    assert found.metrics["naive_mase"] == pytest.approx(0.4 / 4, rel=1e-5)
    assert "MASE 0.350; the seasonal naive forecast's is 0.100" in task.details(found.metrics)


def test_a_line_of_the_record_names_what_was_measured():
    metrics = EpochMetrics(1, 10, 0.5, {"rmse": 2.0}, 0.6, {"rmse": 2.5, "mae": 1.0}, 0.01, 3.0, True)
    assert metrics.line()["validation_mae"] == metrics.validation_mae == 1.0
    assert list(metrics.line())[:6] == ["epoch", "step", "loss", "rmse", "validation_loss", "validation_rmse"]
    with pytest.raises(AttributeError, match="no accuracy"):
        _ = metrics.accuracy


def test_a_loss_of_classes_stands_for_the_usual_one_of_numbers():
    numbers = Numbers(("a",), (0.0,), (1.0,))
    assert Regress(numbers).loss_of("cross-entropy") == "squared-error"
    assert Regress(numbers).loss_of("huber") == "huber"
    assert Classify(3).loss_of("log-of-softmax") == "log-of-softmax"
