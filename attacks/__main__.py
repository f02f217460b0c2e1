"""Run every attack in a cage, or those that `python -m attacks PATTERN` names: a JSON object a line."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import re
import sys

import torch
from PIL import Image

import unrolled.report  # noqa: F401
from attacks import (  # noqa: F401
    arrays,
    cage,
    checkpoints,
    graphs,
    idx,
    images,
    models,
    paths,
    recordings,
    runs,
)
from attacks.attack import ATTACKS
from unrolled.cli.main import run

MODULES = ("numpy.random", "torch.fx.experimental.symbolic_shapes", "unrolled.training.session")


def load_once() -> None:
    """Load what most attacks meet, and leave no garbage to look for: forks take half the time then."""
    for module in MODULES:
        importlib.import_module(module)
    Image.init()
    with contextlib.redirect_stdout(io.StringIO()):
        run(["networks"])
    gc.collect()
    gc.freeze()


def main(pattern: str = "") -> None:
    """Run those whose names the pattern is found in."""
    torch.set_num_threads(1)
    load_once()
    for attack in ATTACKS.values():
        if re.search(pattern, attack.name):
            with cage.away() as folder:
                outcome = cage.run(attack.make(folder))
            print(json.dumps({"name": attack.name, **outcome._asdict()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
