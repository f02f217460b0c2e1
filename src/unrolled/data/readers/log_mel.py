"""Sound as a sequence: the logarithm of its power in bands, as an ear spaces them, many times a second."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import UnrolledError, check_count, check_fields, is_number

# A little above what rounding to 16 bits leaves in a band, so that no silence is more silent than another.
FLOOR = 1e-6
RATES = (1_000, 768_000)
MOST_BANDS = 512
LONGEST_WINDOW, SHORTEST_HOP = 1.0, 0.001
LARGEST_SPAN = 1000.0  # dB: more than there is between the floor and the loudest sound


@dataclasses.dataclass(frozen=True)
class MelSettings:
    """How recordings become frames.

    Attributes:
        rate: samples a second that every recording is brought to; None for the commonest among them.
        window: seconds that a frame looks at.
        hop: seconds from one frame to the next.
        bands: of a frame, I.
        lowest: Hz at which the first band begins.
        highest: Hz at which the last one ends; None for half the rate.
        span: dB below a recording's loudest number at which the softest ones end.
        centred: whether a recording's mean, one number over all its frames and bands, is taken away from it.

    Raises:
        UnrolledError: a value that no frames can be made with.

    >>> found = MelSettings().at(8000)
    >>> found.rate, found.bands, found.highest
    (8000, 40, 4000.0)
    """

    rate: int | None = None
    window: float = 0.025
    hop: float = 0.010
    bands: int = 40
    lowest: float = 20.0
    highest: float | None = None
    span: float = 50.0
    centred: bool = True

    def __post_init__(self) -> None:
        check_count("bands", self.bands, most=MOST_BANDS)
        if self.rate is not None:
            check_count("rate", self.rate, *RATES)
        if not isinstance(self.centred, bool):
            raise UnrolledError(f"centred is {self.centred!r}, expected true or false")
        for name in ("window", "hop", "lowest", "highest", "span"):
            value = getattr(self, name)
            if not is_number(value) and not (name == "highest" and value is None):
                raise UnrolledError(f"{name} is {value!r}, expected a number")
        if not 0 < self.span <= LARGEST_SPAN:
            raise UnrolledError(f"span is {self.span}, expected more than 0 dB and {LARGEST_SPAN} at most")
        if not SHORTEST_HOP <= self.hop <= self.window <= LONGEST_WINDOW:
            raise UnrolledError(
                f"hop is {self.hop} and window {self.window}, expected {SHORTEST_HOP} <= hop <= window <= "
                f"{LONGEST_WINDOW}, in seconds"
            )
        most = self.rate / 2 if self.rate else RATES[1] / 2
        highest = most if self.highest is None else self.highest
        if not 0 <= self.lowest < highest <= most:
            raise UnrolledError(
                f"lowest is {self.lowest} and highest {highest}, expected 0 <= lowest < highest <= {most}, "
                "half the rate, in Hz"
            )

    def at(self, rate: int) -> MelSettings:
        """The same with nothing left open, for recordings of that rate."""
        rate = self.rate or rate
        return dataclasses.replace(self, rate=rate, highest=self.highest or rate / 2)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MelSettings:
        """Those that `dataclasses.asdict` gave, nothing left open.

        Raises:
            UnrolledError: a value is missing, unknown or of another kind.
        """
        check_fields("setting of recordings", values, cls)
        for field in dataclasses.fields(cls):
            if values.get(field.name) is None:
                raise UnrolledError(f"{field.name}, a setting of recordings, is missing")
        return cls(**values)


class LogMel:
    r"""Frames of a recording, one after the other.

        x_t[n]  = x[t h + n] w[n]                              0 <= n < W
        P_t[k]  = |sum_n x_t[n] exp(-2 pi i k n / F)|²         0 <= k <= F / 2
        y_t[b]  = log(sum_k M[k, b] P_t[k] + 1e-6)

        y_t[b] := max(y_t[b], max y - span ln(10) / 10)
        y_t[b] := y_t[b] - mean_tb y_t[b]                      if centred

        T       = 1 + (S - W) // h                             1 where S < W

    How silent a room is, and how near the microphone, is a recording's and not what is said: the last two
    lines take it away. A mean of each band would take more away than that: in a word as short as "six" it is
    for the most part the vowel itself.

    Symbols: x [S] samples from -1 to 1, zeros behind those that are shorter than a window; W, h the samples
    of a window and of a hop; w Hann's window, which begins at zero and would do so again at W; y [T, I] the
    frames. M are triangles of height 1 over the frequencies k rate / F. Their corners are spaced equally in
    mel, m(f) = 2595 log10(1 + f / 700), as HTK has it, the first at `lowest`, the last at `highest`; each
    triangle begins and ends at the peaks of its neighbours. F is a power of two, the least that is no less
    than W and leaves no triangle without a frequency. A frame sees nothing before or behind its window.

    Args:
        settings: with a rate, as `MelSettings.at` gives them.

    Attributes:
        window, hop: W and h, in samples.

    >>> frames = LogMel(MelSettings().at(8000))
    >>> frames([torch.zeros(8000)]).shape
    torch.Size([98, 40])

    Reference: Young et al., The HTK Book, version 3.4, sections 5.4 and 5.6; Davis and Mermelstein 1980.
    """

    def __init__(self, settings: MelSettings) -> None:
        assert settings.rate is not None
        assert settings.highest is not None
        rate = settings.rate
        self.window, self.hop = max(1, round(rate * settings.window)), max(1, round(rate * settings.hop))
        low, high = _mel(torch.tensor([settings.lowest, settings.highest], dtype=torch.float64)).tolist()
        corners = _hertz(torch.linspace(low, high, settings.bands + 2, dtype=torch.float64))
        narrowest = float(corners[1] - corners[0])
        self._size = 1 << (max(self.window, int(rate / narrowest)) - 1).bit_length()
        self._span, self._centred = settings.span * math.log(10) / 10, settings.centred
        self._shape = torch.hann_window(self.window, dtype=torch.float64).float()
        self._filters = _triangles(corners, torch.arange(self._size // 2 + 1) * (rate / self._size)).float()

    def __call__(self, blocks: Iterable[Tensor]) -> Tensor:
        """The frames [T, I] of a recording whose samples come in blocks [s], which are not held."""
        made, rest = [], torch.empty(0)
        for block in blocks:
            rest = torch.cat([rest, block])
            count = max(0, 1 + (len(rest) - self.window) // self.hop)
            if count:
                made.append(self._frames(rest))
                rest = rest[count * self.hop :]
        if not made:
            made.append(self._frames(torch.nn.functional.pad(rest, (0, self.window - len(rest)))))
        frames = torch.cat(made)
        frames = frames.clamp(min=float(frames.max()) - self._span)
        return frames - frames.mean() if self._centred else frames

    def _frames(self, samples: Tensor) -> Tensor:
        pieces = samples.unfold(0, self.window, self.hop) * self._shape
        power = torch.view_as_real(torch.fft.rfft(pieces, self._size)).square().sum(-1)
        return torch.log(power @ self._filters + FLOOR)


def _mel(hertz: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + hertz / 700)


def _hertz(mel: Tensor) -> Tensor:
    return 700 * (10 ** (mel / 2595) - 1)


def _triangles(corners: Tensor, frequencies: Tensor) -> Tensor:
    """[K, I] over frequencies [K], from corners [I + 2]."""
    steps = corners.diff()
    rising = (frequencies[:, None] - corners[:-2]) / steps[:-1]
    falling = (corners[2:] - frequencies[:, None]) / steps[1:]
    return torch.minimum(rising, falling).clamp(min=0)
