"""The optimizer and the learning rates that a recipe names."""

from __future__ import annotations

import math

import torch
from torch import nn

from unrolled import tf1
from unrolled.training.recipe import Recipe


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer of all parameters that can be trained."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    match recipe.optimizer:
        case "adam":
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate, weight_decay=decay, alpha=0.9)
        case "tf1-adam":
            return tf1.Adam(parameters, lr=rate)
        case "tf1-rmsprop":
            return tf1.RMSProp(parameters, lr=rate, decay=0.9)
        case _:
            return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=0.9)


def memory_of(recipe: Recipe) -> dict[str, torch.Tensor]:
    """What the recipe's optimizer remembers of a parameter after a step: of one of shape [1, 2].

    >>> {key: list(value.shape) for key, value in memory_of(Recipe(optimizer="sgd")).items()}
    {'momentum_buffer': [1, 2]}
    """
    network = nn.Linear(2, 1, bias=False)
    network.weight.grad = torch.zeros_like(network.weight)
    optimizer = make_optimizer(network, recipe)
    optimizer.step()
    remembered = optimizer.state[network.weight].items()
    return {key: torch.as_tensor(value) for key, value in remembered if value is not None}


def share_of_rate(schedule: str, progress: float) -> float:
    """The share of the learning rate that is used when this share of the steps is done.

    >>> [share_of_rate("cosine", progress) for progress in (0, 0.5, 1)]
    [1.0, 0.5, 0.0]
    """
    if schedule == "one-cycle":
        warm_up = 0.3
        if progress < warm_up:
            # From 1/25 up to 1 along half a cosine (Smith and Topin 2017, arXiv:1708.07120).
            return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warm_up)) / 2
        progress = (progress - warm_up) / (1 - warm_up)
    return 1.0 if schedule == "constant" else (1 + math.cos(math.pi * progress)) / 2
