"""Where a verb computes: folder, threads and device."""

from __future__ import annotations

import os
import sys

from unrolled.errors import UnrolledError, check_count

MOST_THREADS = 1024  # with far more, torch ends the process
SPINS = "1000"  # how often a thread of torch looks for work before it sleeps: some ten microseconds
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def check_folder() -> None:
    """Raise an UnrolledError if the present folder has been removed: torch would end the process."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UnrolledError(
            "the folder that this is run in has been removed: change into another one"
        ) from None


def let_threads_sleep() -> None:
    """Have torch's threads sleep while they wait for work, unless the environment says how they wait.

    By itself libgomp looks for work 300,000 times, milliseconds that other processes lose, and that a thread
    which waits for one without a core loses itself. It reads its environment when torch is loaded, once.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = SPINS


def set_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads."""
    import torch

    if threads is None:
        return
    check_count("--threads", threads, most=MOST_THREADS)
    torch.set_num_threads(threads)


def check_device(name: str) -> str:
    """`name`, if torch can compute there."""
    import torch

    try:
        torch.zeros(1, device=name).item()  # a device that holds no numbers is no place to compute
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UnrolledError(
            f"--device {name}: this torch cannot use it ({reason}); cpu always works"
        ) from error
    return name
