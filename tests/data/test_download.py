"""Downloads from a server of our own, which serves right, cut and wrong files."""

import dataclasses
import gzip
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from unrolled.data import load
from unrolled.data.download import SOURCES, Source
from unrolled.data.mnist import FILES
from unrolled.errors import UnrolledError

TRAIN_IMAGES = FILES[0]


class Handler(BaseHTTPRequestHandler):
    """Answers with the server's files; a promise of more bytes than there are makes a cut download."""

    server: "Mirror"

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.asked.append(self.path)
        body = self.server.files.get(name)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"") + self.server.promised_more))
        if self.server.encoding:
            self.send_header("Content-Encoding", self.server.encoding)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Mirror(ThreadingHTTPServer):
    daemon_threads: ClassVar[bool] = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.asked: list[str] = []
        self.promised_more = 0
        self.encoding = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mnist/"


@pytest.fixture
def mirror(
    tmp_path: Path, make_files: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, no_data: Path
) -> Iterator[Mirror]:
    """A server that has a small mnist, and is its only mirror."""
    files = {path.name: path.read_bytes() for path in make_files(tmp_path / "served").iterdir()}
    digests = {file: digest(files[f"{file}.gz"]) for file in FILES}
    with serving(files) as server:
        monkeypatch.setitem(SOURCES, "mnist", Source((server.url,), digests))
        yield server


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Mirror]:
    with Mirror(files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def digest(content: bytes) -> str:
    return hashlib.sha256(gzip.decompress(content)).hexdigest()


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def with_mirrors(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(SOURCES["mnist"], mirrors=mirrors))


def refused(reason: str) -> None:
    with pytest.raises(UnrolledError) as caught:
        load("mnist")
    message = str(caught.value)
    assert message.startswith("cannot download mnist: http://127.0.0.1:")
    assert reason in message
    assert "Use --data sample, which needs no network, or get" in message
    assert "t10k-labels-idx1-ubyte.gz yourself and name their folder with --data-dir" in message
    assert "\n" not in message


def test_what_is_missing_is_downloaded_once(mirror: Mirror, no_data: Path) -> None:
    first = load("mnist")
    assert (len(first.train), len(first.validation), len(first.test)) == (18, 2, 3)
    assert mirror.asked == [f"/mnist/{file}.gz" for file in FILES]
    assert {path.name: path.read_bytes() for path in (no_data / "mnist").iterdir()} == mirror.files
    again = load("mnist")
    assert (again.train.sequences == first.train.sequences).all()
    assert len(mirror.asked) == 4

    (no_data / "mnist" / f"{TRAIN_IMAGES}.gz").unlink()
    load("mnist")
    assert mirror.asked[4:] == [f"/mnist/{TRAIN_IMAGES}.gz"]


def test_files_compressed_in_another_way_are_as_good(mirror: Mirror, no_data: Path) -> None:
    mirror.files = {name: gzip.compress(gzip.decompress(body), 1) for name, body in mirror.files.items()}
    assert len(load("mnist").test) == 3


def test_files_that_arrive_unpacked_are_as_good(mirror: Mirror, no_data: Path) -> None:
    mirror.encoding = "gzip"  # which makes the client unpack them
    assert len(load("mnist").test) == 3
    assert (no_data / "mnist" / f"{TRAIN_IMAGES}.gz").read_bytes()[:4] == b"\0\0\x08\x03"


def test_a_cut_download_leaves_nothing_behind(mirror: Mirror, no_data: Path) -> None:
    mirror.promised_more = 10
    refused("/mnist/train-images-idx3-ubyte.gz (no connection, or it broke off)")
    assert list((no_data / "mnist").iterdir()) == []


@pytest.mark.parametrize("wrong", ["cut", "another", "damaged", "page"])
def test_a_file_with_the_wrong_content_leaves_nothing_behind(
    mirror: Mirror, no_data: Path, wrong: str
) -> None:
    right = mirror.files[f"{TRAIN_IMAGES}.gz"]
    mirror.files[f"{TRAIN_IMAGES}.gz"] = {
        "cut": right[:-20],
        "another": gzip.compress(gzip.decompress(right)[:-1] + b"\xff"),
        "damaged": right[:3000] + b"\0\0\0\0" + right[3004:],
        "page": b"<html>Log in to the network of this hotel</html>",
    }[wrong]
    refused("/mnist/train-images-idx3-ubyte.gz (what came is cut, damaged or another file)")
    assert list((no_data / "mnist").iterdir()) == []
    mirror.files[f"{TRAIN_IMAGES}.gz"] = right
    assert len(load("mnist").test) == 3


def test_a_server_without_the_file_is_named_with_its_answer(mirror: Mirror, no_data: Path) -> None:
    del mirror.files[f"{TRAIN_IMAGES}.gz"]
    refused("/mnist/train-images-idx3-ubyte.gz (the server answers 404)")
    assert list((no_data / "mnist").iterdir()) == []


def test_the_next_mirror_is_tried(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(dict.fromkeys(mirror.files, b"<html>")) as bad:
        with_mirrors(monkeypatch, closed_port(), bad.url, mirror.url)
        assert len(load("mnist").test) == 3
    assert len(bad.asked) == len(mirror.asked) == 4


def test_without_a_connection_every_mirror_is_named(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = closed_port(), closed_port()
    with_mirrors(monkeypatch, first, second)
    refused(f"{first}{TRAIN_IMAGES}.gz (no connection, or it broke off), {second}{TRAIN_IMAGES}.gz (no")


def test_a_cache_that_cannot_be_made_is_named(mirror: Mirror, no_data: Path) -> None:
    no_data.parent.mkdir(parents=True)
    no_data.write_text("a file where the folder should be")
    with pytest.raises(UnrolledError, match=r"cannot make the folder .*mnist for downloads: Not a directory"):
        load("mnist")


def test_progress_counts_bytes_and_stays_off_stdout(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the captured stderr for a terminal
    load("mnist")
    out, err = capfd.readouterr()
    assert out == ""
    assert "mnist train-images-idx3-ubyte" in err
    kilobytes = len(mirror.files[f"{TRAIN_IMAGES}.gz"]) / 1000
    assert f"{kilobytes:.1f}/{kilobytes:.1f} kB" in err
