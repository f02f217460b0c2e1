"""Calls with anything odd about them get a clear error, or the loop's numbers; `make hostile` draws more."""

import re
import subprocess
import sys

import pytest

from unrolled import isa

NATIVE = isa.available()[0] != isa.REFERENCE

DRAWS = 80


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)


@pytest.mark.skipif(not NATIVE, reason="no fused kernels")
@pytest.mark.parametrize("door", ["forward", "backward", "cell", "layer", "stream"])
def test_a_hostile_call_gets_a_clear_error_or_the_loops_numbers(door):
    found = run("-m", "tests.kernels.hostile", "--draws", DRAWS, "--door", door)
    assert found.returncode == 0, found.stdout + found.stderr
    counted = {how: int(count) for count, how in re.findall(r"(\d+) (\w+)", found.stdout)}
    assert sum(counted.values()) == DRAWS
    assert counted["numbers"] > DRAWS // 40, "a door that is shut lets nothing wrong through"
    assert counted["error"] > DRAWS // 10


OWN_CALLS = """
import ctypes, sys, torch
from tests.kernels.hostile import __main__ as hostile
from tests.kernels.hostile.calls import Call, Found

ones = torch.ones(2, 3)
def give(*them): return Found(list(them), [])
CALLS = [
    Call(["right"], lambda: give(ones), lambda: give(ones)),
    Call(["crash"], lambda: ctypes.string_at(0), lambda: give(ones)),
    Call(["other numbers"], lambda: give(ones), lambda: give(2 * ones)),
    Call(["other shape"], lambda: give(ones), lambda: give(ones.t())),
    Call(["nan"], lambda: give(ones / 0 * 0), lambda: give(ones)),
    Call(["unreadable"], lambda: give(ones), None, True),
    Call(["loop raises"], lambda: give(ones), lambda: give(ones @ ones)),
    Call(["unclear"], lambda: give(None.shape), lambda: give(ones)),
    Call(["torch crashes"], lambda: give(ones), lambda: ctypes.string_at(0)),
    Call(["clear"], lambda: give(ones @ ones), lambda: ctypes.string_at(0)),
]
hostile.drawn = lambda door, number: CALLS[number]
sys.argv = ["hostile", "--door", "forward", "--draws", str(len(CALLS))]
sys.exit(hostile.main())
"""


@pytest.mark.skipif(not NATIVE, reason="no fused kernels")
def test_the_judge_says_what_came_of_each_call():
    found = run("-c", OWN_CALLS)
    assert found.returncode == 1, found.stdout + found.stderr
    *bad, total = found.stdout.splitlines()
    assert total == "forward: 1 crash, 1 error, 1 numbers, 1 torch, 6 wrong"
    assert [line.split(":")[0] for line in bad] == [
        "forward 1 [crash] crash",
        "forward 2 [other numbers] wrong",
        "forward 3 [other shape] wrong",
        "forward 4 [nan] wrong",
        "forward 5 [unreadable] wrong",
        "forward 6 [loop raises] wrong",
        "forward 7 [unclear] wrong",
    ]
