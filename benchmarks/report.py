"""Results as files: JSON with everything, Markdown for people, and the page docs/benchmarks.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.goals import GRID_FLOOR, GRID_MEANS, Goal
from unrolled.atomic import atomic_path
from unrolled.bench import WORDS, Figure, in_threads, means, square

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


def rows_markdown(found: dict[str, Any]) -> str:
    """Rows: a title, what they ran on, and their table."""
    return f"{title(found)}\n\n{preface(found)}\n\n{table(found)}"


def grid_markdown(found: dict[str, Any]) -> str:
    """The grid: the geometric means, and a square for each cell and work of ratios and of shares."""
    head, results = found["machine"], [Figure(**one) for one in found["results"]]
    counts = sorted({figure.threads for figure in results}, reverse=True)
    clock = "CPU time" if head["clock"] == "process_time" else "wall time"
    most, *others = map(in_threads, counts)
    limits = ceilings_in_words(head["ceilings"][str(counts[0])])
    mean, cells = means(results), list(dict.fromkeys(figure.cell for figure in results))
    slow = sum(figure.ratio < GRID_FLOOR for figure in results)
    square_of_means = [["geometric means", *WORDS.values()]]
    for cell in cells:
        for count in counts:
            words = [mean_words(mean[cell, count, work], (cell, count, work)) for work in WORDS]
            square_of_means.append([f"{cell.upper()}, {in_threads(count)}", *words])
    lines = [
        f"The grid, {head['isa']}, {clock}",
        "",
        f"{place(head)}{limits}. T40, I = H; {most}{''.join(f' ({other})' for other in others)}.",
        f"Of {len(results)} figures, {slow} are below {GRID_FLOOR}; the least is "
        f"{min(figure.ratio for figure in results):.2f}.",
        "",
        *markdown_table(square_of_means),
    ]
    for cell in cells:
        for work, name in WORDS.items():
            lines += ["", f"{cell.upper()}, {name}: torch.nn's time by ours.", ""]
            lines += markdown_table(square(results, cell, work))
            lines += ["", f"The share of the limit that ours reaches, and which it is, {most}.", ""]
            lines += markdown_table(square(results, cell, work, shares=True))
    return "\n".join(lines) + "\n"


def mean_words(mean: float, key: tuple[str, int, str]) -> str:
    """A geometric mean, with what it is held to.

    >>> mean_words(1.6, ("lstm", 2, "infer"))
    '1.60 (≥ 1.5, 1.8) ✓'
    """
    if key not in GRID_MEANS:
        return f"{mean:.2f}"
    floor, aim = GRID_MEANS[key]
    return f"{mean:.2f} (≥ {floor:g}, {aim:g}) {MARKS[Goal('', mean, floor, aim, more=True).reached]}"


def packages_markdown(found: dict[str, Any]) -> str:
    """Other packages' models before and after accelerate."""
    head = found["machine"]
    clock = "CPU time" if head["clock"] == "process_time" else "wall time"
    lines = [["model", "sizes", *(f"{work} {what}" for work in WORDS for what in ("ms", "ratio", "least"))]]
    for name, row in found["rows"].items():
        line = [name, row["sizes"]]
        for work in WORDS:
            one = row[work]
            line += [f"{one['after_ms']:.1f}", f"{one['ratio']:.2f}×", f"{one['least_ratio']:.2f}×"]
        lines.append(line)
    return "\n".join(
        [
            f"Other packages' models before and after accelerate, {in_threads(head['threads'])}, {clock}",
            "",
            f"{place(head)}; {', '.join(found['versions'])}.",
            "",
            *markdown_table(lines),
            "",
        ]
    )


def busy_markdown(found: dict[str, Any]) -> str:
    """Trainings alone and beside loops that never wait."""
    return "\n".join(
        [
            f"`unrolled train --epochs {found['epochs']}` alone and beside other processes",
            "",
            f"{place(found['machine'])}. Medians of the whole command.",
            "",
            *busy_table(found["ways"]),
            "",
        ]
    )


def busy_table(ways: list[dict[str, Any]]) -> list[str]:
    """A line for each way to train."""
    lines = [["threads wait", "threads", "loops beside", "wall s", "least", "CPU s", "least"]]
    for way in ways:
        line = [way["setting"], str(way["threads"]), str(way["loops"])]
        for clock in ("wall", "cpu"):
            times = [one[clock] for one in way["took"]]
            line += [f"{statistics.median(times):.1f}", f"{min(times):.1f}"]
        lines.append(line)
    return markdown_table(lines)


def markdown_table(lines: list[list[str]]) -> list[str]:
    """Headings and rows; the first column is words, all others numbers.

    >>> markdown_table([["N", "H16"], ["1", "2.00"]])
    ['| N | H16 |', '|---|---:|', '| 1 | 2.00 |']
    """
    headings, *rows = [f"| {' | '.join(line)} |" for line in lines]
    return [headings, "|---|" + "---:|" * (len(lines[0]) - 1), *rows]


def place(head: dict[str, Any]) -> str:
    """What a run ran on."""
    torch = f"torch {head['torch']} ({head['torch_isa']})"
    return f"{head['cpu']}; {torch}; commit {head['commit']}, {head['date']}, load {head['load']}"


def title(found: dict[str, Any]) -> str:
    """The run in one line.

    >>> title({"machine": {"isa": "avx512", "threads": 1, "clock": "process_time"}, "results": []})
    'torch, avx512, 1 thread, CPU time'
    """
    head = found["machine"]
    foreign = any(set(one["peers"]) - {"torch_nn", "cell_loop"} for one in found["results"])
    threads = in_threads(head["threads"])
    clock = "CPU time" if head["clock"] == "process_time" else "wall time"
    return f"{'all peers' if foreign else 'torch'}, {head['isa']}, {threads}, {clock}"


def preface(found: dict[str, Any]) -> str:
    """What it ran on."""
    head = found["machine"]
    limits = ceilings_in_words(head["ceilings"]) if "ceilings" in head else rates_of_old(found["results"])
    versions = "".join(f", {version}" for version in head.get("peers", {}).values())
    torch = f"torch {head['torch']} ({head['torch_isa']})"
    return (
        f"{head['cpu']}; {torch}{versions}; commit {head['commit']}, {head['date']}, "
        f"load {head['load']}{limits}."
    )


def ceilings_in_words(saved: dict[str, float]) -> str:
    """The limits, as a sentence goes on.

    >>> ceilings_in_words({"sgemm_gflops": 400.4, "L2": 180.2, "memory": 17.0})
    ', SGEMM 400 GFLOP/s, reads L2 180, memory 17 GB/s'
    """
    levels = ", ".join(f"{name} {rate:.0f}" for name, rate in saved.items() if name != "sgemm_gflops")
    return f", SGEMM {saved['sgemm_gflops']:.0f} GFLOP/s, reads {levels} GB/s"


def rates_of_old(results: list[dict[str, Any]]) -> str:
    """The same of a run that measured the product at every row, and no reading."""
    rates = [one["sgemm_gflops"] for one in results if one["of_sgemm"] is not None]
    return f", SGEMM {min(rates):.0f} to {max(rates):.0f} GFLOP/s" if rates else ""


def table(found: dict[str, Any]) -> str:
    """A line for each result. The peers' columns say how many times longer they take."""
    results = found["results"]
    peers = [peer for peer in NAMES if any(peer in one["peers"] for one in results)]
    bounds = any("bound" in one for one in results)
    headings = ["row", "sizes", "work", "ms", *(NAMES[peer] for peer in peers), "of SGEMM"]
    headings += [*(["limit"] if bounds else []), "error", "goals"]
    numbers = "---:|" * (len(headings) - 5)
    lines = ["| " + " | ".join(headings) + " |", f"|---|---|---|{numbers}---|---|"]
    for one in results:
        ratios = [f"{one['peers'][p]['ratio']:.2f}×" if p in one["peers"] else "" for p in peers]
        share = "" if one["of_sgemm"] is None else f"{one['of_sgemm']:.0%}"
        error = "; ".join(
            f"{goal['found']:.0e} {MARKS[goal['reached']]}" for goal in one["goals"] if is_error(goal)
        )
        goals = "; ".join(goal_words(goal) for goal in one["goals"] if not is_error(goal))
        limit = f"{one['of_bound']:.0%} {one['bound']['by']}" if "bound" in one else ""
        cells = [one["row"], one["sizes"], one["work"], f"{one['ms']:.3g}", *ratios, share]
        cells += [*([limit] if bounds else []), error, goals]
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
    """Write results/NAME.json and NAME.md of rows, and bring docs/benchmarks.md up to date."""
    return _save(
        {
            RESULTS / f"{name}.json": json.dumps(found, indent=1) + "\n",
            RESULTS / f"{name}.md": f"# {rows_markdown(found)}",
        }
    )


def save_figures(found: dict[str, Any], name: str) -> list[Path]:
    """Write results/NAME.json of anything but rows, and bring docs/benchmarks.md up to date."""
    return _save({RESULTS / f"{name}.json": json.dumps(found, indent=1) + "\n"})


def _save(texts: dict[Path, str]) -> list[Path]:
    RESULTS.mkdir(exist_ok=True)
    for target, text in texts.items():
        with atomic_path(target) as path:
            path.write_text(text, encoding="utf-8")
    update_page()
    return [*texts, PAGE]


PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN = "<!-- results: written by `make bench`, `make bench-peers` and `make packages` -->\n"


def page(text: str, sections: list[str]) -> str:
    """The page with what follows BEGIN replaced by those sections."""
    before, begin, _ = text.partition(BEGIN)
    return before + begin + "".join(sections)


def saved_sections() -> list[str]:
    """Of what is in results/: grids, packages, busy machines, rows beside torch, rows beside all peers."""
    kinds: dict[str, Callable[[dict[str, Any]], str]] = {
        "grid": grid_markdown,
        "packages": packages_markdown,
        "busy": busy_markdown,
        "torch": rows_markdown,
        "all": rows_markdown,
    }
    return [
        f"\n## {markdown_of(json.loads(path.read_text(encoding='utf-8')))}"
        for kind, markdown_of in kinds.items()
        for path in sorted(RESULTS.glob(f"{kind}*.json"))
    ]


def update_page() -> None:
    text = page(PAGE.read_text(encoding="utf-8"), saved_sections())
    with atomic_path(PAGE) as path:
        path.write_text(text, encoding="utf-8")
