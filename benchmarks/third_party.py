"""Time models of other packages before and after `unrolled.accelerate`, and compare their results.

    python -m venv third && third/bin/pip install . neuralforecast sb3-contrib
    third/bin/python -m benchmarks.third_party --save NAME           results into benchmarks/results/

neuralforecast's GRU and LSTM forecast 50 made-up series; sb3-contrib's RecurrentPPO learns to swing up
pendulums, and calls its LSTM for one step at a time wherever an episode begins in a batch: such calls stay
in torch.nn. Nothing of them is changed but for the call of accelerate. Both models of a row start with the
same weights and train once; then `same weights` compares the results of one model before and after
accelerate, and `two trainings` those of the model trained on torch.nn and the one trained on the kernels.
Only then they are timed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

import unrolled
from benchmarks.pairs import Pairs

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


def measured(build: Callable[[str, Prepare], Subject], kind: str, pairs: Pairs) -> dict[str, Any]:
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
    found["train"] = pairs.time(peer.train, ours.train)
    found["infer"] = pairs.time(peer.results, ours.results)
    return found


def table(pairs: Pairs) -> str:
    """The results as Markdown."""
    found = pairs.found
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [
        f"# Other packages' models before and after accelerate, {found['machine']['date']}",
        "",
        f"{pairs.head()}; {versions}.",
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

    pairs = Pairs(__doc__, seconds=20.0)
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    versions = {name: version(name) for name in ("neuralforecast", "sb3-contrib")}
    pairs.found["versions"] = versions
    for name, (build, kind) in ROWS.items():
        pairs.found["rows"][name] = measured(build, kind, pairs)
        print("\n".join(table(pairs).splitlines()[-2:]), flush=True)
    pairs.save(table(pairs))


if __name__ == "__main__":
    main()
