"""The eighteen networks of the tutorials: their sizes, their names and their shapes."""

import pytest
import torch

from tests.tolerances import assert_equal
from unrolled import GRUCell, LSTMCell, UnrolledError
from unrolled.networks import CATALOGUE, NetworkConfig, build, lookup

# In the tutorials' order, N1 to N18: the parameters as TensorFlow counts them.
PARAMETERS = {
    "single-layer-static-lstm": 81_674,
    "single-layer-static-gru": 61_578,
    "single-layer-dynamic-lstm": 81_674,
    "single-layer-dynamic-gru": 61_578,
    "multi-layer-static-lstm": 344_842,
    "multi-layer-static-gru": 258_954,
    "multi-layer-static-mix": 378_634,
    "multi-layer-dynamic-lstm": 344_842,
    "multi-layer-dynamic-gru": 258_954,
    "multi-layer-dynamic-mix": 378_634,
    "single-layer-static-bi-lstm": 163_338,
    "single-layer-dynamic-bi-lstm": 163_338,
    "multi-layer-static-bi-lstm": 951_818,
    "multi-layer-dynamic-bi-lstm": 951_818,
    "seed-000": 6_674,
    "seed-002": 1_345_034,
    "seed-003": 81_674,
    "seed-004": 33_290,
}


def test_the_catalogue_holds_the_tutorials_networks_in_their_order():
    assert list(CATALOGUE) == list(PARAMETERS)
    assert all(config.name == name for name, config in CATALOGUE.items())


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_as_many_parameters_as_in_tensorflow(name):
    assert build(name).parameter_count == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_unrolls_as_its_name_says(name):
    static = "static" in name or name in ("seed-000", "seed-003")
    assert lookup(name).unroll == ("static" if static else "dynamic")
    assert lookup(name).direction == ("bidirectional" if "-bi-" in name else "forward")


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_tensorflow_1s_cells(name):
    cells = [m for m in build(name).modules() if isinstance(m, LSTMCell | GRUCell)]
    assert all(cell.forget_bias == 1 for cell in cells if isinstance(cell, LSTMCell))
    assert all(cell.reset == "before" for cell in cells if isinstance(cell, GRUCell))


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("lengths", [None, [6, 0, 1]])
def test_a_network_gives_a_logit_for_each_class(name, lengths):
    logits = build(name)(torch.rand(3, 6, 28), lengths)
    assert logits.shape == (3, 10)
    assert logits.isfinite().all()


def test_only_the_network_of_seed_002_drops_outputs():
    assert {name for name, config in CATALOGUE.items() if config.output_dropout} == {"seed-002"}
    assert lookup("seed-002").output_dropout == 0.5


def test_changes_make_another_network_of_the_same_kind():
    network = build("multi-layer-dynamic-mix", classes=3, input_size=5, layers=[["rnn", 4], ["gru", 6]])
    assert network(torch.rand(2, 7, 5)).shape == (2, 3)
    assert network.config.layers == (("rnn", 4), ("gru", 6))
    assert lookup("multi-layer-dynamic-mix").classes == 10


def test_a_network_starts_from_the_seed_of_torch():
    torch.manual_seed(3)
    first = build("seed-004")
    torch.manual_seed(3)
    assert_equal(list(build("seed-004").parameters()), list(first.parameters()))


def test_an_unknown_network_is_refused_with_the_nearest():
    with pytest.raises(
        UnrolledError, match=r"unknown network 'seed-04': did you mean 'seed-004'\? Known: single-l"
    ):
        build("seed-04")
    with pytest.raises(UnrolledError, match="unknown network 'single-layer-dynamc-lstm': did you mean 'sing"):
        lookup("single-layer-dynamc-lstm")


def test_an_unknown_option_of_a_network_is_refused_with_the_nearest():
    with pytest.raises(
        UnrolledError, match=r"unknown network option 'clases': did you mean 'classes'\? Known: name"
    ):
        build("seed-004", clases=3)


def test_the_catalogue_cannot_be_changed_by_accident():
    with pytest.raises(AttributeError):
        lookup("seed-004").classes = 3
    assert isinstance(lookup("seed-004"), NetworkConfig)
