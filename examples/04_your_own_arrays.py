"""Your own sequences, as arrays of any length: a run folder that every verb reads, and its predictions."""

import numpy as np
import torch

from unrolled import data, networks
from unrolled.training import Recipe, Run, RunConfig, evaluate, train_run

random = np.random.default_rng(0)
CLASSES = ("falling", "rising")


def walks(count):
    """Random walks of 10 to 40 steps of 2 numbers, the second of which falls or rises in the long run."""
    labels = random.integers(0, 2, count)
    drifts = [np.array([0.0, 0.3 if label else -0.3]) for label in labels]
    steps = [drift + random.normal(size=(random.integers(10, 41), 2)) for drift in drifts]
    sequences = [part.cumsum(axis=0).astype(np.float32) for part in steps]
    return data.Examples(sequences, torch.from_numpy(labels))


dataset = data.Dataset("walks", walks(400), walks(100), walks(200), CLASSES)

network = networks.NetworkConfig("small", (("gru", 16),), input_size=2, classes=len(CLASSES))
recipe = Recipe(batch_size=32, epochs=4, learning_rate=0.01)
outcome = train_run(
    "walks-run", RunConfig(network, recipe, "walks", CLASSES, seed=0, validation=100), dataset
)
print(f"test accuracy {outcome.test.metrics['accuracy']:.3f}, kept in {outcome.run.folder}")

# Later, elsewhere: the folder is enough.
reader = Run.open("walks-run").load_network()
new = walks(3)
for label, probabilities in zip(new.labels, evaluate(reader, new).probabilities, strict=True):
    said = ", ".join(f"{name} {share:.1%}" for name, share in zip(CLASSES, probabilities, strict=True))
    print(f"true {CLASSES[label]}: {said}")
assert outcome.test.metrics["accuracy"] > 0.8
