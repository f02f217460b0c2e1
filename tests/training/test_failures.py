"""Trainings that fail: one clear error each, and what was good is kept."""

import dataclasses
import json
import math
import os
import subprocess

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.tolerances import assert_equal
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import (
    Recipe,
    Run,
    RunConfig,
    Trainer,
    TrainingDivergedError,
    TrainingStoppedError,
    train_run,
)
from unrolled.training.checkpoint import load_checkpoint, save_checkpoint

NETWORK = NetworkConfig("small", (("gru", 9),), input_size=5, classes=3)
RECIPE = Recipe(batch_size=32, epochs=3)  # 10 steps an epoch
CONFIG = RunConfig(NETWORK, RECIPE, "easy", ("a", "b", "c"), seed=3, validation=60)


def at_step(number, action):
    """What `on_step` may be to do something after that step."""
    return lambda step: action() if step.number == number else None


def weights_of(folder):
    return load_file(folder / "weights.safetensors")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 KB that is a disk of its own: mounting it needs root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk):
    """Leave no room but for a few bytes."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


@pytest.mark.parametrize(
    ("seconds", "full_at", "kept_step"),
    [(1e-9, 12, 11), (1e-9, 20, 19), (1e9, 14, 10)],
    ids=["in the middle of an epoch", "in its last step", "at its end"],
)
def test_a_full_disk_ends_the_training_with_the_last_checkpoint_kept(
    seconds, full_at, kept_step, small_disk, tmp_path, easy_data
):
    folder = small_disk / "run"
    kept = (
        r"No space left on device; the last checkpoint is kept, and `unrolled train --resume .*run` goes on"
    )
    with pytest.raises(UnrolledError, match=rf"cannot write into .*run: {kept}"):
        train_run(
            folder,
            CONFIG,
            easy_data,
            checkpoint_seconds=seconds,
            on_step=at_step(full_at, lambda: fill(small_disk)),
        )
    assert load_checkpoint(folder / "checkpoint.safetensors").progress.step == kept_step
    with pytest.raises(UnrolledError, match="No space left on device; nothing has changed"):
        train_run(folder, CONFIG, easy_data, resume=True)
    (small_disk / "filler").unlink()
    train_run(folder, CONFIG, easy_data, resume=True)
    train_run(tmp_path / "whole", CONFIG, easy_data)
    assert_equal(list(weights_of(folder).values()), list(weights_of(tmp_path / "whole").values()))
    assert not list(folder.glob(".*"))


def test_a_disk_that_is_full_before_the_first_checkpoint_leaves_no_folder(small_disk, easy_data):
    with pytest.raises(UnrolledError, match="No space left on device; nothing was there yet to be kept"):
        train_run(small_disk / "run", CONFIG, easy_data, on_step=at_step(1, lambda: fill(small_disk)))
    assert not (small_disk / "run").exists()


def test_a_folder_that_can_only_be_read_is_one_clear_error(small_disk, easy_data):
    folder = small_disk / "run"
    with pytest.raises(TrainingStoppedError):
        train_run(folder, CONFIG, easy_data, should_stop=lambda: True)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UnrolledError, match=r"cannot make the run folder .*: Read-only file system"):
        train_run(small_disk / "other", CONFIG, easy_data)
    with pytest.raises(
        UnrolledError, match=r"cannot write into .*run: Read-only file system; nothing has changed"
    ):
        train_run(folder, CONFIG, easy_data, resume=True)


@pytest.fixture(scope="module")
def checkpoint_file(tmp_path_factory):
    """The bytes of a checkpoint, and where to put damaged ones."""
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    trainer = Trainer(SequenceClassifier(NETWORK), make_data(), dataclasses.replace(RECIPE, epochs=1), seed=1)
    list(trainer.epochs())
    save_checkpoint(path, trainer.state())
    return path, path.read_bytes()


def make_data():
    from tests.training.conftest import _make_examples
    from unrolled.data import Dataset

    return Dataset(
        "easy", _make_examples(64, 1), _make_examples(20, 2), _make_examples(20, 3), ("a", "b", "c")
    )


@given(data=st.data())
def test_any_damage_of_a_checkpoint_is_one_error_that_names_it(checkpoint_file, data):
    path, whole = checkpoint_file
    place = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["bit", "cut", "bytes"])):
        case "bit":
            damaged = bytearray(whole)
            damaged[place] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            damaged = whole[:place]
        case _:
            damaged = whole[:place] + data.draw(st.binary(min_size=1, max_size=9)) + whole[place:]
    path.write_bytes(damaged)
    with pytest.raises(UnrolledError, match=r"checkpoint\.safetensors is"):
        load_checkpoint(path)


def test_a_damaged_checkpoint_says_what_can_be_done(tmp_path, easy_data):
    folder = tmp_path / "run"
    with pytest.raises(TrainingStoppedError):
        train_run(folder, CONFIG, easy_data, should_stop=lambda: True)
    path = folder / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    message = (
        r"checkpoint\.safetensors is damaged: .*; remove it, and `unrolled train --resume .*run` begins anew"
    )
    with pytest.raises(UnrolledError, match=message):
        train_run(folder, CONFIG, easy_data, resume=True)
    path.unlink()
    train_run(folder, CONFIG, easy_data, resume=True)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(
        UnrolledError, match=r"the best weights are whole: `unrolled train --from .*run` starts"
    ):
        train_run(folder, CONFIG, easy_data, resume=True)


def test_somebody_elses_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_file({"weights/a": torch.zeros(3)}, path)
    with pytest.raises(UnrolledError, match=r"its format is None, expected 'unrolled checkpoint 1'"):
        load_checkpoint(path)
    path.unlink()
    with pytest.raises(UnrolledError, match=r"checkpoint\.safetensors"):
        load_checkpoint(path)


def test_a_checkpoint_that_a_stranger_wrote_well_is_refused_all_the_same(tmp_path, easy_data):
    trainer = Trainer(SequenceClassifier(NETWORK), easy_data, dataclasses.replace(RECIPE, steps=2))
    list(trainer.epochs())
    state = trainer.state()
    state.tensors["optimizer/classifier.bias/exp_avg"] = torch.zeros(4)
    with pytest.raises(UnrolledError, match=r"classifier\.bias/exp_avg is \[4\], expected \[3\]"):
        trainer.load_state(state)

    strange = dataclasses.make_dataclass("Strange", [("warmth", int)])(3)
    save_checkpoint(tmp_path / "checkpoint.safetensors", state._replace(progress=strange))
    with pytest.raises(UnrolledError, match=r"is another version's: .*warmth"):
        load_checkpoint(tmp_path / "checkpoint.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "it is of a training with seed 3, expected 4"),
        ({"recipe": dataclasses.replace(RECIPE, epochs=5)}, "with steps 30, expected 50"),
        ({"recipe": dataclasses.replace(RECIPE, optimizer="sgd")}, "with optimizer adam, expected sgd"),
        (
            {"network": dataclasses.replace(NETWORK, layers=(("gru", 8),))},
            r"weight_ih is \[27, 5\], expected \[24, 5\]",
        ),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(change, message, tmp_path, easy_data):
    other = dataclasses.replace(CONFIG, **change)
    for name, config in (("run", CONFIG), ("other", other)):
        with pytest.raises(TrainingStoppedError):
            train_run(tmp_path / name, config, easy_data, should_stop=lambda: True)
    (tmp_path / "run" / "checkpoint.safetensors").replace(tmp_path / "other" / "checkpoint.safetensors")
    with pytest.raises(
        UnrolledError, match=rf"is another training's than its config\.json says: .*{message}"
    ):
        train_run(tmp_path / "other", other, easy_data, resume=True)


def test_a_run_is_resumed_with_its_own_configuration_only(tmp_path, easy_data):
    with pytest.raises(TrainingStoppedError):
        train_run(tmp_path / "run", CONFIG, easy_data, should_stop=lambda: True)
    with pytest.raises(UnrolledError, match="is a run of another configuration"):
        train_run(tmp_path / "run", dataclasses.replace(CONFIG, seed=4), easy_data, resume=True)


def test_weights_without_a_checkpoint_are_not_trained_over(tmp_path, easy_data):
    """As those that were imported."""
    run = Run.create(tmp_path / "imported", CONFIG)
    run.save_weights(SequenceClassifier(NETWORK).state_dict())
    before = weights_of(run.folder)
    message = r"has weights but no checkpoint\.safetensors: .* `unrolled train --from .*imported` starts"
    with pytest.raises(UnrolledError, match=message):
        train_run(run.folder, CONFIG, easy_data, resume=True)
    assert_equal(list(weights_of(run.folder).values()), list(before.values()))


def test_a_configuration_of_another_version_says_so(tmp_path, easy_data):
    run = Run.create(tmp_path / "run", CONFIG)
    path = run.folder / "config.json"
    values = json.loads(path.read_text())
    values["versions"]["unrolled"] = "99.0"
    for change in ({"recipe": {**values["recipe"], "warmth": 3}}, {"warmth": 3}):
        path.write_text(json.dumps({**values, **change}))
        with pytest.raises(UnrolledError, match=r"option 'warmth'.* \(unrolled 99\.0 wrote it, and this is "):
            Run.open(run.folder)


def spoil(data):
    """Make the next loss NaN."""
    return lambda: data.train.sequences.fill_(math.inf)


def test_divergence_leaves_the_best_weights(tmp_path, easy_data):
    folder = tmp_path / "run"
    message = (
        r"the loss is nan at step 15 \(epoch 2, learning rate .*\): .*lower learning rate; "
        r".*run keeps the best weights, of epoch 1$"
    )
    with pytest.raises(TrainingDivergedError, match=message):
        train_run(folder, CONFIG, easy_data, on_step=at_step(14, spoil(easy_data)))
    (line,) = Run.open(folder).metrics()
    assert line["epoch"] == 1
    assert Run.open(folder).load_network().config == NETWORK


def test_divergence_in_the_first_epoch_leaves_the_last_checkpoints_weights(tmp_path, easy_data):
    folder = tmp_path / "run"
    with pytest.raises(TrainingStoppedError):
        train_run(folder, CONFIG, easy_data, should_stop=lambda: True)
    assert not (folder / "weights.safetensors").exists()
    with pytest.raises(TrainingDivergedError, match=r"keeps the weights of its last checkpoint, of step 1$"):
        train_run(folder, CONFIG, easy_data, resume=True, on_step=at_step(3, spoil(easy_data)))
    tensors = load_checkpoint(folder / "checkpoint.safetensors").tensors
    for name, tensor in weights_of(folder).items():
        assert_equal(tensor, tensors[f"weights/{name}"])


def test_weights_that_are_not_finite_never_reach_a_checkpoint(easy_data):
    trainer = Trainer(SequenceClassifier(NETWORK), easy_data, RECIPE)
    with torch.no_grad():
        trainer.network.classifier.bias[1] = math.nan
    with pytest.raises(
        TrainingDivergedError, match=r"the weights classifier\.bias are no longer finite at step 0"
    ):
        trainer.state()


def test_a_validation_loss_that_is_not_finite_stops_the_training(easy_data):
    def spoil_validation(step):
        easy_data.validation.sequences[7] = math.nan

    trainer = Trainer(SequenceClassifier(NETWORK), easy_data, RECIPE)
    with pytest.raises(TrainingDivergedError, match="the validation loss is nan at step 10"):
        list(trainer.epochs(spoil_validation))


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_data_that_are_not_finite_are_named_before_the_first_step(tmp_path, easy_data, part):
    getattr(easy_data, part).sequences[7, 2, 1] = math.nan
    message = f"the sequences of {part}: in row 7, step 2, number 1 is nan, expected finite ones"
    with pytest.raises(UnrolledError, match=message):
        train_run(tmp_path / "run", CONFIG, easy_data)


def test_ctrl_c_in_python_leaves_the_last_checkpoint(tmp_path, easy_data):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(tmp_path / "run", CONFIG, easy_data, on_step=at_step(17, interrupt))
    assert load_checkpoint(tmp_path / "run" / "checkpoint.safetensors").progress.step == 10
