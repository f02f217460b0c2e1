"""A run that is served, in this process and in one of its own."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from unrolled.networks import CATALOGUE, NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig

pytest.importorskip("fastapi", reason='the extra "serve" is not installed')


def make_run(folder, network, classes, seed=0):
    """A run of a network with random weights."""
    torch.manual_seed(seed)
    run = Run.create(folder, RunConfig(network, Recipe(), "sample", classes, seed=seed, validation=0))
    run.save_weights(SequenceClassifier(network).state_dict())
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A network of three numbers a step, an LSTM of five, and four classes."""
    config = NetworkConfig("small", (("lstm", 5),), input_size=3, classes=4)
    return make_run(tmp_path_factory.mktemp("small") / "small", config, ("a", "b", "c", "d"))


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """One that reads digits row by row, both ways: it cannot stream."""
    config = dataclasses.replace(CATALOGUE["seed-000"], direction="bidirectional")
    return make_run(tmp_path_factory.mktemp("digits") / "digits", config, tuple("0123456789"), seed=1)


class Served:
    """`unrolled serve` in a process of its own."""

    def __init__(self, *arguments, env=None):
        command = [sys.executable, "-m", "unrolled", "serve", *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | (env or {}),
        )
        self.lines, self.port = [], None
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(180), self.lines
        assert self.port, self.lines
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if said["event"] == "ready":
                    self.port = said["port"]
                    self._ready.set()
        self._ready.set()

    def stop(self, number=signal.SIGTERM):
        """End it, and read what it says until then: its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(40)
        self._reader.join(10)
        self.process.stderr.close()
        return code


@pytest.fixture
def serve():
    """`serve("runs/mine", "--workers", 2)`: a process that is ready, and stopped after the test."""
    started = []

    def start(*arguments, env=None):
        started.append(Served(*arguments, env=env))
        return started[-1]

    yield start
    for one in started:
        if not one.process.stderr.closed:
            one.stop(signal.SIGKILL)
