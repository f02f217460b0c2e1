import dataclasses
import json
import re

import pytest

from unrolled import UnrolledError
from unrolled.networks import CATALOGUE, NetworkConfig


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_configuration_survives_json(name):
    config = CATALOGUE[name]
    assert NetworkConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("field", "came", "message"),
    [
        ("layers", (("lstn", 4),), "unknown cell 'lstn': did you mean 'lstm'? Known: rnn, lstm, gru"),
        ("unroll", "statc", "unknown unroll 'statc': did you mean 'static'? Known: static, dynamic"),
        ("direction", "bidirectionel", "unknown direction 'bidirectionel': did you mean 'bidirectional'?"),
        ("read", "lats", "unknown read 'lats': did you mean 'last'? Known: final, last, state"),
        ("read", None, "unknown read None: expected one of final, last, state"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(field, came, message):
    with pytest.raises(UnrolledError, match=re.escape(message)):
        NetworkConfig(**{"name": "mine", "layers": (("lstm", 4),), field: came})


@pytest.mark.parametrize("size", [0, -3, 2.5, True, None, "10"])
@pytest.mark.parametrize("field", ["classes", "input_size"])
def test_a_size_that_is_no_positive_whole_number_is_refused(field, size):
    message = f"network mine: {field} is {size!r}, expected a whole number of at least 1"
    with pytest.raises(UnrolledError, match=re.escape(message)):
        NetworkConfig("mine", (("lstm", 4),), **{field: size})


@pytest.mark.parametrize("width", [0, -3, 2.5, True, None, "4"])
def test_a_width_that_is_no_positive_whole_number_is_refused(width):
    message = f"network mine: the width of layer 2 is {width!r}, expected a whole number of at least 1"
    with pytest.raises(UnrolledError, match=re.escape(message)):
        NetworkConfig("mine", (("lstm", 4), ("gru", width)))


@pytest.mark.parametrize("dropout", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_a_dropout_that_is_no_probability_is_refused(dropout):
    message = f"network mine: output_dropout is {dropout!r}, expected a probability from 0 to 1"
    with pytest.raises(UnrolledError, match=re.escape(message)):
        NetworkConfig("mine", (("lstm", 4),), output_dropout=dropout)


def test_a_network_without_layers_is_refused():
    with pytest.raises(UnrolledError, match="network mine: it has no layers, expected at least one"):
        NetworkConfig("mine", ())


@pytest.mark.parametrize("layers", [None, 128, ["lstm", 128], [("lstm",)], [("lstm", 4, 5)]])
def test_layers_that_are_no_pairs_are_refused(layers):
    message = f"network mine: layers is {layers!r}, expected pairs such as [['lstm', 128]]"
    with pytest.raises(UnrolledError, match=re.escape(message)):
        NetworkConfig("mine", layers)


def test_a_layer_s_cell_may_have_options():
    config = NetworkConfig("mine", (("lstm", 4, {"forget_bias": 0.8, "peephole": True}), ("gru", 5)))
    assert NetworkConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config
    assert config.feature_size == 5
    projected = NetworkConfig("mine", (("lstm", 4, {"proj_size": 3}),), direction="bidirectional")
    assert projected.feature_size == 6


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            ("lstm", 4, {"forget_bais": 1.0}),
            "unknown option of lstm 'forget_bais': did you mean 'forget_bias'",
        ),
        (("gru", 4, {"forget_bias": 1.0}), "unknown option of gru 'forget_bias': expected one of reset"),
        (("gru", 4, {"reset": True}), "network mine: the reset of a layer is True"),
        (("lstm", 4, {"forget_bias": "1"}), "network mine: the forget_bias of a layer is '1'"),
        (("lstm", 4, {"proj_size": True}), "network mine: the proj_size of a layer is True"),
        (("lstm", 4, {"peephole": 1}), "network mine: the peephole of a layer is 1"),
    ],
)
def test_an_option_that_a_cell_does_not_have_is_refused(layer, message):
    with pytest.raises(UnrolledError, match=re.escape(message)):
        NetworkConfig("mine", (layer,))


@pytest.mark.parametrize("field", ["input_layers", "output_layers"])
@pytest.mark.parametrize(
    ("came", "message"),
    [
        (3, "is 3, expected pairs such as [[64, 'relu']]"),
        ([[64]], "is [[64]], expected pairs such as [[64, 'relu']]"),
        ([[64, "rleu"]], "unknown activation 'rleu': did you mean 'relu'"),
        ([[0, "relu"]], "is 0, expected a whole number of at least 1"),
        ([[2.5, "relu"]], "is 2.5, expected a whole number of at least 1"),
    ],
)
def test_dense_layers_that_cannot_be_are_refused(field, came, message):
    with pytest.raises(UnrolledError, match=re.escape(message)):
        NetworkConfig("mine", (("lstm", 4),), **{field: came})


def test_an_unknown_key_is_refused_with_the_nearest():
    values = {"name": "mine", "layers": [["lstm", 4]], "inputsize": 5}
    with pytest.raises(UnrolledError, match="unknown network option 'inputsize': did you mean 'input_size'"):
        NetworkConfig.from_dict(values)


@pytest.mark.parametrize("missing", ["name", "layers"])
def test_a_missing_key_is_named(missing):
    values = {"name": "mine", "layers": [["lstm", 4]]}
    del values[missing]
    with pytest.raises(UnrolledError, match=f"the network has no '{missing}'"):
        NetworkConfig.from_dict(values)


def test_changed_checks_what_it_changes():
    config = NetworkConfig("mine", (("lstm", 4),))
    assert config.changed(read="state", output_dropout=0.25) == NetworkConfig(
        "mine", (("lstm", 4),), read="state", output_dropout=0.25
    )
    with pytest.raises(UnrolledError, match="network mine: classes is 0"):
        config.changed(classes=0)
