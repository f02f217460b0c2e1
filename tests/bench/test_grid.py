"""The grid, on the library's side and on that of the benchmarks."""

import json
import sys
from math import inf

import pytest
import torch

from benchmarks import grid as command
from benchmarks import report
from unrolled.bench import Ceilings, Figure, Level, figures, grid, means, square

LIMITS = Ceilings(100.0, (Level("L2", 2**21, 200.0), Level("L3", 2**25, 100.0), Level("memory", inf, 10.0)))


def figure(N, H, threads, ratio, work="infer", of_bound=0.5, cell="lstm"):
    return Figure(cell, N, H, threads, work, 1.0, ratio, ratio, ratio, "L3", of_bound)


def test_the_grid_is_every_number_of_sequences_and_width_but_the_largest():
    rows = grid("gru")
    assert {row.cell for row in rows} == {"gru"}
    assert all(row.check().H == (row.I,) and row.T == 40 for row in rows)
    sizes = [(row.N, row.I) for row in rows]
    assert len(sizes) == len(set(sizes)) == 35
    assert (128, 512) in sizes
    assert (128, 1024) not in sizes
    assert {(row.N, row.I) for row in grid("gru", quick=True)} < set(sizes)


def test_a_row_is_checked_and_timed_with_each_number_of_threads():
    before = torch.get_num_threads()
    row = grid("lstm")[0]._replace(T=3)
    found = list(figures(row, {1: LIMITS, 2: LIMITS}, seconds=0))
    assert torch.get_num_threads() == before
    assert [(one.threads, one.work) for one in found] == [
        (1, "train"), (1, "infer"), (2, "train"), (2, "infer"),
    ]  # fmt: skip
    assert all(one.ms > 0 and one.ratio > 0 and one.bound_by in ("FLOP", "L2") for one in found)


def test_means_are_geometric_and_apart():
    found = [
        figure(1, 16, 2, 4.0),
        figure(2, 16, 2, 1.0),
        figure(1, 16, 1, 3.0),
        figure(1, 16, 2, 5.0, "train"),
    ]
    assert means(found) == {
        ("lstm", 2, "infer"): pytest.approx(2.0),
        ("lstm", 1, "infer"): pytest.approx(3.0),
        ("lstm", 2, "train"): pytest.approx(5.0),
    }


def test_a_square_has_a_line_for_each_number_of_sequences():
    found = [figure(8, 16, 1, 1.0), figure(8, 16, 2, 2.0, of_bound=0.25), figure(1, 64, 2, 3.0)]
    assert square(found, "lstm", "infer") == [
        ["N", "H16", "H64"],
        ["1", "", "3.00"],
        ["8", "2.00 (1.00)", ""],
    ]
    assert square(found, "lstm", "infer", shares=True)[2] == ["8", "25% L3", ""]


def test_the_command_measures_saves_and_writes_the_page(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    report.PAGE.write_text(f"Words.\n{report.BEGIN}old", encoding="utf-8")
    monkeypatch.setattr(command, "ceilings", lambda clock: LIMITS)
    monkeypatch.setattr(command, "grid", lambda cell, quick: [grid(cell)[0]._replace(T=2)])
    monkeypatch.setattr(
        sys, "argv", ["grid", "--cell", "gru", "--cpu-time", "--seconds", "0", "--save", "grid-x"]
    )
    command.main()
    saved = json.loads((tmp_path / "grid-x.json").read_text())
    assert [(one["cell"], one["threads"], one["work"]) for one in saved["results"]] == [
        ("gru", 1, "train"), ("gru", 1, "infer"),
    ]  # fmt: skip
    text = report.PAGE.read_text(encoding="utf-8")
    assert text.startswith(f"Words.\n{report.BEGIN}\n## The grid, ")
    assert f"| 1 | {saved['results'][0]['ratio']:.2f} |" in text
    assert "Of 2 figures, " in text
    assert f"| GRU, 1 thread | {saved['results'][1]['ratio']:.2f} (≥ 2.3, 2.6) " in text
    assert "reads L2 200, L3 100, memory 10 GB/s. T40, I = H; 1 thread." in text
    assert "gru" in capsys.readouterr().out
