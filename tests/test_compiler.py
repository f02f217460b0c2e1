"""torch's compiler is not imported before it is asked for, and then knows what it must of this package."""

import subprocess
import sys

import pytest

IMPORTED = "import torch._dynamo\n"
USED = """
import sys, torch, unrolled
layer, cell = unrolled.LSTM(3, 4), unrolled.LSTMCell(3, 4)
x = torch.rand(5, 2, 3)
layer(x), unrolled.dynamic_unroll(cell, x), unrolled.accelerate(torch.nn.GRU(3, 4))(x)
stream = unrolled.Stream(cell)
with torch.no_grad():
    stream.step(x[0])
for room in ("data", "layers", "networks", "tf1", "training"):
    getattr(unrolled, room)
"""
COMPILED = """
import torch
compiled = torch.compile(layer, backend="eager", fullgraph=True)
assert torch.allclose(compiled(x)[0], layer(x)[0])
@torch.compile(backend="eager", fullgraph=True)
def named():
    return unrolled.isa.active()
assert named() == unrolled.isa.active()
traced = []
def backend(graph, inputs):
    traced.append(graph)
    return graph.forward
first = torch.tensor([True, False])
@torch.compile(backend=backend)
def careful(row):
    return stream.step(row, resets=first)
with torch.no_grad():
    expected = unrolled.Stream(cell).step(x[1])
    assert torch.equal(careful(x[1])[0], expected[0])
assert not traced
"""


def run(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)


def test_using_the_package_does_not_import_it():
    done = run(f"{USED}\nprint('torch._dynamo' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("before", ["", IMPORTED, "import unrolled.layers\nimport torch._dynamo\n"])
def test_it_knows_the_package_whichever_comes_first(before):
    done = run(before + USED + COMPILED)
    assert done.returncode == 0, done.stderr


def test_what_waits_is_done_once_when_it_is_imported():
    done = run(
        "import sys\n"
        "from unrolled.compiler import when_imported\n"
        "said = []\n"
        "when_imported(lambda: said.append('before'))\n"
        "assert not said\n"
        "import torch._dynamo.config\n"
        "when_imported(lambda: said.append('after'))\n"
        "assert said == ['before', 'after'], said\n"
        "assert not any(type(finder).__module__ == 'unrolled.compiler' for finder in sys.meta_path)\n"
        "from importlib.machinery import SourceFileLoader\n"
        "assert type(torch._dynamo.__spec__.loader) is SourceFileLoader\n"
        "assert not vars(torch._dynamo.__spec__.loader).get('exec_module')\n"
    )
    assert done.returncode == 0, done.stderr
