"""What every test starts from: the same random numbers, on one thread."""

import hypothesis
import pytest
import torch

collect_ignore = ["golden/make_tensorflow.py"]  # it needs TensorFlow

torch.set_num_threads(1)
hypothesis.settings.register_profile("unrolled", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("unrolled")


@pytest.fixture(autouse=True)
def _fixed_random_numbers() -> None:
    torch.manual_seed(0)
