"""The pictures: that they show what they claim to show."""

import pytest
import torch
from PIL import Image

from unrolled.data import Examples
from unrolled.report import (
    Reading,
    draw_confusion,
    draw_curves,
    draw_misread,
    draw_reading,
    save_figure,
)

CLASSES = ("cat", "dog", "eel")


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_curves_show_training_and_validation_and_leave_the_test_out():
    metrics = [
        {
            "epoch": n,
            "loss": 1 / n,
            "accuracy": 1 - 1 / n,
            "validation_loss": 2 / n,
            "validation_accuracy": 0.5,
        }
        for n in (1, 2, 3)
    ]
    loss_axes, accuracy_axes = draw_curves([*metrics, {"test_accuracy": 0.9}]).axes
    training, validation = loss_axes.lines
    assert training.get_ydata().tolist() == [1, 1 / 2, 1 / 3]
    assert validation.get_ydata().tolist() == [2, 1, 2 / 3]
    assert accuracy_axes.lines[1].get_ydata().tolist() == [0.5] * 3


def test_curves_without_validation_have_one_line():
    figure = draw_curves(
        [{"epoch": 1, "loss": 1.0, "accuracy": 0.5, "validation_loss": None, "validation_accuracy": None}]
    )
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]


def test_confusion_writes_every_count_that_is_not_zero_in_its_place():
    matrix = torch.tensor([[8, 1, 0], [0, 9, 0], [3, 0, 7]])
    axes = draw_confusion(matrix, CLASSES).axes[0]
    shown = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert shown == {(0, 0): "8", (0, 1): "1", (1, 1): "9", (2, 0): "3", (2, 2): "7"}
    assert axes.get_title() == "Confusion matrix of 28 test examples\naccuracy 85.71%"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert axes.images[0].get_array()[2, 0] == pytest.approx(0.3)
    assert axes.images[0].get_array()[0, 0] == 0


def test_a_class_that_never_occurs_does_not_divide_by_zero():
    draw_confusion(torch.tensor([[0, 0, 0], [0, 2, 0], [0, 0, 1]]), CLASSES)


def test_misread_shows_the_mistakes_only_the_surest_first():
    labels = torch.tensor([0, 1, 2, 0])
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.3, 0.1, 0.6], [0.8, 0.2, 0.0], [0.2, 0.5, 0.3]])
    figure = draw_misread(Examples(torch.rand(4, 5, 3), labels), probabilities, CLASSES)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        "true eel\npredicted cat\nconfidence 80%",
        "true dog\npredicted eel\nconfidence 60%",
        "true cat\npredicted dog\nconfidence 50%",
    ]
    assert figure.get_suptitle() == "3 of 4 misclassified, highest confidence first"


def test_misread_without_mistakes_and_with_too_many():
    labels = torch.zeros(100, dtype=torch.long)
    right = torch.tensor([[1.0, 0.0, 0.0]]).expand(100, 3)
    examples = Examples(torch.zeros(100, 5, 3, dtype=torch.uint8), labels)
    assert draw_misread(examples, right, CLASSES).get_suptitle() == "0 of 100 misclassified"
    wrong = right.roll(1, dims=1)
    figure = draw_misread(examples, wrong, CLASSES)
    assert figure.get_suptitle() == "100 of 100 misclassified; the 40 most confident"
    assert sum(bool(axes.images) for axes in figure.axes) == 40


def test_a_reading_has_one_row_for_each_step_in_all_its_panels():
    probabilities = torch.tensor([[0.2, 0.5, 0.3]] * 6 + [[0.1, 0.0, 0.9]])
    reading = Reading(torch.rand(7, 4), probabilities, torch.rand(7, 10) - 0.5)
    figure = draw_reading(reading, CLASSES, label=0)
    image, classes, state = figure.axes[:3]
    assert [axes.images[0].get_array().shape for axes in (image, classes, state)] == [(7, 4), (7, 3), (7, 10)]
    assert classes.lines[0].get_xdata().tolist() == [1] * 6 + [2]
    assert figure.get_suptitle() == "predicted eel, confidence 90.0%, true cat"
    right = draw_reading(reading, CLASSES, label=2)
    assert right.get_suptitle() == "predicted eel, confidence 90.0%, correct"
    last = state.images[0].get_array()[-1]
    assert (last[1:] >= last[:-1]).all()  # sorted by the value at the end
    assert sorted(last.tolist()) == sorted(reading.features[-1].tolist())


def test_a_figure_is_saved_whole(tmp_path):
    save_figure(draw_confusion(torch.eye(3, dtype=torch.long), CLASSES), tmp_path / "confusion.png")
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]
    with Image.open(tmp_path / "confusion.png") as image:
        image.verify()
