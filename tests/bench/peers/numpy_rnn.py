"""A peer in numpy: h' = tanh(W x + b + U h + d), forwards, for inference alone."""

import numpy as np

from benchmarks.peers.protocol import NotThereError, Steps

VERSION = f"numpy {np.__version__}"


def build(problem, threads):
    if problem.cell != "rnn":
        raise NotThereError(f"numpy has no {problem.cell}")
    N, T, _ = problem.x.shape

    def outputs():
        y = problem.x
        for layer in range(problem.layers):
            w = problem.of(layer, 0)
            h, seen = np.zeros((N, len(w["bias_hh"])), np.float32), []
            for t in range(T):
                from_x = y[:, t] @ w["weight_ih"].T + w["bias_ih"]
                h = np.tanh(from_x + h @ w["weight_hh"].T + w["bias_hh"])
                seen.append(h)
            y = np.stack(seen, 1)
        return y

    return Steps(outputs, infer=outputs)
