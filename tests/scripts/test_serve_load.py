"""The load of the service in miniature: all rows, and the kill."""

import numpy as np
import pytest
import torch

from scripts import serve_load
from scripts.crowd import Crowd
from scripts.serve_kill import Followed, bits_are_right
from unrolled import dynamic_unroll
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig

pytest.importorskip("fastapi", reason='the extra "serve" is not installed')


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    config = NetworkConfig("small", (("lstm", 5),), input_size=3, classes=4)
    made = Run.create(
        tmp_path / "run", RunConfig(config, Recipe(), "sample", tuple("abcd"), seed=0, validation=0)
    )
    made.save_weights(SequenceClassifier(config).state_dict())
    return tmp_path / "run"


def test_all_rows_are_measured_and_every_session_outlives_the_kill(run, capsys):
    serve_load.main(["--run", str(run), "--sessions", "60", "--connected", "8", "--seconds", "0.4"])
    said = capsys.readouterr().out
    assert "| sessions open, 8 of them connected | 60 (" in said
    for form in ("JSON", "compact"):
        for length in (1, 10):
            start = f"| {form}, messages of {length}"
            throughput, latency = (
                line for line in said.splitlines() if line.startswith((start + " ", start + ","))
            )
            assert "messages/s" in throughput
            assert "p99" in latency
    assert "60 of 60 go on with the same bits: 8 under load" in said
    assert "0 files left over" in said


def test_a_refusal_ends_the_load(run, tmp_path):
    server = serve_load.Server(tmp_path / "log", run, "--port", 0)
    try:
        crowd = Crowd(server.port, 2)
        messages = [[serve_load.as_json("nobody", np.zeros((1, 3), np.float32))]] * 2
        with pytest.raises(ValueError, match=r"the service refused: .*no session has that name"):
            crowd.saturate(messages, 1)
        crowd.close()
    finally:
        server.stop()


def test_another_bit_and_another_answer_to_the_same_step_are_found(run):
    network = Run.open(run).load_classifier()
    x = np.random.default_rng(0).standard_normal((6, 3), dtype=np.float32)
    with torch.inference_mode():
        outputs, _ = dynamic_unroll(network.cell, torch.from_numpy(x)[None])
        logits = torch.cat([network.classifier(row.clone()) for row in outputs[0].split(1)]).tolist()

    def followed():
        one = Followed("", x, sent=6)
        for step, row in enumerate(logits):
            one.take({"count": step + 1, "outputs": [list(row)]})
        return one

    right, bit, twice = followed(), followed(), followed()
    bit.said[3][1] = float(np.nextafter(np.float32(bit.said[3][1]), np.float32(9)))
    twice.take({"count": 2, "outputs": [logits[2]]})
    assert bits_are_right(run, [right, bit, twice]) == [True, False, False]
    with pytest.raises(ValueError, match="refused"):
        right.take({"error": "no"})
