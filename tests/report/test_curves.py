"""The picture of the learning curves."""

import math

from unrolled.report import (
    draw_curves,
    save_figure,
)


def epochs(*best):
    return [
        {
            "epoch": n,
            "loss": 1 / n,
            "accuracy": 1 - 1 / n,
            "validation_loss": 2 / n,
            "validation_accuracy": 0.5,
            "best": n in best,
        }
        for n in (1, 2, 3)
    ]


def test_curves_show_training_validation_and_test_in_one_place():
    test = {"test_loss": 0.3, "test_accuracy": 0.9, "test_examples": 7, "seconds": 1.0}
    figure = draw_curves([*epochs(1, 2), test])
    loss_axes, accuracy_axes = figure.axes
    training, validation, tested = loss_axes.lines
    assert training.get_ydata().tolist() == [1, 1 / 2, 1 / 3]
    assert validation.get_ydata().tolist() == [2, 1, 2 / 3]
    assert (tested.get_xdata().tolist(), tested.get_ydata().tolist()) == ([2], [0.3])  # the kept epoch
    assert [line.get_ydata().tolist() for line in accuracy_axes.lines[1:]] == [[0.5] * 3, [0.9]]
    assert [axes.get_ylabel() for axes in figure.axes] == ["cross-entropy (nats)", "accuracy"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 2
    (legend,) = figure.legends  # once for all panels
    written = [text.get_text() for text in legend.get_texts()]
    assert written == ["training (mean over the epoch)", "validation", "test, with the weights of epoch 2"]
    colours = [line.get_color() for line in loss_axes.lines]
    assert len(set(colours)) == 3
    assert len({line.get_linestyle() for line in loss_axes.lines[:2]}) == 2  # told apart without colour, too


def test_curves_of_numbers_that_are_not_finite_and_of_no_epoch_are_drawn(tmp_path):
    broken = [{**line, "loss": math.nan, "validation_accuracy": None} for line in epochs()]
    for lines in (broken, [*broken, {"test_loss": None, "test_accuracy": math.nan}], [], broken[:1]):
        save_figure(draw_curves(lines), tmp_path / "curves.png")


def test_curves_without_validation_have_one_line():
    figure = draw_curves(
        [{"epoch": 1, "loss": 1.0, "accuracy": 0.5, "validation_loss": None, "validation_accuracy": None}]
    )
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]
