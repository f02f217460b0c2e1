"""What is read from files is on the CPU, wherever torch makes its tensors."""

import numpy as np
import pytest
import torch

from tests.data.test_arrays import put
from unrolled import data, tf1
from unrolled.cells import GRUCell


@pytest.fixture
def elsewhere():
    """Memory without content, as far from the CPU as a GPU's."""
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)  # the default's own name would leave a mode behind


def test_examples_are_given_out_where_their_memory_is(elsewhere, tmp_path) -> None:
    examples = data.open_arrays(put(tmp_path)).train
    examples.check_finite("train")
    shuffled = data.batches(examples, 8, generator=torch.Generator().manual_seed(0))
    for batches in (data.batches(examples, 8), shuffled):
        x, labels, _ = next(batches)
        assert (x.device.type, labels.device.type) == ("cpu", "cpu")
        assert len(set(x.flatten().tolist())) > 10


def test_pictures_in_idx_files_are_read_where_memory_is(elsewhere, tmp_path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    data.write_idx(tmp_path / "idx", pictures)
    assert (data.read_digits(tmp_path / "idx").numpy() == pictures).all()


def test_a_checkpoint_s_weights_reach_a_cell_on_the_cpu(elsewhere) -> None:
    shapes = {"gates/kernel": (7, 6), "gates/bias": 6, "candidate/kernel": (7, 3), "candidate/bias": 3}
    random = np.random.default_rng(0)
    variables = {f"rnn/gru_cell/{name}": random.random(shape, "f4") for name, shape in shapes.items()}
    with torch.device("cpu"):
        cell = GRUCell(4, 3, reset="before")
    tf1.load_variables(cell, variables)
    assert torch.equal(cell.weight_hh[:6].T, torch.from_numpy(variables["rnn/gru_cell/gates/kernel"])[4:])
