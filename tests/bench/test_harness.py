"""benchmarks/: the harness, the peers' protocol, the goals and the report."""

import doctest
import sys
from math import inf
from pathlib import Path

import pytest
import torch

import unrolled
from benchmarks import goals, report, streaming
from benchmarks import harness as harness_module
from benchmarks.__main__ import PEER_ROWS, add, chosen
from benchmarks.goals import Goal
from benchmarks.harness import Harness
from benchmarks.peers import cell_loop, compiled_loop, foreign, torch_nn
from benchmarks.peers.foreign import Foreign
from unrolled.bench import ROWS, SHAPES, Ceilings, Level, Row, TorchModel, WrongResultError, checked, draw
from unrolled.bench.check import find, judge
from unrolled.errors import UnrolledError

LIMITS = Ceilings(100.0, (Level("L2", 2**21, 200.0), Level("L3", 2**25, 100.0), Level("memory", inf, 10.0)))
TINY = {name: row._replace(N=3, T=7, I=2, H=tuple(range(5, 5 + len(row.H)))) for name, row in ROWS.items()}


@pytest.fixture(autouse=True)
def _quick_peak(monkeypatch):
    """Limits made up, as measuring them takes seconds."""
    monkeypatch.setattr(harness_module, "ceilings", lambda clock: LIMITS)


@pytest.fixture
def harness():
    made = Harness(("torch_nn", "cell_loop"), seconds=0, cpu_time=False)
    yield made
    made.close()


@pytest.fixture
def start(monkeypatch):
    """Start a peer of tests/bench/peers, in this environment."""
    started = []
    monkeypatch.setattr(foreign, "PACKAGE", "tests.bench.peers")
    monkeypatch.setattr(foreign, "environment", lambda peer: Path(sys.executable))

    def start(peer):
        started.append(Foreign(peer, threads=1, clock="process_time"))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize(
    "name", ["lstm-h128", "lstm-bidirectional", "gru-ragged", "gru-before-h128", "lstm-zoneout-h128"]
)
def test_a_row_is_checked_and_timed_for_both_works(harness, name):
    found = {"machine": {"isa": "avx512", "torch_isa": "AVX512"}, "results": []}
    for result in harness.results(TINY[name]):
        add(found, result)
    train, infer = found["results"]
    assert [one["work"] for one in found["results"]] == ["train", "infer"]
    assert train["gradient_error"] < 1e-5
    assert infer["gradient_error"] is None
    expected = (
        {"cell_loop"} if name in ("gru-before-h128", "lstm-zoneout-h128") else {"torch_nn", "cell_loop"}
    )
    assert set(train["peers"]) == expected - ({"cell_loop"} if name == "gru-ragged" else set())
    for one in found["results"]:
        assert one["ms"] >= one["least_ms"] > 0
        assert one["of_sgemm"] == pytest.approx(one["gflop"] / one["ms"] * 1e3 / LIMITS.sgemm_gflops)
        assert one["of_bound"] == pytest.approx(one["bound"]["ms"] / one["ms"])
        assert one["bound"]["by"] in ("FLOP", "L2")
    other = {"gru-ragged": "gru-dense", "gru-before-h128": "gru-h128", "lstm-zoneout-h128": "lstm-h128"}
    assert train.get("beside", {}).get("row") == other.get(name)


def test_a_peer_that_gives_wrong_numbers_is_refused(harness, monkeypatch):
    def slightly_wrong(problem):
        model = TorchModel(problem)
        model.weights()["bias_ih_l0"].data += 0.01
        return model

    monkeypatch.setattr(torch_nn, "build", slightly_wrong)
    with pytest.raises(WrongResultError, match=r"lstm-h128: outputs of torch_nn are wrong by .*: not timed"):
        next(harness.results(TINY["lstm-h128"]))


def test_shapes_of_models_that_are_there_have_no_loop():
    row = next(row for row in SHAPES if row.name == "gru-series")
    assert cell_loop.build(draw(row)) is None
    assert cell_loop.build(draw(row._replace(name="other"))) is not None


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "gru-before"])
def test_the_loop_over_cells_agrees_with_the_judge(cell):
    problem = draw(Row("tiny", cell, 3, 7, 2, (5, 6), bidirectional=True))
    checked("cell_loop", find(cell_loop.build(problem), problem), judge(problem), "tiny")


def test_only_short_dense_rows_are_compiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda loop: loop)
    built = {
        name
        for name in ROWS
        if compiled_loop.build(draw(ROWS[name]._replace(N=1, H=(2,) * len(ROWS[name].H))))
    }
    assert "lstm-h128" in built
    assert not built & {"lstm-3-layers", "gru-bidirectional", "gru-h512", "lstm-ragged"}


def test_a_foreign_peer_is_checked_and_timed_in_its_own_process(start):
    peer = start("numpy_rnn")
    problem = draw(Row("tiny", "rnn", 3, 7, 2, (5, 6)))
    found, works = peer.build(problem)
    assert works == ["infer"]
    output, gradient = checked("numpy", found, judge(problem), "tiny")
    assert output < 1e-6
    assert gradient is None
    assert peer.version.startswith("numpy ")
    times = peer.block("infer", seconds=0)
    assert len(times) == 3
    assert all(time > 0 for time in times)


def test_a_foreign_peer_may_read_ragged_rows_as_it_likes_past_the_lengths(start):
    problem = draw(Row("tiny", "rnn", 3, 7, 2, (5,), ragged=True))
    found, _ = start("numpy_rnn").build(problem)
    checked("numpy", found, judge(problem), "tiny")


def test_a_foreign_peer_says_what_it_lacks(start):
    peer = start("numpy_rnn")
    assert peer.build(draw(Row("tiny", "gru", 3, 7, 2, (5,)))) == "numpy has no gru"
    assert peer.build(draw(Row("tiny", "lstm-peephole", 3, 7, 2, (5,)))) == "no lstm-peephole"


def test_a_foreign_peer_that_gives_wrong_numbers_is_refused(start):
    problem = draw(Row("tiny", "rnn", 3, 7, 2, (5,)))
    found, _ = start("off_by_one_step").build(problem)
    with pytest.raises(WrongResultError, match=r"tiny: outputs of late are wrong by .*: not timed"):
        checked("late", found, judge(problem), "tiny")


def test_a_foreign_peer_that_dies_shows_its_last_words(start):
    with pytest.raises(UnrolledError, match=r"peer dying ended: (.|\n)*RuntimeError: no such luck"):
        start("dying").build(draw(Row("tiny", "rnn", 3, 7, 2, (5,))))


def test_a_peer_without_its_environment_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_JAX", str(tmp_path))
    with pytest.raises(UnrolledError, match=r"peer jax_scan: .* is not there: `make bench-peers` makes it"):
        Foreign("jax_scan", threads=1, clock="process_time")


def test_a_harness_times_a_foreign_peer_between_blocks_of_its_own(start):
    harness = Harness((), seconds=0, cpu_time=True)
    harness._foreign = [start("numpy_rnn")]
    train, infer = harness.results(TINY["rnn-h128"])
    assert train["peers"] == {}
    assert infer["peers"]["numpy_rnn"]["ratio"] > 0
    assert harness.versions()["numpy_rnn"].startswith("numpy ")


@pytest.mark.skipif(not hasattr(unrolled, "Stream"), reason="needs unrolled.Stream")
def test_the_streaming_step_is_checked_and_timed(harness):
    result = streaming.stream(0, harness.clock)
    assert result["output_error"] < 1e-6
    assert result["peers"]["cell_loop"]["ratio"] > 0


def made_up(**changes):
    result = {
        "row": "lstm-h128", "sizes": "N128 T28 I28 H128", "work": "train", "ms": 9.876, "of_sgemm": 0.72,
        "of_bound": 0.8, "bound": {"by": "L3", "ms": 7.9}, "output_error": 2e-7, "gradient_error": 5e-6,
        "peers": {"torch_nn": {"ratio": 1.75}, "jax_scan": {"ratio": 3.5}},
    }  # fmt: skip
    return {**result, **changes}


def test_goals_are_a_floor_an_aim_and_what_is_reached():
    assert goals.goals(made_up(), capped=False) == [
        Goal("times torch_nn", 1.75, 1.6, 2.0, True),
        Goal("of SGEMM", 0.72, None, 0.7, True),
        Goal("output error", 2e-7, 1e-6, 3e-7, False),
        Goal("gradient error", 5e-6, 1e-5, 1e-6, False),
    ]
    capped, *_ = goals.goals(made_up(), capped=True)
    assert (capped.floor, capped.aim, capped.reached) == (1.3, 1.7, "aim")
    reached = [
        Goal("", found, 1.6, 1.25, more=False).reached for found in (1.2, 1.25, 1.5, 1.7, float("nan"))
    ]
    assert reached == ["aim", "aim", "floor", "nothing", "nothing"]
    assert Goal("", 0.6, None, 0.7, more=True).reached == "short"


def test_a_ragged_row_is_judged_beside_its_dense_work():
    result = made_up(row="gru-ragged", beside={"row": "gru-dense", "share": 0.5, "times": 1.2})
    ragged = goals.goals(result, capped=False)[0:2]
    assert ragged == [
        Goal("times torch_nn", 1.75, 10.0, 14.0, True),
        Goal("of gru-dense", 1.2, None, 1.15, False),
    ]
    assert goals.beside(ROWS["gru-ragged"]) == ROWS["gru-ragged"]._replace(name="gru-dense", ragged=False)


def test_every_goal_is_of_a_row():
    names = {row for row, _ in [*goals.FASTER, *goals.FASTER_CAPPED, *goals.SHARE_OF_SGEMM]} | set(
        goals.BESIDE
    )
    assert names <= {*ROWS, "stream"}
    assert set(PEER_ROWS) <= set(ROWS)


def test_the_table_says_what_the_results_say():
    head = {
        "cpu": "A CPU", "isa": "avx512", "threads": 2, "torch": "2.13.0", "torch_isa": "AVX512",
        "commit": "abc", "date": "2030-01-02", "load": 0.1, "clock": "perf_counter",
        "peers": {"jax_scan": "jax 0.9"},
        "ceilings": {"sgemm_gflops": 200.0, "L2": 180.0, "memory": 17.4},
    }  # fmt: skip
    found = {"machine": head, "results": []}
    add(found, made_up())
    add(found, made_up(work="infer", peers={"jax_scan": {"ratio": 2.0}}, gradient_error=None))
    assert report.rows_markdown(found).splitlines() == [
        "all peers, avx512, 2 threads, wall time",
        "",
        "A CPU; torch 2.13.0 (AVX512), jax 0.9; commit abc, 2030-01-02, load 0.1, SGEMM 200 GFLOP/s, "
        "reads L2 180, memory 17 GB/s.",
        "",
        "| row | sizes | work | ms | torch.nn | JAX | of SGEMM | limit | error | goals |",
        "|---|---|---|---:|---:|---:|---:|---:|---|---|",
        "| lstm-h128 | N128 T28 I28 H128 | train | 9.88 | 1.75× | 3.50× | 72% | 80% L3 | 2e-07 ✓✓; 5e-06 ✓ | "
        "times torch_nn 1.75 (≥ 1.6, 2) ✓; of SGEMM 0.72 (≥ 0.7) ✓✓ |",
        "| lstm-h128 | N128 T28 I28 H128 | infer | 9.88 |  | 2.00× | 72% | 80% L3 | 2e-07 ✓✓ |  |",
    ]


def test_the_page_has_the_results_that_are_saved():
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, report.saved_sections()) == text
    assert report.page(text, []).endswith(report.BEGIN)


def test_rows_are_chosen_by_the_beginnings_of_their_names():
    rows, _ = chosen(["gru-h", "rnn"], every=True)
    assert [row.name for row in rows] == ["gru-h128", "gru-h28", "gru-h512", "rnn-h128"]
    assert len(chosen([], every=True)[0]) == len(ROWS)
    assert {row.name for row in chosen([], every=False)[0]} == set(PEER_ROWS)
    with pytest.raises(UnrolledError, match="unknown row 'gur': expected one of lstm-h128, "):
        chosen(["gur"], every=True)


@pytest.mark.parametrize("module", [goals, report])
def test_the_examples_in_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
