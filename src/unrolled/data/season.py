"""After how many steps a series begins again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST = 0.2  # that a peak of the autocorrelation is above what is before it: less is no season
NEARLY = 0.85  # of the highest peak


def find_season(series: NDArray[np.floating]) -> int:
    r"""The season m of a series [T]: the lag of the highest peak of its autocorrelation; 1 if it has none.

        r_k = Σ_t d_t d_(t-k) / Σ_t d_t²        d what is left of the series without a parabola through it

    A peak is higher than both of its neighbours, and by 0.2 than the lowest r before it, and lies between 2
    and a third of T. Of peaks that are nearly as high as the highest, such as a season and its multiples, the
    first is taken; and within a tenth of it, the lag that is the best together with its multiples.

    >>> t = np.arange(200)
    >>> find_season(np.sin(2 * np.pi * t / 12) + 0.1 * t), find_season(0.5 * t)
    (12, 1)

    Reference: Box and Jenkins 1976, Time Series Analysis, section 2.1.4.
    """
    steps = np.arange(len(series))
    known = np.isfinite(series)
    if known.sum() < 8:
        return 1
    scaled = (steps - steps.mean()) / len(steps)
    values = series[known].astype(np.float64)
    values = values - values.mean()
    left = np.zeros(len(series))
    left[known] = values - np.polyval(np.polyfit(scaled[known], values, 2), scaled[known])
    if np.abs(left).max() <= 1e-6 * max(np.abs(values).max(), 1e-300):
        return 1
    size = 2 * len(left)
    power = np.abs(np.fft.rfft(left, size)) ** 2
    r = np.fft.irfft(power, size)[: len(left) // 3 + 2]
    r = r / r[0]
    inner = r[1:-1]
    rises = inner - np.minimum.accumulate(r)[1:-1]
    peaks = np.flatnonzero((inner > r[:-2]) & (inner > r[2:]) & (inner > LEAST) & (rises > LEAST)) + 1
    peaks = peaks[peaks >= 2]
    if not len(peaks):
        return 1
    highest = int(peaks[(r[peaks] >= NEARLY * r[peaks].max()).argmax()])
    # Where noise moves the peak, its multiples tell: there an error is multiplied, too.
    near = range(max(2, highest - highest // 10), min(highest + highest // 10, len(r) - 2) + 1)
    return max(near, key=lambda lag: float(r[lag : len(r) - 1 : lag].mean()))
