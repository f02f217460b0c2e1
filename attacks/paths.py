"""What is no file, wherever a file is asked for: to open it may wait for ever, and to read it never ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from attacks import innocent
from attacks.attack import Call, add
from unrolled import data, tf1
from unrolled.data.mnist import FILES


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)  # the whole path may be too long for a socket
    os.rename(path.name, path)


def circle(path: Path) -> None:
    path.symlink_to(path.name)


KINDS: dict[str, Callable[[Path], None]] = {
    "pipe": pipe,
    "device": device,
    "folder": folder,
    "socket": unix_socket,
    "link to itself": circle,
}


def _picture(place: Path) -> tuple[Path, Call]:
    return place / "one.png", ["predict", str(place / "one.png"), "--run", str(innocent.run(place / "run"))]


def _idx(place: Path) -> tuple[Path, Call]:
    return place / "idx", lambda: data.read_idx(place / "idx")


def _mnist(part: int) -> Callable[[Path], tuple[Path, Call]]:
    def make(place: Path) -> tuple[Path, Call]:
        innocent.mnist(place)
        return place / FILES[part], ["train", "--data", "mnist", "--data-dir", str(place)]

    return make


def _array(name: str) -> Callable[[Path], tuple[Path, Call]]:
    def make(place: Path) -> tuple[Path, Call]:
        return innocent.arrays(place / "arrays") / name, ["train", "--data", str(place / "arrays")]

    return make


def _of_checkpoint(ending: str) -> Callable[[Path], tuple[Path, Call]]:
    def make(place: Path) -> tuple[Path, Call]:
        prefix = innocent.checkpoint(place / "model.ckpt")
        return place / f"model.ckpt{ending}", ["import-tf1", str(prefix)]

    return make


def _state_file(place: Path) -> tuple[Path, Call]:
    innocent.checkpoint(place / "model.ckpt")
    return place / "checkpoint", ["import-tf1", str(place)]


def _of_run(name: str, verb: Callable[[Path], list[str]]) -> Callable[[Path], tuple[Path, Call]]:
    def make(place: Path) -> tuple[Path, Call]:
        run = innocent.run(place / "run")
        return run / name, verb(run)

    return make


def evaluate(run: Path) -> list[str]:
    return ["evaluate", str(run)]


def report(run: Path) -> list[str]:
    return ["report", str(run)]


def resume(run: Path) -> list[str]:
    return ["train", "--resume", str(run)]


CANNOT = (
    "cannot (read|map|use)|no (file can be|checkpoint|folder)|is missing|does not hold|damaged|has no|not a "
)
DOORS = {
    "a picture": (_picture, CANNOT),
    "an IDX file": (_idx, CANNOT),
    "MNIST's training pictures": (_mnist(0), CANNOT),
    "MNIST's test labels": (_mnist(3), CANNOT),
    "sequences": (_array("train-sequences.npy"), CANNOT),
    "labels": (_array("test-labels.npy"), CANNOT),
    "the names of classes": (_array("classes.txt"), CANNOT),
    "an index": (_of_checkpoint(".index"), CANNOT),
    "a shard": (_of_checkpoint(".data-00000-of-00001"), CANNOT),
    "a graph": (_of_checkpoint(".meta"), CANNOT),
    "the state of a folder of checkpoints": (_state_file, CANNOT),
    "a run's configuration": (_of_run("config.json", evaluate), CANNOT),
    "a run's weights": (_of_run("weights.safetensors", evaluate), CANNOT),
    "a run's metrics": (_of_run("metrics.jsonl", report), CANNOT),
    "a run's checkpoint": (_of_run("checkpoint.safetensors", resume), CANNOT),
}


def _pair(door: Callable[[Path], tuple[Path, Call]], kind: Callable[[Path], None]) -> Callable[[Path], Call]:
    def make(place: Path) -> Call:
        path, call = door(place)
        path.unlink(missing_ok=True)
        kind(path)
        return call

    return make


for what, (door, says) in DOORS.items():
    for name, kind in KINDS.items():
        add(f"a {name} in place of {what}", _pair(door, kind), says)

NUL = "with\0nothing"
add("a picture whose path has a zero byte", lambda place: lambda: data.read_digits(NUL), CANNOT)
add("an IDX file whose path has a zero byte", lambda place: lambda: data.read_idx(NUL), CANNOT)
add("an IDX file written to a path with a zero byte", lambda place: lambda: data.write_idx(NUL, [1]), CANNOT)
add("arrays whose path has a zero byte", lambda place: lambda: data.open_arrays(NUL), CANNOT)
add(
    "arrays saved to a path with a zero byte",
    lambda place: lambda: data.save_arrays(NUL, train=[([[[1.0]]], [0])], test=[([[[1.0]]], [0])]),
    CANNOT,
)
add("a data set whose name has a zero byte", lambda place: lambda: data.load(NUL), "unknown data set")
add("a data folder whose path has a zero byte", lambda place: lambda: data.load("mnist", NUL), CANNOT)
add("a checkpoint whose path has a zero byte", lambda place: lambda: tf1.read_checkpoint(NUL), CANNOT)
add("a graph whose path has a zero byte", lambda place: lambda: tf1_graph(NUL), CANNOT)
add(
    "a checkpoint written to a path with a zero byte",
    lambda place: lambda: tf1.write_checkpoint(NUL, innocent.variables()),
    CANNOT,
)
add("a picture whose path has a lone surrogate", lambda place: lambda: data.read_digits("\ud800"), CANNOT)
add(
    "a picture whose path has ten thousand letters",
    lambda place: ["predict", "x" * 10_000, "--run", str(innocent.run(place / "run"))],
    CANNOT,
)
add(
    "a data folder whose path has ten thousand letters",
    lambda place: ["train", "--data", "x" * 10_000],
    "unknown data set",
)


def tf1_graph(path: str) -> object:
    from unrolled.tf1.graphs.networks.definition import Graph

    return Graph.read(Path(path))


def _misnamed(name: str) -> Callable[[Path], Call]:
    def make(place: Path) -> Call:
        Path(place / name).write_bytes(b"neither")
        return ["predict", str(place / name), "--run", str(innocent.run(place / "run"))]

    return make


add("a bad picture whose name has a line break", _misnamed("a\nb.png"), "neither a picture")
add(
    "a bad picture whose name clears the screen",
    _misnamed("\x1b[2J.png"),
    r"\\x1b\[2J.png.*neither a picture",
)
add("a bad picture whose name is not UTF-8", _misnamed(os.fsdecode(b"\xff.png")), "neither a picture")
