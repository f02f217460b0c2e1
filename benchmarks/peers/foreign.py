"""A peer that lives in an environment of its own: a process that computes when it is told to."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers import protocol
from benchmarks.peers.protocol import Array
from unrolled.bench import Problem
from unrolled.bench.check import Found, within
from unrolled.bench.models import CellModel
from unrolled.errors import UnrolledError

ROOT = Path(__file__).parents[2]

# The environment of each, below the project's folder or where VARIABLE says. `make bench-peers` makes them.
ENVIRONMENTS = {
    "jax_scan": ".venv-jax",
    "tensorflow_keras": ".venv-tensorflow",
    "tensorflow_graph": ".venv-tensorflow",
    "onnx_runtime": ".venv-onnx",
}
PACKAGE = "benchmarks.peers"
CELLS = ("lstm", "gru", "gru-before", "rnn")


def environment(peer: str) -> Path:
    """The peer's Python; BENCH_JAX, BENCH_TENSORFLOW or BENCH_ONNX may name the folder of another one."""
    folder = ENVIRONMENTS[peer]
    variable = "BENCH_" + folder.removeprefix(".venv-").upper()
    return Path(os.environ.get(variable, ROOT / folder)) / "bin" / "python"


class Foreign:
    """One peer's process: started once, then asked row by row.

    Args:
        peer: the file in peers/.
        threads: that it may use.
        clock: the name of a function of `time`.
        beside: a peer whose environment it shares, if it has none of its own.
    """

    def __init__(self, peer: str, threads: int, clock: str, beside: str | None = None) -> None:
        python = environment(beside or peer)
        if not python.exists():
            raise UnrolledError(f"peer {peer}: {python} is not there: `make bench-peers` makes it")
        count = str(threads)
        settings = {
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            "NPROC": count,  # the size of XLA's pool
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        }
        if threads == 1:
            settings["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
        self.peer = peer
        self.version: str | None = None
        self._folder = tempfile.TemporaryDirectory()
        self._log = (Path(self._folder.name) / "log").open("w+")
        command = [str(python), "-m", "benchmarks.peers.serve", f"{PACKAGE}.{peer}"]
        command += ["--threads", count, "--clock", clock]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def build(self, problem: Problem) -> tuple[Found, list[str]] | str:
        """What the peer computes and the works that it can be timed at, or why it cannot."""
        row = problem.row
        if row.cell not in CELLS:
            return f"no {row.cell}"
        given = protocol.Problem(
            cell=row.cell,
            layers=len(row.H),
            directions=len(problem.cells),
            x=problem.x.numpy(),
            lengths=None if problem.lengths is None else problem.lengths.numpy().astype(np.int32),
            target=problem.target.numpy(),
            weights={k: v.detach().numpy() for k, v in CellModel(problem).weights().items()},
        )
        answer, arrays = self.begin(lambda path: protocol.save(given, path))
        if "lacks" in answer:
            return str(answer["lacks"])
        outputs = within(torch.from_numpy(arrays.pop("outputs")), problem)
        gradients = {key.removeprefix("gradient:"): torch.from_numpy(value) for key, value in arrays.items()}
        return Found(outputs, gradients), answer["works"]

    def begin(self, save: Callable[[Path], None]) -> tuple[dict[str, Any], dict[str, Array]]:
        """Give the peer the problem that `save` writes: its answer, and what it computed, by name."""
        problem, found = (Path(self._folder.name, name) for name in ("problem.npz", "found.npz"))
        save(problem)
        answer = self._ask({"problem": str(problem), "found": str(found)})
        if "lacks" in answer:
            return answer, {}
        self.version = answer["version"]
        with np.load(found) as file:
            return answer, dict(file)

    def block(self, work: str, seconds: float) -> list[float]:
        """The times of a block of steps."""
        times: list[float] = self._ask({"work": work, "seconds": seconds})["times"]
        return times

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            self._log.seek(0)
            raise UnrolledError(f"peer {self.peer} ended: {self._log.read()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._log.close()
        self._folder.cleanup()
