"""Run folders from anywhere: whatever stands in them is used as it is, or is one clear error."""

import dataclasses
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.training.conftest import _make_examples
from tests.training.strange_values import mutated
from unrolled.data import Dataset
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig
from unrolled.training import Recipe, Run, RunConfig, TrainingStoppedError, train_run
from unrolled.training.checkpoint import load_checkpoint, save_checkpoint
from unrolled.training.run import newest, next_free

NETWORK = NetworkConfig("small", (("lstm", 7, {"peephole": True}), ("gru", 9)), input_size=5, classes=3)
RECIPE = Recipe(batch_size=32, epochs=3)
CONFIG = RunConfig(NETWORK, RECIPE, "easy", ("a", "b", "c"), seed=3, validation=20)
DATA = Dataset("easy", _make_examples(64, 1), _make_examples(20, 2), _make_examples(20, 3), ("a", "b", "c"))
FILES = ("config.json", "metrics.jsonl", "weights.safetensors", "checkpoint.safetensors")


def stop_after(steps):
    answers = iter([False] * (steps - 1) + [True])
    return lambda: next(answers)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of a run that was stopped in its second epoch."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.raises(TrainingStoppedError):
        train_run(folder, CONFIG, DATA, should_stop=stop_after(3))
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def run(whole, tmp_path):
    return put(whole, tmp_path / "run")


def put(files, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def use(folder, started_from=None):
    """Everything that a run folder is used for; the errors that it gave."""
    errors = []

    def attempt(function):
        try:
            return function()
        except UnrolledError as error:
            errors.append(str(error))
        except TrainingStoppedError:
            pass
        return None

    opened = attempt(lambda: Run.open(folder))
    if opened is not None:
        attempt(opened.metrics)
        attempt(opened.load_network)
        arguments = {"say": lambda line: None, "should_stop": lambda: True}
        attempt(lambda: train_run(folder, opened.config, DATA, resume=True, **arguments))
        begun = dataclasses.replace(CONFIG, start=str(folder))
        attempt(lambda: train_run(folder.with_name("from"), begun, DATA, **arguments))
        shutil.rmtree(folder.with_name("from"), ignore_errors=True)
    assert all(len(error) < 3000 for error in errors), max(errors, key=len)[:3000]
    return errors


@settings(suppress_health_check=[HealthCheck.too_slow])  # the draws are large
@given(data=st.data())
def test_any_configuration_is_used_or_is_one_error(whole, tmp_path_factory, data):
    folder = put(whole, tmp_path_factory.getbasetemp() / "hostile" / "config")
    if data.draw(st.booleans()):  # as of a run that was begun, with nothing that it could be compared with
        for name in FILES[1:]:
            (folder / name).unlink()
    text = data.draw(mutated(json.loads(whole["config.json"])))
    (folder / "config.json").write_text(text, errors="surrogatepass")
    use(folder)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the draws are large
@given(data=st.data())
def test_any_record_is_used_or_is_one_error(whole, tmp_path_factory, data):
    folder = put(whole, tmp_path_factory.getbasetemp() / "hostile" / "metrics")
    lines = whole["metrics.jsonl"].decode().splitlines()
    lines.insert(data.draw(st.integers(0, len(lines))), data.draw(mutated(json.loads(lines[0]))))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n", errors="surrogatepass")
    use(folder)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the draws are large
@given(data=st.data())
def test_any_checkpoint_with_a_right_digest_is_used_or_is_one_error(whole, tmp_path_factory, data):
    folder = put(whole, tmp_path_factory.getbasetemp() / "hostile" / "checkpoint")
    path = folder / "checkpoint.safetensors"
    state = load_checkpoint(path)
    numbers = {"training": state.training, "progress": dataclasses.asdict(state.progress)}
    try:
        numbers = json.loads(data.draw(mutated(numbers)))
        fields = dataclasses.make_dataclass("Strange", numbers["progress"])
        state = state._replace(progress=fields(**numbers["progress"]), training=numbers["training"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    names = sorted(state.tensors)
    for _ in range(data.draw(st.integers(0, 2))):
        name = data.draw(st.sampled_from(names))
        state.tensors[name] = data.draw(st.sampled_from(spoilt(state.tensors[name])))
    try:
        save_checkpoint(path, state)
    except (UnicodeEncodeError, ValueError):
        return
    use(folder)


def spoilt(tensor):
    return [
        tensor.to(torch.int64),
        tensor.double(),
        tensor.to(torch.bfloat16),
        tensor != 0,
        tensor * float("nan"),
        tensor + float("inf"),
        tensor.flatten(),
        tensor[None],
        tensor.new_zeros(0),
        tensor.clone(),
    ]


BAD_STATES = {
    "a group of its own": lambda s: s.tensors.update({"memories/a": torch.zeros(3)}),
    "a weight too many": lambda s: s.tensors.update({"weights/a": torch.zeros(3)}),
    "no best weights": lambda s: [s.tensors.pop(name) for name in list(s.tensors) if "best/" in name],
    "a weight too few": lambda s: s.tensors.pop("weights/classifier.bias"),
    "a moment too few": lambda s: s.tensors.pop("optimizer/classifier.bias/exp_avg"),
    "no moments": lambda s: [s.tensors.pop(name) for name in list(s.tensors) if "optimizer/" in name],
    "a moment too many": lambda s: s.tensors.update({"optimizer/classifier.bias/m": torch.zeros(3)}),
    "weights of int64": lambda s: s.tensors.update({"weights/classifier.bias": torch.zeros(3).long()}),
    "weights of float64": lambda s: s.tensors.update({"best/classifier.bias": torch.zeros(3).double()}),
    "weights that are NaN": lambda s: s.tensors.update(
        {"weights/classifier.bias": torch.full((3,), float("nan"))}
    ),
    "best weights that are infinite": lambda s: s.tensors.update(
        {"best/classifier.bias": torch.full((3,), float("inf"))}
    ),
    "a moment that is NaN": lambda s: s.tensors.update(
        {"optimizer/classifier.bias/exp_avg": torch.full((3,), float("nan"))}
    ),
    **{
        f"{key} {value!r}": lambda s, key=key, value=value: setattr(s.progress, key, value)
        for key, values in {
            "step": (-1, 2, 4, 10**30, 3.0, True, "3", None, [3]),
            "epoch": (-1, 0, 2, 2.5, "1", None, {}),
            "seen": (-1, 31, 33, 64, 32.0, None),
            "rows": (-1, 31, 33, 32.0, None),
            "score": (-1, 33, 1e300, float("nan"), None, "x"),
            "loss_sum": (-1.0, None, "x", 10**400),
            "best_epoch": (0, 2, -1, 1.0, None),
            "best_score": ([], [1.0], [1.0, None], "ab", None, [1, 2, 3], {"a": 1, "b": 2}),
            "seconds": (-1.0, None, "x"),
        }.items()
        for value in values
    },
    **{
        f"training {key} {value!r}": lambda s, key=key, value=value: s.training.update({key: value})
        for key in ("seed", "examples", "steps", "batch_size", "order", "optimizer", "data")
        for value in (None, 17, "x", [], {}, True)
        if (key, value) != ("data", None)  # as checkpoints of earlier versions
    },
}


@pytest.mark.parametrize("what", BAD_STATES)
def test_a_state_that_no_training_has_is_refused_and_nothing_is_changed(what, run):
    path = run / "checkpoint.safetensors"
    state = load_checkpoint(path)
    BAD_STATES[what](state)
    save_checkpoint(path, state)
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    with pytest.raises(UnrolledError, match=r"checkpoint\.safetensors is .*: .*unrolled train"):
        train_run(run, CONFIG, DATA, resume=True)
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


def header(tensors):
    text = tensors if isinstance(tensors, bytes) else json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


BAD_WEIGHTS = {
    "int64": lambda t: t | {"classifier.bias": t["classifier.bias"].long()},
    "bool": lambda t: t | {"classifier.bias": t["classifier.bias"] > 0},
    "NaN": lambda t: t | {"classifier.bias": t["classifier.bias"] * float("nan")},
    "more than a float32 holds": lambda t: t | {"classifier.bias": t["classifier.bias"].double() + 1e300},
    "another shape": lambda t: t | {"classifier.bias": t["classifier.bias"][None]},
    "one too many": lambda t: t | {"classifier.b": t["classifier.bias"].clone()},
    "one too few": lambda t: {name: tensor for name, tensor in t.items() if name != "classifier.bias"},
    "none": lambda t: {},
}
BAD_FILES = {
    "a header of 2**63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "no header": b"",
    "a cut header": header({})[:9],
    "a list": header([]),
    "a deep header": header(b'{"a": ' * 10_000),
    "names twice": header(b'{"a": {"dtype": "F32"}, "a": {"dtype": "F32"}}'),
    "a shape of no memory": header({"a": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]}}),
    "a shape that overflows": header(
        {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 0]}}
    ),
    "a negative shape": header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}),
    "no shape": header({"a": {"dtype": "F32"}}),
    "another type": header({"a": {"dtype": "F4", "shape": [1], "data_offsets": [0, 4]}}),
    "a type that is a list": header({"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}),
    "a value": header({"a": 3}),
    "metadata of numbers": header({"__metadata__": 3}),
    "something behind the tensors": header({}) + b"x",
}


@pytest.mark.parametrize("what", [*BAD_WEIGHTS, *BAD_FILES])
def test_weights_that_are_not_the_networks_are_one_error_wherever_they_are_read(what, run, whole):
    path = run / "weights.safetensors"
    if what in BAD_FILES:
        path.write_bytes(BAD_FILES[what])
    else:
        save_file(BAD_WEIGHTS[what](load_file(path)), path)
    with pytest.raises(UnrolledError, match=r"weights\.safetensors (is damaged|holds another)"):
        Run.open(run).load_network()
    begun = dataclasses.replace(CONFIG, start=str(run))
    with pytest.raises(UnrolledError, match=r"weights\.safetensors (is damaged|holds another)"):
        train_run(run.with_name("from"), begun, DATA)
    assert not run.with_name("from").exists()


def test_weights_in_half_precision_are_read(run):
    path = run / "weights.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path)
    network = Run.open(run).load_network()
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "holes", "nowhere"])
def test_something_else_in_a_files_place_is_one_error_at_once(kind, name, run):
    path = run / name
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(name)
        case "holes":  # 64 GB that take no room on the disk
            with path.open("wb") as file:
                file.truncate(2**36)
        case "nowhere":
            path.symlink_to("nothing")
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    errors = use(run)
    if kind != "nowhere":
        assert any(name in error for error in errors), errors
    assert time.monotonic() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KB


def test_a_path_with_a_nul_is_one_error(tmp_path):
    for use_path in (Run.open, lambda path: Run.create(path, CONFIG), lambda path: newest(path)):
        with pytest.raises(UnrolledError):
            use_path(f"{tmp_path}/a\0b")


def test_paths_may_be_text_everywhere(tmp_path):
    folder = str(tmp_path / "run")
    with pytest.raises(TrainingStoppedError):
        train_run(folder, CONFIG, DATA, should_stop=stop_after(3))
    assert Run.open(folder).folder == tmp_path / "run"
    assert newest(str(tmp_path)) == tmp_path / "run"
    assert next_free(str(tmp_path), "run") == tmp_path / "run-1"
    assert load_checkpoint(f"{folder}/checkpoint.safetensors").progress.step == 3
    train_run(folder, CONFIG, DATA, resume=True)


def test_a_name_that_is_a_path_stays_in_its_folder(tmp_path):
    for name in ("../../x", "/etc", "..", "\0", "a\nb", "x" * 5000):
        assert next_free(tmp_path, name).resolve().parent == tmp_path
        next_free(tmp_path, name).mkdir()


def test_nothing_is_asked_of_the_memory_before_shapes_are_compared(run):
    """By a process that may not have what the configuration would take."""
    path = run / "config.json"
    values = json.loads(path.read_text())
    values["network"]["layers"] = [["gru", 20_000]]  # 4.8 GB
    path.write_text(json.dumps(values))
    script = f"""
import resource, sys, torch
from pathlib import Path
from tests.training.test_hostile_runs import use
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
errors = use(Path({str(run)!r}))
assert len(errors) == 3 and all("[60000, 5]" in error for error in errors), errors
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
