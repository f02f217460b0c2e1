"""Which of a checkpoint's variables are the network's own, and which an optimizer's."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy import ndarray

SLOT = re.compile(
    r".*/(?:Adam|AdamW|AdaMax|Nadam|LAMB|Lion|RMSProp|Momentum|Adagrad|Adadelta|AdagradDA|Ftrl|GradientDescent|"
    r"ExponentialMovingAverage|LARS|LazyAdam)\w*?(?:_\d+)?",
)
BOOKKEEPING = re.compile(
    r"(?:.*/)?(?:beta[12]_power|global_step|learning_rate|lr|epoch|local_step|is_training|"
    r"_CHECKPOINTABLE_OBJECT_GRAPH|save_counter)(?:_\d+)?"
)


def is_number_array(value: ndarray) -> bool:
    """Whether an array can hold a network's weights: floating point, and more than one number."""
    return value.dtype.kind == "f" and value.ndim > 0


SHADOW = re.compile(r"(.*)/ExponentialMovingAverage")


def shadowed(name: str) -> str:
    """The variable of which a moving average is kept under that name; other names as they are.

    >>> shadowed("rnn/b/ExponentialMovingAverage")
    'rnn/b'
    """
    match = SHADOW.fullmatch(name)
    return match[1] if match else name


def network_variables(variables: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """The variables without slots, counters and powers of beta.

    A slot is known by its name, or by standing below another variable of the same shape: an optimizer may
    have been given a name of its own. A moving average whose variable is not there stands for it.

    >>> variables = {name: np.zeros(3) for name in ("rnn/b", "rnn/b/Adam", "rnn/b/Adam_1", "rnn/b/mine")}
    >>> list(network_variables(variables))
    ['rnn/b']
    """
    return {
        name: value
        for name, value in variables.items()
        if is_number_array(value)
        and (not SLOT.fullmatch(name) or _stands_alone(name, variables))
        and not BOOKKEEPING.fullmatch(name)
        and not _stands_below_its_like(name, variables)
    }


def _stands_alone(name: str, variables: Mapping[str, ndarray]) -> bool:
    own = shadowed(name)
    return own != name and own not in variables and not SLOT.fullmatch(own)


def _stands_below_its_like(name: str, variables: Mapping[str, ndarray]) -> bool:
    parent = name.rpartition("/")[0]
    while parent:
        like = variables.get(parent)
        if like is not None and like.shape == variables[name].shape:
            return True
        parent = parent.partition("/")[2]  # the optimizer's own scope may stand in front
    return False


def initial_slots(variables: Mapping[str, ndarray], optimizer: str) -> dict[str, ndarray]:
    """What TensorFlow's optimizer keeps beside variables before its first step.

    Args:
        optimizer: "adam" (averages of zero, powers of β1 = 0.9 and β2 = 0.999) or "rmsprop" (mean squares of
            one, momentum of zero).

    >>> sorted(initial_slots({"b": np.zeros(3)}, "rmsprop"))
    ['b/RMSProp', 'b/RMSProp_1']
    """
    if optimizer == "adam":
        slots = {
            f"{name}/{slot}": np.zeros_like(value)
            for name, value in variables.items()
            for slot in ("Adam", "Adam_1")
        }
        return slots | {"beta1_power": np.array(0.9, "f4"), "beta2_power": np.array(0.999, "f4")}
    return {f"{name}/RMSProp": np.ones_like(value) for name, value in variables.items()} | {
        f"{name}/RMSProp_1": np.zeros_like(value) for name, value in variables.items()
    }
