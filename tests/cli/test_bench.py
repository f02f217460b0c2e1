"""`unrolled bench`."""

import json
import re
from math import inf

import pytest

from unrolled import bench as bench_room
from unrolled.bench import Ceilings, Level, figures, grid, interleaved
from unrolled.cli.bench import DEFAULT_ROWS

TINY = ("--batch", 3, "--steps", 4, "--input", 2, "--hidden", 5, "--seconds", 0.01)


@pytest.fixture(autouse=True)
def _quick_peak(monkeypatch):
    """Limits made up, as measuring them takes seconds."""
    levels = (Level("L2", 2**21, 200.0), Level("L3", 2**25, 100.0), Level("memory", inf, 10.0))
    monkeypatch.setattr(bench_room, "ceilings", lambda: Ceilings(100.0, levels))


def resized(**sizes):
    return {name: row._replace(**sizes) for name, row in bench_room.ROWS.items()}


def rows_of(out):
    return re.findall(
        r"^(\S+) +(N\S+ T\S+ I\S+ H\S+) +(train|infer) +(\S+) +(\S+)× (\S+) +(\S+)% (\S+)", out, re.M
    )


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru-before", "rnn", "lstm-peephole", "lstm-projection"])
def test_a_row_of_ones_own_is_checked_and_timed(unrolled, cell):
    result = unrolled("bench", "--cell", cell, *TINY)
    assert result.code == 0, result.err
    lines = rows_of(result.out)
    assert [(name, sizes, work) for name, sizes, work, *_ in lines] == [
        ("own", "N3 T4 I2 H5", "train"),
        ("own", "N3 T4 I2 H5", "infer"),
    ]
    peer = "loop" if cell in ("gru-before", "lstm-peephole") else "torch.nn"
    assert {line[5] for line in lines} == {peer}
    assert re.search(
        r"^outputs within \S+e-0[789] of float64, gradients within \S+ of their scale$", result.out, re.M
    )


def test_layers_directions_and_lengths_can_be_chosen(unrolled):
    result = unrolled("bench", *TINY, "--layers", 2, "--bidirectional", "--ragged")
    assert [line[1] for line in rows_of(result.out)] == ["N3 T1–4 I2 H2×5⇄"] * 2


def test_the_table_says_what_the_json_says(unrolled, tmp_path):
    path = tmp_path / "figures.json"
    result = unrolled("bench", *TINY, "--json", path)
    saved = json.loads(path.read_text())
    columns = ("row", "sizes", "work", "ms", "ratio", "peer", "of_bound", "bound_by")
    shown = ("{}", "{}", "{}", "{:.3g}", "{:.2f}", "{}", "{:.0%}", "{}")
    assert rows_of(result.out) == [
        tuple(how.format(one[column]).rstrip("%") for how, column in zip(shown, columns, strict=True))
        for one in saved["results"]
    ]
    assert saved["machine"]["cpu"] in result.out
    assert saved["limits"] == {"1": {"sgemm_gflops": 100, "L2": 200, "L3": 100, "memory": 10}}
    assert "limits: 100 GFLOP/s; reads L2 200, L3 100, memory 10 GB/s" in result.out
    train, infer = saved["results"]
    assert train["output_error"] != train["gradient_error"] < 1e-5
    assert infer["gradient_error"] is None


def test_rows_are_chosen_by_name(unrolled, monkeypatch):
    monkeypatch.setattr(bench_room, "ROWS", resized(N=3, T=4, I=2, H=(5,)))
    result = unrolled("bench", "--rows", "gru-h28,lstm-ragged", "--seconds", 0.01)
    assert [line[0] for line in rows_of(result.out)] == ["gru-h28"] * 2 + ["lstm-ragged"] * 2
    every = unrolled("bench", "--seconds", 0.01)
    assert tuple(line[0] for line in rows_of(every.out))[::2] == DEFAULT_ROWS


@pytest.fixture
def small_grid(monkeypatch):
    monkeypatch.setattr(bench_room, "grid", lambda cell, quick: [row._replace(T=2) for row in grid(cell)[:2]])


def test_the_grid_is_a_table_for_each_cell_and_work(unrolled, small_grid, tmp_path):
    path = tmp_path / "grid.json"
    result = unrolled("bench", "--grid", "--seconds", 0.01, "--json", path)
    assert result.code == 0, result.err
    saved = json.loads(path.read_text())["results"]
    assert {(one["cell"], one["H"], one["work"], one["threads"]) for one in saved} == {
        (cell, H, work, 1) for cell in ("lstm", "gru") for H in (16, 64) for work in ("train", "infer")
    }
    titles = re.findall(
        r"^(LSTM|GRU), (\w+): torch.nn's time by ours, 1 thread; T40, I = H$", result.out, re.M
    )
    assert titles == [(cell, work) for cell in ("LSTM", "GRU") for work in ("inference", "training")]
    first = next(one for one in saved if (one["cell"], one["work"]) == ("lstm", "infer"))
    assert re.search(rf"^1 +{first['ratio']:.2f} ", result.out, re.M)
    assert (
        len(
            re.findall(
                r"^(?:LSTM|GRU) +1 thread +\d+\.\d\d +\d+\.\d\d$", result.out.replace(" \n", "\n"), re.M
            )
        )
        == 2
    )


def test_the_grid_can_be_of_one_cell_and_some_threads(unrolled, small_grid):
    result = unrolled("bench", "--grid", "--cell", "gru", "--threads", 2, "--seconds", 0.01)
    assert "LSTM" not in result.out
    assert "GRU, training: torch.nn's time by ours, 2 threads; T40" in result.out


def test_the_table_fits_eighty_columns(unrolled, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(bench_room, "ROWS", resized(N=128, T=100, I=28, H=(5,)))
    assert "…" not in unrolled("bench", "--rows", "lstm-bidirectional,gru-ragged", "--seconds", 0.01).out


def test_mistakes_are_one_line(unrolled, tmp_path):
    mistakes = {
        ("--rows", "lstm-h129"): "unknown row 'lstm-h129': did you mean 'lstm-h",
        ("--cell", "lstn"): "unknown cell 'lstn': did you mean 'lstm'",
        ("--rows", "lstm-h128", "--cell", "gru"): "--rows lstm-h128 and a row of your own",
        ("--rows", "lstm-h128", "--ragged"): "--rows lstm-h128 and a row of your own",
        ("--batch", 0): "row own: N is 0, expected at least 1",
        ("--layers", 0): "row own: layers is 0, expected at least 1",
        ("--hidden", -1): "row own: H is -1, expected at least 1",
        ("--seconds", 0): "--seconds is 0.0, expected more than 0",
        ("--seconds", "nan"): "--seconds is nan, expected more than 0",
        ("--grid", "--rows", "lstm-h128"): "--rows and --grid: the grid has sizes of its own",
        ("--grid", "--hidden", 3): "--hidden and --grid: the grid has sizes of its own",
        ("--grid", "--ragged"): "leave out --bidirectional, --ragged",
        ("--grid", "--cell", "rnn"): "unknown cell of the grid 'rnn'",
        ("--quick",): "--quick is for --grid: give both",
        ("--threads", 0): "--threads is 0, expected a whole number of at least 1",
        ("--json", tmp_path / "nowhere" / "x.json"): "nowhere is not a folder: make it first",
    }
    for arguments, message in mistakes.items():
        result = unrolled("bench", *arguments)
        assert result.code == 2, arguments
        assert message in result.err, arguments
        assert len(result.err.splitlines()) == 1, arguments
        assert result.out == "", arguments


def test_a_wrong_result_is_not_timed(unrolled, monkeypatch):
    from unrolled.unroll import kinds

    right = kinds.dynamic_unroll
    monkeypatch.setattr(kinds, "dynamic_unroll", lambda *a, **k: (1.01 * right(*a, **k)[0], None))
    result = unrolled("bench", *TINY)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert re.search(r"own: outputs of unrolled are wrong by \S+: not timed", result.err)


def test_a_row_that_is_wrong_costs_the_others_nothing(unrolled, monkeypatch, tmp_path):
    from unrolled.unroll import kinds

    right = kinds.dynamic_unroll

    def wrong_for_grus(cell, *arguments, **options):
        outputs, state = right(cell, *arguments, **options)
        return (1.01 * outputs if "GRU" in repr(cell) else outputs), state

    monkeypatch.setattr(kinds, "dynamic_unroll", wrong_for_grus)
    monkeypatch.setattr(bench_room, "ROWS", resized(N=3, T=4, I=2, H=(5,)))
    result = unrolled("bench", "--rows", "lstm-h128,gru-h28,lstm-ragged", "--seconds", 0.01)
    assert result.code == 2
    assert [line[0] for line in rows_of(result.out)] == ["lstm-h128"] * 2 + ["lstm-ragged"] * 2
    assert len(result.err.splitlines()) == 1
    assert "gru-h28" in result.err


def test_the_examples_of_the_help_run(unrolled, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_room, "ROWS", resized(N=3, T=4, I=2, H=(5,)))
    monkeypatch.setattr(bench_room, "interleaved", lambda steps, seconds: interleaved(steps, 0))
    monkeypatch.setattr(bench_room, "grid", lambda cell, quick: [grid(cell, quick)[0]._replace(T=2)])
    monkeypatch.setattr(bench_room, "figures", lambda row, limits, seconds: figures(row, limits, 0))
    examples = re.findall(r"unrolled bench\b(.*)", unrolled("bench", "--help").out.partition("examples:")[2])
    assert len(examples) == 4
    for example in examples:
        result = unrolled("bench", *example.strip(" │").split())
        assert result.code == 0, (example, result.err)
    assert (tmp_path / "gru.json").exists()
