"""Run every attack in a cage, or those that `python -m attacks PATTERN` names: a JSON object a line."""

from __future__ import annotations

import json
import re
import sys

import torch

import unrolled.cli.main
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


def main(pattern: str = "") -> None:
    """Run those whose names the pattern is found in."""
    torch.set_num_threads(1)
    for attack in ATTACKS.values():
        if re.search(pattern, attack.name):
            with cage.away() as folder:
                outcome = cage.run(attack.make(folder))
            print(json.dumps({"name": attack.name, **outcome._asdict()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
