"""`python -m conformance`: what it refuses, and when it fails."""

import json

import pytest

from conformance import __main__ as command
from conformance.case import Case

CASES = [Case("gates/one", "?", [], {}), Case("lengths/one", "?", [], {})]


@pytest.fixture
def asked(monkeypatch):
    """Peers that pass all cases, but for Flax, which is not there."""

    def ask(peer, pattern):
        if peer == "flax":
            return {"absent": "no environment"}
        verdicts = {case.name: {"kind": "passed", "sentence": ""} for case in CASES}
        return {"name": peer, "versions": {}, "verdicts": verdicts, "news": {"unexpected": []}}

    monkeypatch.setattr(command, "ask", ask)
    monkeypatch.setattr(command, "load", lambda: CASES)


@pytest.mark.parametrize("pattern", ["nothing/*", "["])
def test_cases_that_there_are_none_of_are_an_error(asked, capsys, pattern):
    with pytest.raises(SystemExit) as ended:
        command.main(["unrolled", "--cases", pattern])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"no case fits '{pattern}': expected such as 'gates/*', of the groups gates, lengths" in said.err


def test_a_peer_that_is_not_there_fails_where_it_was_named(asked, capsys):
    assert command.main([]) == 0
    assert "flax: absent: no environment" in capsys.readouterr().out
    assert command.main(["unrolled", "--cases", "gates/*"]) == 0
    assert command.main(["unrolled", "flax"]) == 1
    assert "flax: absent: no environment" in capsys.readouterr().out


def test_a_named_peer_that_is_not_there_leaves_what_is_kept_of_it(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(command, "PAGE", tmp_path / "page.md")
    known = {"name": "Flax", "versions": {"flax": "1"}, "date": "2030-01-02", "verdicts": {}}
    known["verdicts"] = {case.name: {"kind": "passed", "sentence": ""} for case in CASES}
    (tmp_path / "results.json").write_text(json.dumps({"peers": {"flax": known}}))
    assert command.main(["unrolled", "flax", "--save"]) == 1
    kept = json.loads((tmp_path / "results.json").read_text())["peers"]
    assert kept["flax"] == known
    assert set(kept["unrolled"]["verdicts"]) == {"gates/one", "lengths/one"}
    assert kept["unrolled"]["date"] > "2026"
    page = (tmp_path / "page.md").read_text()
    assert "- Flax: flax 1, 2030-01-02\n" in page
