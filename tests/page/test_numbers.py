"""What the page's modules compute, beside what Python does: answers, states, gates, gradients, changes."""

import dataclasses
import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from unrolled.cells import LSTMCell
from unrolled.networks import CATALOGUE, NetworkConfig, SequenceClassifier
from unrolled.networks.config import ACTIVATIONS, DIRECTIONS
from unrolled.page.model import as_values
from unrolled.unroll import dynamic_unroll

CLOSE = {"rtol": 1e-5, "atol": 1e-4}


def floats(values: list) -> Tensor:
    """Numbers from the page, of which whole ones come as ints."""
    return torch.tensor(values, dtype=torch.float32)


READ = """
([model, rows, changes]) => {
  const { networkOf, Reading } = modules;
  const network = networkOf({ ...model, temperature: 1 });
  const reading = new Reading(network, rows.map((row) => Float32Array.from(row)), changes);
  const lists = (node) => Array.from(node.value);
  return Array.from({ length: reading.steps }, (_, k) => {
    const pass = reading.pass(k + 1);
    const logits = Array.from(reading.answer(k + 1).logits);
    return {
      logits,
      shares: reading.answer(k + 1).shares,
      gradients: logits.map((_, output) => reading.gradient(k + 1, output).map((row) => Array.from(row))),
      layers: pass.layers.map((ways) => Object.fromEntries(Object.entries(ways).map(([way, steps]) => [way,
        steps.slice(0, k + 1).map(({ h, c, gates }) => ({
          h: lists(h), c: c && lists(c),
          gates: Object.fromEntries(Object.entries(gates).map(([name, node]) => [name, lists(node)])),
        }))]))),
    };
  });
}
"""
UNCHANGED = {"reversed": False, "skipped": [], "erased": [], "held": {}}


def read(blank, network: SequenceClassifier, x: Tensor, **changes) -> list[dict]:
    """What the page says of x [T, I] after each step."""
    return blank.evaluate(READ, [as_values(network), x.tolist(), {**UNCHANGED, **changes}])


def make(config: NetworkConfig, seed: int = 0) -> SequenceClassifier:
    torch.manual_seed(seed)
    network = SequenceClassifier(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)  # so that gates leave their middle
    return network


def check_answers(said: list[dict], network: SequenceClassifier, x: Tensor) -> None:
    """Logits, shares and the gradient of every logit, each beginning read anew by torch."""
    for k, one in enumerate(said):
        leaf = x.clone().requires_grad_()
        if network.config.read == "steps":
            logits = network(leaf[None])[0, k]
        else:
            logits = network(leaf[None, : k + 1])[0]
        torch.testing.assert_close(floats(one["logits"]), logits.detach(), **CLOSE)
        torch.testing.assert_close(floats(one["shares"]), logits.detach().softmax(0), **CLOSE)
        for output, logit in enumerate(logits):
            (expected,) = torch.autograd.grad(logit, leaf, retain_graph=True)
            torch.testing.assert_close(floats(one["gradients"][output]), expected[: k + 1], **CLOSE)


def options_of(kind: str) -> st.SearchStrategy[dict]:
    if kind == "rnn":
        return st.fixed_dictionaries({}, optional={"nonlinearity": st.sampled_from(["tanh", "relu"])})
    if kind == "gru":
        return st.fixed_dictionaries({}, optional={"reset": st.sampled_from(["after", "before"])})
    return st.fixed_dictionaries(
        {},
        optional={
            "forget_bias": st.sampled_from([0.0, 0.7]),
            "activation": st.sampled_from(ACTIVATIONS),
            "peephole": st.booleans(),
            "proj_size": st.sampled_from([0, 2]),
            "cell_clip": st.just(0.4),
            "layer_norm": st.sampled_from(["gates", "projections"]),
        },
    )


@st.composite
def configs(draw) -> NetworkConfig:
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["rnn", "lstm", "gru"]))
        layers.append((kind, draw(st.integers(3, 5)), draw(options_of(kind))))
    reads = ["final", "last", "state", "first", "mean", "max", "steps"]
    direction = draw(st.sampled_from(DIRECTIONS))
    if layers[-1][0] == "lstm" and direction in ("forward", "backward"):
        reads.append("memory")
    dense = st.lists(st.tuples(st.integers(2, 4), st.sampled_from(ACTIVATIONS)), max_size=2).map(tuple)
    config = NetworkConfig(
        "drawn",
        tuple(layers),
        direction=direction,
        read=draw(st.sampled_from(reads)),
        output_dropout=draw(st.sampled_from([0.0, 0.5])),
        input_size=3,
        classes=draw(st.integers(1, 3)),
        input_layers=draw(dense),
        output_layers=draw(dense),
        centre=draw(st.sampled_from([0, 2])),
    )
    return with_residuals(config) if draw(st.booleans()) else config


def with_residuals(config: NetworkConfig) -> NetworkConfig:
    """Its layers with residuals, wherever widths allow that."""
    width = config.input_layers[-1][0] if config.input_layers else config.input_size
    layers = []
    for kind, units, options in config.layers:
        given = options.get("proj_size") or units
        layers.append((kind, units, {**options, "residual": given == width}))
        width = given * (2 if config.direction == "bidirectional" else 1)
    return dataclasses.replace(config, layers=tuple(layers))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configs(), steps=st.integers(1, 6), seed=st.integers(0, 9))
def test_any_network_that_a_run_may_hold_answers_as_in_python(blank, config, steps, seed):
    network = make(config, seed)
    x = torch.randn(steps, 3, generator=torch.Generator().manual_seed(seed))
    said = read(blank, network, x)
    if config.read == "steps" and (config.direction != "forward" or config.centre):
        said = said[-1:]  # what it knows before the end rests on what comes
        leaf = x.clone()
        torch.testing.assert_close(floats(said[0]["logits"]), network(leaf[None])[0, -1].detach(), **CLOSE)
        return
    check_answers(said, network, x)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_network_of_the_catalogue_answers_as_in_python(blank, name):
    config = CATALOGUE[name]
    narrow = config.changed(
        layers=tuple((kind, width // 8 + 1, *rest) for kind, width, *rest in config.layers)
    )
    check_answers(read(blank, make(narrow), x := torch.rand(5, 28)), make(narrow), x)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("direction", ["forward", "backward", "bidirectional", "parallel"])
def test_states_and_gates_are_those_of_the_unrolling(blank, kind, direction):
    config = NetworkConfig("two", ((kind, 4), (kind, 5)), direction=direction, input_size=3, classes=2)
    network, x = make(config), torch.randn(6, 3)
    said = read(blank, network, x)
    for k, one in enumerate(said):
        for layer, ways in enumerate(one["layers"]):
            assert set(ways) == {
                "bidirectional": {"forward", "backward"},
                "parallel": {"forward", "backward"},
            }.get(direction, {direction})
            for way, steps in ways.items():
                expected = unrolled_layers(network, x[: k + 1])[way][layer]
                for part in ("h", "c", "gates"):
                    check_part(steps, expected[part], part)


def check_part(steps: list[dict], expected: Tensor | dict | None, part: str) -> None:
    if expected is None:
        assert all(not step[part] for step in steps)
    elif part == "gates":
        for name, values in expected.items():
            found = floats([step["gates"][name] for step in steps])
            torch.testing.assert_close(found, values, **CLOSE)
    else:
        torch.testing.assert_close(floats([step[part] for step in steps]), expected, **CLOSE)


def unrolled_layers(network: SequenceClassifier, x: Tensor) -> dict[str, list[dict]]:
    """h, c and the gates of every step of every layer, by `dynamic_unroll`."""
    config = network.config
    both = config.direction in ("bidirectional", "parallel")
    cells = (
        {"forward": network.forward_cells, "backward": network.backward_cells}
        if both
        else {config.direction: network.cell.cells}
    )
    found: dict[str, list[dict]] = {way: [] for way in cells}
    inputs = dict.fromkeys(cells, x[None])
    with torch.no_grad():
        for layer in range(len(config.layers)):
            outputs = {}
            for way, own in cells.items():
                cell, backward = own[layer], way == "backward"
                source = inputs[way].flip(1) if backward else inputs[way]
                asked = {"return_states": True, "return_gates": config.layers[layer][0] != "rnn"}
                out, _, states, *gates = dynamic_unroll(cell, source, **asked)
                turn = (lambda value: value[0].flip(0)) if backward else (lambda value: value[0])
                found[way].append(
                    {
                        "h": turn(states.h if isinstance(cell, LSTMCell) else states),
                        "c": turn(states.c) if isinstance(cell, LSTMCell) else None,
                        "gates": {name: turn(value) for name, value in gates[0]._asdict().items()}
                        if gates and gates[0] is not None
                        else None,
                    }
                )
                outputs[way] = out.flip(1) if backward else out
            joined = torch.cat(list(outputs.values()), dim=2)
            inputs = dict.fromkeys(cells, joined) if config.direction == "bidirectional" else outputs
    return found


def changed_lstm(network, x: Tensor, erased=(), held=None) -> tuple[Tensor, Tensor]:
    """Logits, and c of every step, of one LSTM layer in plain torch with things done to it."""
    cell, held = network.cell.cells[0], held or {}
    h, c, every = torch.zeros(cell.hidden_size), torch.zeros(cell.hidden_size), []
    for t, row in enumerate(x):
        c = torch.zeros_like(c) if t in erased else c
        i, f, g, o = (cell.weight_ih @ row + cell.bias_ih + cell.weight_hh @ h + cell.bias_hh).chunk(4)
        gates = {"i": i.sigmoid(), "f": (f + cell.forget_bias).sigmoid(), "o": o.sigmoid()}
        gates |= {name: torch.full_like(i, float(value)) for name, value in held.items()}
        c = gates["f"] * c + gates["i"] * g.tanh()
        h = gates["o"] * c.tanh()
        every.append(c)
    return network.classifier(h), torch.stack(every)


LSTM = NetworkConfig("one", (("lstm", 5),), input_size=3, classes=4)


@pytest.mark.parametrize(
    ("changes", "order", "erased"),
    [
        ({"held": {"f": 1}}, [0, 1, 2, 3, 4, 5], []),
        ({"held": {"f": 0, "i": 1}}, [0, 1, 2, 3, 4, 5], []),
        ({"held": {"o": 0}}, [0, 1, 2, 3, 4, 5], []),
        ({"erased": [3]}, [0, 1, 2, 3, 4, 5], [3]),
        ({"reversed": True}, [5, 4, 3, 2, 1, 0], []),
        ({"skipped": [2, 4]}, [0, 1, 3, 5], []),
        ({"reversed": True, "skipped": [2], "erased": [4], "held": {"f": 1}}, [5, 4, 3, 1, 0], [1]),
    ],
)
def test_changes_do_to_the_reading_what_they_say(blank, changes, order, erased):
    network, x = make(LSTM), torch.randn(6, 3)
    said = read(blank, network, x, **changes)
    leaf = x[order].clone().requires_grad_()
    logits, c = changed_lstm(network, leaf, erased, changes.get("held"))
    assert len(said) == len(order)
    torch.testing.assert_close(floats(said[-1]["logits"]), logits.detach(), **CLOSE)
    found = floats([step["c"] for step in said[-1]["layers"][0]["forward"]])
    torch.testing.assert_close(found, c.detach(), **CLOSE)
    (slope,) = torch.autograd.grad(logits[1], leaf)
    torch.testing.assert_close(floats(said[-1]["gradients"][1]), slope, **CLOSE)
    plain = floats(read(blank, network, x)[-1]["logits"])
    assert (plain - logits).abs().max() > 1e-3  # it changes something


@pytest.mark.parametrize("reset", ["before", "after"])
def test_a_gate_of_a_gru_that_is_held_keeps_or_forgets_all(blank, reset):
    config = NetworkConfig("gru", (("gru", 5, {"reset": reset}),), input_size=3, classes=2)
    network, x = make(config), torch.randn(4, 3)
    kept = read(blank, network, x, held={"z": 1})[-1]["layers"][0]["forward"]
    assert all(not any(step["h"]) for step in kept)  # h' = h, which began as zero
    forgetful = read(blank, network, x, held={"z": 0})[-1]["layers"][0]["forward"]
    for step in forgetful:
        assert step["h"] == step["gates"]["n"]


def test_a_temperature_divides_the_logits(blank):
    network, x = make(LSTM), torch.randn(2, 3)
    shares = blank.evaluate(
        "([model, rows]) => new modules.Reading(modules.networkOf({...model, temperature: 2.5}),"
        " rows.map((row) => Float32Array.from(row))).answer(2).shares",
        [as_values(network), x.tolist()],
    )
    expected = (network(x[None])[0] / 2.5).softmax(0)
    torch.testing.assert_close(floats(shares), expected.detach(), **CLOSE)


def test_weights_are_placed_in_the_order_of_their_names(blank):
    network = make(LSTM)
    values = json.loads(json.dumps(as_values(network)))
    found = blank.evaluate(
        "(model) => Array.from(modules.networkOf(model).layers[0].weights.forward.bias_hh)", values
    )
    assert found == network.cell.cells[0].bias_hh.tolist()
