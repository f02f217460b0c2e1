"""Training from files that are mapped into memory: the bits of training in memory."""

from pathlib import Path

import pytest
import torch

from unrolled import data, networks
from unrolled.training import Recipe, Trainer, evaluate


@pytest.mark.parametrize("network", ["single-layer-dynamic-gru", "seed-002"])
def test_a_training_from_files_has_the_bits_of_one_in_memory(tmp_path: Path, network: str) -> None:
    sample = data.load("sample", validation=50)
    parts = {"train": sample.train[:333], "validation": sample.validation, "test": sample.test[:90]}
    pieces = {part: [(examples.sequences, examples.labels)] for part, examples in parts.items()}
    data.save_arrays(tmp_path / "digits", **pieces, classes=sample.classes)
    in_memory = data.Dataset("digits", *parts.values(), classes=sample.classes)

    weights, tests = [], []
    for dataset in (in_memory, data.open_arrays(tmp_path / "digits")):
        torch.manual_seed(3)
        trained = networks.build(network)
        trainer = Trainer(trained, dataset, Recipe(batch_size=31, epochs=2), seed=7)
        metrics = [line._replace(seconds=0.0) for line in trainer.epochs()]
        weights.append([tensor.clone() for tensor in trained.state_dict().values()])
        tests.append((metrics, evaluate(trained, dataset.test).probabilities))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*weights, strict=True))
    assert tests[0][0] == tests[1][0]
    assert torch.equal(tests[0][1], tests[1][1])
