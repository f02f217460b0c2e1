"""A training where the network is: the CPU's first steps, and an epoch that learns."""

import pytest
import torch

from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Augmentation, Recipe, Trainer, evaluate

# cuDNN packs weights anew at every call that are not in one piece of memory, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")

CONFIG = NetworkConfig("small", (("gru", 12),), input_size=5, classes=3)


def trainer_on(device, data, config=CONFIG, **recipe):
    torch.manual_seed(0)
    network = SequenceClassifier(config).to(device)
    return Trainer(network, data, Recipe(batch_size=32, learning_rate=0.03, **recipe))


@pytest.mark.parametrize("kind", ["gru", "lstm", "rnn"])
def test_an_epoch_gives_what_it_gives_on_the_cpu(kind, easy_data, device, elsewhere):
    config = NetworkConfig("small", ((kind, 12),), input_size=5, classes=3)
    expected, found = (trainer_on(place, easy_data, config, epochs=1) for place in ("cpu", device))
    (there,) = expected.epochs()
    with elsewhere:
        (here,) = found.epochs()
        measured = evaluate(found.network, easy_data.test)
    # Ten steps of Adam in float32: each divides by what it has seen of a gradient, down to nearly nothing.
    assert here.loss == pytest.approx(there.loss, rel=1e-3)
    assert here.validation_loss == pytest.approx(there.validation_loss, rel=1e-2)
    assert measured.loss == pytest.approx(evaluate(expected.network, easy_data.test).loss, rel=1e-2)
    assert {weight.device.type for weight in found.network.parameters()} == {device.type}


def test_what_is_drawn_at_random_is_drawn_where_the_network_is(easy_data, device, elsewhere):
    config = NetworkConfig("small", (("lstm", 12),), input_size=5, classes=3, output_dropout=0.3)
    trainer = trainer_on(device, easy_data, config, epochs=1, augmentation=Augmentation(shift=1, rotation=5))
    with elsewhere:
        (metrics,) = trainer.epochs()
    assert metrics.loss < 2
