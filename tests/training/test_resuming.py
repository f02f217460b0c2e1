"""Trainings that go on: after a state was put back, after a stop, and after `kill -9`, with the same bits."""

import dataclasses
import json
import multiprocessing
import random
import time

import pytest
import torch
from safetensors.torch import load_file

from tests.tolerances import assert_equal
from unrolled.cli.main import main
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Augmentation, Recipe, RunConfig, Trainer, TrainingStoppedError, train_run

NETWORK = NetworkConfig("small", (("lstm", 7), ("gru", 9)), input_size=5, classes=3, output_dropout=0.3)
RECIPE = Recipe(batch_size=32, epochs=3)  # 10 steps an epoch
RECIPES = {
    "adam": {},
    "sgd": {"optimizer": "sgd", "schedule": "cosine"},
    "rmsprop": {"optimizer": "rmsprop"},
    "tf1-adam": {"optimizer": "tf1-adam", "order": "next-batch", "initial_weights": "tf1-normal-1"},
    "tf1-rmsprop": {"optimizer": "tf1-rmsprop", "order": "file", "clip_norm": None, "reduction": "sum"},
    "perturbed": {"augmentation": Augmentation(noise=0.3, affine=0.2, time_mask=0.5)},
    "bfloat16": {"precision": "bfloat16"},
    "patience": {"patience": 2, "epochs": 30, "learning_rate": 1e-12, "schedule": "constant"},
}


def make_config(**recipe) -> RunConfig:
    recipe = dataclasses.replace(RECIPE, **recipe)
    return RunConfig(NETWORK, recipe, "easy", ("a", "b", "c"), seed=3, validation=60)


def stop_after(steps: int):
    """What `should_stop` may be to stop after so many steps from here."""
    answers = iter([False] * (steps - 1) + [True])
    return lambda: next(answers)


def record(folder):
    """What a run folder holds, but for the seconds."""
    lines = [
        {key: value for key, value in line.items() if key != "seconds"}
        for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    ]
    return lines, load_file(folder / "weights.safetensors"), load_file(folder / "checkpoint.safetensors")


def assert_same_record(folder, expected):
    lines, weights, checkpoint = record(folder)
    assert lines == expected[0]
    for came, should in ((weights, expected[1]), (checkpoint, expected[2])):
        assert came.keys() == should.keys()
        for name, tensor in should.items():
            assert_equal(came[name], tensor)
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_that_was_stopped_goes_on_with_the_same_bits(recipe, tmp_path, easy_data):
    config = make_config(**RECIPES[recipe])
    train_run(tmp_path / "whole", config, easy_data)
    folder, steps = tmp_path / "stopped", 0
    # In the middle of an epoch, after one step more, and where an epoch has all its steps but is not over.
    for more in (4, 1, 5):
        steps += more
        with pytest.raises(TrainingStoppedError, match=rf"stopped at step {steps}: unrolled train --resume"):
            train_run(folder, config, easy_data, resume=steps > 4, should_stop=stop_after(more))
    outcome = train_run(folder, config, easy_data, resume=True)
    assert_same_record(folder, record(tmp_path / "whole"))
    assert_equal(outcome.network.state_dict()["classifier.bias"], record(folder)[1]["classifier.bias"])


@pytest.mark.parametrize("answers", [[True], [False, True]], ids=["before the test", "after the test"])
def test_a_stop_after_the_last_step_goes_on_with_the_test(answers, tmp_path, easy_data):
    config = make_config(**next(iter(RECIPES.values())))
    train_run(tmp_path / "whole", config, easy_data)
    steps = record(tmp_path / "whole")[0][-2]["step"]
    asked, folder = iter([False] * steps + answers), tmp_path / "stopped"
    with pytest.raises(TrainingStoppedError, match=rf"stopped at step {steps}: unrolled train --resume"):
        train_run(folder, config, easy_data, should_stop=lambda: next(asked))
    train_run(folder, config, easy_data, resume=True)
    assert_same_record(folder, record(tmp_path / "whole"))


def test_a_state_is_put_back_in_the_middle_of_an_epoch(easy_data):
    def make_trainer():
        return Trainer(SequenceClassifier(NETWORK), easy_data, RECIPE, seed=5)

    trainer, states = make_trainer(), []
    expected = list(trainer.epochs(lambda step: states.append(trainer.state())))
    other = make_trainer()  # from other weights: torch's generator has gone on
    other.load_state(states[13])
    resumed = list(other.epochs())
    for came, should in zip(resumed, expected[1:], strict=True):
        assert came._replace(seconds=0) == should._replace(seconds=0)
    assert_equal(list(other.network.parameters()), list(trainer.network.parameters()))


def test_what_a_step_draws_depends_on_the_seed_and_the_step_alone(easy_data):
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(drawn))
        trainer = Trainer(
            SequenceClassifier(NETWORK), easy_data, dataclasses.replace(RECIPE, steps=2), seed=seed
        )
        list(trainer.epochs(lambda step: drawn.append(float(torch.rand(())))))
    first, second, same, same_too, *others = drawn
    assert (first, second) == (same, same_too)
    assert len({first, second, *others}) == 4


def call_unrolled(arguments, folder):
    """In a process of its own: the command line."""
    torch.set_num_threads(1)
    with (folder / "output.txt").open("a") as output:
        import os

        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    main(arguments)


def test_nothing_is_lost_in_twenty_kills(tmp_path):
    """SIGKILL at random moments, most of them while a checkpoint is being written: one after each step."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "unrolled.cli.main", "unrolled.training", "unrolled.report"])

    def start(*arguments):
        process = context.Process(target=call_unrolled, args=([*map(str, arguments)], tmp_path))
        process.start()
        return process

    def begin(folder):
        return start(
            *("train", "--network", "seed-004", "--batch-size", 40, "--steps", 190, "--validation", 400),
            *("--run", folder, "--checkpoint-every", 1e-6),
        )

    whole = begin(tmp_path / "whole")
    whole.join()
    assert whole.exitcode == 0
    folder = tmp_path / "killed"
    moments, killed, process = random.Random(0), [], begin(folder)
    while len(killed) < 20:
        wait_for_checkpoints(folder, moments.randint(0, 6), process)
        time.sleep(moments.random() * 0.02)
        process.kill()
        process.join()
        assert process.exitcode == -9, (tmp_path / "output.txt").read_text()
        killed.append(progress_of(folder))
        process = start("train", "--resume", folder, "--checkpoint-every", 1e-6)
    process.join()
    assert process.exitcode == 0, (tmp_path / "output.txt").read_text()
    assert_same_record(folder, record(tmp_path / "whole"))
    assert killed[0] < killed[-1]


def wait_for_checkpoints(folder, count, process):
    """Until so many new checkpoints are there."""
    path, deadline = folder / "checkpoint.safetensors", time.monotonic() + 60
    seen = {identity(path)}
    while len(seen) <= count and process.is_alive() and time.monotonic() < deadline:
        seen.add(identity(path))
        time.sleep(0.0005)


def identity(path):
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def progress_of(folder):
    from unrolled.training.checkpoint import load_checkpoint

    path = folder / "checkpoint.safetensors"
    return load_checkpoint(path).progress.step if path.exists() else 0
