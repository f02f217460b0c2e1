"""Try an installed wheel, as somebody without a compiler would: what is not right ends it with one line.

python scripts/wheel_trial.py    with the Python of the environment in which the wheel is

It runs from a folder of its own, with no other program on the PATH than the environment's, so that neither a
checkout nor a compiler can help.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

BIN = Path(sys.executable).parent
COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++", "cmake", "ninja")
REPEATS = 10

# Whoever comes first, there may be one OpenMP, torch's: a second one would be a second team of threads.
ORDERS = {
    "torch first": "import torch, unrolled",
    "unrolled first": "import unrolled, torch",
    "the kernels first": "import unrolled.kernels.isa, unrolled, torch",
}
THREADED = """
torch.set_num_threads(2)
layer = unrolled.LSTM(64, 256, batch_first=True)
layer(torch.rand(64, 20, 64))[0].sum().backward()
print(open("/proc/self/maps").read())
"""
STREAMED = """
import torch, unrolled
torch.manual_seed(0)
cell, x = unrolled.LSTMCell(7, 33), torch.rand(1, 12, 7)
with torch.no_grad():
    whole, _ = unrolled.dynamic_unroll(cell, x)
    stream = unrolled.Stream(cell)
    steps = torch.stack([stream.step(row) for row in x.unbind(1)], dim=1)
print(torch.equal(steps, whole), *unrolled.isa.available())
"""
FIRST_LAYER = """
import torch, time
begun = time.process_time()
import unrolled
unrolled.LSTM(28, 128), unrolled.isa.active(), unrolled.dynamic_unroll, unrolled.Stream
print(time.process_time() - begun)
"""


def run(*command: str, folder: Path, errors: bool = False) -> str:
    """What a command prints, in a folder, with nothing on the PATH but the environment's own programs."""
    done = subprocess.run(command, cwd=folder, env={"PATH": str(BIN)}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stderr if errors else done.stdout


def python(code: str, folder: Path) -> str:
    """What some Python prints."""
    return run(sys.executable, "-c", code, folder=folder)


def openmps(maps: str) -> set[str]:
    """The files of OpenMP in what /proc/self/maps says of a process."""
    return set(re.findall(r"/\S*/lib(?:gomp|iomp|omp)\S*", maps))


def import_seconds(folder: Path) -> Iterator[float]:
    """How long `import unrolled` takes beside torch, again and again, files being in memory already."""
    for _ in range(REPEATS + 1):
        said = run(
            *(sys.executable, "-X", "importtime", "-c", "import torch; import unrolled"),
            folder=folder,
            errors=True,
        )
        (microseconds,) = re.findall(r"\|\s*(\d+) \| unrolled$", said, flags=re.MULTILINE)
        yield int(microseconds) / 1e6


def check(right: bool, what: str) -> None:
    """Print what is so, or end."""
    if not right:
        sys.exit(f"not so: {what}")
    print(f"ok: {what}", flush=True)


def main() -> None:
    """Try what is installed."""
    everywhere = [name for name in COMPILERS if shutil.which(name)]
    print(f"Python {sys.version.split()[0]}; compilers on this machine: {', '.join(everywhere) or 'none'}")
    check(not any(shutil.which(name, path=str(BIN)) for name in COMPILERS), f"there is none in {BIN}")
    distribution = importlib.metadata.distribution("unrolled")
    files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    size = sum(file.stat().st_size for file in files if file.exists())
    site = Path(sysconfig.get_path("purelib"))
    tags = re.findall(r"^Tag: (.*)$", distribution.read_text("WHEEL") or "", flags=re.MULTILINE)
    print(f"unrolled {distribution.version}, {', '.join(tags)}: {len(files)} files, {size / 2**20:.1f} MiB")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = python("import unrolled; print(unrolled.__file__)", folder).strip()
        check(Path(place).is_relative_to(site), f"the package is the installed one, {place}")

        info = run(str(BIN / "unrolled"), "info", folder=folder)
        print(info.rstrip())
        same, *isas = python(STREAMED, folder).split()
        check(len(isas) > 1, f"kernels are compiled in: {', '.join(isas)}")
        check(same == "True", "steps of a stream have the bits of the whole sequence")

        if sys.platform == "linux":
            for order, imports in ORDERS.items():
                found = openmps(python(imports + THREADED, folder))
                check(len(found) == 1, f"{order}: one OpenMP is loaded, {', '.join(found)}")

        said = run(str(BIN / "unrolled"), "train", "--epochs", "2", "--run", "run", folder=folder)
        (accuracy,) = re.findall(r"^test accuracy (0\.\d+)", said, flags=re.MULTILINE)
        check(float(accuracy) > 0.5, f"a training of two epochs reads {accuracy} of the test digits")

        _, *seconds = import_seconds(folder)
        beside = statistics.median(seconds)
        check(
            beside < 0.1, f"`import unrolled` takes {beside * 1e3:.1f} ms beside torch, median of {REPEATS}"
        )
        first = statistics.median(float(python(FIRST_LAYER, folder)) for _ in range(REPEATS))
        print(f"with the first call of a layer: {first * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
