"""The checkpoints that TensorFlow wrote (see make_checkpoints.py), unpacked."""

import pytest

from tests.golden import kept


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """The folder of checkpoints.zip: a checkpoint model.ckpt in each folder, and results.npz."""
    return kept.unpack("checkpoints.zip", tmp_path_factory.mktemp("checkpoints"))
