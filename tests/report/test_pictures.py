"""The pictures: that they show what they claim to show."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from PIL import Image

from unrolled.data import Examples, Preparation
from unrolled.networks.traces import Trace
from unrolled.report import (
    Reading,
    colours,
    draw_confusion,
    draw_misread,
    draw_reading,
    save_figure,
)

CLASSES = ("cat", "dog", "eel")
# Full protanopia, deuteranopia and tritanopia on linear RGB: Machado et al. 2009, doi:10.1109/TVCG.2009.113.
DEFICIENCIES = [
    np.array(rows)
    for rows in (
        ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
        ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
        ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    )
]


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


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


def test_misread_shows_the_mistakes_only_the_most_confident_first():
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


def lstm_trace(time, width, layer=1, backward=False):
    return Trace(layer, backward, {name: torch.rand(time, width) - (name in "hcg") / 2 for name in "hcifgo"})


def one_reading(time=7, width=4, classes=3, traces=()):
    probabilities = torch.full((time, classes), 0.5 / classes)
    probabilities[:-1, 1 % classes] += 0.2
    probabilities[-1, -1] += 0.5
    return Reading(torch.rand(time, width), probabilities, traces)


def panels(figure) -> dict[str, Axes]:
    """The axes of each panel by their titles, without colour bars."""
    return {
        axes.get_title(): axes for axes in figure.axes if axes.get_title() and axes in figure.subfigs[0].axes
    }


def inches(axes) -> tuple[float, float]:
    box = axes.get_window_extent()
    return box.width / axes.figure.dpi, box.height / axes.figure.dpi


UNITS = (
    "hidden state h",
    "cell state c",
    "input gate i",
    "forget gate f",
    "candidate g",
    "output gate o",
)


def test_a_reading_shows_state_and_every_gate_with_one_row_for_each_step():
    reading = one_reading(traces=(lstm_trace(7, 10),))
    figure = draw_reading(reading, CLASSES, label=0)
    shown = {title: axes for title, axes in panels(figure).items() if axes.images}
    assert list(shown) == ["input x", "class probabilities", *UNITS]
    shapes = [axes.images[0].get_array().shape for axes in shown.values()]
    assert shapes == [(7, 4), (7, 3), *[(7, 10)] * 6]
    for title, name in zip(UNITS, "hcifgo", strict=True):
        assert (shown[title].images[0].get_array() == reading.traces[0].ordered(name).numpy()).all()
    assert shown["class probabilities"].lines[0].get_xdata().tolist() == [2] * 6 + [3]
    assert len({axes.get_ylim() for axes in shown.values()}) == 1  # one axis of steps
    assert figure.get_suptitle() == "predicted eel, confidence 66.7%, true cat"
    right = draw_reading(reading, CLASSES, label=2)
    assert right.get_suptitle() == "predicted eel, confidence 66.7%, correct"
    bold = [text.get_text() for text in panels(right)["class probabilities"].get_xticklabels()
            if text.get_fontweight() == "bold"]  # fmt: skip
    assert bold == ["eel"]


def test_a_reading_of_columns_goes_to_the_right_and_one_of_pixels_is_a_line():
    examples = Examples(torch.zeros(1, 5, 5, dtype=torch.uint8), torch.zeros(1, dtype=torch.long))
    turned = one_reading(time=5, width=5, traces=(lstm_trace(5, 10),))._replace(scan="columns")
    shown = panels(draw_reading(turned, CLASSES, examples=examples))
    assert (shown["input x"].images[0].get_array() == turned.sequence.T.numpy()).all()  # upright again
    assert shown["hidden state h"].images[0].get_array().shape == (10, 5)
    for scan in ("pixels", "permuted"):
        reading = one_reading(time=25, width=1, traces=(lstm_trace(25, 10),))._replace(scan=scan)
        (line,) = panels(draw_reading(reading, CLASSES, examples=examples))["input x"].lines
        assert line.get_ydata().tolist() == reading.sequence[:, 0].tolist()


def test_colours_of_a_state_are_white_at_zero_and_those_of_a_gate_go_from_closed_to_open():
    shown = panels(draw_reading(one_reading(traces=(lstm_trace(7, 10),)), CLASSES))
    for title in UNITS:
        low, high = shown[title].images[0].get_clim()
        if "gate" in title:
            assert (low, high) == (0, 1)
        else:
            assert low == -high
            red, green, blue, _ = shown[title].images[0].to_rgba(np.zeros((1, 1)))[0, 0]
            assert min(red, green, blue) > 0.95


def test_a_hidden_state_that_stays_small_is_not_pale_beside_large_candidates():
    trace = lstm_trace(7, 10)
    trace.values["h"].mul_(0.1)
    trace.values["g"].fill_(0.99)
    shown = panels(draw_reading(one_reading(traces=(trace,)), CLASSES))
    largest = float(trace.values["h"].abs().max())
    assert 0.8 * largest < shown["hidden state h"].images[0].get_clim()[1] <= largest
    assert shown["candidate g"].images[0].get_clim()[1] == pytest.approx(0.99)


def test_each_colour_bar_says_of_what_it_is_below_all_panels():
    figure = draw_reading(one_reading(traces=(lstm_trace(7, 10),)), CLASSES)
    figure.draw_without_rendering()
    bars = [axes for axes in figure.subfigs[1].axes if axes.get_title()]
    assert [axes.get_title() for axes in bars] == [
        "class probability", "h", "c", "i, f, o (0 closed, 1 open)", "g"
    ]  # fmt: skip
    lowest = min(axes.get_window_extent().y0 for axes in panels(figure).values())
    assert all(axes.get_window_extent().y1 < lowest for axes in bars)
    assert "order of their h after the last step" in figure.subfigs[1].get_supxlabel()


@pytest.mark.parametrize("shape", [(28, 20), (12, 30)])
@pytest.mark.parametrize("by", ["rows", "columns"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_picture_has_its_true_shape_and_its_steps_lie_beside_those_of_the_states(shape, by, layers):
    time, width = shape
    examples = Examples(
        torch.zeros(1, *shape, dtype=torch.uint8),
        torch.tensor([0]),
        preparation=Preparation(reading={"settings": {"by": by}}),
    )
    traces = tuple(lstm_trace(time, 6, layer + 1) for layer in range(layers))
    figure = draw_reading(one_reading(time, width, traces=traces), CLASSES, 0, examples)
    figure.draw_without_rendering()
    shown = panels(figure)
    wide, high = inches(shown["input x"])
    across, along = (wide, high) if by == "rows" else (high, wide)
    assert across / along == pytest.approx(width / time, rel=0.01)
    beside = inches(shown["class probabilities"])
    assert along == pytest.approx(beside[1] if by == "rows" else beside[0], rel=0.03)


def test_each_layer_and_direction_has_a_line_of_its_own_that_says_so():
    traces = tuple(lstm_trace(7, 10, layer, backward) for layer in (1, 2, 3) for backward in (False, True))
    figure = draw_reading(one_reading(traces=traces), CLASSES)
    names = [
        axes.get_ylabel().split("\n")[0] for axes in figure.axes if axes.get_ylabel().startswith("layer")
    ]
    assert names == [f"layer {layer}, {way}" for layer in (1, 2, 3) for way in ("forward", "backward")]
    heat = [axes for axes in figure.subfigs[0].axes if axes.images and axes.get_title() in UNITS]
    assert len(heat) == 36
    assert "from the steps 1 to t alone" in figure.subfigs[1].get_supxlabel()


def test_cells_without_a_cell_state_or_without_gates_have_no_panels_for_them():
    gru = Trace(1, False, {name: torch.rand(7, 5) for name in "hrzn"})
    rnn = Trace(1, False, {"h": torch.rand(7, 5)})
    for trace, titles in (
        (gru, ["hidden state h", "reset gate r", "update gate z", "candidate n"]),
        (rnn, ["hidden state h"]),
    ):
        assert list(panels(draw_reading(one_reading(traces=(trace,)), CLASSES)))[2:] == titles


def test_a_reading_of_numbers_shows_them_beside_the_true_one():
    numbers = torch.tensor([[1.0, 5.0], [2.0, 6.0], [4.0, 7.0]])
    reading = Reading(torch.rand(3, 2), torch.zeros(3, 0), (lstm_trace(3, 4),), numbers)
    examples = Examples([torch.rand(3, 2)], torch.tensor([[3.0, 8.0]]))
    figure = draw_reading(reading, ("pace", "size"), torch.tensor([3.0, 8.0]), examples)
    drawn = [axes for axes in figure.axes if axes.get_title().endswith("predicted after each step")]
    assert [axes.get_title().split(",")[0] for axes in drawn] == ["pace", "size"]
    assert [axes.get_ylabel() for axes in drawn] == ["pace", "size"]
    assert drawn[0].lines[0].get_ydata().tolist() == [1, 2, 4]
    assert set(drawn[0].lines[1].get_ydata()) == {3}
    assert figure.get_suptitle() == "pace: predicted 4, true 3; size: predicted 7, true 8"


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_colour_bars_stand_in_the_middle_however_few_they_are(count):
    numbers = torch.ones(3, 1)
    names = ("h",) if count == 1 else ("h", "r") if count == 2 else "hrn" if count == 3 else "hcifgo"
    trace = Trace(1, False, {name: torch.rand(3, 4) for name in names})
    probabilities = torch.ones(3, 1 if count == 5 else 0)
    reading = Reading(torch.rand(3, 2), probabilities, (trace,), None if count == 5 else numbers)
    figure = draw_reading(reading, ("pace",), None, Examples([torch.rand(3, 2)], torch.ones(1, 1)))
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.subfigs[1].axes if axes.get_title()]
    assert len(boxes) == count
    left, right = min(box.x0 for box in boxes), max(box.x1 for box in boxes)
    assert (left + right) / 2 == pytest.approx(figure.bbox.width / 2, abs=0.03 * figure.bbox.width)


def test_the_lines_of_a_reading_are_named_right_below_them_and_end_where_the_heat_maps_end():
    preparation = Preparation(features=("heat", "pressure", "a longish name"))
    examples = Examples([torch.rand(7, 3)], torch.tensor([0]), preparation=preparation)
    figure = draw_reading(one_reading(width=3, traces=(lstm_trace(7, 10),)), CLASSES, 0, examples)
    figure.draw_without_rendering()
    shown = panels(figure)
    axes, below = shown["input x"], shown["class probabilities"]
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(preparation.features)
    box = legend.get_window_extent()
    assert below.title.get_window_extent().y1 <= box.y0 < box.y1 <= axes.get_window_extent().y0
    assert axes.get_xlim() == below.get_xlim() == (0.5, 7.5)


def test_a_reading_of_classes_of_steps_shows_the_true_one_of_each():
    reading = one_reading(traces=(lstm_trace(7, 4),))._replace(whole=True)
    examples = Examples([torch.rand(7, 4)], torch.tensor([0]))
    figure = draw_reading(reading, CLASSES, torch.tensor([0, 1, 1, 1, 1, 2, 2, 0, 0]), examples)
    true, predicted = panels(figure)["class probabilities"].lines
    assert true.get_ydata().tolist() == [1, 2, 2, 2, 2, 3, 3]  # of the beginning that is read
    assert predicted.get_ydata().tolist() == [2] * 6 + [3]
    assert figure.get_suptitle() == "5 of 7 steps predicted correctly"


@pytest.mark.parametrize(("time", "units"), [(1, 1), (2, 700), (300, 3)])
def test_readings_of_odd_sizes_are_drawn(time, units, tmp_path):
    names = [f"a class with quite a long name that nobody wants, {n}" for n in range(2)]
    reading = one_reading(time, 3, 2, (lstm_trace(time, units),))
    for examples in (None, Examples([reading.sequence], torch.tensor([0]))):
        save_figure(draw_reading(reading, names, 1, examples), tmp_path / "reading.png")


LONG = "A class whose name goes on and on until nobody can read it any more, number"


@pytest.mark.parametrize("classes", [1, 9, 100])
def test_names_of_any_length_lie_within_the_confusion_matrix_and_do_not_overlap(classes):
    matrix = torch.eye(classes, dtype=torch.long) * 5
    matrix[0, -1] += 2
    figure = draw_confusion(matrix, [f"{LONG} {n}" for n in range(classes)])
    figure.draw_without_rendering()
    axes, page = figure.axes[0], figure.bbox
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) == classes
        assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)
        assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))
    across = axes.get_window_extent().width / page.width
    assert across > 0.4  # of the figure is the matrix, not names


@pytest.mark.parametrize(
    ("classes", "upright"), [(CLASSES, False), ([f"class {n}" for n in range(18)], True)]
)
def test_names_stand_upright_only_where_they_would_not_fit(classes, upright):
    count = len(classes)
    axes = draw_confusion(torch.eye(count, dtype=torch.long), classes).axes[0]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {90.0 if upright else 0.0}
    drawn = panels(draw_reading(one_reading(classes=count), classes))["class probabilities"]
    assert {label.get_rotation() for label in drawn.get_xticklabels()} == {90.0 if upright else 0.0}


def test_names_break_where_they_are_joined_and_their_lines_stay_apart():
    classes = [f"the_name_of_parts_{n}_far_too_long_for_it" for n in range(8)]
    figure = draw_confusion(torch.eye(len(classes), dtype=torch.long), classes)
    figure.draw_without_rendering()
    labels = figure.axes[0].get_yticklabels()
    lines = [line for label in labels for line in label.get_text().split("\n")[:-1]]
    assert lines
    assert all(line.endswith("_") for line in lines)
    boxes = [label.get_window_extent() for label in labels]
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


@pytest.mark.parametrize("share", [0.005, 0.02, 0.05, 0.37, 1.0])
def test_the_numbers_beside_the_colours_of_a_confusion_matrix_are_true(share):
    wrong = round(1000 * share)
    figure = draw_confusion(torch.tensor([[1000 - wrong, wrong], [0, 5]]), ("a", "b"))
    figure.draw_without_rendering()
    axes = figure.axes[1]
    for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        assert float(label.get_text().rstrip("%")) == pytest.approx(100 * place, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("long", [False, True])
def test_titles_of_misread_examples_do_not_run_into_each_other(dtype, long):
    names = [f"{LONG} {n}" if long else str(n) for n in range(3)]
    examples = Examples(torch.zeros(12, 6, 6).to(dtype), torch.arange(12) % 3)
    probabilities = torch.eye(3)[(torch.arange(12) + 1) % 3]
    figure = draw_misread(examples, probabilities, names)
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    assert len(boxes) == 12
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_past_the_end_of_a_misread_sequence_nothing_is_drawn_on_a_scale_of_time_that_all_share():
    for width in (2, 9):  # lines, and a heat map
        sequences = [torch.rand(count, width) for count in (3, 8, 5)]
        examples = Examples(sequences, torch.tensor([0, 0, 0]))
        figure = draw_misread(examples, torch.eye(3)[[1, 1, 1]], CLASSES)
        shown = [axes for axes in figure.axes if axes.get_title()]
        assert {axes.get_xlim() for axes in shown} == {(0.5, 8.5)}
        assert [axes.get_xlabel() for axes in shown] == ["step"] * 3
        if width == 2:
            assert [len(axes.lines[0].get_xdata()) for axes in shown] == [3, 8, 5]
        else:
            assert [tuple(axes.images[0].get_extent()[:2]) for axes in shown] == [
                (0.5, n + 0.5) for n in (3, 8, 5)
            ]


def test_lines_and_areas_have_colours_that_differ_in_lightness_or_to_every_eye():
    """Pairs of neighbours, as those see them who have no red, no green or no blue cones."""
    for palette in (colours.LINES, colours.AREAS):
        for matrix in DEFICIENCIES:
            seen = [matrix @ np.array(to_rgb(colour)) for colour in palette]
            distances = [np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)]
            assert min(distances) > 0.08


def test_a_figure_is_saved_whole(tmp_path):
    save_figure(draw_confusion(torch.eye(3, dtype=torch.long), CLASSES), tmp_path / "confusion.png")
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]
    with Image.open(tmp_path / "confusion.png") as image:
        image.verify()
