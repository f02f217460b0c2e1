"""Measure what the bidirectional networks lose by classifying beside the last row (defect B3).

    python scripts/measure_reads.py                        the table of docs/bidirectional-reading.md

Every network is trained with read="final" and read="last" from the same seeds, with the default recipe cut to
`--epochs`. It needs all of MNIST, and takes about an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics

import torch

from unrolled import data, networks, training

NETWORKS = ("single-layer-dynamic-bi-lstm", "multi-layer-dynamic-bi-lstm")
READS = ("final", "last")


def test_accuracy(digits: data.Dataset, name: str, read: str, epochs: int, seed: int) -> float:
    """Train once, and return the accuracy on the test examples with the best weights."""
    torch.manual_seed(seed)
    network = networks.build(name, read=read)
    recipe = dataclasses.replace(training.RECIPES["default"], epochs=epochs)
    trainer = training.Trainer(network, digits, recipe, seed=seed)
    for _ in trainer.epochs():
        pass
    network.load_state_dict(trainer.best_weights)
    return training.evaluate(network, digits.test).accuracy


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=["sample", "mnist"])
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--data-dir")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    print('| data | network | epochs | read="final" | read="last" | difference |')
    print("|---|---|---:|---:|---:|---:|")
    for name in options.data:
        digits = data.load(name, options.data_dir if name != "sample" else None)
        for network in options.networks:
            accuracies = {
                read: [
                    100 * test_accuracy(digits, network, read, options.epochs, seed)
                    for seed in range(options.seeds)
                ]
                for read in READS
            }
            cells = [
                f"{statistics.mean(values):.2f} % ({min(values):.2f} to {max(values):.2f})"
                for values in accuracies.values()
            ]
            gain = statistics.mean(accuracies["final"]) - statistics.mean(accuracies["last"])
            print(
                f"| {name} | `{network}` | {options.epochs} | {cells[0]} | {cells[1]} | {gain:+.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
