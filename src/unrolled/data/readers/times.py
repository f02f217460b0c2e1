"""Times as text, which are numbers to sort by."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UnrolledError

# 2026-01-31, 2026/01/31 or 31.01.2026, and a time of the day behind it.
DAY = re.compile(
    r"(?:(?P<y>\d{4})[-/](?P<m>\d\d?)(?:[-/](?P<d>\d\d?))?|(?P<D>\d\d?)\.(?P<M>\d\d?)\.(?P<Y>\d{4}))"
)
CLOCK = re.compile(r"(?P<clock>\d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)\s*(?P<zone>Z|UTC|[-+]\d\d:?\d\d)?")
TIME = re.compile(rf"{DAY.pattern}(?:(?:T|\s+){CLOCK.pattern})?")


def read_times(texts: Sequence[str], where: str) -> NDArray[np.int64]:
    """Microseconds since 1970, of dates with or without a time of the day.

    Args:
        texts: as ISO 8601 has them, 2026-01-31 or 2026-01-31T12:30:00Z; 2026/01/31 and 31.01.2026 as well.
        where: what to call the column, for the message.

    Raises:
        UnrolledError: one of them is none: of 01/02/2026 nobody knows the month.

    >>> read_times(["1970-01-02", "1970/01/02 00:00:01", "02.01.1970 02:00+02:00"], "t").tolist()
    [86400000000, 86401000000, 86400000000]
    """
    times = np.empty(len(texts), np.int64)
    for place, text in enumerate(texts):
        found = TIME.fullmatch(text.strip())
        try:
            if found is None:
                raise ValueError
            y, m, d = (
                (found["y"], found["m"], found["d"] or "1") if found["y"] else found.group("Y", "M", "D")
            )
            hour, _, rest = (found["clock"] or "00:00").replace(",", ".").partition(":")
            time = np.datetime64(f"{y}-{int(m):02}-{int(d or 1):02}T{int(hour):02}:{rest}", "us")
            times[place] = time.astype(np.int64) - _offset(found["zone"])
        except ValueError:
            raise UnrolledError(
                f"{where} holds {text!r}, expected numbers, or dates such as 2026-01-31 or "
                "2026-01-31 12:30:00"
            ) from None
    return times


def are_times(texts: Sequence[str]) -> bool:
    """Whether there are texts, and all are dates."""
    return bool(texts) and all(TIME.fullmatch(text.strip()) for text in texts)


def _offset(zone: str | None) -> int:
    if not zone or zone in ("Z", "UTC"):
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return (-1 if zone[0] == "-" else 1) * minutes * 60_000_000
