"""The benchmark of other packages' models: those that are rebuilt, and what is left out."""

import json
import sys
import time

import pytest
import torch

import unrolled
from benchmarks import models_of_packages, packages, report
from benchmarks.models_of_packages import ROWS, Row, Subject, without
from unrolled.bench import WrongResultError

REBUILT = [name for name, row in ROWS.items() if row.package is None]


@pytest.mark.parametrize("name", REBUILT)
def test_a_rebuilt_model_is_checked_and_timed(name, monkeypatch):
    monkeypatch.setattr(packages, "interleaved", lambda steps, seconds, clock: once(steps))
    result = packages.measured(ROWS[name], 0, time.process_time)
    assert result["difference"] < 1e-5
    assert all("replaced" in layer for layer in result["layers"])
    assert result["train"]["ratio"] > 0
    assert result["infer"]["before_ms"] > 0


def once(steps):
    times = {}
    for name, run in steps.items():
        begin = time.perf_counter()
        run()
        times[name] = [time.perf_counter() - begin]
    return times


def test_a_model_that_changes_is_not_timed(monkeypatch):
    def accelerate(model):
        model.rnn[0].rnn.weight_ih_l0.data *= 1.5
        return model

    monkeypatch.setattr(unrolled, "accelerate", accelerate)
    with pytest.raises(WrongResultError, match=r"outputs after accelerate differ by .*: not timed"):
        packages.measured(ROWS["crnn N1"], 0, time.process_time)


def test_training_moves_the_weights_and_inference_does_not():
    model = torch.nn.GRU(2, 3)
    x = torch.randn(5, 1, 2)
    before = model.weight_hh_l0.detach().clone()
    subject = Subject(model, lambda model: model(x))
    packages.step(model, subject, "infer")()
    assert torch.equal(model.weight_hh_l0, before)
    packages.step(model, subject, "train")()
    assert not torch.equal(model.weight_hh_l0, before)


def test_a_module_that_is_not_installed_is_done_without(monkeypatch):
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    without("no_such_module", "no_such_module.deep", "json")
    from no_such_module import deep
    from no_such_module.deep import Thing

    assert isinstance(deep, models_of_packages.Unused)
    assert isinstance(Thing(1, two=3), Thing)
    assert sys.modules["json"] is json


def test_packages_that_are_not_there_are_left_out_and_the_rest_is_saved(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    report.PAGE.write_text(report.BEGIN, encoding="utf-8")
    monkeypatch.setattr(packages, "interleaved", lambda steps, seconds, clock: once(steps))
    absent = Row("no-such-package", "T1", lambda: None)
    monkeypatch.setattr(packages, "ROWS", {"absent": absent, "crnn N1": ROWS["crnn N1"]})
    monkeypatch.setattr(sys, "argv", ["packages", "--save", "packages-x"])
    threads = torch.get_num_threads()
    packages.main()
    torch.set_num_threads(threads)
    assert "absent: left out, No package metadata was found for no-such-package" in capsys.readouterr().out
    saved = json.loads((tmp_path / "packages-x.json").read_text())
    assert list(saved["rows"]) == ["crnn N1"]
    ratio = f"{saved['rows']['crnn N1']['infer']['ratio']:.2f}×"
    assert f"| {ratio} |" in report.PAGE.read_text(encoding="utf-8")
