"""`unrolled info`: what is installed, and what the library found and chose."""

from __future__ import annotations

import dataclasses

NARROW = 60  # columns of a terminal, below which values begin below their names


@dataclasses.dataclass(frozen=True)
class InfoOptions:
    """What `unrolled info` is told: nothing."""


def info(options: InfoOptions) -> None:
    """Show versions, devices, threads, which data are at hand, and how each kind of cell is computed.

    [bold]examples:[/bold]

        unrolled info
    """
    import platform

    import torch

    from unrolled import __version__
    from unrolled.cli.terminal import Terminal
    from unrolled.data import DATASETS, locate
    from unrolled.kernels import isa, precision

    devices = [f"cuda:{n} {torch.cuda.get_device_name(n)}" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    lines = {
        "unrolled": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "cpu": f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads",
        "other devices": ", ".join(devices) or "none",
    }
    for name in DATASETS:
        files = locate(name)
        where = str(files[0].parent) if files else "not here: downloaded when it is first asked for"
        lines[f"data {name}"] = where
    lines["fused kernels"] = isa.explain()
    lines["products"] = precision.explain()
    lines["on other devices"] = (
        "LSTM, GRU (reset after) and RNN without options on torch's operators, the rest loops"
    )
    terminal = Terminal()
    for what, value in lines.items():
        terminal.print_pieces(
            [f"{what:20}", *value.split()], " ", " " * 21 if terminal.width >= NARROW else "  "
        )
