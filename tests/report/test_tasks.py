"""The pictures of every task: which there are, that they show what they claim, and nothing of padding."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from tests.report.conftest import make_task, network_of
from unrolled.data import DataOptions, Dataset, Examples, Numbers, Preparation, Sequences, open_data
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.networks.traces import Trace
from unrolled.report import (
    Forecasts,
    Reading,
    draw_curves,
    draw_examples,
    draw_forecasts,
    draw_horizon,
    draw_predicted,
    draw_reading,
    draw_residuals,
    draw_tags,
    pictures_of,
    save_examples,
    save_pictures,
)
from unrolled.report.answers import Answers
from unrolled.report.appearance import Appearance
from unrolled.report.tags import class_colours, telling_rows
from unrolled.tasks import TASKS
from unrolled.training import Evaluation, evaluate, task_of

EPOCHS = {
    "classify": ("accuracy", "macro_f1"),
    "tag": ("accuracy", "macro_f1"),
    "regress": ("rmse", "mae"),
    "forecast": ("rmse", "mae", "mase"),
}


def lines(task):
    main, *others = EPOCHS[task]
    return [
        {
            "epoch": epoch,
            "step": epoch,
            "loss": 1 / epoch,
            main: 0.5,
            "validation_loss": 1.0,
            **{f"validation_{name}": 0.25 for name in (main, *others)},
        }
        for epoch in (1, 2)
    ]


def drawn(task, data, folder):
    torch.manual_seed(2)
    network = SequenceClassifier(network_of(task)).eval()
    folder.mkdir()
    save_examples(data, folder / "examples.png")
    return save_pictures(folder, lines(task), network, data, evaluate(network, data.test, task_of(data)))


@pytest.mark.parametrize("task", TASKS)
def test_a_training_leaves_the_pictures_of_its_task_and_padding_is_in_none(task, tmp_path):
    """Not a byte of one depends on what stands beyond a length; in a list nothing stands there."""
    paths = drawn(task, make_task(task), tmp_path / "list")
    assert tuple(path.stem for path in paths) == pictures_of(task)
    padded = make_task(task, math.inf)
    drawn(task, padded, tmp_path / "padded")
    for path in (tmp_path / "list").iterdir():
        with Image.open(path) as image:
            image.verify()
        assert path.read_bytes() == (tmp_path / "padded" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("task", TASKS)
def test_curves_have_axes_for_the_loss_and_for_every_metric_of_the_task(task):
    figure = draw_curves(lines(task))
    titles = [axes.get_ylabel() for axes in figure.axes if axes.lines]
    labels = {"macro_f1": "macro F1", "rmse": "RMSE", "mae": "MAE", "mase": "MASE"}
    loss = "cross-entropy (nats)" if "accuracy" in EPOCHS[task] else "loss (of standardised numbers)"
    assert titles == [loss, *(labels.get(name, name) for name in EPOCHS[task])]
    assert [len(axes.lines) for axes in figure.axes if axes.lines] == [2, 2, *[1] * (len(titles) - 2)]


def examples_of(steps, width, dtype=torch.float32, **preparation):
    sequences = [torch.zeros(count, width, dtype=dtype) for count in steps]
    prepared = Preparation(**preparation) if preparation else None
    return Examples(sequences, torch.arange(len(steps)), preparation=prepared)


@pytest.mark.parametrize(
    ("examples", "kind", "downward", "upward"),
    [
        (examples_of([3], 28, torch.uint8), "picture", True, False),
        (
            examples_of([3], 2, torch.uint8, reading={"settings": {"by": "columns", "width": 2}}),
            "picture",
            False,
            False,
        ),
        (examples_of([3], 1), "lines", False, False),
        (examples_of([3], 6), "lines", False, False),
        (examples_of([3], 7), "map", False, False),
        (examples_of([3], 40, reading={"settings": {"bands": 40}}), "map", False, True),
        (examples_of([3], 40, reading={"settings": "damaged"}), "map", False, False),
    ],
)
def test_what_sequences_look_like_follows_from_what_they_are(examples, kind, downward, upward):
    look = Appearance.of(examples)
    assert (look.kind, look.downward, look.upward) == (kind, downward, upward)


def test_a_picture_is_upright_whether_its_rows_or_its_columns_are_steps():
    picture = torch.zeros(3, 5, dtype=torch.uint8)
    picture[0, 4] = 255  # at the top, on the right
    for steps, by in ((picture, "rows"), (picture.T, "columns")):
        preparation = Preparation(reading={"settings": {"by": by, "width": 1}})
        examples = Examples([steps.contiguous()], torch.tensor([0]), preparation=preparation)
        (axes, *_) = draw_examples(Dataset("p", examples, examples[:0], examples, ("a",))).axes
        (image,) = axes.images
        assert image.get_array().shape == (3, 5)
        assert image.get_array()[0, 4] == 1.0
        assert axes.get_aspect() == 1.0


def test_the_steps_of_a_recording_go_to_the_right_and_its_lowest_band_is_at_the_bottom():
    steps = torch.arange(8.0).repeat(4, 1)
    for reading, first in (({"settings": {"bands": 8}}, 7), ({}, 0)):
        look = Appearance.of(Examples([steps], torch.tensor([0]), preparation=Preparation(reading=reading)))
        axes = Figure().subplots()
        image = look.draw(axes, look.values(steps))
        assert image.get_array().shape == (8, 4)
        assert image.get_array()[0, 0] == first
        bottom, top = axes.get_ylim()
        assert (bottom < top) == bool(first)


def test_a_missing_value_is_a_gap_in_a_line():
    steps = torch.tensor([[1.0, 0.0], [math.nan, 0.0], [3.0, 0.0]])
    examples = Examples([steps], torch.tensor([0]))
    (axes, *_) = draw_examples(Dataset("p", examples, examples[:0], examples, ("a",))).axes
    assert np.isnan(axes.lines[0].get_ydata()).tolist() == [False, True, False]


def test_the_first_sequence_of_each_of_twelve_classes_is_shown_in_its_own_length():
    examples = Examples(
        [torch.rand(2 + row % 15, 8) for row in range(30)], torch.arange(30) % 15, preparation=None
    )
    data = Dataset("many", examples, examples[:0], examples, tuple(f"class {n}" for n in range(15)))
    figure = draw_examples(data)
    maps = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in maps][:2] == ["class 0\n2 steps", "class 1\n3 steps"]
    assert [axes.images[0].get_array().shape for axes in maps] == [(8, 2 + n) for n in range(12)]
    assert figure.get_suptitle() == "The first training sequence of each of the first 12 of 15 classes"


def test_sequences_of_numbers_are_shown_from_the_least_to_the_greatest():
    values = torch.tensor([[3.0], [1.0], [2.0]])
    examples = Examples([torch.rand(n, 2) for n in (4, 5, 6)], values)
    numbers = Numbers(("size",), (2.0,), (1.0,))
    figure = draw_examples(
        Dataset("n", examples, examples[:0], examples, (), task="regress", numbers=numbers)
    )
    titles = [axes.get_title() for axes in figure.axes if axes.lines]
    assert titles == ["size 1\n5 steps", "size 2\n6 steps", "size 3\n4 steps"]


def test_the_steps_of_a_series_have_the_colour_of_the_part_that_asks_for_them(tmp_path):
    path = tmp_path / "two.csv"
    rows = [(shop, day, 10 * shop + day % 7) for shop in (1, 2) for day in range(100 * shop)]
    path.write_text("shop,day,sales\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    options = DataOptions(task="forecast", id="shop", time="day", horizon=5, context=14, season=7)
    figure = draw_examples(open_data(path, options))
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == [
        "steps 0 to 99 of the file",
        "steps 100 to 299 of the file",
    ]
    for axes, count in ((first, 100), (second, 200)):
        whole, *parts = (line.get_ydata() for line in axes.lines)
        assert len(whole) == count
        known = [np.flatnonzero(~np.isnan(part)) for part in parts]
        assert [int(places[-1]) for places in known] == [
            int(0.72 * count) - 1,
            int(0.8 * count) - 1,
            count - 1,
        ]
        assert int(known[0][0]) == 14  # before that, nothing can be asked for


def tagged():
    lengths = torch.tensor([4, 2, 3])
    labels = Sequences.flat(torch.tensor([0, 1, 1, 0, 1, 1, 0, 0, 1]), lengths)
    return Examples([torch.rand(int(count), 2) for count in lengths], labels)


def test_tags_are_shown_step_by_step_true_above_predicted():
    predictions = torch.tensor([0, 1, 1, 1, 0, 0, 0, 0, 1])
    examples = tagged()
    rows = telling_rows(examples, predictions)
    assert rows == [1, 0, 2]  # 0 of 2, 3 of 4 and 3 of 3
    figure = draw_tags(examples, rows, ("low", "high"), predictions)
    tops, trues, saids = (figure.axes[place::3] for place in range(3))
    assert [axes.get_title() for axes in tops] == [
        "sequence 1, 2 steps: accuracy 0.0%",
        "sequence 0, 4 steps: accuracy 75.0%",
        "sequence 2, 3 steps: accuracy 100.0%",
    ]
    low, high = trues[1].images[0].get_array()[0, :2].tolist()
    assert low != high
    assert trues[1].images[0].get_array()[0].tolist() == [low, high, high, low]
    assert saids[1].images[0].get_array()[0].tolist() == [low, high, high, high]
    assert saids[0].images[0].get_array()[0].tolist() == [low, low]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["low", "high"]


@pytest.mark.parametrize("classes", [2, 10, 11, 20, 21, 100])
def test_no_two_classes_of_steps_have_one_colour(classes):
    colours = class_colours(classes)
    assert len({colours(place) for place in range(classes)}) == classes


def test_each_number_is_shown_against_the_true_one_with_its_own_errors():
    true = torch.tensor([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    said = torch.tensor([[1.0, 5.0], [2.0, 5.0], [2.0, 5.0]])
    one, two = draw_predicted(true, said, ("a", "b")).axes
    identity, points = one.lines
    assert list(identity.get_xdata()) == list(identity.get_ydata())
    assert (points.get_xdata().tolist(), points.get_ydata().tolist()) == ([0, 2, 4], [1, 2, 2])
    assert one.get_title() == f"a\nRMSE {math.sqrt(5 / 3):.4g}, MAE 1"
    assert two.get_title() == "b\nRMSE 0, MAE 0"
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in draw_residuals(true, said, "ab").axes]
    assert counts == [3, 3]


def ahead():
    """A series of which a season is 3 steps, read 4 at a time, the next 2 forecast: windows 0 and 1."""
    values = torch.tensor([[1.0], [2.0], [3.0], [1.5], [2.5], [3.5], [9.0]])
    windows = Sequences(values, torch.tensor([0, 1]), torch.tensor([4, 4]))
    numbers = Numbers(("load",), (2.0,), (4.0,), horizon=2, features=(0,), season=3, scale=(0.5,))
    examples = Examples(windows, torch.tensor([[2.5, 3.5], [3.5, 9.0]]))
    return Dataset("series", examples, examples[:0], examples, (), task="forecast", numbers=numbers)


def test_forecasts_stand_beside_what_came_and_the_seasonal_naive_one_in_their_own_units():
    forecasts = Forecasts.of(ahead(), torch.tensor([[2.0, 3.0], [4.0, 5.0]]))
    torch.testing.assert_close(forecasts.naive.flatten(1), torch.tensor([[2.0, 3.0], [3.0, 1.5]]).double())
    (axes,) = draw_horizon(forecasts).axes
    naive, said = (line.get_ydata().tolist() for line in axes.lines)
    assert naive == pytest.approx([0.5, 4.0])
    assert said == pytest.approx([0.5, 2.25])
    first, second = draw_forecasts(ahead(), forecasts).axes
    history, true, other, predicted, _ = first.lines
    assert (list(history.get_xdata()), history.get_ydata().tolist()) == ([-3, -2, -1, 0], [1, 2, 3, 1.5])
    assert (list(true.get_xdata()), true.get_ydata().tolist()) == ([1, 2], [2.5, 3.5])
    assert (other.get_ydata().tolist(), predicted.get_ydata().tolist()) == ([2, 3], [2, 3])
    assert second.get_title() == "test window 1: MAE 2.25, seasonal naive 4"


def test_a_reading_of_many_classes_shows_those_that_matter():
    probabilities = torch.full((3, 100), 1e-3)
    probabilities[0, 70], probabilities[1, 7], probabilities[2, 50] = 0.5, 0.01, 0.9
    reading = Reading(torch.rand(3, 4), probabilities)
    shown = Answers(reading, [""] * 100, 99, down=True).classes_shown()
    assert len(shown) == 20
    assert {70, 7, 50, 99} <= set(shown)
    assert shown == sorted(shown)
    names = [f"word {place}" for place in range(100)]
    figure = draw_reading(Reading(torch.rand(3, 4), probabilities), names, 99)
    assert figure.get_suptitle() == "predicted word 50, confidence 90.0%, true word 99"
    dots = figure.axes[1].lines[0].get_xdata().tolist()
    drawn_names = [text.get_text() for text in figure.axes[1].get_xticklabels()]
    assert [drawn_names[place - 1] for place in dots] == ["word 70", "word 7", "word 50"]


def test_a_reading_of_no_picture_goes_to_the_right_below_its_lines():
    trace = Trace(1, False, {"h": torch.rand(7, 4)})
    reading = Reading(torch.rand(7, 2), torch.full((7, 3), 1 / 3), (trace,))
    figure = draw_reading(reading, ("a", "b", "c"), examples=examples_of([7], 2, features=("x", "y")))
    lines_axes, class_axes, state_axes = figure.axes[:3]
    assert [len(line.get_xdata()) for line in lines_axes.lines] == [7, 7]
    assert class_axes.images[0].get_array().shape == (3, 7)
    assert state_axes.images[0].get_array().shape == (4, 7)
    legend = lines_axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["x", "y"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("examples.foo", "examples.foo is a name of no kind of pictures: expected one that ends in .png"),
        ("examples", "examples is a name of no kind of pictures"),
        ("nowhere/examples.png", "cannot write .*nowhere/examples.png: No such file or directory"),
    ],
)
def test_a_picture_that_cannot_be_written_is_one_error(name, message, tmp_path):
    examples = examples_of([1], 1)
    data = Dataset("odd", examples, examples[:0], examples, ("a",))
    with pytest.raises(UnrolledError, match=message):
        save_examples(data, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("classes", [1, 2, 60])
def test_odd_sizes_are_drawn(classes, tmp_path):
    """One step, one feature, one example; many classes."""
    examples = examples_of([1], 1)
    data = Dataset("odd", examples, examples[:0], examples, tuple(f"c{n}" for n in range(classes)))
    network = SequenceClassifier(
        dataclasses.replace(network_of("classify"), input_size=1, classes=classes)
    ).eval()
    save_examples(data, tmp_path / "examples.png")
    found: Evaluation = evaluate(network, data.test)
    assert len(save_pictures(tmp_path, [], network, data, found)) == 5
