"""Figures as SVG in a page."""

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from tests.report.conftest import epoch
from unrolled.report import save_figure
from unrolled.report.curves import draw_runs
from unrolled.report.svg import PAGE_COLOURS, RUN_COLOURS, as_svg, page_colours, run_style


def draw() -> Figure:
    with page_colours():
        figure = Figure(figsize=(3, 2))
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], color=RUN_COLOURS[0])
        axes.set_title("a < b & c")
        figure.colorbar(axes.imshow([[0, 1], [2, 3]]), ax=axes)
        return figure


def svg(name: str, description: str = "a picture") -> str:
    with page_colours():
        return str(as_svg(draw(), name, description))


def test_it_is_well_formed_and_described():
    root = ElementTree.fromstring(svg("one", 'what "<b>" & so'))
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'what "<b>" & so'
    assert "a < b & c" in "".join(root.itertext())  # letters, not outlines


def test_colours_are_the_pages():
    text = svg("one")
    assert "var(--run-1)" in text
    assert "currentColor" in text
    assert not any(colour in text for colour in PAGE_COLOURS)


def test_ids_differ_between_the_figures_of_a_page_and_lead_somewhere():
    one, two = svg("one"), svg("two")
    ids = {name: set(re.findall(r' id="([^"]+)"', text)) for name, text in (("one", one), ("two", two))}
    assert ids["one"]
    assert not ids["one"] & ids["two"]
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', one))
    assert used
    assert {a or b for a, b in used} <= ids["one"]


def test_it_needs_nothing_from_elsewhere_and_styles_nothing_else():
    text = svg("one")
    assert "<style" not in text
    assert "<metadata" not in text
    assert all(link.startswith(("#", "data:")) for link in re.findall(r'href="([^"]+)"', text))


def test_the_same_figure_gives_the_same_text():
    assert svg("one") == svg("one")


@pytest.fixture(params=["in a page", "as a file"])
def written(request, tmp_path):
    """`written(figure)`: its SVG, in a page or as a file of its own."""

    def write(figure: Figure) -> str:
        if request.param == "in a page":
            return str(as_svg(figure, "one", "a picture"))
        save_figure(figure, tmp_path / "one.svg")
        return (tmp_path / "one.svg").read_text(encoding="utf-8")

    return write


@pytest.mark.parametrize("points", [30, 30 + 1 / 128, 0])  # six decimals leave the second between two
def test_the_last_bits_of_a_place_do_not_change_the_text(written, points):
    texts = set()
    for change in (0, 1e-13, -1e-13):
        figure = Figure(figsize=(3, 2))
        axes = figure.add_axes((points / 216 + change, points / 144 + change, 0.5, 0.5 + change))
        axes.plot([1, 2, 3], [3, 4, 1], marker="o")
        figure.colorbar(
            axes.scatter([1, 2, 3], [2, 3, 1], c=[1, 2, 3]), cax=figure.add_axes((0.8, 0, 0.1, 1))
        )
        texts.add(written(figure))
    assert len(texts) == 1


def test_ids_are_numbers_that_occur_once_and_what_refers_to_them_is_there(written):
    figure = draw()
    for left in (0.1, 0.2):
        figure.add_axes((left, 0.5, 0.1, 0.1)).imshow([[1, 0]])  # two that are alike
    text = written(figure)
    ids = re.findall(r' id="([^"]+)"', text)
    before = "one" if "aria-label" in text else "id"
    assert sorted(ids) == sorted(f"{before}-{number}" for number in range(1, len(ids) + 1))
    used = {a or b for a, b in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)}
    assert used
    assert used <= set(ids)


def test_what_is_written_keeps_its_digits(written):
    figure = Figure()
    figure.text(0.5, 0.5, 'url(#a) id="b" 0.12345678 -0')
    assert 'url(#a) id="b" 0.12345678 -0' in written(figure)


def test_places_are_true_to_a_thousandth_of_a_point_and_images_to_more(written):
    figure = Figure(figsize=(3, 2))
    axes = figure.add_axes((0.1234567, 0.5, 0.3333333, 0.25))
    axes.imshow([[0.0, 1.0, 0.5]] * 7, aspect="auto", interpolation="none")
    text = written(figure)
    assert f'd="M {0.1234567 * 216:.3f} 72 \n' in text
    (matrix,) = re.findall(r"matrix\(([^ ]+)", text)
    assert float(matrix) == pytest.approx(0.3333333 * 216 / 3, abs=1e-6)


def test_twenty_one_runs_have_lines_of_their_own():
    styles = [run_style(index) for index in range(22)]
    assert len(set(styles[:21])) == 21
    assert styles[21] == styles[0]


def test_the_curves_of_all_runs_share_their_axes():
    runs = [[epoch(1, 0.5), epoch(2, 0.6), epoch(3, 0.7)], [], [epoch(1, 0.9)]]
    axes = draw_runs(runs, "validation_accuracy").axes[0]
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    assert [line.get_xdata().tolist() for line in lines] == [[1, 2, 3], [1]]
    assert [line.get_ydata().tolist() for line in lines] == [[0.5, 0.6, 0.7], [0.9]]
    assert [line.get_color() for line in lines] == [run_style(0)[0], run_style(2)[0]]
    ends = [line.get_ydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert ends == [[0.7], [0.9]]
    assert draw_runs(runs, "loss").axes[0].get_yscale() == "log"


def test_a_quantity_that_no_run_has_is_not_drawn():
    assert draw_runs([[epoch(1)], []], "validation_accuracy") is None


@pytest.mark.parametrize(("ends", "bottom"), [((0.99, 0.995), 0.94), ((1.0, 1.0), 0.95)])
def test_the_accuracies_of_good_runs_are_shown_at_the_top(ends, bottom):
    runs = [[{"epoch": 1, "accuracy": 0.1}, {"epoch": 2, "accuracy": end}] for end in ends]
    low, high = draw_runs(runs, "accuracy").axes[0].get_ylim()
    assert low == pytest.approx(bottom)
    assert 1 < high < 1.005


def test_the_accuracies_of_poor_runs_are_shown_whole():
    low, _ = (
        draw_runs([[{"epoch": 1, "accuracy": 0.1}, {"epoch": 2, "accuracy": 0.6}]], "accuracy")
        .axes[0]
        .get_ylim()
    )
    assert low < 0.1


@pytest.mark.parametrize("losses", [(2.3, 0.001), (0.45, 0.22), (0.30, 0.29), (3.0, 3.0)])
def test_a_loss_has_labels_that_can_be_read(losses):
    figure = draw_runs([[{"epoch": n, "loss": loss} for n, loss in enumerate(losses, start=1)]], "loss")
    figure.canvas.draw()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    labels = [label.get_text() for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high]
    assert len(labels) >= 2
    assert all(re.fullmatch(r"[\d.]+", label) for label in labels)
