"""docs/conformance.md, from results.json, cases and reports: `python -m conformance.page`."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from conformance.case import Case, load
from conformance.check import FAILED, NOT_OFFERED, PASSED

HERE = Path(__file__).parent
RESULTS, REPORTS = HERE / "results.json", HERE / "reports"
PAGE = HERE.parent / "docs" / "conformance.md"
ABOUT = {
    "gates": "each gate has weights of its own",
    "cells": "one step, from zeros and from a state",
    "biases": "none, one, two",
    "options": "forget bias, peepholes, projection, clips",
    "gradients": "of the input, the state, the weights",
    "second": "second derivatives",
    "lengths": "sequences of several lengths, 0 included",
    "padding": "NaN and infinity past a length",
    "masks": "steps left out, holes included",
    "resets": "episodes within a sequence",
    "directions": "backward, and both",
    "stacks": "layers on one another, mixed too",
    "every-step": "the state after every step",
    "dropout": "where it is, and where not",
    "dtypes": "float64 and bfloat16",
    "layouts": "views, strides, time first",
    "empty": "0 sequences, 0 steps",
    "long": "1000 and 5000 steps",
    "extremes": "saturated gates, NaN in one sequence",
    "paths": "whether the fused path ran",
    "refusals": "what must be an error",
    "toolbox": "what tutorials say of TensorFlow 1's recurrent toolbox",
}
HEAD = """# Conformance

What should an LSTM give past a length, after 0 steps, for a padding of NaN? {peers} implementations, this
library among them, are asked the same {count} questions, the cases of `conformance/cases`. A definition in
float64 NumPy, one sequence at a time, says what must come, to a tolerance that each case states.
`make conformance` asks them again, the others each in an environment of its own.

Each cell says how many cases passed of those that could be asked, in bold where some failed. What a peer does
not offer, such as peepholes or lengths, is no failure: it is left out of the cell, which is a dash where
nothing is left, and counted in the last row. A failure may be a peer's own convention: a sentence below says
what it is.

"""


def write(results: dict[str, Any], cases: list[Case]) -> str:
    """The page."""
    there = {name: one for name, one in results["peers"].items() if "verdicts" in one}
    text = HEAD.format(count=len(cases), peers=len(there))
    text += table(there, cases) + "\n## Who was asked\n\n"
    for name, one in results["peers"].items():
        text += f"- {who(name, one)}\n"
    text += "\n## Each failure\n"
    for one in there.values():
        text += failures(one, cases)
    return text + reports()


def table(peers: dict[str, dict[str, Any]], cases: list[Case]) -> str:
    groups = list(dict.fromkeys(case.group for case in cases))
    lines = [
        "| group | about | " + " | ".join(one["name"] for one in peers.values()) + " |",
        "|---|---|" + "---|" * len(peers),
    ]
    for group in groups:
        names = [case.name for case in cases if case.group == group]
        cells = [cell(one["verdicts"], names) for one in peers.values()]
        lines.append(f"| {group} ({len(names)}) | {ABOUT[group]} | " + " | ".join(cells) + " |")
    for title, kind in (("passed", PASSED), ("failed", FAILED), ("not offered", NOT_OFFERED)):
        counts = [str(count(one["verdicts"])[kind]) for one in peers.values()]
        lines.append(f"| **{title}** | | " + " | ".join(counts) + " |")
    return "\n".join(lines) + "\n"


def count(verdicts: dict[str, Any]) -> Counter[str]:
    return Counter(verdict["kind"] for verdict in verdicts.values())


def cell(verdicts: dict[str, Any], names: list[str]) -> str:
    """Passed of asked; a dash where nothing was."""
    found = count({name: verdicts[name] for name in names})
    asked = found[PASSED] + found[FAILED]
    if not asked:
        return "–"
    share = f"{found[PASSED]}/{asked}"
    return f"**{share}**" if found[FAILED] else share


def who(name: str, one: dict[str, Any]) -> str:
    if "verdicts" not in one:
        return f"{name}: not there, {one['absent']}"
    versions = [f"{key} {value}" for key, value in one["versions"].items()]
    return f"{one['name']}: {', '.join([*versions, one['date']])}"


def failures(one: dict[str, Any], cases: list[Case]) -> str:
    """The failures of a peer, those with one reason together; a report by its place in the repository."""
    failed = [case for case in cases if one["verdicts"][case.name]["kind"] == FAILED]
    if not failed:
        return f"\n**{one['name']}**: none.\n"
    reasons: dict[tuple[str, str], list[Case]] = {}
    for case in failed:
        verdict = one["verdicts"][case.name]
        key = (verdict.get("reason", f"Not expected: {verdict['sentence']}."), verdict.get("issue", ""))
        reasons.setdefault(key, []).append(case)
    text = f"\n**{one['name']}**\n\n"
    for (reason, issue), known in reasons.items():
        reason = re.sub(r"\breports/[\w-]+\.md", r"`conformance/\g<0>`", reason)
        text += f"- {reason}{link(issue)}\n"
        text += "".join(f"    - `{case.name}`: {case.asks}\n" for case in known)
    return text


def link(issue: str) -> str:
    if not issue:
        return ""
    repository, number = issue.split("#")
    return f" ([{issue}](https://github.com/{repository}/issues/{number}))"


def reports() -> str:
    text = "\n## Reports\n\nFaults that were reproduced apart from the suite, each in a program of its own, "
    text += "with what came and what was expected:\n\n"
    for path in sorted(REPORTS.glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        text += f"- {title}: `conformance/reports/{path.name}`\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(write(json.loads(RESULTS.read_text()), load()), encoding="utf-8")
