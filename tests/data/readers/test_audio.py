"""Recordings of any kind become frames, and every bad one is one clear error."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.data.readers import audio
from unrolled.data.readers.log_mel import MelSettings
from unrolled.errors import UnrolledError

soundfile = pytest.importorskip("soundfile")
soxr = pytest.importorskip("soxr")


# A steady tone is nothing but what is the same throughout a recording.
PLAIN = {"span": 1000.0, "centred": False}


def tone(rate: int = 8000, seconds: float = 0.5, hertz: float = 440) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype("f4")


def frames(*paths: Path, **settings: object) -> list[NDArray[np.float32]]:
    return audio.read_all(paths, MelSettings(**{**PLAIN, **settings})).sequences


def written(path: Path, samples: NDArray[np.float32], rate: int = 8000, **options: object) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def test_a_recording_becomes_frames_and_says_how(tmp_path: Path) -> None:
    found = audio.read_all([written(tmp_path / "a.wav", tone())], MelSettings())
    (one,) = found.sequences
    assert (one.dtype, one.shape) == (np.float32, (1 + (4000 - 200) // 80, 40))
    assert found.features[:2] == ("band 1", "band 2")
    assert len(found.features) == 40
    assert found.settings["rate"] == 8000
    assert found.settings["highest"] == 4000
    assert found.notes == (
        "recordings are read as 40 log-mel bands from 20 to 4000 Hz, in windows of 25 ms every 10 ms, "
        "nothing below 50 dB under a recording's loudest, without the recording's mean over all bands",
    )


@pytest.mark.parametrize(
    ("name", "options", "off"),
    [
        ("a.wav", {"subtype": "PCM_U8"}, 0.1),
        ("a.wav", {"subtype": "PCM_24"}, 0.01),
        ("a.wav", {"subtype": "FLOAT"}, 0.01),
        ("a.wav", {"subtype": "DOUBLE"}, 0.01),
        ("a.wav", {"subtype": "ULAW"}, 0.1),
        ("a.wav", {"subtype": "IMA_ADPCM"}, 0.1),
        ("a.wav", {"format": "WAVEX"}, 0.01),
        ("a.flac", {}, 0.01),
        ("a.ogg", {}, 0.3),
        ("a.mp3", {}, 0.3),
        ("a.aiff", {}, 0.01),
        ("misnamed.wav", {"format": "FLAC"}, 0.01),
    ],
)
def test_every_format_holds_the_same_tone(tmp_path: Path, name: str, options: dict, off: float) -> None:
    (plain,) = frames(written(tmp_path / "plain.wav", tone()))
    (other,) = frames(written(tmp_path / name, tone(), **options))
    loud = plain > plain.max() - 3
    assert loud.any()
    assert np.abs(plain - other[: len(plain)])[loud].mean() < off


def test_channels_become_their_mean(tmp_path: Path) -> None:
    left, right = tone(hertz=300), tone(hertz=1500)
    stereo = written(tmp_path / "stereo.wav", np.stack([left, right], 1), subtype="FLOAT")
    mono = written(tmp_path / "mono.wav", (left + right) / 2, subtype="FLOAT")
    one, other = frames(stereo, mono)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_recordings_of_another_rate_are_resampled_to_the_commonest(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.wav", tone(8000, hertz=700), 8000) for n in range(2)]
    paths.append(written(tmp_path / "other.flac", tone(44100, hertz=700), 44100))
    found = audio.read_all(paths, MelSettings(**PLAIN))
    plain, _, other = found.sequences
    assert found.settings["rate"] == 8000
    assert found.notes[1] == "1 of 3 recordings are resampled to 8,000 Hz from 44,100"
    assert plain.shape == other.shape
    assert (plain.argmax(1) == other.argmax(1)).all()
    loud = plain > plain.max() - 5
    assert np.abs(plain - other)[loud].max() < 0.05


def test_of_two_rates_as_common_the_lower_is_taken(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{rate}.wav", tone(rate), rate) for rate in (16000, 11025)]
    assert audio.read_all(paths, MelSettings()).settings["rate"] == 11025
    assert audio.read_all(paths, MelSettings(rate=16000)).settings["rate"] == 16000


def test_blocks_are_no_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.wav", np.stack([tone(44100), tone(44100)], 1), 44100)
    (whole,) = frames(path, rate=8000)
    monkeypatch.setattr(audio, "BLOCK", 1000)
    (pieces,) = frames(path, rate=8000)
    np.testing.assert_allclose(whole, pieces, atol=0.01)


def test_a_recording_is_the_same_alone_and_among_others(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.wav", tone(hertz=200 + 100 * n)) for n in range(9)]
    together = frames(*paths)
    for path, one in zip(paths, together, strict=True):
        np.testing.assert_array_equal(frames(path)[0], one)


def test_a_recording_shorter_than_a_window_is_one_frame(tmp_path: Path) -> None:
    (one,) = frames(written(tmp_path / "short.wav", tone()[:3]))
    assert one.shape == (1, 40)


def content(samples: NDArray[np.float32], format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 8000, format=format, **options)
    return buffer.getvalue()


NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype("f4")
WAV, FLAC, OGG, AIFF, MP3 = (content(NOISE, format) for format in ("WAV", "FLAC", "OGG", "AIFF", "MP3"))


@pytest.mark.parametrize(
    ("name", "bytes_", "message"),
    [
        ("empty.wav", b"", "cannot read .*empty.wav: it is empty, expected WAV, FLAC"),
        ("text.wav", b"these are words", "it is no recording that is known, expected WAV, FLAC"),
        ("head.wav", WAV[:30], "it is damaged, or no recording: "),
        ("silent.wav", WAV[:40] + struct.pack("<I", 0), "there is no sound in it"),
        (
            "cut.wav",
            WAV[:-100],
            "cannot use .*: it is cut short: 16,000 bytes of sound expected, 15,900 there",
        ),
        ("cut.aiff", AIFF[:-100], "it is cut short: "),
        ("cut.flac", FLAC[:-3000], "it is damaged, or no recording"),
        ("cut.ogg", OGG[:-100], "it is cut short: its last page is not all there"),
        ("headless.ogg", OGG[:58], "cannot read .*: it is damaged, or no recording"),
        ("cut.mp3", MP3[: len(MP3) // 2], "it is cut short: 8,000 samples expected"),
        (
            "nan.wav",
            content(np.full(900, np.nan, "f4"), "WAV", subtype="FLOAT"),
            "samples that are no numbers",
        ),
        ("loud.wav", content(np.full(900, 1e30, "f4"), "WAV", subtype="FLOAT"), "or far from -1 to 1"),
        ("matlab.mat", content(NOISE, "MAT5"), "it is no recording that is known"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,  # an Ogg file has a random number in it
)
def test_a_bad_file_is_one_error_that_names_it(
    tmp_path: Path, name: str, bytes_: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(bytes_)
    good = written(tmp_path / "good.wav", tone())
    with pytest.raises(UnrolledError, match=message) as caught:
        frames(good, path, good)
    assert str(caught.value).count(str(path)) == 1


def test_a_recording_whose_length_nobody_knew_is_read_to_its_end(tmp_path: Path) -> None:
    """A program that writes into a pipe cannot come back to its header."""
    path = tmp_path / "stream.wav"
    place = WAV.index(b"data") + 4
    path.write_bytes(WAV[:place] + b"\xff\xff\xff\xff" + WAV[place + 4 :])
    assert frames(path)[0].shape == (1 + (8000 - 200) // 80, 40)


def test_hours_of_silence_in_a_small_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "MOST_SAMPLES", 10_000)
    path = written(tmp_path / "silence.flac", np.zeros(4_000_000, "f4"))
    slow = written(tmp_path / "slow.wav", np.zeros(9_000, "f4"), 1000)
    for settings in ({}, {"rate": 768_000}):
        with pytest.raises(UnrolledError, match=r"it is too long: more than .* samples, as it says"):
            frames(slow if settings else path, **settings)
    untold = bytearray(path.read_bytes())
    untold[22:26] = bytes(4)  # how many samples there are, which need not be said
    path.write_bytes(untold)
    with pytest.raises(UnrolledError, match=r"it is too long: more than .* samples, in a file of few bytes"):
        frames(path)


@pytest.mark.parametrize("rate", [1, 900, 1_000_000])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: int) -> None:
    with pytest.raises(UnrolledError, match=f"it has {rate:,} samples a second, expected 1,000 to 768,000"):
        frames(written(tmp_path / "odd.wav", tone(), rate))


def test_without_the_library_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.wav", tone())
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(UnrolledError, match=r"pip install 'unrolled\[audio\]'"):
        frames(path)
