"""A short slice of `make soak`: trainings that are killed and resumed, and one that is another in the end."""

import json
import shutil

import pytest

from scripts.soak import KINDS, LostError, Soak, compare, record


def test_nothing_is_lost_in_a_few_kills_of_each_kind(tmp_path):
    soak = Soak(tmp_path, seed=3)
    while {kill.kind for kill in soak.kills if kill.code == -9} < set(KINDS):
        soak.training(8)
        assert len(soak.kills) < 80
    assert sum(kill.code == -9 for kill in soak.kills) >= len(KINDS)

    whole = soak.whole
    lines = (whole / "metrics.jsonl").read_text().splitlines(keepends=True)
    spoilt = {
        "a line that is there twice": lambda run: (run / "metrics.jsonl").write_text(
            "".join(lines[:1] + lines)
        ),
        "a picture that is missing": lambda run: (run / "reading.png").unlink(),
        "a leftover": lambda run: (run / ".weights.safetensors.0123456789abcdef.part").write_text(""),
        "another bit": lambda run: flip_last_bit(run / "weights.safetensors"),
    }
    for what, spoil in spoilt.items():
        run = tmp_path / what
        shutil.copytree(whole, run)
        compare(run, soak.expected)
        spoil(run)
        with pytest.raises(LostError):
            compare(run, soak.expected)
    assert record(whole)[0][-1]["test_accuracy"] == json.loads(lines[-1])["test_accuracy"]


def flip_last_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
