"""Train torch.nn's model of a recipe's network by the same recipe in the same time, and keep its accuracy.

    python scripts/torch_peer.py best --seconds 1700 --threads 1 --data-dir DATA --out best-torch.json

The model is torch.nn.GRU or torch.nn.LSTM and a linear layer, from the same initial weights as ours. It first
takes a few steps to see how long one lasts. The schedule is then that of as many steps as fit into --seconds,
the validation after each epoch included. With one thread, time is the process's own CPU time, so that
whatever else runs on the machine takes nothing from it; with more it is the clock's.

The JSON that is printed, and written to --out:

    recipe, network, seconds, steps, step_ms, threads, validation_accuracy, accuracy (of the test images)
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from unrolled import data
from unrolled.cells import DropoutCell
from unrolled.data import Dataset
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Trainer, evaluate
from unrolled.training.initial_weights import set_initial_weights
from unrolled.training.recipes import lookup

WARM_UP, MEASURED = 5, 25


class TorchClassifier(nn.Module):
    """torch.nn's layers for a network whose layers are of one kind and width, and read to their end."""

    def __init__(self, network: SequenceClassifier) -> None:
        super().__init__()
        config = network.config
        self.check(config)
        self.config = config  # a trainer asks for it
        kind, width, *_ = config.layers[0]
        self.both = config.direction == "bidirectional"
        self.recurrent = {"gru": nn.GRU, "lstm": nn.LSTM}[kind](
            config.input_size,
            width,
            num_layers=len(config.layers),
            batch_first=True,
            bidirectional=self.both,
            dropout=config.output_dropout if len(config.layers) > 1 else 0.0,
        )
        self.dropout = nn.Dropout(config.output_dropout)  # of the last layer's outputs, those that are seen
        if self.both:
            stacks = {"": network.forward_cells, "_reverse": network.backward_cells}
        else:
            stacks = {"": network.cell.cells}
        weights = {
            f"{name}_l{layer}{suffix}": parameter.detach().clone()
            for suffix, cells in stacks.items()
            for layer, cell in enumerate(cells)
            for name, parameter in (cell.cell if isinstance(cell, DropoutCell) else cell).named_parameters()
        }
        if kind == "lstm":
            for name, bias in weights.items():
                if name.startswith("bias_ih"):
                    bias[width : 2 * width] += 1  # the forget bias, which torch.nn has as a weight only
        self.recurrent.load_state_dict(weights)
        self.classifier = copy.deepcopy(network.classifier)

    @staticmethod
    def check(config: NetworkConfig) -> None:
        """Raise a SystemExit if torch.nn has no such network."""
        layer = config.layers[0]
        same = all(other == layer for other in config.layers)
        known = (layer[0] == "lstm" and len(layer) == 2) or layer[2:] == ({"reset": "after"},)
        plain = config == NetworkConfig(
            config.name,
            config.layers,
            direction=config.direction,
            output_dropout=config.output_dropout,
            input_size=config.input_size,
            classes=config.classes,
        )
        if not (same and known and plain and config.direction != "parallel"):
            raise SystemExit(f"torch.nn has no network like {config}")

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.recurrent(x)
        last = outputs[:, -1]
        if self.both:
            forwards = outputs.shape[2] // 2
            last = torch.cat([last[:, :forwards], outputs[:, 0, forwards:]], dim=1)
        logits: Tensor = self.classifier(self.dropout(last))
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    named = lookup(options.recipe)
    examples = data.load(named.data, None if named.data == "sample" else options.data_dir)
    config = named.network.changed(
        input_size=examples.train.sequences.shape[2], classes=len(examples.classes)
    )
    torch.manual_seed(options.seed)
    network = SequenceClassifier(config)
    set_initial_weights(network, named.recipe.initial_weights, options.seed)
    model = TorchClassifier(network)

    recipe = dataclasses.replace(named.recipe, initial_weights="torch")
    step = seconds_of_a_step(model, examples, recipe, clock)
    recipe = dataclasses.replace(recipe, steps=int(options.seconds / step))
    started = clock()
    trainer = Trainer(model, examples, recipe, seed=options.seed)
    for metrics in trainer.epochs():
        print(json.dumps(metrics._asdict()), flush=True)
    seconds = clock() - started
    model.load_state_dict(trainer.best_weights)
    result = {
        "recipe": options.recipe,
        "network": repr(model.recurrent),
        "seconds": round(seconds, 1),
        "steps": recipe.steps,
        "step_ms": round(1000 * step, 2),
        "threads": options.threads,
        "accuracy": evaluate(model, examples.test).accuracy,
    }
    if len(examples.validation):
        result["validation_accuracy"] = evaluate(model, examples.validation).accuracy
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def seconds_of_a_step(
    model: nn.Module, examples: Dataset, recipe: Recipe, clock: Callable[[], float]
) -> float:
    """How long a step of the training lasts, with its share of the validation after each epoch."""
    model = copy.deepcopy(model)
    times: list[float] = []
    trainer = Trainer(
        model,
        dataclasses.replace(examples, validation=examples.validation[:0]),
        dataclasses.replace(recipe, steps=WARM_UP + MEASURED),
    )
    for _ in trainer.epochs(on_step=lambda *_: times.append(clock())):
        pass
    step = (times[-1] - times[WARM_UP - 1]) / MEASURED
    started = clock()
    if len(examples.validation):
        evaluate(model, examples.validation)
    return step + (clock() - started) / recipe.steps_per_epoch(len(examples.train))


if __name__ == "__main__":
    main()
