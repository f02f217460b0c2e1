"""What recipes start from."""

import pytest
import torch

from unrolled import tf1
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier, build
from unrolled.tf1.replay.initializers import get_graph_seed
from unrolled.tf1.rnn import gate_layout
from unrolled.training.initial_weights import OUTPUT_LAYERS, set_initial_weights
from unrolled.training.optimizer import memory_of
from unrolled.training.protocols import PROTOCOLS
from unrolled.training.recipe import INITIAL_WEIGHTS, OPTIMIZERS, Recipe
from unrolled.training.run_config import PROTOCOL_NAMES


def test_the_kth_variable_is_drawn_with_the_seed_k_both_directions_layer_by_layer():
    network = build("multi-layer-static-bi-lstm")
    set_initial_weights(network, "tf1-xavier", seed=9)
    cells = [
        cell for pair in zip(network.forward_cells, network.backward_cells, strict=True) for cell in pair
    ]
    tf1.set_random_seed(9)
    for layer, cell in enumerate(cells):
        variables = gate_layout.variables(cell)
        kernel = variables["kernel"]
        assert torch.equal(kernel, tf1.glorot_uniform(2 * layer)(kernel.shape))
        assert not variables["bias"].any()
    W = network.classifier.weight.detach().T
    assert torch.equal(W, tf1.glorot_uniform(12)(W.shape))
    assert not network.classifier.bias.any()


def test_a_grus_gates_start_with_a_bias_of_one_and_its_candidate_with_zero():
    network = build("single-layer-dynamic-gru")
    set_initial_weights(network, "tf1-xavier", seed=0)
    variables = gate_layout.variables(network.cell.cells[0])
    assert bool((variables["gates/bias"] == 1).all())
    assert not variables["candidate/bias"].any()
    kernels = variables["gates/kernel"], variables["candidate/kernel"]
    limits = [(6 / sum(kernel.shape)) ** 0.5 for kernel in kernels]
    for kernel, limit in zip(kernels, limits, strict=True):
        assert 0.98 * limit < float(kernel.abs().max()) <= limit


def test_a_gru_that_remembers_starts_with_1_more_in_the_bias_of_its_update_gate():
    layers = (("gru", 5), ("lstm", 4), ("gru", 3, {"reset": "after"}))
    network = SequenceClassifier(NetworkConfig("mine", layers, direction="bidirectional"))
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    set_initial_weights(network, "remembering", seed=0)
    for direction in ("forward", "backward"):
        before[f"{direction}_cells.0.bias_ih"][5:10] += 1
        before[f"{direction}_cells.2.bias_ih"][3:6] += 1
    assert all(torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())


@pytest.mark.parametrize(
    ("kind", "weight", "bias"),
    [("tf1-normal-0.01", 0.01, 0.01), ("tf1-normal-1", 1.0, 1.0), ("tf1-truncated-normal-0.1", 0.088, None)],
)
def test_the_output_layer_is_drawn_as_its_tutorial_draws_it(kind, weight, bias):
    network = build("seed-002", classes=500)
    set_initial_weights(network, kind, seed=3)
    assert abs(float(network.classifier.weight.detach().std()) / weight - 1) < 0.02
    if bias is None:
        assert float(network.classifier.weight.detach().abs().max()) < 0.2
        assert bool((network.classifier.bias == 0.1).all())
    else:
        assert abs(float(network.classifier.bias.detach().std()) / bias - 1) < 0.1


def test_tensorflows_cells_have_one_bias():
    network = build("seed-004")
    set_initial_weights(network, "tf1-xavier", seed=0)
    second = [p for name, p in network.named_parameters() if name.endswith("bias_hh")]
    assert len(second) == 2
    assert not any(p.requires_grad or p.any() for p in second)


def test_torchs_weights_stay_as_they_are_and_so_does_the_graphs_seed():
    network = build("seed-004")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    set_initial_weights(network, "torch", seed=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    tf1.set_random_seed(77)
    set_initial_weights(network, "tf1-normal-1", seed=5)
    assert get_graph_seed() == 77


def test_every_choice_of_a_recipe_has_something_that_does_it():
    """The choices stand apart from what is done, so that a recipe can be read without torch."""
    assert set(INITIAL_WEIGHTS) == {"torch", "remembering", *OUTPUT_LAYERS}
    assert set(PROTOCOL_NAMES) == set(PROTOCOLS)
    for optimizer in OPTIMIZERS:
        memory_of(Recipe(optimizer=optimizer))


def test_a_cell_that_tensorflow_draws_otherwise_is_one_clear_error():
    config = NetworkConfig("normed", (("lstm", 7, {"layer_norm": "gates"}),), input_size=5, classes=3)
    with pytest.raises(UnrolledError, match="'tf1-xavier', which does not draw a cell with layer_norm"):
        set_initial_weights(SequenceClassifier(config), "tf1-xavier", 3)
