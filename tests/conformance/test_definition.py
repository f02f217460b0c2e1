"""The definition against what does not share a line with it: differences, torch.nn and this library."""

import dataclasses

import numpy as np
import pytest
import torch

from conformance.definition.network import solve
from conformance.definition.tape import Value, gradients, sum_to, total
from conformance.making.build import FOUR, KINDS, N, T, layer, problem, weighed, x_of
from conformance.torch_nn import runner as torch_nn
from conformance.unrolled import runner as own

LENGTHS = np.array([4, 0, 6])


def plain(kind, **options):
    return problem(layer(kind, **options), state=True)


def loss(one):
    found = solve(dataclasses.replace(one, weigh={}))
    return sum((found[name] * w).sum() for name, w in one.weigh.items())


def moved(one, name, index, by):
    """The same problem with one number of one leaf moved."""
    if name == "x":
        x = one.x.copy()
        x[index] += by
        return dataclasses.replace(one, x=x)
    if name.startswith("state."):
        state = {key: value.copy() for key, value in one.state.items()}
        state[name.removeprefix("state.")][index] += by
        return dataclasses.replace(one, state=state)
    number, way, key = name.split(".")
    layers = list(one.layers)
    weights = {k: v.copy() for k, v in layers[int(number)].ways[way].items()}
    weights[key][index] += by
    layers[int(number)] = dataclasses.replace(layers[int(number)], ways={way: weights})
    return dataclasses.replace(one, layers=layers)


WHOLE = {"forget_bias": 1.0, "peephole": True, "projection": 4, "cell_clip": 0.9, "proj_clip": 0.8}


@pytest.mark.parametrize("kind", [*KINDS, "lstm with everything"])
def test_gradients_are_those_of_differences(kind):
    options = WHOLE if kind.endswith("everything") else {}
    one = weighed(
        dataclasses.replace(plain(kind.split()[0], **options), lengths=LENGTHS), ("outputs", "final")
    )
    found = solve(one)
    random, h = np.random.default_rng(0), 1e-6
    for name, value in one.leaves().items():
        index = tuple(random.integers(0, size) for size in value.shape)
        slope = (loss(moved(one, name, index, h)) - loss(moved(one, name, index, -h))) / (2 * h)
        assert found[f"grad.{name}"][index] == pytest.approx(slope, abs=1e-7), (name, index)


def test_second_derivatives_are_those_of_differences():
    one, v = weighed(plain("lstm"), ("outputs",)), x_of(name="second")
    found = solve(dataclasses.replace(one, second=v))
    for name, index in (("x", (0, 1, 1)), ("0.forward.U", (7, 2)), ("state.0.forward.c", (2, 3))):
        up, down = ((solve(moved(one, name, index, h))["grad.x"] * v).sum() for h in (1e-6, -1e-6))
        assert found[f"second.{name}"][index] == pytest.approx((up - down) / 2e-6, abs=1e-6), name


def test_a_sum_over_repeated_axes_gives_its_cotangent_to_all():
    x = Value(np.ones((3, 4)))
    y = sum_to(x, (1, 4))
    (g,) = gradients(total(y * Value([[1.0, 2.0, 3.0, 4.0]])), [x])
    assert y.data.tolist() == [[3, 3, 3, 3]]
    assert g.data.tolist() == [[1, 2, 3, 4]] * 3


@pytest.mark.parametrize("kind", ["rnn", "relu-rnn", "lstm", "gru-after"])
@pytest.mark.parametrize("lengths", [None, np.array([4, 1, 6])])
def test_torch_nn_computes_the_same(kind, lengths):
    one = problem(layer(kind, ways=("forward", "backward"), second_n=True), dtype="float64", lengths=lengths)
    assert_same(weighed(one), torch_nn.run)


@pytest.mark.parametrize("kind", FOUR)
def test_this_library_computes_the_same(kind):
    layers = [layer(kind, second_n=True, name="low"), layer(kind, 5, second_n=True, name="high")]
    assert_same(weighed(problem(layers, dtype="float64", lengths=LENGTHS, state=True)), own.run)


@pytest.mark.parametrize("way", [("backward",), ("forward", "backward")])
def test_this_library_computes_the_same_with_resets(way):
    resets = np.random.default_rng(1).random((N, T)) < 0.4
    one = problem(layer("lstm", ways=way, **WHOLE), dtype="float64", lengths=LENGTHS, resets=resets)
    assert_same(one, own.run)


def assert_same(one, run):
    expected = solve(one)
    with torch.random.fork_rng():
        found = run(one)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-9, err_msg=name)
