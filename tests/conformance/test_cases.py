"""The cases as they lie in their files, and this library's answers to all of them."""

from itertools import pairwise

import numpy as np
import pytest

from conformance import __main__ as command
from conformance.case import CASES, load
from conformance.check import Verdict, choose, compare, judge
from conformance.identities import IDENTITIES
from conformance.making.__main__ import FAMILIES
from conformance.making.build import as_data
from conformance.problem import decode
from conformance.suite import EXPECTED, expected_failures
from tests.conformance.test_wrong_implementations import CASES as ALL


def test_there_are_enough_and_each_has_a_name_of_its_own():
    cases = load()
    assert len(cases) == len(ALL) >= 150
    assert all(case.asks.endswith("?") and case.why and case.tolerance > 0 for case in cases)
    assert all(case.needs for case in cases)
    assert {name for case in cases for name in case.exactly} <= set(IDENTITIES)


def test_each_asks_for_something():
    for case in load():
        assert case.numbers or case.choices or case.exactly or case.refusal or case.path, case.name


def test_the_files_are_small():
    assert sum(path.stat().st_size for path in CASES.glob("*.json")) < 3_000_000


@pytest.mark.parametrize("file", ["1-gates", "4-sequences", "7-conduct"])
def test_the_files_are_what_the_definition_gives(file):
    made = {case.name: case for family in FAMILIES[file] for case in family()}
    kept = {name: case for name, case in ALL.items() if name in made}
    assert list(made) == list(kept)
    for name, case in made.items():
        new, old = as_data(case), as_data(kept[name])
        for key, value in new.pop("numbers", {}).items():
            np.testing.assert_allclose(decode(old["numbers"][key]), decode(value), rtol=1e-9, atol=1e-11)
        old.pop("numbers", None)
        assert new == old, name


def test_this_library_passes_all_of_them():
    found = command.ask("unrolled", "*")
    assert found["news"] == {"unexpected": [], "passed after all": [], "gone": []}
    kinds = [verdict["kind"] for verdict in found["verdicts"].values()]
    assert kinds.count("failed") == len([n for e in expected_failures("unrolled") for n in e["cases"]])
    assert kinds.count("passed") > 250


def test_expected_failures_name_peers_and_cases_that_are_there():
    for path in EXPECTED.glob("*.json"):
        assert path.stem in command.PEERS
        for entry in expected_failures(path.stem):
            assert set(entry) <= {"cases", "reason", "issue"}
            assert entry["reason"].endswith(".")
            assert set(entry["cases"]) <= set(ALL), path.stem
            assert "issue" not in entry or entry["issue"].count("#") == 1


def test_an_unknown_peer_is_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["tensorflow"])
    assert stopped.value.code == 2
    assert "no peer tensorflow: there are unrolled, torch_nn, tf1" in capsys.readouterr().err


def test_some_of_the_cases_are_not_kept_as_all(capsys):
    with pytest.raises(SystemExit):
        command.main(["unrolled", "--save", "--cases", "cells/*"])
    assert "leave --cases out" in capsys.readouterr().err


def test_a_missing_environment_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert command.ask("flax", "*") == {"absent": "no environment .venv-conformance-flax: make conformance"}


def test_a_difference_is_told_where_it_is_largest():
    came, expected = np.array([[1.0, 2.5]]), np.array([[1.0, 2.0]])
    assert compare("outputs", came, expected, 0.1) == "outputs: 2.5 came at [0, 1], 2 was expected"
    assert compare("outputs", came, expected, 0.3) == ""
    assert compare("outputs", came[0], expected, 1) == "outputs: shape [2] came, [1, 2] was expected"
    assert compare("outputs", np.array([np.nan]), np.array([0.0]), 1e9).startswith("outputs: nan came")
    assert compare("outputs", np.array([np.nan]), np.array([np.nan]), 0.0) == ""
    assert compare("outputs", np.array([1.0]), np.array([np.nan]), 1e9) != ""


def test_what_is_random_must_be_one_of_the_candidates_and_each_must_be_met():
    zero, two = np.zeros((2, 3)), np.full((2, 3), 2.0)
    mixed = np.array([[0.0, 2.0, 0.0], [2.0, 2.0, 0.0]])
    assert choose("outputs", mixed, [zero, two], "element", 1e-6) == ""
    assert "none of the 2" in choose("outputs", mixed, [zero, two], "row", 1e-6)
    assert "some never came" in choose("outputs", zero, [zero, two], "element", 1e-6)
    assert "shape" in choose("outputs", mixed[0], [zero, two], "row", 1e-6)


def test_a_refusal_counts_only_if_the_valid_twin_is_computed():
    case = ALL["refusals/state-width"]
    refused = {"say": "refused", "case": case.name, "message": "ValueError: no"}
    computed = {"say": "answer", "case": case.twin, "numbers": {}}
    assert judge(case, refused, {case.twin: computed}) == Verdict("passed")
    assert judge(case, refused, {case.twin: refused | {"case": case.twin}}).kind == "failed"
    assert judge(case, computed, {case.twin: computed}).kind == "failed"


def test_a_path_must_be_the_one_that_is_asked_for():
    case = ALL["paths/lstm-inference"]
    reply = {"say": "answer", "case": case.name, "numbers": {}}
    assert judge(case, reply | {"path": "fused"}, {}).kind == "passed"
    assert judge(case, reply | {"path": "step by step"}, {}).sentence == "the step by step path ran"
    assert judge(case, reply, {}).sentence == "the untold path ran"


def test_groups_stay_together():
    groups = [case.group for case in load()]
    assert len([1 for one, other in pairwise(groups) if one != other]) == len(set(groups)) - 1
