"""Runners as processes: those that answer, and those that crash, hang or talk nonsense."""

import json
import sys
from pathlib import Path

import pytest

from conformance.case import Case
from conformance.peer import BrokenError, Peer
from conformance.problem import Problem, decode, encode, from_json, to_json
from conformance.protocol import NotOfferedError, answer
from conformance.suite import ask_all, reconcile
from tests.conformance.test_definition import plain

BROKEN = Path(__file__).with_name("broken_runner.py")


def peer(way, **options):
    limits = {"start_seconds": 20.0, "case_seconds": 20.0} | options
    return Peer([sys.executable, str(BROKEN), way], **limits)


WAYS = {
    "crashes": "killed by signal 6",
    "exits": "exited with status 3",
    "prints rubbish": "said 'Segmentation fault (just kidding)\\n', which is no JSON",
    "prints a number": "said '17\\n', which is no JSON object",
    "answers another case": 'answered with {"say": "answer", "case": "another", "numbers": {"outputs": [1]}}',
}


@pytest.mark.parametrize("way", WAYS)
def test_a_runner_that_breaks_is_begun_anew_for_the_next_case(way):
    runner = peer(way)
    runner.start()
    assert runner.ask("break", {}) == {"say": "broken", "case": "break", "message": WAYS[way]}
    assert runner.ask("go on", {})["say"] == "answer"
    assert runner.starts == 2
    runner.stop()


def test_a_runner_that_hangs_is_ended_after_its_time():
    runner = peer("hangs", case_seconds=1.0)
    assert runner.ask("break", {})["message"] == "no answer within 1 s"
    runner.case_seconds = 20.0
    assert runner.ask("go on", {})["say"] == "answer"
    runner.stop()


def test_a_runner_that_always_breaks_is_given_up():
    runner = peer("exits", most_starts=2)
    said = [runner.ask("break", {})["message"] for _ in range(3)]
    assert said == ["exited with status 3", "exited with status 3", "gave up after 2 starts"]


@pytest.mark.parametrize(
    ("way", "message"),
    [("does not start", "exited with status 7"), ("starts with nonsense", "answered to start with {}")],
)
def test_a_runner_that_does_not_start_says_why(way, message):
    with pytest.raises(BrokenError, match=message):
        peer(way).start()
    assert ask_all(peer(way), []) == {"absent": message}


def test_a_runner_that_does_not_stop_is_killed(monkeypatch):
    monkeypatch.setattr("conformance.peer.STOP_SECONDS", 0.5)
    runner = peer("never stops")
    runner.start()
    runner.stop()
    assert runner._process is None


def test_a_peer_is_not_asked_for_what_it_lacks():
    cases = [
        Case("a/masked", "?", ["mask"], {}),
        Case("a/broken", "?", [], {}, numbers={"outputs": [1]}, tolerance=0.0),
    ]
    verdicts = ask_all(peer("crashes"), cases[:1])["verdicts"]
    assert verdicts == {"a/masked": {"kind": "not offered", "sentence": "no masks"}}


def test_a_refusal_and_a_missing_feature_are_answers_of_their_own():
    def refuses(problem):
        raise ValueError("no\n such  thing")

    def has_not(problem):
        raise NotOfferedError("it has no gates")

    message = {"case": "a", "problem": to_json(plain("lstm"))}
    assert answer(message, refuses)["message"] == "ValueError: no such thing"
    assert answer(message, has_not) == {"say": "not offered", "case": "a", "why": "it has no gates"}
    told = answer(message, lambda problem: {"outputs": problem.x, "path": "fused"})
    assert (told["say"], told["path"]) == ("answer", "fused")


def test_a_problem_survives_json():
    problem = plain("lstm")
    problem.x[0, 0, 0], problem.x[0, 0, 1] = float("nan"), float("-inf")
    again = from_json(json.loads(json.dumps(to_json(problem), allow_nan=False)))
    assert isinstance(again, Problem)
    assert to_json(again) == to_json(problem)
    assert decode(encode(problem.x[:0])).shape == problem.x[:0].shape


def test_expected_failures_are_compared_with_what_came():
    verdicts = {
        "a/known": {"kind": "failed", "sentence": "no"},
        "a/new": {"kind": "failed", "sentence": "no"},
        "a/mended": {"kind": "passed", "sentence": ""},
        "a/lost": {"kind": "not offered", "sentence": "no"},
    }
    expected = [{"cases": ["a/known", "a/mended", "a/lost", "a/gone"], "reason": "so", "issue": "o/r#1"}]
    news = reconcile({"verdicts": verdicts}, expected)
    assert news == {
        "unexpected": ["a/new"],
        "passed after all": ["a/mended"],
        "gone": ["a/lost", "a/gone"],
    }
    assert verdicts["a/known"] == {"kind": "failed", "sentence": "no", "reason": "so", "issue": "o/r#1"}
