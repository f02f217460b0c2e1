"""Frames of sound: their numbers against another implementation, their count, and settings that are none."""

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import assert_equal
from unrolled.data.readers.log_mel import LogMel, MelSettings
from unrolled.errors import UnrolledError

RATE = 8000


def chirp(samples: int = 1900) -> torch.Tensor:
    """From 200 Hz upwards, and a soft steady tone at 3100 Hz."""
    n = torch.arange(samples, dtype=torch.float64) / RATE
    rising = 0.4 * torch.sin(2 * math.pi * (200 * n + 6000 * n**2))
    return (rising + 0.05 * torch.sin(2 * math.pi * 3100 * n)).float()


# By librosa 0.11.0, of the chirp as float64: log(filters @ |stft|² + 1e-6), where
#   stft(n_fft=256, win_length=200, hop_length=80, window="hann", center=False), of 28 zeros and the chirp,
#   as librosa centres a window of 200 within 256;
#   filters.mel(sr=8000, n_fft=256, n_mels=6, fmin=20, fmax=4000, htk=True, norm=None).
GOLDEN = {
    0: [6.16887, 5.66746, -3.97395, -11.98313, -12.77802, 2.27973],
    9: [-13.38727, -11.51306, 2.55716, 6.5703, 3.72615, 2.27973],
    21: [-13.81301, -13.80898, -13.78605, -13.40022, 3.44232, 6.60663],
}


def plain(**settings: Any) -> MelSettings:
    """Frames as the filters give them."""
    return MelSettings(**{"span": 1000.0, "centred": False, **settings})


def test_how_loud_a_recording_is_and_how_silent_its_room_is_taken_away() -> None:
    x = chirp()
    as_they_are = LogMel(plain(bands=6).at(RATE))([x])
    bounded = as_they_are.clamp(min=float(as_they_are.max()) - 3 * math.log(10))  # 30 dB
    frames = LogMel(MelSettings(bands=6, span=30.0).at(RATE))([x])
    torch.testing.assert_close(frames, bounded - bounded.mean())
    assert_equal(LogMel(plain(bands=6, span=30.0).at(RATE))([x]), bounded)
    # Twice as loud is the same.
    torch.testing.assert_close(
        LogMel(MelSettings(bands=6, span=30.0).at(RATE))([2 * x]), frames, atol=1e-3, rtol=0
    )


def test_bands_keep_their_heights_to_each_other() -> None:
    # A word may be one vowel long, or one frame: what its bands have in common with its mean is what is said.
    frames = LogMel(MelSettings(bands=6).at(RATE))([chirp(150)])
    assert frames.shape == (1, 6)
    assert float(frames.std()) > 1
    assert float(frames.mean()) == pytest.approx(0, abs=1e-5)


def test_frames_are_what_another_implementation_makes_of_a_chirp() -> None:
    frames = LogMel(plain(bands=6).at(RATE))([chirp()])
    assert frames.shape == (22, 6)
    torch.testing.assert_close(
        frames[list(GOLDEN)], torch.tensor(list(GOLDEN.values())), rtol=1e-4, atol=1e-3
    )


def test_a_frame_is_the_formula_written_out() -> None:
    mel = LogMel(plain(bands=3, lowest=100, highest=900).at(1000 * 2))
    x = torch.randn(50 + 20 * 2, generator=torch.Generator().manual_seed(1))
    corners = [2595 * math.log10(1 + f / 700) for f in (100, 900)]
    f = [
        700 * (10 ** ((corners[0] + (corners[1] - corners[0]) * place / 4) / 2595) - 1) for place in range(5)
    ]
    frames = mel([x])
    for t in range(3):
        windowed = [float(x[20 * t + n]) * (0.5 - 0.5 * math.cos(2 * math.pi * n / 50)) for n in range(50)]
        for b in range(3):
            total = 0.0
            for k in range(33):
                hertz = k * 2000 / 64
                height = max(
                    0, min((hertz - f[b]) / (f[b + 1] - f[b]), (f[b + 2] - hertz) / (f[b + 2] - f[b + 1]))
                )
                angle = -2 * math.pi * k / 64
                real = sum(windowed[n] * math.cos(angle * n) for n in range(50))
                imaginary = sum(windowed[n] * math.sin(angle * n) for n in range(50))
                total += height * (real**2 + imaginary**2)
            assert float(frames[t, b]) == pytest.approx(math.log(total + 1e-6), abs=1e-4)


@given(
    samples=st.integers(0, 3000), window=st.integers(1, 40), hop=st.integers(1, 40), bands=st.integers(1, 9)
)
def test_there_are_as_many_frames_as_windows_fit(samples: int, window: int, hop: int, bands: int) -> None:
    hop = min(hop, window)
    mel = LogMel(MelSettings(window=window / 1000, hop=hop / 1000, bands=bands).at(4000))
    assert (mel.window, mel.hop) == (4 * window, 4 * hop)
    frames = mel([torch.ones(samples)])
    assert frames.shape == (1 + max(0, samples - 4 * window) // (4 * hop), bands)
    assert frames.isfinite().all()


@given(cuts=st.lists(st.integers(0, 1900), max_size=6))
def test_blocks_of_any_size_make_the_same_frames(cuts: list[int]) -> None:
    mel, x = LogMel(MelSettings(bands=5).at(RATE)), chirp()
    edges = [0, *sorted(cuts), len(x)]
    blocks = [x[start:end] for start, end in itertools.pairwise(edges)]
    torch.testing.assert_close(mel(blocks), mel([x]), rtol=1e-5, atol=1e-4)


def test_a_short_recording_is_one_frame_with_zeros_behind_it() -> None:
    mel = LogMel(plain().at(RATE))
    assert_equal(mel([chirp(77)]), mel([torch.cat([chirp(77), torch.zeros(200 - 77)])]))


def test_silence_is_the_logarithm_of_the_floor() -> None:
    frames = LogMel(plain().at(RATE))([torch.zeros(400)])
    torch.testing.assert_close(frames, torch.full_like(frames, math.log(1e-6)))


@given(
    rate=st.sampled_from([1000, 8000, 11025, 16000, 44100, 96000]),
    bands=st.integers(1, 200),
    window=st.floats(0.001, 0.1),
)
def test_every_band_hears_something(rate: int, bands: int, window: float) -> None:
    settings = plain(bands=bands, window=window, hop=min(window, 0.01)).at(rate)
    noise = torch.randn(2 * rate // 10 + 1, generator=torch.Generator().manual_seed(0))
    frames = LogMel(settings)([noise])
    assert (frames.amax(0) > math.log(1e-6) + 1).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bands": 0}, "bands is 0, expected a whole number from 1 to 512|bands is 0, expected"),
        ({"bands": 1.5}, "bands is 1.5"),
        ({"rate": 10}, "rate is 10, expected"),
        ({"rate": 10**9}, "rate is 1000000000, expected"),
        ({"window": math.nan}, "window is nan, expected a number"),
        ({"hop": "1"}, "hop is '1', expected a number"),
        ({"hop": 0.0}, "expected 0.001 <= hop <= window <= 1"),
        ({"hop": 0.05}, "expected 0.001 <= hop <= window <= 1"),
        ({"window": 9.0}, "expected 0.001 <= hop <= window <= 1"),
        ({"span": 0.0}, "span is 0.0, expected more than 0 dB and 1000.0 at most"),
        ({"span": 2000.0}, "span is 2000.0, expected"),
        ({"centred": 1}, "centred is 1, expected true or false"),
        ({"lowest": -1}, "expected 0 <= lowest < highest"),
        ({"rate": 8000, "lowest": 4000}, "expected 0 <= lowest < highest <= 4000"),
        ({"rate": 8000, "highest": 4001}, "expected 0 <= lowest < highest <= 4000"),
    ],
)
def test_settings_that_no_frames_can_be_made_with_are_refused(values: dict, message: str) -> None:
    with pytest.raises(UnrolledError, match=message):
        MelSettings(**values)


def test_settings_come_back_from_what_a_run_keeps() -> None:
    settings = MelSettings(bands=13).at(16000)
    kept = dataclasses.asdict(settings)
    assert MelSettings.from_dict(kept) == settings
    with pytest.raises(UnrolledError, match="rate, a setting of recordings, is missing"):
        MelSettings.from_dict(kept | {"rate": None})
    with pytest.raises(UnrolledError, match="unknown setting of recordings 'band'"):
        MelSettings.from_dict(kept | {"band": 1})
    with pytest.raises(UnrolledError, match="hop is True"):
        MelSettings.from_dict(kept | {"hop": True})
