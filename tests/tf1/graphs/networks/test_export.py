"""Networks under TensorFlow's names."""

import numpy as np
import pytest
import torch

from tests.tolerances import assert_close
from unrolled import UnrolledError, networks, tf1
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.tf1.graphs.networks.export import network_checkpoint

# The first variable of each network of the lesson, as TensorFlow 1 names it.
FIRST = {
    "single-layer-static-lstm": ("rnn/basic_lstm_cell/kernel", (156, 512)),
    "single-layer-static-gru": ("rnn/gru_cell/gates/kernel", (156, 256)),
    "single-layer-dynamic-lstm": ("rnn/basic_lstm_cell/kernel", (156, 512)),
    "single-layer-dynamic-gru": ("rnn/gru_cell/gates/kernel", (156, 256)),
    "multi-layer-static-lstm": ("rnn/multi_rnn_cell/cell_0/lstm_cell/kernel", (156, 512)),
    "multi-layer-static-gru": ("rnn/multi_rnn_cell/cell_0/gru_cell/gates/kernel", (156, 256)),
    "multi-layer-static-mix": ("rnn/multi_rnn_cell/cell_0/lstm_cell/kernel", (156, 512)),
    "multi-layer-dynamic-lstm": ("rnn/multi_rnn_cell/cell_0/lstm_cell/kernel", (156, 512)),
    "multi-layer-dynamic-gru": ("rnn/multi_rnn_cell/cell_0/gru_cell/gates/kernel", (156, 256)),
    "multi-layer-dynamic-mix": ("rnn/multi_rnn_cell/cell_0/lstm_cell/kernel", (156, 512)),
    "single-layer-static-bi-lstm": ("bidirectional_rnn/fw/basic_lstm_cell/kernel", (156, 512)),
    "single-layer-dynamic-bi-lstm": ("bidirectional_rnn/fw/basic_lstm_cell/kernel", (156, 512)),
    "multi-layer-static-bi-lstm": ("stack_bidirectional_rnn/cell_0/fw/basic_lstm_cell/kernel", (156, 512)),
    "multi-layer-dynamic-bi-lstm": (
        "stack_bidirectional_rnn/cell_0/bidirectional_rnn/fw/basic_lstm_cell/kernel",
        (156, 512),
    ),
}


@pytest.mark.parametrize("name", FIRST)
def test_a_network_of_the_lesson_has_tensorflow_s_names(name):
    variables = network_checkpoint(networks.build(name))
    first, value = next(iter(variables.items()))
    assert (first, value.shape) == FIRST[name]
    assert list(variables)[-2:] == ["fully_connected/weights", "fully_connected/biases"]


OWN = {
    "options": NetworkConfig(
        "own", (("lstm", 6, {"peephole": True, "proj_size": 4}), ("rnn", 7, {"nonlinearity": "relu"}))
    ),
    "norm": NetworkConfig("own", (("lstm", 6, {"layer_norm": "gates", "forget_bias": 0.25}),)),
    "parallel": NetworkConfig("own", (("gru", 4), ("lstm", 6)), direction="parallel", read="last"),
    "dense": NetworkConfig(
        "own", (("gru", 4),), input_layers=((9, "relu"),), output_layers=((8, "tanh"), (7, "relu"))
    ),
    "dropout": NetworkConfig("own", (("gru", 4), ("gru", 6)), direction="bidirectional", output_dropout=0.5),
}


@pytest.mark.parametrize("name", [*FIRST, *OWN])
def test_what_was_exported_is_imported_as_the_same_network(name, tmp_path):
    config = OWN[name] if name in OWN else networks.lookup(name)
    config = config.changed(input_size=3, classes=5)
    network = SequenceClassifier(config).eval()
    tf1.write_checkpoint(tmp_path / "m", network_checkpoint(network, "adam"))
    model = tf1.find_model(tf1.read_checkpoint(tmp_path / "m"), read=config.read)
    changes = {key: getattr(config, key) for key in ("layers", "input_layers", "output_layers", "unroll")}
    assert [layer[:2] for layer in model.config.layers] == [layer[:2] for layer in config.layers]
    assert model.config.direction == config.direction
    again = SequenceClassifier(model.config.changed(**changes)).eval()
    again.load_state_dict(model.network().state_dict())
    x = torch.randn(2, 4, 3)
    with torch.no_grad():
        assert_close(again(x), network(x))


def test_slots_are_those_before_the_first_step():
    network = networks.build("single-layer-static-gru")
    plain = network_checkpoint(network)
    adam = network_checkpoint(network, "adam")
    assert set(adam) - set(plain) == {f"{name}/{s}" for name in plain for s in ("Adam", "Adam_1")} | {
        "beta1_power",
        "beta2_power",
    }
    assert adam["beta1_power"] == np.float32(0.9)
    assert adam["beta2_power"] == np.float32(0.999)
    assert not adam["fully_connected/weights/Adam_1"].any()
    rmsprop = network_checkpoint(network, "rmsprop")
    assert set(rmsprop) - set(plain) == {f"{name}/{s}" for name in plain for s in ("RMSProp", "RMSProp_1")}
    assert (rmsprop["fully_connected/weights/RMSProp"] == 1).all()
    assert not rmsprop["fully_connected/weights/RMSProp_1"].any()
    with pytest.raises(UnrolledError, match="unknown optimizer with slots 'adem': did you mean 'adam'"):
        network_checkpoint(network, "adem")
