"""Time models of other packages before and after `unrolled.accelerate`, and compare their results.

    python -m venv third && third/bin/pip install . neuralforecast sb3-contrib
    third/bin/python benchmarks/third_party.py --save NAME          results into benchmarks/results/

neuralforecast's GRU and LSTM forecast 50 made-up series; sb3-contrib's RecurrentPPO learns to swing up
pendulums, and calls its LSTM for one step at a time wherever an episode begins in a batch: such calls stay
in torch.nn. Nothing of them is changed but for the call of accelerate. Both models of a row start with the
same weights and train once; then `same weights` compares the results of one model before and after
accelerate, and `two trainings` those of the model trained on torch.nn and the one trained on the kernels.
Only then they are timed.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import kernels
import numpy as np
import torch

import unrolled

Prepare = Callable[[Any], Any]  # accelerate, or nothing


class Subject(NamedTuple):
    """A package's model, a piece of its training, and its results on fixed inputs."""

    model: Callable[[], torch.nn.Module]
    train: Callable[[], Any]
    results: Callable[[], np.ndarray]


def forecaster(kind: str, prepare: Prepare) -> Subject:
    """50 series of 300 months, two layers of 128, 5 steps of training, a forecast of 12 months of each."""
    import pandas as pd
    from neuralforecast import NeuralForecast, models

    rng = np.random.default_rng(0)
    month = np.arange(300)
    values = [
        100 + month * rng.normal() / 5 + 20 * np.sin(month / 6 + rng.normal()) + rng.normal(size=300)
        for _ in range(50)
    ]
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(50), 300),
            "ds": np.tile(pd.date_range("2000-01-31", periods=300, freq="ME"), 50),
            "y": np.concatenate(values),
        }
    )
    model = getattr(models, kind)(
        h=12,
        input_size=48,
        encoder_hidden_size=128,
        encoder_n_layers=2,
        max_steps=5,
        random_seed=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    forecast = NeuralForecast(models=[prepare(model)], freq="ME")  # which copies it
    return Subject(
        lambda: forecast.models[0],
        lambda: forecast.fit(table),
        lambda: forecast.predict()[kind].to_numpy(),
    )


def agent(_: str, prepare: Prepare) -> Subject:
    """16 pendulums, two LSTMs of 128; 16 × 64 steps, 2 epochs; 100 actions for each pendulum."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.env_util import make_vec_env

    ppo = RecurrentPPO(
        "MlpLstmPolicy",
        make_vec_env("Pendulum-v1", 16, seed=0),
        n_steps=64,
        batch_size=512,
        n_epochs=2,
        seed=0,
        device="cpu",
        policy_kwargs={"lstm_hidden_size": 128},
    )
    prepare(ppo.policy)
    observations = torch.randn(100, 16, 3, generator=torch.Generator().manual_seed(0)).numpy()

    def actions() -> np.ndarray:
        found, state = [], None
        for observation in observations:
            action, state = ppo.predict(observation, state, deterministic=True)
            found.append(action)
        return np.stack(found)

    return Subject(lambda: ppo.policy, lambda: ppo.learn(16 * 64), actions)


ROWS: dict[str, tuple[Callable[[str, Prepare], Subject], str]] = {
    "neuralforecast GRU": (forecaster, "GRU"),
    "neuralforecast LSTM": (forecaster, "LSTM"),
    "sb3-contrib RecurrentPPO": (agent, "LSTM"),
}


def difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest, relative to the largest expected number."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def measured(build: Callable[[str, Prepare], Subject], kind: str, seconds: float) -> dict[str, Any]:
    peer, ours = build(kind, lambda model: model), build(kind, unrolled.accelerate)
    for one in (peer, ours):
        torch.manual_seed(0)
        np.random.seed(0)  # the packages draw from it
        one.train()
    before = peer.results()
    found: dict[str, Any] = {"two_trainings": difference(ours.results(), before)}
    unrolled.accelerate(peer.model())
    found["same_weights"] = difference(peer.results(), before)
    unrolled.restore(peer.model())
    found["layers"] = [str(finding) for finding in unrolled.layers.explain(ours.model())]
    found["train"] = kernels.interleaved(peer.train, ours.train, seconds)
    found["infer"] = kernels.interleaved(peer.results, ours.results, seconds)
    return found


def table(found: dict[str, Any]) -> str:
    """The results as Markdown."""
    head = found["machine"]
    lines = [
        f"# Other packages' models before and after accelerate, {head['date']}",
        "",
        f"{head['cpu']}, {head['threads']} threads, {head['isa']}, torch {head['torch']} "
        f"({head['torch_capability']}), commit {head['commit']}, {head['clock']}, load {head['load']:.1f}; "
        + ", ".join(f"{name} {version}" for name, version in found["versions"].items())
        + ".",
        "",
        "| model | work | before ms | after ms | ratio | same weights | two trainings |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in found["rows"].items():
        for work in ("train", "infer"):
            one = row[work]
            lines.append(
                f"| {name} | {work} | {one['peer_ms']:.1f} | {one['ours_ms']:.1f} | {one['ratio']:.2f} | "
                f"{row['same_weights']:.0e} | {row['two_trainings']:.0e} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="for each row and work")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json and .md")
    parser.add_argument("--cpu-time", action="store_true", help="one thread and its CPU time")
    arguments = parser.parse_args()
    if arguments.cpu_time:
        kernels.CLOCK = time.process_time
        torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)

    packages = ("neuralforecast", "sb3-contrib")
    found: dict[str, Any] = {
        "machine": kernels.machine(),
        "versions": {name: version(name) for name in packages},
        "rows": {},
    }
    for name, (build, kind) in ROWS.items():
        found["rows"][name] = measured(build, kind, arguments.seconds)
        print("\n".join(table(found).splitlines()[-2:]), flush=True)
    if arguments.save:
        folder = Path(__file__).parent / "results"
        (folder / f"{arguments.save}.json").write_text(json.dumps(found, indent=1) + "\n")
        (folder / f"{arguments.save}.md").write_text(table(found))


if __name__ == "__main__":
    main()
