"""Recipes: what they refuse, and how long they last."""

import dataclasses
import json

import pytest

from unrolled.errors import UnrolledError
from unrolled.training import Augmentation, Recipe


def test_total_steps_counts_the_last_smaller_batch():
    assert Recipe(batch_size=64, epochs=3).total_steps(129) == 9


def test_steps_take_the_place_of_epochs():
    assert Recipe(batch_size=64, epochs=3, steps=5).total_steps(1000) == 5


@pytest.mark.parametrize(
    ("examples", "expected"),
    # batch and steps: 20 passes are 180, 600, 620, 6260, 1580 and 8600 steps
    [
        (270, (32, 600)),
        (960, (32, 600)),
        (961, (32, 620)),
        (9_999, (32, 5_000)),
        (10_000, (128, 1_580)),
        (55_000, (128, 5_000)),
    ],
)
def test_a_recipe_is_sized_by_passes_within_bounds(examples, expected):
    recipe = Recipe(batch_size=7, epochs=3, learning_rate=0.02).sized(examples)
    assert (recipe.batch_size, recipe.total_steps(examples)) == expected
    assert recipe.learning_rate == 0.02


def test_a_recipe_survives_being_saved():
    recipe = Recipe(optimizer="sgd", steps=7, clip_norm=None, patience=3, augmentation=Augmentation(shift=2))
    assert Recipe.from_dict(json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe


def test_what_an_older_version_saved_means_what_it_meant():
    values = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 32, "epochs": 2, "steps": None}
    recipe = Recipe.from_dict(values)
    assert (recipe.order, recipe.loss, recipe.reduction) == ("shuffled", "cross-entropy", "mean")
    assert (recipe.initial_weights, recipe.keep) == ("torch", "best")
    assert not recipe.augmentation


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "adm"}, "unknown optimizer 'adm': did you mean 'adam'"),
        ({"schedule": "onecycle"}, "unknown schedule 'onecycle': did you mean 'one-cycle'"),
        ({"batch_size": 0}, "batch_size is 0, expected a whole number of at least 1"),
        ({"epochs": None}, "epochs is None, expected a whole number of at least 1"),
        ({"epochs": 1.5}, "epochs is 1.5, expected a whole number of at least 1"),
        ({"steps": 0}, "steps is 0, expected a whole number of at least 1"),
        ({"patience": True}, "patience is True, expected a whole number of at least 1"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0, expected a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, expected a number above 0"),
        ({"clip_norm": 0}, "clip_norm is 0, expected a number above 0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1, expected a number of at least 0"),
        ({"momentum": 0.9}, "unknown recipe option 'momentum'"),
        ({"loss": "crossentropy"}, "unknown loss 'crossentropy': did you mean 'cross-entropy'"),
        ({"order": "shuffle"}, "unknown order 'shuffle': did you mean 'shuffled'"),
        ({"initial_weights": "tf1"}, "unknown initial weights 'tf1'"),
        ({"augmentation": {"rotate": 5}}, "unknown augmentation 'rotate': did you mean 'rotation'"),
        ({"optimizer": "tf1-adam", "weight_decay": 0.1}, "weight_decay is 0.1, but tf1-adam has none"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(values, message):
    with pytest.raises(UnrolledError, match=message):
        Recipe.from_dict(values)
