"""TensorFlow 1's optimizers as optimizers of torch; their steps are judged in tests/golden."""

import copy
import math

import pytest
import torch

from tests.tolerances import assert_equal
from unrolled import tf1

OPTIMIZERS = {
    "adam": lambda params: tf1.Adam(params, 0.1),
    "rmsprop": lambda params: tf1.RMSProp(params, 0.1, momentum=0.5, centered=True),
}


def train(weight, optimizer, steps):
    for step in range(steps):
        optimizer.zero_grad()
        (weight.square() * (step + 1)).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_dict_carries_a_training_on(name):
    whole = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = OPTIMIZERS[name]([whole])
    train(whole, optimizer, 3)
    other = torch.nn.Parameter(whole.detach().clone())
    resumed = OPTIMIZERS[name]([other])
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(whole, optimizer, 3)
    train(other, resumed, 3)
    assert_equal(other, whole)


def test_the_slots_bear_tensorflows_names():
    weight = torch.nn.Parameter(torch.ones(2))
    adam, rmsprop = tf1.Adam([weight]), tf1.RMSProp([weight], 0.1)
    for optimizer in (adam, rmsprop):
        train(weight, optimizer, 1)
    assert set(adam.state[weight]) == {"step", "m", "v"}
    assert set(rmsprop.state[weight]) == {"ms", "momentum"}


def test_the_first_steps_of_rmsprop_are_small_on_small_gradients():
    weight = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    optimizer = tf1.RMSProp([weight], 0.001, 0.9)
    weight.grad = torch.tensor([1e-3, 0.1, 1.0], dtype=torch.float64)
    optimizer.step()
    expected = [0.001 * g / math.sqrt(0.9 + 0.1 * g * g + 1e-10) for g in (1e-3, 0.1, 1.0)]
    assert (-weight).tolist() == pytest.approx(expected, rel=1e-12)


def test_adams_epsilon_is_the_papers_epsilon_hat():
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = tf1.Adam([weight], 0.001)
    weight.grad = torch.tensor([1e-8], dtype=torch.float64)
    optimizer.step()
    m, v = 0.1 * 1e-8, 0.001 * 1e-16
    rate = 0.001 * math.sqrt(1 - 0.999) / (1 - 0.9)
    assert -weight.item() == pytest.approx(rate * m / (math.sqrt(v) + 1e-8), rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_parameter_without_gradient_stays_and_a_closure_gives_the_loss(name):
    used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = OPTIMIZERS[name]([used, unused])

    def closure():
        optimizer.zero_grad()
        loss = used.square().sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == 2.0
    assert_equal(unused, torch.ones(2))
    assert (used < 1).all()


def test_numbers_out_of_range_are_refused():
    weight = [torch.nn.Parameter(torch.ones(2))]
    with pytest.raises(ValueError, match="Adam: lr is -1, expected a number of at least 0"):
        tf1.Adam(weight, lr=-1)
    with pytest.raises(ValueError, match=r"Adam: beta2 is 1\.0, expected a number from 0 to below 1"):
        tf1.Adam(weight, beta2=1.0)
    with pytest.raises(ValueError, match=r"RMSProp: decay is 1\.5, expected a number from 0 to below 1"):
        tf1.RMSProp(weight, 0.1, decay=1.5)
    with pytest.raises(ValueError, match="RMSProp: epsilon is -1, expected a number of at least 0"):
        tf1.RMSProp(weight, 0.1, epsilon=-1)


@pytest.mark.parametrize("make", [tf1.Adam, tf1.RMSProp])
def test_the_rate_is_taken_by_tensorflows_name_and_by_torchs(make):
    def trained(**options):
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = make([weight], **options)
        weight.square().sum().backward()
        optimizer.step()
        return weight.tolist()

    rated = trained(learning_rate=0.1, use_locking=False, name="mine")
    assert rated == trained(lr=0.1) == trained(learning_rate=0.1)
    assert rated != [1.0] * 3
    with pytest.raises(ValueError, match=r"learning_rate is 0\.1 and lr is 0\.2: give one of them"):
        trained(learning_rate=0.1, lr=0.2)


def test_adam_has_tensorflows_rate_by_default_and_rmsprop_asks_for_one():
    weight = torch.nn.Parameter(torch.ones(3))
    assert tf1.Adam([weight]).param_groups[0]["lr"] == 0.001
    with pytest.raises(TypeError, match="RMSProp: learning_rate is missing"):
        tf1.RMSProp([weight])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_cell_that_is_not_built_yet_is_trained(name):
    """The optimizer may be made before the first call, which makes the variables."""
    x = torch.rand(2, 4, 3)

    def trained(early):
        tf1.set_random_seed(7)
        cell, weight = (
            tf1.MultiRNNCell([tf1.BasicLSTMCell(5), tf1.SRUCell(2)]),
            torch.ones(2).requires_grad_(),
        )
        if early:
            optimizer = OPTIMIZERS[name]([cell, weight])
        else:
            cell.build(3)
            optimizer = OPTIMIZERS[name]([*cell.parameters(), weight])
        for _ in range(3):
            optimizer.zero_grad()
            outputs, _ = tf1.dynamic_rnn(cell, x, dtype="float32")
            (outputs * weight).sum().backward()
            optimizer.step()
        return [weight, *cell.variables.values()], optimizer

    (early, optimizer), (late, _) = trained(True), trained(False)
    assert_equal(early, late)
    assert len(optimizer.param_groups[0]["params"]) == 7
    alone = tf1.Adam(tf1.GRUCell(3))
    assert alone.state_dict()["param_groups"][0]["params"] == []


def test_parameters_of_a_cell_that_is_not_built_are_no_empty_list():
    message = (
        r"BasicLSTMCell has no parameters before it is built: give tf1.Adam or tf1.RMSProp the cell itself"
    )
    with pytest.raises(ValueError, match=message):
        tf1.Adam([*tf1.BasicLSTMCell(3).parameters(), torch.ones(2).requires_grad_()])
    with pytest.raises(ValueError, match="DropoutWrapper has no parameters before it is built"):
        tf1.DropoutWrapper(tf1.GRUCell(3)).parameters()
    with pytest.raises(TypeError, match="Adam: cells and groups of parameters, expected one or the other"):
        tf1.Adam([tf1.GRUCell(3), {"params": [torch.ones(2).requires_grad_()]}])
