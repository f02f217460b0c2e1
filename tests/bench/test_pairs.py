"""The benchmarks of two sides, as their users start them."""

import json
import sys

import pytest
import torch

from benchmarks import bfloat16, packed, pairs, third_party
from benchmarks.pairs import Pairs


@pytest.mark.parametrize("module", [bfloat16, packed, third_party])
def test_each_explains_itself(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module.__name__, "--help"])
    with pytest.raises(SystemExit) as stop:
        module.main()
    assert stop.value.code == 0
    assert "--cpu-time" in capsys.readouterr().out


def test_a_pair_is_timed_turn_by_turn_and_saved(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["pairs", "--seconds", "0", "--save", "tiny", "--cpu-time"])
    monkeypatch.setattr(pairs, "__file__", str(tmp_path / "pairs.py"))
    (tmp_path / "results").mkdir()
    turns = []
    run = Pairs("A pair.", seconds=9.0)
    run.found["rows"]["one"] = run.time(lambda: turns.append("peer"), lambda: turns.append("ours"))
    run.save(run.head())
    assert turns[:4] == ["peer", "ours"] * 2
    assert torch.get_num_threads() == 1
    saved = json.loads((tmp_path / "results" / "tiny.json").read_text())
    assert saved["machine"]["clock"] == "process_time"
    assert saved["rows"]["one"]["rounds"] == 5
    assert saved["machine"]["commit"] in (tmp_path / "results" / "tiny.md").read_text()


def test_the_rows_of_fewer_bits_run_and_their_errors_are_in_order(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["bfloat16", "--seconds", "0", "--save", "tiny"])
    monkeypatch.setattr(pairs, "__file__", str(tmp_path / "pairs.py"))
    monkeypatch.setattr(bfloat16, "SIZES", [(3, 20, 5, 7)])
    (tmp_path / "results").mkdir()
    bfloat16.main()
    rows = json.loads((tmp_path / "results" / "tiny.json").read_text())["rows"]
    assert list(rows) == [
        f"{kind} N3 T20 I5 H7, {work}" for kind in ("LSTM", "GRU") for work in ("training", "inference")
    ]
    for row in rows.values():
        assert row["errors"]["float32"] < row["errors"]["autocast"] / 10
        assert row["errors"]["autocast"] < 2 * row["errors"]["torch.nn"]
    assert torch.get_float32_matmul_precision() == "highest"
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_the_steps_of_the_packed_rows_run(monkeypatch):
    monkeypatch.setattr(packed, "N", 3)
    monkeypatch.setattr(packed, "T", 4)
    for how in ("packed", "padded again", "lengths"):
        layer = packed.unrolled.GRU(packed.I, packed.H, batch_first=True)
        before = layer.weight_ih_l0.detach().clone()
        packed.training(layer, how)()
        assert not torch.equal(layer.weight_ih_l0, before)
