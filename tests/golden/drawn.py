"""The numbers that TensorFlow was given and the tests give: the same for a name in every version of numpy.

The scripts that make the golden files import it, too, where there is TensorFlow and no torch.
"""

import zlib

import numpy as np

CLASSES = 7


def draw(name, *shape, scale=0.5):
    """Normal numbers."""
    return np.random.RandomState(zlib.crc32(name.encode())).normal(scale=scale, size=shape)


def draw_ids(name, *shape):
    """Whole numbers below CLASSES."""
    return np.random.RandomState(zlib.crc32(name.encode())).randint(CLASSES, size=shape)


def draw_variable(name, *shape):
    """Those of a variable; of one that must be positive, positive ones."""
    numbers = draw(name, *shape)
    return np.abs(numbers) + 0.2 if name.endswith(("period", "ratio_on")) else numbers
