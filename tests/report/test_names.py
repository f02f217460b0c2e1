"""Names are text in every picture, on the page and in TensorBoard's record."""

import io
import re
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
import torch
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from tests.nasty_names import NASTY, lists_of_names, names
from tests.report.conftest import TEST, epoch, write_run
from unrolled.data import Dataset, Examples
from unrolled.names import printable
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.report import (
    Reading,
    TensorBoardLog,
    draw_confusion,
    draw_misread,
    draw_reading,
    save_page,
    save_pictures,
    summarize,
)
from unrolled.report.lettering import lettered
from unrolled.report.svg import PAGE_COLOURS, as_svg, page_colours
from unrolled.training import Evaluation, Recipe, RunConfig


def draw_all(classes) -> list[Figure]:
    """All pictures that have names of classes in them."""
    count = len(classes)
    labels = torch.arange(count)
    probabilities = torch.eye(count).roll(1, dims=1)
    reading = Reading(torch.rand(4, 3), torch.full((4, count), 1 / count))
    return [
        draw_confusion(torch.eye(count, dtype=torch.long), classes),
        draw_misread(Examples(torch.rand(count, 4, 3), labels), probabilities, classes),
        draw_reading(reading, classes, label=count - 1),
    ]


def shown(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@given(lists_of_names(3))
@example(list(NASTY[:12]))
@example(list(NASTY[12:]))
def test_pictures_are_drawn_with_every_name(classes):
    for figure in draw_all(classes):
        figure.savefig(io.BytesIO(), format="png", dpi=30)
        for text in figure.findobj(Text):
            assert text._preprocess_math(text.get_text())[1] is False  # no formula


@pytest.mark.parametrize("name", ["$x$", r"$\frac$", "$", r"a\$b", "a_b^c"])
def test_a_name_is_drawn_as_it_is_written(name):
    for figure in draw_all([name, "other"]):
        figure.savefig(io.BytesIO(), format="png", dpi=30)
        drawn = [text._preprocess_math(text.get_text())[0] for text in figure.findobj(Text)]
        assert any(name in text for text in drawn)


@given(lists_of_names(4))
def test_two_names_are_never_lettered_alike(classes):
    assert len(set(lettered(classes, most=9))) == 4
    assert max(map(len, lettered(classes, most=9))) <= 9 + len(" (3)") + 9  # dollars take two


def test_what_fonts_lack_is_a_number_and_what_is_left_out_is_marked():
    assert lettered(["猫", "\U000e0041", ""]) == [r"\u732b", r"\U000e0041", '""']
    assert lettered(["x" * 30 + "y", "z" * 30], most=9) == ["xxxxxx…xy", "zzzzzz…zz"]
    assert lettered(["x" * 30, "x" * 31, "q"], most=9) == ["xxxxxx…xx (0)", "xxxxxx…xx (1)", "q (2)"]
    assert lettered(["a", "a", "a (0)"]) == ["a (0)", "a (1)", "a (0) (2)"]


def test_matplotlibs_own_settings_for_tex_do_not_matter(tmp_path):
    network = SequenceClassifier(NetworkConfig("small", (("gru", 3),), input_size=3, classes=2))
    examples = Examples(torch.rand(4, 5, 3), torch.tensor([0, 1, 0, 1]))
    evaluation = Evaluation(
        0.5,
        {"accuracy": 0.5},
        predictions=torch.tensor([1, 1, 1, 0]),
        probabilities=torch.eye(2)[[1, 1, 1, 0]],
    )
    with matplotlib.rc_context({"text.usetex": True, "text.parse_math": False}):
        data = Dataset("odd", examples, examples[:0], examples, ("a_b", r"$\frac$"))
        for path in save_pictures(tmp_path, [epoch(1)], network, data, evaluation):
            with Image.open(path) as image:
                image.verify()
        with page_colours():
            figure = draw_confusion(torch.ones(2, 2, dtype=torch.long), ("a_b", "$x$"))
            assert ">$x$<" in as_svg(figure, "one", "")


@given(names)
@example('url(#x) #0c0a01 font-family: \'DejaVu Sans\'  id="x" href="#y"')
def test_pictures_on_the_page_hold_the_name_and_nothing_else_of_it(name):
    with page_colours():
        figure = Figure(figsize=(3, 2))
        figure.subplots().set_title(*lettered([name], most=100))
        text = str(as_svg(figure, "one", name))
        plain = str(as_svg(figure, "one", "plain"))
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == printable(name)
    written = lettered([name], most=100)[0].replace(r"\$", "$")
    assert re.sub(r"\s+", " ", written).strip() in re.sub(r"\s+", " ", "".join(root.itertext()))
    assert {tag.tag for tag in root.iter()} == {tag.tag for tag in ElementTree.fromstring(plain).iter()}


class Parsed(HTMLParser):
    """What a page holds: its elements with their attributes, what is used in pictures, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.drawn, self.words, self.inside = [], set(), [], 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.inside += tag == "svg"
        if self.inside:
            self.drawn |= {tag, *(name for name, _ in attributes)}
        else:
            self.elements.append((tag, *(name for name, _ in attributes)))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        self.inside -= tag == "svg"

    def handle_data(self, data):
        self.words.append(data)


@given(lists_of_names(3), names, names, names)
@settings(phases=[Phase.explicit])  # a page takes seconds
@example(list(NASTY[:3]), "<script>", "\x01", "\ud800")
@example(["</script>", "\u202e", "\x1b["], "{{ 1 }}", "猫", "</title>")
def test_the_page_is_as_it_would_be_with_other_names(classes, network, data, name):
    """The same elements with the same attributes, and the names as text."""
    assume("\0" not in data)  # no folder of data has such a name, and a run refuses it

    def page(classes, network, data, name):
        with tempfile.TemporaryDirectory() as place:
            run = write_run(Path(place), "run", epoch(1, 0.5), TEST)
            generator = torch.Generator().manual_seed(3)
            sequences = torch.rand(9, 6, 5, generator=generator)
            examples = Examples(sequences, torch.tensor([0, 1, 2] * 3))
            dataset = Dataset(data, examples, examples[:0], examples, tuple(classes))
            run.config = RunConfig(
                run.config.network.changed(name=network), Recipe(), data, tuple(classes), seed=0, validation=0
            )
            runs = [summarize(run, name), summarize(run, f"{name} again")]
            save_page(runs, Path(place) / "page.html", {data: dataset})
            return (Path(place) / "page.html").read_text(encoding="utf-8")

    nasty = Parsed(page(classes, network, data, name))
    plain = Parsed(page(("cat", "dog", "eel"), "small", "pets", "run"))
    assert nasty.elements == plain.elements
    assert nasty.drawn <= plain.drawn | {"transform"}  # of a long name, which is turned
    text = "".join(nasty.words)
    for one in (*classes, network, data, name):
        assert printable(one) in text


@given(st.lists(names, min_size=3, max_size=3, unique=True), names, names)
@settings(max_examples=10)
def test_tensorboard_takes_every_name(classes, network, data):
    pytest.importorskip("tensorboard")
    assume(network and "\0" not in data)  # a network without a name is refused
    config = RunConfig(
        NetworkConfig(network, (("lstm", 7),), input_size=5, classes=3),
        Recipe(),
        data,
        tuple(classes),
        seed=4,
        validation=0,
        data_dir="half \udcff",
    )
    with tempfile.TemporaryDirectory() as place, TensorBoardLog(Path(place), config) as log:
        log.on_test(Evaluation(0.5, {"accuracy": 0.625}, None, None))


def test_no_colour_of_the_page_is_left_and_none_is_taken_from_a_name():
    with page_colours():
        figure = draw_confusion(torch.ones(2, 2, dtype=torch.long), ("#0c0a01", "b"))
        text = str(as_svg(figure, "one", ""))
    assert ">#0c0a01<" in text
    assert not any(colour in text.replace(">#0c0a01<", "") for colour in PAGE_COLOURS)
