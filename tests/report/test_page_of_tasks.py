"""The page about runs of every task, and what it says of their data."""

import dataclasses
import re

import pytest

from tests.report.conftest import PREPARATION, TEST, epoch, make_task, write_run, write_task_run
from tests.report.test_page import Page, column
from unrolled.report import save_page, summarize
from unrolled.report.data_note import note_data
from unrolled.report.measures import label, shown
from unrolled.report.page import curve_title
from unrolled.tasks import TASKS


@pytest.fixture
def page(tmp_path):
    def make(runs, datasets=()) -> Page:
        path = tmp_path / "report.html"
        save_page(
            [summarize(run, run.folder.name) for run in runs], path, {data.name: data for data in datasets}
        )
        made = Page(path.read_text(encoding="utf-8"))
        made.source = path.read_text(encoding="utf-8")
        return made

    return make


def drawn(page: Page) -> set[str]:
    return {svg["aria-label"] for svg in page.attributes("svg") if "aria-label" in svg}


def test_runs_of_every_task_stand_on_one_page_each_with_its_own_metrics(page, tmp_path):
    runs = [write_task_run(tmp_path, task) for task in TASKS]
    made = page(runs, [make_task(task) for task in TASKS])
    numbers, measured, *_ = made.tables
    results = [summarize(run, "").test_metrics for run in runs]
    cells = column(numbers, "test")
    for cell, task, metrics in zip(cells, TASKS, results, strict=True):
        main = "accuracy" if task in ("classify", "tag") else "rmse"
        name = "" if main == "accuracy" else "RMSE "
        assert cell.startswith(f"{name}{shown(main, metrics[main])} "), task
    assert re.search(r" to \d", cells[0])  # steps of one sequence are not independent: no interval
    assert cells[1:] == [f"{cell.rpartition(' 30 ')[0]} 30 examples" for cell in cells[1:]]
    names = list(dict.fromkeys(name for metrics in results for name in metrics))
    assert measured[0] == ["run", *map(label, names)]
    for row, task, metrics in zip(measured[1:], TASKS, results, strict=True):
        assert row == [task, *(shown(n, metrics[n]) if n in metrics else "–" for n in names)]
    pictures = drawn(made)
    assert {
        "Predicted against true numbers",
        "How the errors are distributed",
        "Mean absolute error at each step of the horizon",
        "True and predicted classes of the steps",
        "Some forecasts",
    } <= pictures
    assert any(re.match(r"Test example \d+ of classify, class ", name) for name in pictures)
    assert "test steps predicted correctly" in made.source
    for title in ("rmse", "accuracy", "validation_mase", "validation_macro_f1"):
        assert curve_title(title) in pictures
    assert [f"Runs to {task}" in made.source for task in TASKS] == [True] * 4
    ids = [attributes["id"] for _, attributes in made.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("task", TASKS)
def test_a_run_of_any_task_alone_has_a_page_with_and_without_its_data(page, tmp_path, task):
    run = write_task_run(tmp_path, task)
    with_data = page([run], [make_task(task)])
    assert not with_data.open
    assert "is not at hand" not in with_data.source
    for name in (
        "confusion",
        "reliability",
        "predicted",
        "residuals",
        "horizon",
        "reading",
        "tags",
        "forecasts",
    ):
        (run.folder / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    without = page([run])
    assert f"The data set {task} is not at hand. This is what its training left." in " ".join(without.text)
    kept = [image["alt"] for image in without.attributes("img")]
    assert (
        kept
        == {
            "classify": [
                "Confusion matrix of classify",
                "Accuracy by confidence (reliability diagram) of classify",
                "One example, read step by step: answers, state and gates of classify",
            ],
            "tag": ["Confusion matrix of tag", "True and predicted classes of the steps of tag"],
            "regress": [
                "Predicted against true numbers of regress",
                "How the errors are distributed of regress",
                "One example, read step by step: answers, state and gates of regress",
            ],
            "forecast": [
                "Mean absolute error at each step of the horizon of forecast",
                "Some forecasts of forecast",
            ],
        }[task]
    )


def test_the_page_says_what_was_done_to_the_data_once_for_all_runs_of_them(page, tmp_path):
    first = write_task_run(tmp_path / "one", "forecast", options={"task": "forecast", "horizon": 4})
    second = write_task_run(tmp_path / "two", "forecast", options={"task": "forecast", "horizon": 4})
    other = write_run(tmp_path, "plain", epoch(1), TEST)
    summaries = [summarize(run, str(place)) for place, run in enumerate((first, second, other))]
    save_page(summaries, tmp_path / "page.html", {})
    made = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    facts = [dict(map(tuple, table[1:])) for table in made.tables if table[0] == ["what", "value"]]
    assert len(facts) == 2
    assert {
        "data": "forecast",
        "task": "forecast: the next steps of a series",
        "train examples": "30",
        "test examples": "30",
        "steps of the longest of test": "9",
        "option horizon": "4",
        "reading: format": "ts",
        "missing values": "the value before it in its sequence; at the beginning the feature's mean",
        "standardisation": "each feature by its mean and deviation over the training part",
        "features": "5",
        "steps that are predicted": "4",
        "steps of a season": "2",
    }.items() <= facts[0].items()
    (features,) = [table for table in made.tables if table[0] == ["feature", "mean", "deviation"]]
    assert features[1:] == [
        [name, f"{mean:.5g}", f"{deviation:.5g}"]
        for name, mean, deviation in zip(
            PREPARATION.features,
            PREPARATION.standardization.mean,
            PREPARATION.standardization.deviation,
            strict=True,
        )
    ]
    assert facts[1] == {"data": "pets", "task": "classify: a class for each sequence"}
    assert "0, 1" in made.text


def test_data_without_anything_done_to_them_have_a_short_note(tmp_path):
    note = note_data(summarize(write_run(tmp_path, "plain"), "plain"))
    assert (note.features, note.numbers) == ((), ())


@pytest.mark.parametrize("task", TASKS)
def test_data_that_are_not_those_of_the_training_are_not_examined(page, tmp_path, task):
    run, data = write_task_run(tmp_path, task), make_task(task)
    changed = dataclasses.replace(data, test=data.test[:29])
    text = " ".join(page([run], [changed]).text)
    assert f"The data {task} are not those that it was trained on: test has 29 examples, not 30." in text


def test_data_of_another_task_are_not_read(page, tmp_path):
    run, other = write_task_run(tmp_path, "tag"), make_task("classify")
    text = " ".join(page([run], [dataclasses.replace(other, name="tag")]).text)
    assert "The network was trained to tag: tag is to classify." in text


def test_a_metric_that_nobody_knows_is_shown_by_its_name(page, tmp_path):
    run = write_run(tmp_path, "new", epoch(1), {**TEST, "test_top_five": 0.25})
    measured = page([run]).tables[1]
    assert measured == [["run", "accuracy", "top five"], ["new", "75.00 %", "0.25"]]
