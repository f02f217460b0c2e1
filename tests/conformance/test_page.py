"""docs/conformance.md is what the results say."""

import json

from conformance import page
from conformance.case import Case, load
from conformance.check import FAILED

CASES = [Case(f"cells/{name}", f"Is {name} right?", ["rnn"], {}) for name in ("one", "two", "three")]
RESULTS = {
    "peers": {
        "good": {
            "name": "Good",
            "versions": {"good": "1.0"},
            "date": "2030-01-02",
            "verdicts": {case.name: {"kind": "passed", "sentence": ""} for case in CASES},
        },
        "bad": {
            "name": "Bad",
            "versions": {"bad": "2.0", "python": "3.11"},
            "date": "2030-01-03",
            "verdicts": {
                "cells/one": {"kind": "failed", "sentence": "h: 1 came at [0, 0], 2 was expected"},
                "cells/two": {
                    "kind": "failed",
                    "sentence": "x",
                    "reason": "It is so: see reports/a-b.md.",
                    "issue": "o/r#7",
                },
                "cells/three": {"kind": "not offered", "sentence": "no"},
            },
        },
        "gone": {"absent": "no answer within 1 s"},
    },
}


def test_the_page_has_a_table_and_a_sentence_for_each_failure():
    text = page.write(RESULTS, CASES)
    assert "2 implementations, this\nlibrary among them, are asked the same 3 questions" in text
    assert "| cells (3) | one step, from zeros and from a state | 3/3 | **0/2** |" in text
    assert "| **failed** | | 0 | 2 |" in text
    assert "| **not offered** | | 0 | 1 |" in text
    asked = (
        "- Good: good 1.0, 2030-01-02\n- Bad: bad 2.0, python 3.11, 2030-01-03\n- gone: not there, no answer"
    )
    assert f"{asked} within 1 s\n" in text
    assert "**Good**: none." in text
    assert "- Not expected: h: 1 came at [0, 0], 2 was expected.\n    - `cells/one`: Is one right?" in text
    issue = "([o/r#7](https://github.com/o/r/issues/7))"
    assert f"- It is so: see `conformance/reports/a-b.md`. {issue}\n    - `cells/two`" in text


def test_the_page_in_the_docs_is_of_the_results_that_are_kept():
    results = json.loads(page.RESULTS.read_text())
    assert page.PAGE.read_text(encoding="utf-8") == page.write(results, load())


def test_the_results_that_are_kept_are_of_all_cases_and_explained():
    names = {case.name for case in load()}
    results = json.loads(page.RESULTS.read_text())
    there = {peer: one for peer, one in results["peers"].items() if "verdicts" in one}
    assert len(there) >= 7
    for peer, one in there.items():
        assert set(one["verdicts"]) == names, peer
        for name, verdict in one["verdicts"].items():
            assert verdict["kind"] != FAILED or verdict.get("reason"), (peer, name)


def test_every_group_is_described():
    assert {case.group for case in load()} == set(page.ABOUT)
    assert all(path.read_text(encoding="utf-8").startswith("# ") for path in page.REPORTS.glob("*.md"))
