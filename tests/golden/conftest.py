"""The checkpoints that TensorFlow wrote (see make_checkpoints.py), unpacked."""

import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """The folder of checkpoints.zip: a checkpoint model.ckpt in each folder, and results.npz."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with zipfile.ZipFile(Path(__file__).with_name("checkpoints.zip")) as archive:
        archive.extractall(folder)
    return folder
