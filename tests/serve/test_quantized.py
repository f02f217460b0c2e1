"""Runs with int8 weights are served as any other."""

import warnings

import numpy as np
import pytest
import torch

from unrolled import Stream
from unrolled.serve import ServeSettings, make_app
from unrolled.training import Run, quantize_run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another client than httpx
    from starlette.testclient import TestClient


@pytest.mark.parametrize("weights", ["int8", "bfloat16"])
def test_predictions_and_sessions_of_a_quantized_run(small, tmp_path, weights):
    folder = quantize_run(Run.open(small), tmp_path / "tiny", weights).folder
    network = Run.open(folder).load_classifier()
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    with TestClient(make_app(ServeSettings((folder,))), base_url="http://127.0.0.1:8000") as client:
        answer = client.post("/v1/predict", json={"sequences": [x.tolist()]}).json()["answers"][0]
        with torch.no_grad():
            shares = network(torch.from_numpy(x)[None]).softmax(1)[0]
        assert answer["confidence"] == pytest.approx(float(shares.max()), abs=1e-6)

        session = client.post("/v1/sessions", json={}).json()["session"]
        stream = Stream(network)
        said = client.post(
            f"/v1/sessions/{session}/steps", json={"steps": x.tolist(), "outputs": True}
        ).json()
        own = torch.stack([stream.step(row) for row in torch.from_numpy(x)])
        assert torch.equal(torch.tensor(said["outputs"]).softmax(dim=1), own)
