"""A peer whose outputs come a step too late."""

import numpy as np

from benchmarks.peers.protocol import Steps
from tests.bench.peers import numpy_rnn

VERSION = "wrong 1.0"


def build(problem, threads):
    right = numpy_rnn.build(problem, threads)
    return Steps(lambda: np.roll(right.outputs(), 1, axis=1), right.infer)
