"""The other end of foreign.py: runs one peer in the peer's own environment.

    python -m benchmarks.peers.serve benchmarks.peers.jax_scan --threads 2 --clock perf_counter

Requests are lines of JSON on stdin, answers are lines of JSON on what stdout was at the start:

    {"problem": "path.npz", "found": "path.npz"} -> {"works": ["train", "infer"], "version": "jax 0.8"}
                                                    or {"lacks": "why"}
    {"work": "train", "seconds": 0.5}            -> {"times": [0.0071, ...]}
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time

import numpy as np

from benchmarks.peers.protocol import NotThereError, Steps, load, timed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--clock", required=True)
    arguments = parser.parse_args()
    clock = getattr(time, arguments.clock)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # frameworks print what they like

    peer = importlib.import_module(arguments.peer)
    read = getattr(peer, "load", load)  # a peer may have problems of a kind of its own
    steps: Steps | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if "problem" in request:
            try:
                steps = peer.build(read(request["problem"]), arguments.threads)
            except NotThereError as error:
                answers.write(json.dumps({"lacks": str(error)}) + "\n")
                continue
            gradients = steps.gradients() if steps.gradients else {}
            np.savez(
                request["found"],
                outputs=steps.outputs(),
                **{f"gradient:{k}": v for k, v in gradients.items()},
            )
            works = ["train", "infer"] if steps.train else ["infer"]
            answers.write(json.dumps({"works": works, "version": peer.VERSION}) + "\n")
        else:
            step = getattr(steps, request["work"])
            answers.write(json.dumps({"times": timed(step, request["seconds"], clock)}) + "\n")


if __name__ == "__main__":
    main()
