"""Run under torchrun by test_distributed.py: trainings of several processes, and what each of them saw."""

import dataclasses
import json
import sys
from pathlib import Path

import torch

from unrolled.data import Dataset, Examples
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig
from unrolled.training import Recipe, RunConfig, distributed, train_run

NETWORK = NetworkConfig("small", (("lstm", 7), ("gru", 9)), input_size=5, classes=3)
RECIPES = {
    # 281 examples in batches of 40: the last one of an epoch has one, and most processes have none of it.
    "best": Recipe(batch_size=40, epochs=3, clip_norm=0.1),
    "tf1": Recipe(
        optimizer="tf1-adam",
        schedule="constant",
        batch_size=30,
        steps=25,
        clip_norm=None,
        loss="log-of-softmax",
        reduction="sum",
        order="next-batch",
        initial_weights="tf1-normal-1",
        keep="last",
    ),
    "patience": Recipe(optimizer="sgd", batch_size=64, epochs=20, patience=2, learning_rate=1e-7),
}


def make_examples(count: int, seed: int) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    sequences = torch.rand(count, 6, 5, generator=generator)
    return Examples(sequences, torch.randint(0, 3, (count,), generator=generator))


DATA = Dataset("noise", make_examples(281, 1), make_examples(50, 2), make_examples(40, 3), ("a", "b", "c"))


def make_config(name: str, **changes) -> RunConfig:
    config = RunConfig(NETWORK, RECIPES[name], "noise", DATA.classes, seed=3, validation=50)
    return dataclasses.replace(config, **changes)


def error_of(function) -> str:
    try:
        function()
    except UnrolledError as error:
        return str(error)
    return ""


def load_on(rank: int) -> None:
    if distributed.rank() == rank:
        raise UnrolledError(f"no data at {rank}")


def stop_in(rank: int):
    """What `should_stop` is if the process of this rank is asked to stop in the fourth step."""
    asked = iter(range(1, 1000))
    return lambda: next(asked) == 4 and distributed.rank() == rank


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    rank, size = distributed.rank(), distributed.world_size()
    seen: dict[str, object] = {"rank": rank, "size": size}
    for name in RECIPES:
        outcome = train_run(folder / name, make_config(name), DATA)
        seen[name] = outcome.test.accuracy
    seen["taken"] = error_of(lambda: train_run(folder / "best", make_config("best"), DATA))
    seen["no data"] = error_of(lambda: distributed.everywhere(lambda: load_on(size - 1)))
    try:
        train_run(folder / "stopped", make_config("best"), DATA, should_stop=stop_in(size - 1))
    except Exception as stopped:
        seen["stopped"] = str(stopped)
    said: list[str] = []
    train_run(
        folder / "stopped", make_config("best"), DATA, resume=True, on_step=lambda step: said.append("")
    )
    seen["steps said"] = len(said)

    network = dataclasses.replace(NETWORK, output_dropout=0.5)
    train_run(folder / "dropout", make_config("best", network=network), DATA, on_step=lambda step: None)
    drawn = torch.rand(())  # torch's generator has been seeded for the last step
    seen["drawn"] = float(drawn)
    infinite = dataclasses.replace(DATA, train=Examples(DATA.train.sequences.clone(), DATA.train.labels))

    def spoil() -> bool:  # every process is asked after a step whether to stop
        infinite.train.sequences[17] = float("inf")
        return False

    config = make_config("best")
    seen["diverged"] = error_of(lambda: train_run(folder / "diverged", config, infinite, should_stop=spoil))
    turned = Examples(DATA.test.sequences.flip(0), DATA.test.labels)
    other = dataclasses.replace(DATA, test=turned) if rank == size - 1 else DATA
    seen["other data"] = error_of(lambda: train_run(folder / "other", make_config("best"), other))
    (folder / f"seen-{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    with distributed.joined():
        main(Path(sys.argv[1]))
