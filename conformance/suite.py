"""All cases put to a peer, and what came of it beside what was expected of this peer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conformance.case import Case
from conformance.check import FAILED, NOT_OFFERED, PASSED, Verdict, judge
from conformance.peer import BrokenError, Peer

EXPECTED = Path(__file__).parent / "expected"


def ask_all(peer: Peer, cases: Iterable[Case]) -> dict[str, Any]:
    """The peer's name, versions, and verdict on each case; "absent" with the reason if it doesn't start."""
    try:
        about = peer.start()
    except BrokenError as error:
        return {"absent": str(error)}
    replies: dict[str, dict[str, Any]] = {}
    verdicts: dict[str, Verdict] = {}
    for case in cases:
        missing = next((need for need in case.needs if need in about["lacks"]), None)
        if missing is not None:
            verdicts[case.name] = Verdict(NOT_OFFERED, about["lacks"][missing])
            continue
        replies[case.name] = peer.ask(case.name, case.problem)
        verdicts[case.name] = judge(case, replies[case.name], replies)
    peer.stop()
    return {
        "name": about["name"],
        "versions": about["versions"],
        "verdicts": {name: dict(verdict._asdict()) for name, verdict in verdicts.items()},
    }


def expected_failures(peer: str, folder: Path = EXPECTED) -> list[dict[str, Any]]:
    """What is known to fail: {"cases": [...], "reason", "issue"?}, an issue as owner/repository#number."""
    path = folder / f"{peer}.json"
    return json.loads(path.read_text()) if path.exists() else []


def reconcile(found: dict[str, Any], expected: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Put the reasons beside the failures, and tell what was not expected.

    Returns:
        "unexpected": failures that nobody expected; "passed after all": expected failures that passed;
        "gone": expected failures of which there is no such case, or which were not asked.
    """
    verdicts = found.get("verdicts", {})
    reasons = {name: entry for entry in expected for name in entry["cases"]}
    for name, entry in reasons.items():
        if name in verdicts and verdicts[name]["kind"] == FAILED:
            verdicts[name] |= {key: entry[key] for key in ("reason", "issue") if key in entry}
    return {
        "unexpected": [
            name for name, one in verdicts.items() if one["kind"] == FAILED and name not in reasons
        ],
        "passed after all": [
            name for name in reasons if name in verdicts and verdicts[name]["kind"] == PASSED
        ],
        "gone": [name for name in reasons if name not in verdicts or verdicts[name]["kind"] == NOT_OFFERED],
    }
