"""Results as files: JSON with everything, Markdown for people, and the tables of docs/benchmarks.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unrolled.atomic import atomic_path

RESULTS = Path(__file__).parent / "results"
NAMES = {
    "torch_nn": "torch.nn",
    "cell_loop": "cell loop",
    "compiled_loop": "compiled loop",
    "jax_scan": "JAX",
    "tensorflow_keras": "Keras",
    "tensorflow_graph": "TF1 graph",
    "onnx_runtime": "ONNX Runtime",
}
MARKS = {"aim": "✓✓", "floor": "✓", "short": "–", "nothing": "✗"}


def markdown(found: dict[str, Any]) -> str:
    """One run: what it ran on, and its table."""
    return f"# {title(found)}\n\n{preface(found)}\n\n{table(found)}"


def title(found: dict[str, Any]) -> str:
    """The run in one line.

    >>> title({"machine": {"isa": "avx512", "threads": 1, "clock": "process_time"}, "results": []})
    'torch, avx512, 1 thread, CPU time'
    """
    head = found["machine"]
    foreign = any(set(one["peers"]) - {"torch_nn", "cell_loop"} for one in found["results"])
    threads = "1 thread" if head["threads"] == 1 else f"{head['threads']} threads"
    clock = "CPU time" if head["clock"] == "process_time" else "wall time"
    return f"{'all peers' if foreign else 'torch'}, {head['isa']}, {threads}, {clock}"


def preface(found: dict[str, Any]) -> str:
    """What it ran on."""
    head = found["machine"]
    rates = [one["sgemm_gflops"] for one in found["results"] if one["of_sgemm"] is not None]
    sgemm = f", SGEMM {min(rates):.0f} to {max(rates):.0f} GFLOP/s" if rates else ""
    versions = "".join(f", {version}" for version in head.get("peers", {}).values())
    torch = f"torch {head['torch']} ({head['torch_isa']})"
    return (
        f"{head['cpu']}; {torch}{versions}; commit {head['commit']}, {head['date']}, "
        f"load {head['load']}{sgemm}."
    )


def table(found: dict[str, Any]) -> str:
    """A line for each result. The peers' columns say how many times longer they take."""
    results = found["results"]
    peers = [peer for peer in NAMES if any(peer in one["peers"] for one in results)]
    headings = ["row", "sizes", "work", "ms", *(NAMES[peer] for peer in peers), "of SGEMM", "error", "goals"]
    lines = ["| " + " | ".join(headings) + " |", "|---|---|---|" + "---:|" * (len(peers) + 2) + "---|---|"]
    for one in results:
        ratios = [f"{one['peers'][p]['ratio']:.2f}×" if p in one["peers"] else "" for p in peers]
        share = "" if one["of_sgemm"] is None else f"{one['of_sgemm']:.0%}"
        error = "; ".join(
            f"{goal['found']:.0e} {MARKS[goal['reached']]}" for goal in one["goals"] if is_error(goal)
        )
        goals = "; ".join(goal_words(goal) for goal in one["goals"] if not is_error(goal))
        cells = [one["row"], one["sizes"], one["work"], f"{one['ms']:.3g}", *ratios, share, error, goals]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def line(result: dict[str, Any]) -> str:
    """A result in one line, for whoever watches the run."""
    ratios = (f"{NAMES[peer]} {timing['ratio']:.2f}×" for peer, timing in result["peers"].items())
    marks = " ".join(MARKS[goal["reached"]] for goal in result["goals"])
    return f"{result['row']:27} {result['work']}  {result['ms']:8.3g} ms   {', '.join(ratios)}   {marks}"


def is_error(goal: dict[str, Any]) -> bool:
    return bool(goal["what"].endswith("error"))


def goal_words(goal: dict[str, Any]) -> str:
    """A goal in short: what, found, floor and aim, and which of them is reached.

    >>> goal_words({"what": "µs", "found": 6.0, "floor": 8.0, "aim": 5.0, "more": False, "reached": "floor"})
    'µs 6 (≤ 8, 5) ✓'
    """
    sign = "≥" if goal["more"] else "≤"
    bounds = ", ".join(f"{bound:g}" for bound in (goal["floor"], goal["aim"]) if bound is not None)
    return f"{goal['what']} {goal['found']:.3g} ({sign} {bounds}) {MARKS[goal['reached']]}"


def save(found: dict[str, Any], name: str) -> list[Path]:
    """Write results/NAME.json and NAME.md, and bring docs/benchmarks.md up to date."""
    RESULTS.mkdir(exist_ok=True)
    texts = {
        RESULTS / f"{name}.json": json.dumps(found, indent=1) + "\n",
        RESULTS / f"{name}.md": markdown(found),
    }
    for target, text in texts.items():
        with atomic_path(target) as path:
            path.write_text(text, encoding="utf-8")
    update_page()
    return [*texts, PAGE]


PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN = "<!-- results: written by `make bench` and `make bench-peers` -->\n"


def page(text: str, runs: list[dict[str, Any]]) -> str:
    """The page with what follows BEGIN replaced by a section for each run."""
    before, begin, _ = text.partition(BEGIN)
    sections = [f"\n## {title(run)}\n\n{preface(run)}\n\n{table(run)}" for run in runs]
    return before + begin + "".join(sections)


def saved_runs() -> list[dict[str, Any]]:
    """The runs in results/, those beside torch first."""
    paths = [*sorted(RESULTS.glob("torch-*.json")), *sorted(RESULTS.glob("all-*.json"))]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def update_page() -> None:
    text = page(PAGE.read_text(encoding="utf-8"), saved_runs())
    with atomic_path(PAGE) as path:
        path.write_text(text, encoding="utf-8")
