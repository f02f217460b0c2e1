"""The recipes by name: our own, and the tutorials', as they were written and with their defects repaired."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from unrolled.errors import UnrolledError, unknown_name
from unrolled.networks import CATALOGUE, NetworkConfig
from unrolled.training.augmentation import Augmentation
from unrolled.training.recipe import Recipe

DEFAULT_NETWORK = "single-layer-dynamic-lstm"


class NamedRecipe(NamedTuple):
    """What a name stands for.

    Attributes:
        network: the network that it trains, unless another is asked for.
        recipe: how.
        data: the data set that it was made for.
        protocol: what is measured and printed, and when: see `protocols`.
        defects: what is wrong with it, by number.
    """

    network: NetworkConfig
    recipe: Recipe
    data: str = "mnist"
    protocol: str = "epochs"
    defects: dict[str, str] = {}  # noqa: RUF012  (never changed)


# By the numbers that the project's documents use.
DEFECTS = {
    "B2": "the loss takes the logarithm of a softmax, which is NaN where a probability underflows",
    "B3": "the backward half of what is classified has read the last row only",
    "B6": "accuracy and loss are measured on the batch that was just trained on",
    "B9": "the classifier reads the state, which the output dropout never touches; the loss is a sum",
    "B10": "the output layer starts from a standard normal distribution",
    "B11": "accuracy is measured on one batch of 64",
    "B12": "the shuffling was lost: examples come in file order, 88 of them never, and only 256 are tested",
}
TF1 = Recipe(
    optimizer="tf1-adam",
    schedule="constant",
    batch_size=128,
    clip_norm=None,
    order="next-batch",
    initial_weights="tf1-xavier",
    keep="last",
)


def _tutorial(
    protocol: str,
    network: NetworkConfig,
    recipe: Recipe,
    defects: Sequence[str],
    *,
    network_as_written: Mapping[str, Any] = {},
    recipe_as_written: Mapping[str, Any] = {},
) -> tuple[NamedRecipe, NamedRecipe]:
    """A tutorial as it was written and corrected, from the corrected form and what was written instead."""
    return (
        NamedRecipe(
            network.changed(**network_as_written),
            dataclasses.replace(recipe, **recipe_as_written),
            protocol=protocol,
            defects={number: DEFECTS[number] for number in defects},
        ),
        NamedRecipe(network, recipe),
    )


def _seed_001(name: str) -> tuple[NamedRecipe, NamedRecipe]:
    return _tutorial(
        "seed-001",
        CATALOGUE[name],
        dataclasses.replace(TF1, learning_rate=1e-4, steps=5000),
        ["B2", "B6"] if CATALOGUE[name].direction == "forward" else ["B2", "B3", "B6"],
        network_as_written={"read": "last"},
        recipe_as_written={"loss": "log-of-softmax"},
    )


def _seed_002(
    protocol: str, read: str, rate: float, batch_size: int, steps: int
) -> tuple[NamedRecipe, NamedRecipe]:
    return _tutorial(
        protocol,
        CATALOGUE["seed-002"],
        dataclasses.replace(
            TF1,
            learning_rate=rate,
            batch_size=batch_size,
            steps=steps,
            initial_weights="tf1-truncated-normal-0.1",
        ),
        ["B2", "B9"],
        network_as_written={"read": read, "output_dropout": 0.0},  # keep_prob was always fed 1.0
        recipe_as_written={"loss": "log-of-softmax", "reduction": "sum"},
    )


# Each a pair: as it was written, and corrected.
TUTORIALS: dict[str, tuple[NamedRecipe, NamedRecipe]] = {
    "seed-000": _tutorial(
        "seed-000",
        CATALOGUE["seed-000"],
        dataclasses.replace(
            TF1,
            optimizer="tf1-rmsprop",
            learning_rate=0.001,
            epochs=100,
            order="shuffled",
            initial_weights="tf1-normal-0.01",
        ),
        ["B12"],
        recipe_as_written={"order": "file"},
    ),
    **{
        f"seed-001-net-{number}": _seed_001(name) for number, name in enumerate(list(CATALOGUE)[:14], start=1)
    },
    # Two steps, to show what a state is; and its author's program beside it, which trains the same network.
    "seed-002": _seed_002("seed-002", "state", rate=0.01, batch_size=32, steps=2),
    "seed-002-multi-lstm": _seed_002("seed-002-multi-lstm", "final", rate=0.001, batch_size=5, steps=2000),
    "seed-003": _tutorial(
        "seed-003",
        CATALOGUE["seed-003"],
        dataclasses.replace(TF1, learning_rate=0.001, steps=800),
        ["B6", "B10"],
        recipe_as_written={"initial_weights": "tf1-normal-1"},
    ),
    "seed-004": _tutorial(
        "seed-004",
        CATALOGUE["seed-004"],
        dataclasses.replace(TF1, learning_rate=0.01, batch_size=64, epochs=10),
        ["B10", "B11"],
        recipe_as_written={"initial_weights": "tf1-normal-1"},
    ),
}

# Our own networks have torch.nn's GRU, the quickest of the gated cells here.
GRU = ("gru", 128, {"reset": "after"})

# A rate that ends at zero leaves weights that need no choosing by a handful of examples, and no averaging.
SEQUENCES = NetworkConfig(
    "sequences", (("gru", 64, {"reset": "after"}),) * 2, direction="bidirectional", output_dropout=0.2
)
FROM_FILES = Recipe(weight_decay=0.01, initial_weights="remembering", keep="last", by_size=True)
# As much as leaves a digit what it was.
HANDWRITING = Augmentation(shift=2, rotation=10, scale=0.1, shear=0.1, elastic=0.6)

ROWS = NetworkConfig("best", (GRU, GRU), direction="bidirectional", output_dropout=0.2)
BY_ROWS = Recipe(batch_size=128, epochs=48, weight_decay=0.01, augmentation=HANDWRITING, precision="bfloat16")
BY_PIXELS = Recipe(
    epochs=24,
    weight_decay=0.01,
    initial_weights="remembering",
    augmentation=Augmentation(shift=1, rotation=5, scale=0.05, shear=0.05, elastic=0.3),
    precision="bfloat16",
)

RECIPES: dict[str, NamedRecipe] = {
    # Distortion is worth more than the 400 of 4,000 digits that are held out to calibrate by. These don't
    # choose the weights, too: a temperature that is fitted to whom one has chosen is too low.
    "default": NamedRecipe(
        CATALOGUE[DEFAULT_NETWORK],
        Recipe(epochs=45, keep="last", augmentation=HANDWRITING),
        data="sample",
    ),
    # As much as ten seconds on two cores of a Zen 5 give, and fifteen on those of a Zen 4.
    "fast": NamedRecipe(
        NetworkConfig("fast", (GRU,)),
        Recipe(learning_rate=0.01, batch_size=128, steps=1400, initial_weights="remembering", keep="last"),
    ),
    # As much as a reader of rows reaches, in less than an hour.
    "best": NamedRecipe(ROWS, BY_ROWS),
    # Most garments are the same in a mirror.
    "fashion": NamedRecipe(
        ROWS.changed(name="fashion", output_dropout=0.3),
        dataclasses.replace(BY_ROWS, augmentation=Augmentation(shift=1, scale=0.1, flip=0.5)),
        data="fashion-mnist",
    ),
    # The usual tests of a long memory: 784 steps of one pixel each, and the same in an order of no meaning.
    "sequential-mnist": NamedRecipe(NetworkConfig("sequential-mnist", (GRU,), scan="pixels"), BY_PIXELS),
    # Out of their order, pixels tell a picture that was moved, and so blurred, from one that was not.
    "permuted-mnist": NamedRecipe(
        NetworkConfig("permuted-mnist", (GRU,), scan="permuted"),
        dataclasses.replace(BY_PIXELS, augmentation=dataclasses.replace(BY_PIXELS.augmentation, sharp=0.5)),
    ),
    # For sequences from files, few or many: batch and steps are what `Recipe.sized` says for the examples.
    "sequences": NamedRecipe(SEQUENCES, FROM_FILES, data="sample"),
    # Of a window's future little can be known, so that what the last part says decides when to stop.
    "forecast": NamedRecipe(
        SEQUENCES.changed(name="forecast"), dataclasses.replace(FROM_FILES, keep="best"), data="sample"
    ),
    **{name: faithful for name, (faithful, _) in TUTORIALS.items()},
}


def lookup(name: str, *, corrected: bool = False) -> NamedRecipe:
    """The recipe of that name.

    Args:
        name: one of `RECIPES`.
        corrected: a tutorial's with its defects repaired.

    Raises:
        UnrolledError: there is none of that name, the message says which is nearest; or there is nothing to
            correct.

    >>> sorted(lookup("seed-001-net-12").defects)
    ['B2', 'B3', 'B6']
    >>> lookup("seed-001-net-12", corrected=True).network.read
    'final'
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    if not corrected:
        return RECIPES[name]
    if name not in TUTORIALS:
        raise UnrolledError(
            f"there is nothing to correct in the recipe {name}: "
            f"--corrected goes with one of {', '.join(TUTORIALS)}"
        )
    return TUTORIALS[name][1]
