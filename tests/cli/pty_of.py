"""A command on a real terminal of so many columns."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterable


def on_a_terminal(arguments: Iterable[object], columns: int, **environment: str) -> str:
    """What `unrolled` writes to a terminal of this width, with its control sequences."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "unrolled", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # what Linux says at the end
        pass
    process.wait()
    os.close(ours)
    return written.decode()


def as_lines(written: str) -> list[str]:
    """The lines, and each state of a line that was written over, without colours."""
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "\n", re.sub(r"\x1b\[[\d;]*m", "", written))
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain)]
