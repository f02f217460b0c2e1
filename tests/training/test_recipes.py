"""The recipes by name."""

import dataclasses

import pytest
import torch

from unrolled.data import Dataset, Examples
from unrolled.errors import UnrolledError
from unrolled.networks import CATALOGUE, SequenceClassifier
from unrolled.training import RECIPES, Recipe, Trainer, evaluate, lookup
from unrolled.training.augmentation import NO_AUGMENTATION
from unrolled.training.recipes import TUTORIALS


def test_every_tutorial_has_a_recipe_and_seed_001_one_for_each_of_its_networks():
    seeds = ["seed-000", *(f"seed-001-net-{n}" for n in range(1, 15)), "seed-002", "seed-003", "seed-004"]
    assert set(seeds) <= set(RECIPES)
    for number, name in enumerate(list(CATALOGUE)[:14], start=1):
        assert lookup(f"seed-001-net-{number}").network.name == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # optimizer, learning rate, batch size, steps on 55,000 examples, start of the output layer
        ("seed-000", ("tf1-rmsprop", 0.001, 128, 42_900, "tf1-normal-0.01")),
        ("seed-001-net-1", ("tf1-adam", 1e-4, 128, 5_000, "tf1-xavier")),
        ("seed-002", ("tf1-adam", 0.01, 32, 2, "tf1-truncated-normal-0.1")),
        ("seed-002-multi-lstm", ("tf1-adam", 0.001, 5, 2_000, "tf1-truncated-normal-0.1")),
        ("seed-003", ("tf1-adam", 0.001, 128, 800, "tf1-normal-1")),
        ("seed-004", ("tf1-adam", 0.01, 64, 8_590, "tf1-normal-1")),
    ],
)
def test_a_tutorials_recipe_is_its_row_of_the_tutorials_table(name, expected):
    recipe = lookup(name).recipe
    assert expected == (
        recipe.optimizer,
        recipe.learning_rate,
        recipe.batch_size,
        recipe.total_steps(55_000),
        recipe.initial_weights,
    )
    assert (recipe.schedule, recipe.clip_norm, recipe.keep) == ("constant", None, "last")


@pytest.mark.parametrize(
    ("defect", "what"),
    [
        ("B2", lambda named: named.recipe.loss == "log-of-softmax"),
        ("B3", lambda named: named.network.read == "last" and named.network.direction != "forward"),
        ("B9", lambda named: named.recipe.reduction == "sum" and named.network.output_dropout == 0),
        ("B10", lambda named: named.recipe.initial_weights == "tf1-normal-1"),
        ("B12", lambda named: named.recipe.order == "file"),
    ],
)
def test_a_defect_is_there_as_written_and_gone_when_corrected(defect, what):
    with_it = [name for name, (as_written, _) in TUTORIALS.items() if defect in as_written.defects]
    assert with_it
    for name, (as_written, corrected) in TUTORIALS.items():
        assert what(as_written) == (name in with_it), name
        assert not what(corrected), name


def test_corrected_recipes_measure_on_examples_that_are_held_out_and_print_as_all_others():
    for name, (as_written, corrected) in TUTORIALS.items():
        assert as_written.protocol != "epochs", name
        assert (corrected.protocol, corrected.defects) == ("epochs", {}), name


def test_the_recipe_for_files_learns_from_few_sequences_of_lengths_of_their_own():
    generator = torch.Generator().manual_seed(0)

    def examples(count):
        """Noise of 6 to 14 steps; which of three inputs is the brightest on one of them is the class."""
        labels = torch.randint(0, 3, (count,), generator=generator)
        lengths = torch.randint(6, 15, (count,), generator=generator)
        x = torch.randn(count, 14, 3, generator=generator)
        rows = torch.arange(count)
        x[rows, (lengths * torch.rand(count, generator=generator)).long(), labels] = 8
        return Examples(x, labels, lengths)

    data = Dataset("few", examples(40), examples(10), examples(200), ("a", "b", "c"))
    named = lookup("sequences")
    torch.manual_seed(0)
    network = SequenceClassifier(named.network.changed(input_size=3, classes=3))
    trainer = Trainer(network, data, named.recipe.sized(len(data.train)))
    for _ in trainer.epochs():
        pass
    assert evaluate(network, data.test).accuracy > 0.9


def test_recipes_for_files_choose_no_weights_by_a_handful_but_a_forecast_its_best():
    assert (lookup("sequences").recipe.keep, lookup("forecast").recipe.keep) == ("last", "best")


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UnrolledError, match="unknown recipe 'defalt': did you mean 'default'"):
        lookup("defalt")
    plain = Recipe(epochs=45, keep="last")
    assert dataclasses.replace(lookup("default").recipe, augmentation=NO_AUGMENTATION) == plain


def test_only_tutorials_can_be_corrected():
    with pytest.raises(UnrolledError, match="there is nothing to correct in the recipe default: --corrected"):
        lookup("default", corrected=True)


@pytest.mark.parametrize("name", ["fast", "best"])
def test_our_own_recipes_read_plain_rows_with_a_network_that_torch_has_too(name):
    named = lookup(name)
    assert (named.network.input_size, named.network.input_layers, named.data) == (28, (), "mnist")
    assert set(map(repr, named.network.layers)) == {"('gru', 128, {'reset': 'after'})"}
