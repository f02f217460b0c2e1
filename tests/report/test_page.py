"""The page about runs: that it says what the runs say, and nothing that it should not."""

import itertools
import re
from html.parser import HTMLParser

import pytest

from tests.report.conftest import TEST, epoch
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.report import save_page, summarize
from unrolled.report.page import MARK, curve_title
from unrolled.report.reading import changes_of_mind, most_telling, outputs_stepwise
from unrolled.report.summary import wilson_interval
from unrolled.training import Run, confusion_matrix, evaluate

VOID = {"meta", "link", "img", "br", "hr", "input", "path", "use", "image"}


class Page(HTMLParser):
    """The page's elements, its text, and its tables as rows of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.tables: list[list[list[str]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.cell = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.cell = True

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.cell = False
            self.tables[-1][-1][-1] = " ".join(self.tables[-1][-1][-1].split())

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)
        if self.cell:
            self.tables[-1][-1][-1] += f" {data}" if self.open[-1] == "small" else data

    def attributes(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def page(tmp_path):
    """`page([run, ...], pets=dataset)`: the parsed page, and its text as `.source`."""

    def make(runs, **datasets) -> Page:
        path = tmp_path / "report.html"
        save_page([summarize(run, run.folder.name) for run in runs], path, datasets)
        made = Page(path.read_text(encoding="utf-8"))
        made.source = path.read_text(encoding="utf-8")
        return made

    return make


def column(table: list[list[str]], heading: str) -> list[str]:
    place = table[0].index(heading)
    return [row[place] for row in table[1:]]


def test_the_table_has_every_run_with_its_numbers(make_run, page):
    finished = make_run("finished", epoch(1, 0.5), epoch(2, 0.9), epoch(3, 0.8, best=False), TEST, seed=4)
    unfinished = make_run("unfinished", epoch(1), batch_size=16, epochs=9)
    numbers, *_ = page([finished, unfinished, make_run("imported")]).tables
    assert column(numbers, "run") == ["finished", "unfinished", "imported"]
    assert column(numbers, "state") == ["finished", "unfinished: epoch 1 of 9", "imported"]
    assert column(numbers, "network") == ["small"] * 3
    assert column(numbers, "parameters") == ["388"] * 3
    assert column(numbers, "seed") == ["4", "0", "–"]
    assert column(numbers, "recipe, where they differ") == [
        "batch_size 64, epochs 30",
        "batch_size 16, epochs 9",
        "–",
    ]
    assert column(numbers, "validation") == ["90.00 % epoch 2", "– none held out", "–"]
    low, high = wilson_interval(0.75, 80)
    assert column(numbers, "test") == [f"75.00 % {100 * low:.2f} % to {100 * high:.2f} %", "–", "–"]
    assert column(numbers, "seconds") == ["1.0", "0.2", "–"]
    assert column(numbers, "ms per step") == ["66.67", "50.00", "–"]


def test_a_test_accuracy_of_unknown_examples_says_so(make_run, page):
    old = {key: value for key, value in TEST.items() if key != "test_examples"}
    numbers, *_ = page([make_run("old", epoch(1), old)]).tables
    assert column(numbers, "test") == ["75.00 % of an unknown number"]


def test_with_the_data_at_hand_each_run_has_its_confusion_matrix(make_run, page, pets):
    runs = [make_run("a", epoch(1), TEST), make_run("b", seed=5)]
    made = page(runs, pets=pets)
    right = []
    matrices = [table for table in made.tables if table[0] == ["", "cat", "dog", "eel"]]
    for run, table in zip(runs, matrices, strict=True):
        predictions = evaluate(run.load_network(), pets.test).predictions
        for true, name in enumerate(("cat", "dog", "eel")):
            counts = [int(((pets.test.labels == true) & (predictions == other)).sum()) for other in range(3)]
            shown = [str(count) if count or other == true else "" for other, count in enumerate(counts)]
            assert table[1 + true] == [name, *shown]
        right.append(int((predictions == pets.test.labels).sum()))
        assert f"{right[-1]} of 40 test examples predicted correctly" in made.source
    low, high = wilson_interval(right[1] / 40, 40)
    measured = f"{100 * right[1] / 40:.2f} %* {100 * low:.2f} % to {100 * high:.2f} %"
    assert column(made.tables[0], "test")[1] == measured
    assert "with a * it was measured for this report" in made.source


def test_a_mistake_is_the_darker_the_larger_its_share_of_the_row_up_to_all_of_it(make_run, page, pets):
    run = make_run("one")
    matrix = confusion_matrix(
        pets.test.labels, evaluate(run.load_classifier(), pets.test).predictions, 3
    ).double()
    shares = (matrix / matrix.sum(dim=1, keepdim=True)).fill_diagonal_(0).flatten().tolist()
    shades = [
        float(cell["style"].removeprefix("--share: "))
        for cell in page([run], pets=pets).attributes("td")
        if cell.get("style", "").startswith("--share")
    ]
    assert max(shares) > 0.5
    assert shades == pytest.approx([share**0.5 for share in shares if share], abs=1e-3)


def test_the_share_of_each_class_is_shown_for_all_runs_together(make_run, page, pets):
    runs = [make_run("a", epoch(1), TEST), make_run("b", seed=5)]
    (table,) = [table for table in page(runs, pets=pets).tables if table[0] == ["run", "cat", "dog", "eel"]]
    for run, row in zip(runs, table[1:], strict=True):
        right = evaluate(run.load_network(), pets.test).predictions == pets.test.labels
        shares = [float(right[pets.test.labels == label].double().mean()) for label in range(3)]
        assert row == [run.folder.name, *(f"{100 * share:.1f}" for share in shares)]


def test_all_runs_read_the_same_example_the_one_over_which_they_waver_most(make_run, page, pets):
    runs = [make_run("a"), make_run("b", seed=5)]
    made = page(runs, pets=pets)
    said = {
        re.match(r"Test example (\d+) of pets", svg.get("aria-label", "")) for svg in made.attributes("svg")
    }
    (index,) = {int(match[1]) for match in said if match}
    networks, sequences = [run.load_network() for run in runs], pets.test.sequences
    evaluations = [evaluate(network, pets.test) for network in networks]
    assert index == most_telling(networks, pets.test, evaluations)
    correct = (evaluations[0].predictions == pets.test.labels) & (
        evaluations[1].predictions == pets.test.labels
    )
    wavering = {
        other: sum(changes_of_mind(outputs_stepwise(network, sequences[other])) for network in networks)
        for other in correct.nonzero().flatten().tolist()[:20]
    }
    assert wavering[index] == max(wavering.values())


def test_without_the_data_the_page_shows_what_the_run_has_kept_or_says_so(make_run, page):
    kept, bare, empty = make_run("kept"), make_run("bare"), make_run("empty", weights=False)
    (kept.folder / "confusion.png").write_bytes(b"\x89PNG\r\n\x1a\nconfusion")
    (kept.folder / "reading.png").write_text("damaged")
    made = page([kept, bare, empty])
    (image,) = made.attributes("img")
    assert image["alt"] == "Confusion matrix of kept"
    assert image["src"].startswith("data:image/png;base64,iVBORw0KGgpjb25mdXNpb24")
    text = " ".join(made.text)
    assert text.count("The data set pets is not at hand.") == 4
    assert text.count("There are no weights: no epoch was finished.") == 2
    assert text.count("This is what its training left.") == 1


def test_data_that_do_not_fit_the_network_are_not_read(make_run, page, pets, change_config):
    run = make_run("other", weights=False)
    network = {"name": "small", "layers": [["lstm", 7]], "input_size": 4, "classes": 3}
    change_config(run, network=network)
    run = Run.open(run.folder)
    run.save_weights(SequenceClassifier(run.config.network).state_dict())
    message = "The network reads steps of 4 into 3 classes: the examples of pets do not fit."
    assert message in page([run], pets=pets).source


def test_curves_that_no_run_has_are_named(make_run, page):
    made = page([make_run("a", epoch(1), epoch(2))])
    keys = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate")
    titles = [curve_title(key) for key in keys]
    shown = [svg["aria-label"] for svg in made.attributes("svg") if svg.get("aria-label") in titles]
    assert shown == [titles[0], titles[1], titles[4]]
    assert f"Not shown, as no run has it: {titles[2]}; {titles[3]}." in " ".join(made.text)
    assert "No run has finished an epoch" in page([make_run("b")]).source


def test_the_legend_has_every_run_with_the_line_of_its_curve(make_run, page):
    runs = [make_run(f"run-{number:02}", epoch(1, 0.5), epoch(2, 0.6)) for number in range(14)]
    made = page(runs)
    lines = [
        (path["stroke"], path["stroke-dasharray"]) for path in made.attributes("path") if "stroke" in path
    ]
    table, legend = lines[:14], lines[14:]
    assert table == legend
    assert len(set(legend)) == 14
    for colour, _ in legend:
        assert f"stroke: {colour}" in made.source  # a curve of that colour


def test_the_configurations_stand_side_by_side(make_run, page):
    runs = [make_run("a", epoch(1), seed=3), make_run("b", epoch(1), batch_size=16), make_run("imported")]
    *_, differences, shared = page(runs).tables
    assert differences == [
        ["setting", "a", "b", "imported"],
        ["recipe.batch_size", "64", "16", "–"],
        ["seed", "3", "0", "–"],
    ]
    values = dict(map(tuple, shared[1:]))
    assert values["network.layers"] == '[["lstm", 7]]'
    assert values["recipe.optimizer"] == "adam"
    assert values["recipe.steps"] == "none"
    assert "versions.torch" in values
    assert "machine.threads" in values
    assert not values.keys() & {"recipe.batch_size", "seed"}


EVIL = """<script>alert("1")</script>&'"""


def test_names_are_escaped_wherever_they_stand(make_run, page, pets, change_config):
    folder = EVIL.replace("/", "\N{DIVISION SLASH}")
    run = make_run(folder, epoch(1, 0.5), TEST)
    (run.folder / "confusion.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    network = {"name": EVIL, "layers": [["lstm", 7]], "input_size": 5, "classes": 3}
    change_config(run, network=network, versions={EVIL: EVIL}, data=EVIL, classes=[EVIL, "b", "c"])
    for datasets in ({}, {EVIL: pets}):
        made = page([Run.open(run.folder), make_run(f"other{len(datasets)}")], **datasets)
        assert not made.attributes("script")
        assert "<script" not in made.source
        assert not made.open
        assert folder in [row[0] for row in made.tables[0]]
        assert f"versions.{EVIL}" in [row[0] for row in made.tables[-1]]


def test_the_page_asks_for_nothing_from_elsewhere(make_run, page, pets):
    made = page([make_run("a", epoch(1, 0.5), TEST), make_run("b", data="other")], pets=pets)
    for tag, attributes in made.tags:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form"), tag
        for name in ("src", "href", "xlink:href", "action", "srcset", "poster", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert "@import" not in made.source
    assert set(re.findall(r"url\((.)", made.source)) <= {"#"}
    (policy,) = [a["content"] for a in made.attributes("meta") if "http-equiv" in a]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_the_page_is_built_for_those_who_do_not_see_it(make_run, page, pets):
    made = page([make_run("a", epoch(1, 0.5), TEST), make_run("b", seed=5)], pets=pets)
    assert made.source.startswith("<!DOCTYPE html>")
    assert not made.open
    assert made.attributes("html")[0]["lang"] == "en"
    assert len(made.attributes("h1")) == 1
    headings = [int(tag[1]) for tag, _ in made.tags if re.fullmatch("h[1-6]", tag)]
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(headings))
    assert len(made.attributes("caption")) == len(made.tables)
    for svg in made.attributes("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
    ids = [attributes["id"] for _, attributes in made.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in made.tags:
        for reference in ("aria-labelledby", "href", "xlink:href"):
            target = attributes.get(reference, "data:")
            assert target.startswith("data:") or target.removeprefix("#") in ids, attributes


def test_one_run_alone_has_a_page_about_itself(make_run, page, pets):
    made = page([make_run("mine", epoch(1, 0.5), TEST)], pets=pets)
    assert "<title>The run mine</title>" in made.source
    assert "What the run was told, and where it ran" in made.source
    assert "differ" not in made.source


def test_the_same_runs_give_the_same_page(make_run, page, pets):
    run = make_run("a", epoch(1, 0.5), TEST)
    assert page([run], pets=pets).source == page([run], pets=pets).source


def test_only_a_report_is_written_over(make_run, tmp_path):
    summaries = [summarize(make_run("run", epoch(1)), "run")]
    path = tmp_path / "page.html"
    save_page(summaries, path, {})
    assert MARK in path.read_text()
    save_page(summaries, path, {})
    path.write_text("<!DOCTYPE html><p>years of work")
    with pytest.raises(UnrolledError, match=r"page\.html is not a report: choose another file with --output"):
        save_page(summaries, path, {})
    assert path.read_text() == "<!DOCTYPE html><p>years of work"
    with pytest.raises(UnrolledError, match="is a folder: name a file with --output"):
        save_page(summaries, tmp_path, {})


def test_a_page_that_cannot_be_written_is_one_clear_error(make_run, tmp_path):
    summaries = [summarize(make_run("run", epoch(1)), "run")]
    with pytest.raises(UnrolledError, match=r"cannot write .*missing/page\.html: No such file or directory"):
        save_page(summaries, tmp_path / "missing" / "page.html", {})


def test_a_name_that_is_not_text_does_not_stop_the_page(make_run, tmp_path):
    save_page([summarize(make_run("run", epoch(1)), "half \udcff")], tmp_path / "page.html", {})
    assert r"half \udcff" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_damaged_weights_are_one_clear_error(make_run, page, pets):
    run = make_run("run", epoch(1), TEST)
    (run.folder / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(UnrolledError, match=r"run/weights\.safetensors is damaged"):
        page([run], pets=pets)
