"""Run PyTorch's own tests of its recurrent layers with the drop-ins in their place.

    python scripts/torch_tests.py CHECKOUT             of PyTorch's source, near the version that is installed
    python scripts/torch_tests.py CHECKOUT --peer      the same tests with torch.nn's own layers, to compare
    python scripts/torch_tests.py CHECKOUT -- -x       whatever follows -- goes to pytest

The tests are the RNN, LSTM and GRU cases of test/test_nn.py, all of test/nn/test_packed_sequence.py, and
what test/test_modules.py makes of the ModuleInfo database. Every call that the kernels can take goes to
them, however short. A test that fails must be in EXPECTED below, with the reason; one that stands there and
passes is an error.

With torch 2.13.0 and the tests of PyTorch 2.6.0: 262 passed, none failed, 49 skipped (CUDA and the like),
with 133,270 kernel calls; the same tests pass and are skipped with --peer.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import unrolled
from unrolled.kernels import ops
from unrolled.layers import drop_in

FILES = ["test/test_nn.py", "test/nn/test_packed_sequence.py", "test/test_modules.py"]
CASES = "(rnn or lstm or gru or packed) and not quantized"

# Test: why it fails with the drop-ins and not with torch.nn's layers. None does.
EXPECTED: dict[str, str] = {}


class StandIn(list[Any]):
    """For a name that the checkout's tests import from torch.testing and the installed torch has not."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return arguments[0] if arguments and callable(arguments[0]) else self


def stand_in_for_missing_names(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch.testing._internal."):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    print(f"{path.name}: {node.module} has no {alias.name}: it is left out")
                    setattr(module, alias.name, StandIn())


class Judge:
    """Counts kernel calls, and compares the failures with EXPECTED."""

    def __init__(self, expected: dict[str, str]) -> None:
        self.expected, self.calls, self.failed, self.passed = expected, 0, set[str](), set[str]()
        self.run = ops.unroll

    def unroll(self, layer: Any) -> Any:
        self.calls += 1
        return self.run(layer)

    def pytest_runtest_logreport(self, report: Any) -> None:
        name = report.nodeid.split("::")[-1]
        if report.failed:
            self.failed.add(name)
        elif report.when == "call" and report.passed:
            self.passed.add(name)

    def verdict(self) -> int:
        print(f"{len(self.passed)} passed, {len(self.failed)} failed, {self.calls} kernel calls")
        for name in sorted(self.failed):
            print(f"failed: {name}: {self.expected.get(name, 'NO REASON KNOWN')}")
        for name in sorted(self.passed & self.expected.keys()):
            print(f"passed, though it stands in EXPECTED: {name}")
        return int(bool(self.failed - self.expected.keys() or self.passed & self.expected.keys()))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("pytest", nargs="*")
    arguments = parser.parse_args()
    paths = [arguments.checkout.resolve() / name for name in FILES]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        parser.error(f"{', '.join(missing)} not found: CHECKOUT is a folder with PyTorch's source")

    judge = Judge({} if arguments.peer else EXPECTED)
    ops.unroll = judge.unroll
    drop_in.is_short = lambda *_: False
    for path in paths:
        stand_in_for_missing_names(path)
    if not arguments.peer:
        from torch.testing._internal.common_modules import module_db

        for kind in (unrolled.RNN, unrolled.LSTM, unrolled.GRU):
            for info in module_db:
                if info.module_cls is kind.peer:
                    info.module_cls = kind
            for home in (nn, nn.modules):
                setattr(home, kind.__name__, kind)
    os.chdir(paths[0].parent)
    sys.path.insert(0, str(paths[0].parent))
    options = ["-q", "-p", "no:cacheprovider", "--rootdir=.", "-c", os.devnull, "-W", "ignore"]
    options += ["--noconftest"]  # the checkout's is for the pytest of its time
    pytest.main([*map(str, paths), "-k", CASES, *options, *arguments.pytest], plugins=[judge])
    return judge.verdict()


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
