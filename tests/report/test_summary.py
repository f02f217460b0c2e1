"""The numbers that a report shows."""

import math

import pytest
import torch

from tests.report.conftest import TEST, epoch
from unrolled.errors import UnrolledError
from unrolled.report import summarize
from unrolled.report.summary import (
    Confusion,
    differing,
    flatten,
    judge,
    most_confused,
    recalls,
    wilson_interval,
)
from unrolled.training import Evaluation


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_intervals_are_those_of_newcombes_table(right, count, low, high):
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3."""
    assert wilson_interval(right / count, count) == pytest.approx((low, high), abs=6e-5)


def test_wilsons_interval_stays_within_0_and_1():
    low, high = wilson_interval(1.0, 3)
    assert 0 < low < high == 1.0
    assert wilson_interval(0.5, 10, confidence=0.5)[0] > wilson_interval(0.5, 10)[0]


def test_a_finished_run_is_summed_up(make_run):
    lines = [epoch(1, 0.5), epoch(2, 0.9), epoch(3, 0.8, best=False)]
    summary = summarize(make_run("run", *lines, TEST, batch_size=16), "the run")
    assert summary.name == "the run"
    assert summary.status == "finished"
    assert (summary.best["epoch"], summary.best["validation_accuracy"]) == (2, 0.9)
    assert (summary.test_metrics, summary.test_examples) == ({"accuracy": 0.75}, 80)
    assert summary.seconds == 1.0
    assert summary.step_ms == pytest.approx(1000 / 15)
    assert len(summary.epochs) == 3
    assert summary.parameters == 4 * 7 * (5 + 7 + 1) + 3 * (7 + 1)
    assert summary.settings["recipe.batch_size"] == 16
    assert summary.settings["network.name"] == "small"
    assert summary.settings["versions.torch"] == torch.__version__
    assert summary.settings["machine.threads"] == torch.get_num_threads()


def test_unfinished_runs_say_how_far_they_came(make_run):
    by_epochs = summarize(make_run("a", epoch(1), epoch(2), epochs=9), "a")
    assert by_epochs.status == "unfinished: epoch 2 of 9"
    assert by_epochs.seconds == 0.5
    assert by_epochs.test_metrics == {}
    assert summarize(make_run("b", epoch(1), steps=2000), "b").status == "unfinished: step 5 of 2,000"
    empty = summarize(make_run("c", weights=False), "c")
    assert (empty.status, empty.best, empty.seconds, empty.step_ms) == ("no epoch finished", None, None, None)


def test_an_imported_run_claims_nothing_of_a_training(make_run):
    summary = summarize(make_run("imported"), "imported")
    assert summary.status == "imported"
    assert not any(name.startswith(("recipe.", "seed", "validation")) for name in summary.settings)


def test_an_old_run_without_the_newer_settings_has_their_defaults(make_run, change_config):
    run = make_run("old", epoch(1))
    change_config(run, recipe={"optimizer": "sgd"})
    assert summarize(run, "old").settings["recipe.batch_size"] == 64


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3", "line 2 is 3"),
        ("[]", "line 2 is "),
        ('{"epoch": 2}', "step is None in line 2, expected a number"),
        ('{"epoch": "x"}', "epoch is 'x' in line 2"),
        ('{"test_accuracy": null}', "test_accuracy is None in line 2"),
        ('{"test_accuracy": 0.5, "test_examples": "many"}', "test_examples is 'many' in line 2"),
        ('{"epo', "is damaged"),
    ],
)
def test_a_damaged_record_is_one_clear_error(make_run, line, message):
    run = make_run("run", epoch(1))
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UnrolledError, match=r"run/metrics\.jsonl is damaged.*") as error:
        summarize(run, "run")
    assert message in str(error.value)


def test_a_step_of_0_is_damage(make_run):
    with pytest.raises(UnrolledError, match=r"step is 0 in line 1, expected a number of at least 1"):
        summarize(make_run("run", {**epoch(1), "step": 0}), "run")


def test_settings_differ_among_the_runs_that_have_them():
    runs = [
        flatten({"data": "a", "recipe": {"steps": 3, "old": 1}, "layers": [["lstm", 3]]}),
        flatten({"data": "a", "recipe": {"steps": 4}, "layers": [["gru", 3]]}),
    ]
    assert differing(runs) == ["recipe.steps", "layers"]
    assert differing(runs[:1]) == []
    assert differing([{"x": 1}, {"x": True}]) == ["x"]


def test_the_test_result_is_the_runs_own_or_else_the_evaluations(make_run):
    found = Evaluation(0.4, {"accuracy": 24 / 28, "macro_f1": 0.8}, None, None)
    recorded = judge(summarize(make_run("a", epoch(1), TEST), "a"), found, 28)
    assert (recorded.value, recorded.examples, recorded.recorded) == (0.75, 80, True)
    assert recorded.interval == wilson_interval(0.75, 80)
    without_count = {key: value for key, value in TEST.items() if key != "test_examples"}
    old = summarize(make_run("b", epoch(1), without_count), "b")
    assert judge(old, found, 28).examples == 28
    assert (judge(old, None, None).examples, judge(old, None, None).interval) == (None, None)
    measured = judge(summarize(make_run("c"), "c"), found, 28)
    assert (measured.metrics, measured.value) == (found.metrics, 24 / 28)
    assert (measured.examples, measured.recorded) == (28, False)
    assert judge(summarize(make_run("d"), "d"), None, None) is None


def test_the_most_frequent_mistakes_come_first():
    matrix = torch.tensor([[8, 1, 0], [0, 9, 2], [3, 0, 7]])
    assert most_confused(matrix, ("cat", "dog", "eel"), most=2) == [
        Confusion("eel", "cat", 3),
        Confusion("dog", "eel", 2),
    ]
    assert most_confused(torch.eye(3, dtype=torch.long), ("cat", "dog", "eel")) == []


def test_recalls_are_shares_of_the_rows():
    of_cats, of_dogs, of_eels = recalls(torch.tensor([[8, 2, 0], [0, 0, 0], [3, 0, 1]]))
    assert (of_cats, of_eels) == (0.8, 0.25)
    assert math.isnan(of_dogs)
