"""Recordings: each becomes a sequence of log-mel frames."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.readers.kind import Found, Path, each
from unrolled.data.readers.log_mel import RATES, LogMel, MelSettings
from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign

ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc")
# libsndfile reads twenty more, few of which anyone has tried to break.
BEGINNINGS = re.compile(rb"RIFF....WAVE|fLaC|OggS|FORM....AIF[FC]|ID3|\xff[\xe2-\xff]", re.DOTALL)
FORMATS = "WAV, FLAC, Ogg (Vorbis, Opus), MP3 or AIFF"
BLOCK = 1 << 20  # samples that are decoded at a time
# Sound takes more room than this in a file, but for silence, of which hours fit into a few bytes.
MOST_SAMPLES, MOST_PER_BYTE = 1 << 26, 128
MOST_CHANNELS = 64
CUT_SHORT = re.compile(r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)
UNKNOWN_LENGTH = 0x7FFF0000  # what is written while the recording goes on, or near it
OGG_PAGE = 27 + 255 + 255 * 255  # bytes, at most


def read_all(paths: Sequence[Path], settings: MelSettings) -> Found:
    """The frames of recordings, float32 [T, I] each: WAV, FLAC, Ogg, MP3 and AIFF, told by their content.

    Several channels become their mean. A recording of another rate than that of the settings, or without
    one the commonest, is resampled, and a note says so. What frames are, `LogMel` says.

    Raises:
        UnrolledError: a file cannot be read, holds no sound, is damaged or cut short as far as its format
            tells, or there are values in it that are no numbers; or soundfile is not installed.
    """
    rates = list(each(_rate, paths))
    counts = collections.Counter(rates)
    commonest = min(counts, key=lambda rate: (-counts[rate], rate))
    rate, settings = settings.rate or commonest, settings.at(commonest)
    read = partial(_read_one, rate=rate, frames=LogMel(settings))
    others = len(rates) - counts[rate]
    notes = [
        f"recordings are read as {settings.bands} log-mel bands from {settings.lowest:g} to "
        f"{settings.highest:g} Hz, in windows of {settings.window * 1000:g} ms every "
        f"{settings.hop * 1000:g} ms, nothing below {settings.span:g} dB under a recording's loudest"
        + (", without the recording's mean over all bands" if settings.centred else "")
    ]
    if others:
        was = ", ".join(f"{other:,}" for other in sorted(counts) if other != rate)
        notes.append(f"{others} of {len(rates)} recordings are resampled to {rate:,} Hz from {was}")
    features = tuple(f"band {band}" for band in range(1, settings.bands + 1))
    return Found(list(each(read, paths)), features, dataclasses.asdict(settings), tuple(notes))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, int]]:
    """The open recording, a soundfile.SoundFile, and the bytes of its file; errors name it."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the library that it speaks to is missing
        raise UnrolledError(
            f"to read recordings soundfile is needed: pip install 'unrolled[audio]' ({error})"
        ) from None
    with open_foreign(path) as file:
        beginning = file.read(12)
        size = file.seek(0, 2)
        file.seek(max(0, size - OGG_PAGE))
        ending = file.read(OGG_PAGE)
        file.seek(0)
        if not BEGINNINGS.match(beginning):
            what = "it is no recording that is known" if size else "it is empty"
            raise UnrolledError(f"cannot read {path}: {what}, expected {FORMATS}")
        if beginning.startswith(b"OggS") and not _ends_with_a_page(ending):
            raise UnrolledError(f"cannot use {path}: it is cut short: its last page is not all there")
        try:
            with soundfile.SoundFile(file.fileno(), closefd=False) as recording:
                yield recording, size
        except UnrolledError as error:
            raise UnrolledError(f"cannot use {path}: {error}") from None
        except (soundfile.LibsndfileError, ValueError) as error:
            reason = getattr(error, "error_string", error)
            raise UnrolledError(f"cannot read {path}: it is damaged, or no recording: {reason}") from None


def _ends_with_a_page(ending: bytes) -> bool:
    """Whether the last page of an Ogg file is as long as the lengths of its segments say."""
    page = ending[ending.rfind(b"OggS") :]
    return len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])


def _rate(path: Path) -> int:
    with _opened(path) as (recording, _):
        if not RATES[0] <= recording.samplerate <= RATES[1]:
            raise UnrolledError(
                f"it has {recording.samplerate:,} samples a second, expected {RATES[0]:,} to {RATES[1]:,}"
            )
        if not 1 <= recording.channels <= MOST_CHANNELS:
            raise UnrolledError(f"it has {recording.channels} channels, expected at most {MOST_CHANNELS}")
        return int(recording.samplerate)


def _read_one(path: Path, rate: int, frames: LogMel) -> NDArray[np.float32]:
    with _opened(path) as (recording, size):
        for said, there in CUT_SHORT.findall(recording.extra_info):
            if int(there) < int(said) < UNKNOWN_LENGTH:
                raise UnrolledError(
                    f"it is cut short: {int(said):,} bytes of sound expected, {int(there):,} there"
                )
        most = max(MOST_SAMPLES, MOST_PER_BYTE * size)
        if most < recording.frames * max(recording.channels, rate / recording.samplerate) < UNKNOWN_LENGTH:
            raise UnrolledError(f"it is too long: more than {most:,} samples, as it says")
        made = frames(_bounded(_resampled(_mono(recording, most), recording.samplerate, rate), most))
    if not made.isfinite().all():
        raise UnrolledError(f"cannot use {path}: it holds samples that are no numbers, or far from -1 to 1")
    return made.numpy()


def _mono(recording: Any, most: int) -> Iterator[Tensor]:
    """The samples in blocks, all channels as one."""
    count = 0
    while len(block := recording.read(BLOCK // recording.channels, dtype="float32", always_2d=True)):
        count += len(block)
        if count * recording.channels > most:
            raise UnrolledError(f"it is too long: more than {most:,} samples, in a file of few bytes")
        yield torch.from_numpy(block).mean(1)
    if not count:
        raise UnrolledError("there is no sound in it")
    if count < recording.frames < UNKNOWN_LENGTH:
        raise UnrolledError(f"it is cut short: {recording.frames:,} samples expected, {count:,} there")


def _resampled(blocks: Iterator[Tensor], rate: int, wanted: int) -> Iterator[Tensor]:
    if rate == wanted:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1)
    for block in blocks:
        for piece in block.split(max(1, BLOCK * rate // wanted)):  # which becomes no more than a block
            yield torch.from_numpy(stream.resample_chunk(piece.numpy()))
    yield torch.from_numpy(stream.resample_chunk(np.empty(0, np.float32), last=True))


def _bounded(blocks: Iterator[Tensor], most: int) -> Iterator[Tensor]:
    count = 0
    for block in blocks:
        count += len(block)
        if count > most:
            raise UnrolledError(f"it is too long: more than {most:,} samples at the rate of the others")
        yield block
