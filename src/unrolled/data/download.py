"""The data sets that can be downloaded: where from, what they must hold, and the cache."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pooch
from pooch.downloaders import HTTPDownloader
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from unrolled.atomic import atomic_path
from unrolled.data.idx import CHUNK, open_content
from unrolled.errors import UnrolledError

TIMEOUT = 20  # seconds without an answer
LONGEST = 16 + 60_000 * 28 * 28  # bytes of content: the training pictures


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the files of a data set come from.

    Attributes:
        mirrors: addresses of folders, each ending in /, tried in this order.
        digests: the sha256 of each file's uncompressed content. Mirrors compress in their own ways, so
            that the digest of what they send would say nothing.
    """

    mirrors: tuple[str, ...]
    digests: dict[str, str]


SOURCES = {
    "mnist": Source(
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        digests={
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion-mnist": Source(
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        digests={
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
}


def cache(name: str) -> Path:
    """The folder in the user's cache that is for a data set."""
    return Path(pooch.os_cache("unrolled")) / name


def download(name: str) -> Path:
    """Download what the cache does not have of a data set, check it, and return its folder.

    Raises:
        UnrolledError: no mirror gave a file with the right content. Nothing of it stays behind.
    """
    folder = cache(name)
    missing = [file for file in SOURCES[name].digests if not (folder / f"{file}.gz").is_file()]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnrolledError(f"cannot make the folder {folder} for downloads: {error.strerror}") from error
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            for file in missing:
                _download(name, file, folder, progress)
    return folder


def content_digest(path: Path) -> str | None:
    """The sha256 of a file's content, decompressed if it is gzip; None if that is longer than any's."""
    digest, left = hashlib.sha256(), LONGEST
    with open_content(path) as content:
        while chunk := content.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                return None
            digest.update(chunk)
    return digest.hexdigest()


def _download(name: str, file: str, folder: Path, display: Progress) -> None:
    source, failures = SOURCES[name], []
    download = HTTPDownloader(_Bar(display, f"{name} {file}"), chunk_size=1 << 16, timeout=TIMEOUT)
    for mirror in source.mirrors:
        url = f"{mirror}{file}.gz"
        try:
            with atomic_path(folder / f"{file}.gz") as beside:
                download(url, str(beside), None)
                if content_digest(beside) != source.digests[file]:
                    raise UnrolledError(f"{beside} has another sha256")
        except UnrolledError:
            failures.append(f"{url} (what came is cut, damaged or another file)")
        except OSError as error:  # those of requests are, too
            failures.append(f"{url} ({_reason(error)})")
        else:
            return
    raise UnrolledError(
        f"cannot download {name}: {', '.join(failures)}. Use --data sample, which needs no network, or get "
        f"{', '.join(f'{file}.gz' for file in source.digests)} yourself and name their folder with --data-dir"
    )


def _reason(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code}"
    return error.strerror or "no connection, or it broke off"


class _Bar:
    """A line of a rich display that pooch can drive."""

    def __init__(self, display: Progress, label: str) -> None:
        self.display = display
        self.task = display.add_task(label, total=None)

    @property
    def total(self) -> float | None:
        return self.display.tasks[self.task].total

    @total.setter
    def total(self, size: int) -> None:
        self.display.reset(self.task, total=size)

    def update(self, size: int) -> None:
        self.display.advance(self.task, size)

    def reset(self) -> None:
        self.display.reset(self.task)

    def close(self) -> None:
        self.display.stop_task(self.task)
