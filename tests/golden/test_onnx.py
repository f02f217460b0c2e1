"""Models that PyTorch and Keras exported (see make_onnx_torch.py, make_onnx_keras.py), read and run here."""

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")

from tests.golden import kept
from unrolled import GRUCell, LSTMCell, RNNCell
from unrolled.onnx import find_network, load

FOLDER = kept.HERE / "onnx"
NAMES = sorted(path.stem for path in FOLDER.glob("*.onnx"))
LOOPS = {"keras-gru-loop": GRUCell, "keras-rnn-loop": RNNCell}  # of which tf2onnx makes loops
# The capturing exporter wrote the example's T between two layers, though its inputs say that T is free.
OF_ONE_SIZE = ["torch-captured-lstm-states"]
WITHIN = 1e-5


def recorded(name):
    """What was fed, what came, and the recurrent layers' weights."""
    return kept.kinds(f"onnx/{name}.npz")


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_model_computes_what_it_computed_at_home(name):
    golden = recorded(name)
    came = load(FOLDER / f"{name}.onnx")(**golden["feed"])
    assert came.keys() == golden["fetch"].keys()
    for key, expected in golden["fetch"].items():
        assert came[key].shape == expected.shape
        np.testing.assert_allclose(came[key].detach().numpy(), expected, rtol=0, atol=WITHIN)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_ONE_SIZE])
def test_other_sizes_than_the_exported_ones_come_out_as_onnx_runtime_has_them(name):
    runtime = pytest.importorskip("onnxruntime")
    model = load(FOLDER / f"{name}.onnx")
    session = runtime.InferenceSession(FOLDER / f"{name}.onnx", providers=["CPUExecutionProvider"])
    sizes, feeds = {}, {}
    random = np.random.default_rng(0)
    for key, golden in recorded(name)["feed"].items():
        shape = model.inputs[key].shape
        if name.startswith("keras"):
            shape = ("n", "t", golden.shape[2])
        said = [size if isinstance(size, int) else sizes.setdefault(size, 2 + len(sizes)) for size in shape]
        if golden.dtype.kind == "f":
            feeds[key] = random.normal(size=said).astype(golden.dtype)
        else:
            feeds[key] = random.integers(0, 11, said)
    came = model(**feeds)
    for key, expected in zip(came, session.run(list(came), feeds), strict=True):
        np.testing.assert_allclose(came[key].detach().numpy(), expected, rtol=0, atol=WITHIN)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("torch")])
def test_the_cells_have_the_weights_of_torchs_layer(name):
    weights = recorded(name)["weight"]
    cells = list(load(FOLDER / f"{name}.onnx").cells.items())
    ways = 2 if any(key.endswith("_reverse") for key in weights) else 1
    for number, (place, cell) in enumerate(cells):
        layer, backward = divmod(number, ways)
        assert place.endswith(".backward" if backward else ".forward")
        for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            expected = weights.pop(f"{key}_l{layer}{'_reverse' if backward else ''}", None)
            if expected is None:  # some exporters write no bias as a bias of 0
                bias = getattr(cell, key)
                assert bias is None or not bias.any()
            else:
                assert (getattr(cell, key).detach().numpy() == expected).all()
    assert not weights


def test_each_kind_of_cell_is_among_them():
    kinds = {type(cell) for name in NAMES for cell in load(FOLDER / f"{name}.onnx").cells.values()}
    assert kinds == {LSTMCell, GRUCell, RNNCell}
    for name in NAMES:
        assert load(FOLDER / f"{name}.onnx").cells, name


@pytest.mark.parametrize("name", LOOPS)
def test_the_cell_of_a_loop_is_found_and_so_is_its_network(name):
    golden, model = recorded(name), load(FOLDER / f"{name}.onnx")
    ((place, cell),) = model.cells.items()
    assert (type(cell), place.endswith("while_loop.forward")) == (LOOPS[name], True)
    network, proof = find_network(model, "mine")
    assert proof.startswith("network and model agree within")
    ((_, fed),) = golden["feed"].items()
    ((_, expected),) = golden["fetch"].items()
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.from_numpy(fed)), expected, rtol=0, atol=WITHIN)


def test_a_model_that_was_read_can_be_trained_on():
    model = load(FOLDER / "torch-traced-lstm.onnx")
    model(torch.randn(2, 7, 5))["y"].sum().backward()
    (cell,) = model.cells.values()
    assert all(weight.grad is not None and weight.grad.any() for weight in cell.parameters())
    assert all(weight.grad is not None for weight in model.weights.values())
