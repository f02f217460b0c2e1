"""Graphs of TensorFlow (see make_graphs.py), run here: what is fetched of them, and its gradients."""

import re
import zipfile

import numpy as np
import pytest
import torch

from tests.golden import kept
from unrolled.tf1 import Graph

NAMES = kept.cases("graphs.zip")
with zipfile.ZipFile(kept.HERE / "graphs.zip") as _archive:
    DIFFERENTIABLE = sorted(
        name
        for name in NAMES
        if any(key.startswith("gradient ") for key in np.load(_archive.open(f"{name}/results.npz")).files)
    )
WITHIN = 1e-5  # of the largest number that is expected; a hundred times that for those of 16 bits


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """`golden(name)`: a graph, what is fed, what is fetched run by run, and gradients."""
    folder = kept.unpack("graphs.zip", tmp_path_factory.mktemp("graphs"))

    def read(name):
        frozen, meta = folder / name / "graph.pb", folder / name / "model.ckpt.meta"
        path = next((path for path in (frozen, meta) if path.exists()), folder / name)
        found = kept.kinds(folder / name / "results.npz")
        runs = {}
        for key, value in found["fetch"].items():
            tensor, _, number = key.partition(" run ")
            runs.setdefault(int(number or 0), {})[tensor] = value
        return Graph.load(path), found["feed"], list(runs.values()), found["gradient"]

    return read


def assert_is(came, expected, what, within=WITHIN):
    assert (came.shape, came.dtype) == (expected.shape, expected.dtype), what
    if expected.dtype.kind not in "fc":
        assert (came == expected).all(), what
        return
    scale = max(1.0, np.abs(expected[np.isfinite(expected)]).max(initial=0))
    np.testing.assert_allclose(came, expected, rtol=0, atol=within * scale, err_msg=what)


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_computes_what_tensorflow_computed(golden, name):
    graph, feeds, runs, _ = golden(name)
    for number, expected in enumerate(runs):
        for tensor, came in graph.run({tensor: tensor for tensor in expected}, feeds).items():
            assert_is(came, expected[tensor], f"{tensor} of run {number}")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_of_a_graph_are_tensorflows(golden, name):
    graph, feeds, runs, gradients = golden(name)
    fed = {tensor: torch.from_numpy(value) for tensor, value in feeds.items()}
    for value in fed.values():
        if value.dtype.is_floating_point:
            value.requires_grad_()
    graph.run(next(iter(runs[0])), fed).sum().backward()
    for tensor, expected in gradients.items():
        came = (fed[tensor] if tensor in fed else graph.variables[tensor.removesuffix(":0")]).grad
        within = 100 * WITHIN if came.dtype == torch.float16 else 2 * WITHIN
        assert_is(came.numpy(), expected, tensor, within)


def test_the_graphs_are_of_every_kind_and_every_family():
    families = {name.removeprefix("ops-") for name in NAMES if name.startswith("ops-")}
    makers = ("make_graph_operators.py", "make_network_operators.py")
    written = "".join((kept.HERE / maker).read_text(encoding="utf-8") for maker in makers)
    assert families == set(re.findall(r"^def (\w+)\(\):", written, flags=re.MULTILINE))
    assert {"saved-model", "saved-model-later", "nested-loops", "nested-loops-later"} <= set(NAMES)
