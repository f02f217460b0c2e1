"""Recordings: hours in few bytes, and headers that claim what is not there."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from attacks import innocent
from attacks.attack import Call, attack
from unrolled.data.readers import folder as reader


def wav(
    samples: bytes, *, rate: int = 8000, channels: int = 1, bits: int = 16, claimed: int | None = None
) -> bytes:
    """A WAV file whose header says so."""
    block = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    sound = struct.pack("<4sI", b"data", len(samples) if claimed is None else claimed) + samples
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", len(form)) + form + sound
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def reading(folder: Path, content: bytes, ending: str = ".wav", beside: int = 1) -> Call:
    """Read it as one class, and as many good recordings as another."""
    for name in ("good", "other"):
        (folder / "data" / name).mkdir(parents=True)
    (folder / "data" / "other" / f"it{ending}").write_bytes(content)
    for number in range(beside):
        (folder / "data" / "good" / f"{number}.wav").write_bytes(innocent.sound("WAV"))
    return lambda: reader.read(folder / "data")


@attack("it is too long: more than .* samples")
def a_night_of_silence_in_a_small_flac_file(folder: Path) -> Call:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 8000, 1, format="FLAC") as file:
        for _ in range(250):
            file.write(np.zeros(1 << 20, np.int16))
    return reading(folder, buffer.getvalue(), ".flac")


@attack("it is too long: more than .* samples")
def a_recording_that_becomes_a_thousand_times_as_long_when_it_is_resampled(folder: Path) -> Call:
    for number in range(3):
        path = folder / "data" / "good" / f"fast{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(bytes(40_000), rate=768_000))
    other = folder / "data" / "other" / "it.wav"
    other.parent.mkdir()
    other.write_bytes(wav(bytes(400_000), rate=1000))
    return lambda: reader.read(folder / "data")


@attack("it has 65,535 channels|it is damaged")
def a_recording_of_65535_channels(folder: Path) -> Call:
    return reading(folder, wav(bytes(1 << 20), channels=65_535, bits=8))


@attack("it has 1 samples a second")
def a_recording_of_one_sample_a_second(folder: Path) -> Call:
    return reading(folder, wav(bytes(1 << 20), rate=1))


@attack("it has .* samples a second|it is damaged")
def a_recording_of_four_billion_samples_a_second(folder: Path) -> Call:
    return reading(folder, wav(bytes(1 << 20), rate=0xFFFFFFFF))


@attack("it is cut short: 2,000,000,000 bytes of sound expected")
def a_recording_that_claims_two_gigabytes(folder: Path) -> Call:
    return reading(folder, wav(bytes(100), claimed=2_000_000_000))


@attack("there is no sound in it|it is cut short")
def a_recording_that_claims_what_it_has_not_got(folder: Path) -> Call:
    return reading(folder, wav(b"", claimed=0xFFFFFFFE))


@attack("it is no recording that is known")
def a_recording_that_is_a_matrix_of_another_program(folder: Path) -> Call:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(100), 8000, format="MAT5")
    return reading(folder, buffer.getvalue())


@attack("cannot read .*it.wav: it is a named pipe|nothing to be read|which class")
def a_recording_that_is_a_pipe(folder: Path) -> Call:
    call = reading(folder, b"")
    (folder / "data" / "other" / "it.wav").unlink()
    os.mkfifo(folder / "data" / "other" / "it.wav")
    return call


@attack("is a folder within 16 others")
def folders_within_folders_within_folders(folder: Path) -> Call:
    path = folder / "data"
    for _ in range(300):
        path.mkdir()
        path /= "d"
    return lambda: reader.read(folder / "data")


@attack("nothing says which class|holds no file")
def folders_that_are_linked_to_each_other_in_every_order(folder: Path) -> Call:
    for one in range(12):
        (folder / "data" / str(one)).mkdir(parents=True)
        for other in range(12):
            (folder / "data" / str(one) / f"to{other}").symlink_to(folder / "data" / str(other))
    (folder / "data" / "0" / "a.wav").write_bytes(innocent.sound("WAV"))
    return lambda: reader.read(folder / "data")


@attack("it has 20000 steps of 1 pixels, which become")
def a_picture_one_pixel_wide_among_wide_ones(folder: Path) -> Call:
    for number, size in enumerate(((2000, 3), (2000, 3), (1, 20_000))):
        path = folder / "data" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size).save(path)
    return lambda: reader.read(folder / "data")


@attack("line 1 is no JSON")
def a_table_beside_pictures_of_a_million_brackets(folder: Path) -> Call:
    innocent.picture(folder / "a.png")
    (folder / "metadata.jsonl").write_bytes(b"[" * 1_000_000)
    return lambda: reader.read(folder)


@attack("metadata.csv has more than .* bytes")
def a_table_beside_pictures_of_four_gigabytes(folder: Path) -> Call:
    innocent.picture(folder / "a.png")
    innocent.sparse(folder / "metadata.csv", 4 << 30, b"file_name,label\n")
    return lambda: reader.read(folder)
