"""`unrolled info`: what is installed, and what the library found and chose."""

from __future__ import annotations

import dataclasses

from unrolled.cli.options import DataDir


@dataclasses.dataclass(frozen=True)
class InfoOptions:
    """What `unrolled info` is told."""

    data_dir: DataDir = None


def info(options: InfoOptions) -> None:
    """Show versions, devices, threads, which data are at hand, and how each kind of cell is computed.

    [bold]examples:[/bold]

        unrolled info
    """
    import platform

    import torch
    from rich.console import Console
    from rich.table import Table

    from unrolled import __version__
    from unrolled.data import locate

    table = Table(show_header=False, box=None)
    table.add_row("unrolled", __version__)
    table.add_row("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    table.add_row("torch", torch.__version__)
    table.add_row("cpu", f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads")
    devices = [f"cuda:{n} {torch.cuda.get_device_name(n)}" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    table.add_row("other devices", ", ".join(devices) or "none")
    for name in ("sample", "mnist", "fashion-mnist"):
        table.add_row(f"data {name}", locate(name, options.data_dir))
    table.add_row("cells", "all on the reference loop: one step after the other, in torch's own operations")
    Console(soft_wrap=True, highlight=False).print(table, markup=False)
