"""The names of `unrolled.tf1` against what TensorFlow computes under them (see make_tf1.py)."""

import pytest
import torch
from torch.nn import functional as F

from tests.golden import variables
from tests.golden.drawn import draw
from tests.golden.kept import arrays, parts
from tests.tolerances import assert_close, assert_equal
from unrolled import tf1

N, T, I, H, L = 4, 5, 3, 6, 3
LENGTHS = [5, 2, 0, 1]

GOLDEN = arrays("tf1.npz")


X = torch.from_numpy(draw("x", N, T, I, scale=1.0))


def load(cell, name, scope, input_size=I, dtype=torch.float64):
    """Build a cell with the variables that TensorFlow had below `scope` in the case of that name."""
    cell.build(input_size, dtype)
    variables.load(cell, name, scope)
    return cell


def assert_golden(results, name, atol=None):
    expected = [GOLDEN[f"{name}/{number}"] for number in range(len(results))]
    assert f"{name}/{len(results)}" not in GOLDEN
    for actual, value in zip(results, expected, strict=True):
        if atol is None:
            assert_close(actual, value)
        else:
            assert actual.dtype == torch.float32
            torch.testing.assert_close(actual, torch.from_numpy(value), rtol=0, atol=atol)


def static(cell, x, **options):
    outputs, state = tf1.static_rnn(cell, x.unbind(1), **options)
    return torch.stack(outputs), state


def dynamic(cell, x, **options):
    outputs, state = tf1.dynamic_rnn(cell, x, **options)
    return outputs.transpose(0, 1), state


SINGLE = {
    1: (static, lambda: tf1.BasicLSTMCell(H)),
    2: (static, lambda: tf1.GRUCell(H)),
    3: (dynamic, lambda: tf1.BasicLSTMCell(H)),
    4: (dynamic, lambda: tf1.GRUCell(H)),
    5: (static, lambda: tf1.MultiRNNCell([tf1.LSTMCell(H) for _ in range(L)])),
    6: (static, lambda: tf1.MultiRNNCell([tf1.GRUCell(H) for _ in range(L)])),
    7: (static, lambda: tf1.MultiRNNCell([tf1.LSTMCell(H), tf1.GRUCell(2 * H)])),
    8: (dynamic, lambda: tf1.MultiRNNCell([tf1.LSTMCell(H) for _ in range(L)])),
    9: (dynamic, lambda: tf1.MultiRNNCell([tf1.GRUCell(H) for _ in range(L)])),
    10: (dynamic, lambda: tf1.MultiRNNCell([tf1.LSTMCell(H), tf1.GRUCell(2 * H)])),
}


def bidirectional(name, scope, dtype, input_size=I):
    return [
        load(tf1.BasicLSTMCell(H), name, f"{scope}/{direction}", input_size, dtype)
        for direction in ("fw", "bw")
    ]


def network(number, x, **options):
    """The outputs, with time first, and the final states of one of the tutorials' networks."""
    name = f"net-{number}"
    if number in SINGLE:
        loop, make = SINGLE[number]
        return loop(load(make(), name, "rnn", dtype=x.dtype), x, **options)
    if number == 11:
        cells = bidirectional(name, "bidirectional_rnn", x.dtype)
        outputs, *states = tf1.static_bidirectional_rnn(*cells, x.unbind(1), **options)
        return torch.stack(outputs), tuple(states)
    if number == 12:
        cells = bidirectional(name, "bidirectional_rnn", x.dtype)
        outputs, states = tf1.bidirectional_dynamic_rnn(*cells, x, **options)
        return torch.cat(outputs, 2).transpose(0, 1), states
    level = "" if number == 13 else "/bidirectional_rnn"
    layers = [
        bidirectional(name, f"stack_bidirectional_rnn/cell_{layer}{level}", x.dtype, 2 * H if layer else I)
        for layer in range(L)
    ]
    forwards, backwards = [fw for fw, _ in layers], [bw for _, bw in layers]
    if number == 13:
        outputs, *states = tf1.stack_bidirectional_rnn(forwards, backwards, x.unbind(1), **options)
        return torch.stack(outputs), tuple(states)
    outputs, *states = tf1.stack_bidirectional_dynamic_rnn(forwards, backwards, x, **options)
    return outputs.transpose(0, 1), tuple(states)


@pytest.mark.parametrize("number", range(1, 15))
@pytest.mark.parametrize("isa", ["native", "reference"])
def test_each_of_the_14_networks_equals_tensorflows(number, isa, monkeypatch):
    if isa == "reference":
        monkeypatch.setenv("UNROLLED_ISA", "reference")
    dense = network(number, X, dtype="float64")
    assert_golden(parts(dense), f"net-{number}/float64/dense")
    ragged = network(number, X, dtype="float64", sequence_length=LENGTHS)
    assert_golden(parts(ragged), f"net-{number}/float64/ragged")
    single = network(number, X.float(), dtype="float32", sequence_length=LENGTHS)
    assert_golden(parts(single), f"net-{number}/float32/ragged", atol=1e-6)


CELLS = {
    "concatenated-stack": lambda: tf1.MultiRNNCell(
        [tf1.LSTMCell(H, num_proj=2, state_is_tuple=False), tf1.GRUCell(H)], state_is_tuple=False
    ),
    "rnn-sigmoid": lambda: tf1.BasicRNNCell(H, activation=torch.sigmoid),
    "gru-relu": lambda: tf1.GRUCell(H, activation=torch.relu),
    "lstm-elu": lambda: tf1.LSTMCell(
        H, use_peepholes=True, cell_clip=0.4, num_proj=2, proj_clip=0.2, activation=F.elu
    ),
    "highway": lambda: tf1.HighwayWrapper(tf1.BasicLSTMCell(I)),
    "highway-uncoupled": lambda: tf1.HighwayWrapper(tf1.BasicLSTMCell(I), couple_carry_transform_gates=False),
    "layer-norm": lambda: tf1.LayerNormBasicLSTMCell(H),
    "layer-norm-off": lambda: tf1.LayerNormBasicLSTMCell(H, layer_norm=False),
    "residual-function": lambda: tf1.ResidualWrapper(tf1.GRUCell(I), lambda x, y: x - 2 * y),
    "dropout-of-nothing": lambda: tf1.DropoutWrapper(tf1.GRUCell(H), output_keep_prob=1.0),
}


@pytest.mark.parametrize("name", CELLS)
def test_other_cells_and_wrappers_equal_tensorflows(name):
    cell = load(CELLS[name](), name, "rnn")
    results = dynamic(cell, X, dtype="float64", sequence_length=LENGTHS)
    assert_golden(parts(results), name)


def test_any_activation_of_a_layer_norm_cell_takes_the_place_of_tanh():
    cell = load(tf1.LayerNormBasicLSTMCell(H, activation=lambda x: torch.tanh(x)), "layer-norm", "rnn")
    assert_golden(parts(dynamic(cell, X, dtype="float64", sequence_length=LENGTHS)), "layer-norm")


class Pair(tf1.RNNCell):
    """A cell of tuples: takes (a, b), returns (a + s, b * 2), with s the sum of all a."""

    state_size = I
    output_size = (I, 2)

    def call(self, inputs, state):
        a, b = inputs
        return (a + state, b * 2), a + state


@pytest.mark.parametrize("loop", ["batch", "time", "static"])
def test_inputs_and_outputs_may_be_tuples(loop):
    inputs = X, torch.from_numpy(draw("b", N, T, 2))
    if loop == "batch":
        outputs, state = tf1.dynamic_rnn(Pair(), inputs, LENGTHS, dtype="float64")
    elif loop == "time":
        inputs = tuple(part.transpose(0, 1) for part in inputs)
        outputs, state = tf1.dynamic_rnn(Pair(), inputs, LENGTHS, dtype="float64", time_major=True)
        outputs = tuple(part.transpose(0, 1) for part in outputs)
    else:
        steps = list(zip(*(part.unbind(1) for part in inputs), strict=True))
        outputs, state = tf1.static_rnn(Pair(), steps, dtype="float64", sequence_length=LENGTHS)
        outputs = tuple(torch.stack(part, 1) for part in zip(*outputs, strict=True))
    assert_golden([*outputs, state], "nested")


def test_raw_rnn_feeds_emits_and_carries_as_tensorflows_does():
    cell = load(tf1.GRUCell(I), "raw", "rnn")
    lengths = torch.tensor(LENGTHS)

    def loop_fn(time, output, state, total):
        if output is None:
            emit = (torch.zeros(I, dtype=torch.float64), torch.zeros((), dtype=torch.int32))
            return time >= lengths, X[:, 0], cell.zero_state(N, "float64"), emit, 0
        emit = (output, torch.full((N,), time, dtype=torch.int32))
        return time >= lengths, output + X[:, 0], state * 0.5, emit, total + time

    (outputs, times), state, total = tf1.raw_rnn(cell, loop_fn)
    assert_close(outputs.stack(), GOLDEN["raw/0"])
    assert times.stack().tolist() == GOLDEN["raw/1"].tolist()
    assert_close(state, GOLDEN["raw/2"])
    assert total == GOLDEN["raw/3"]


# torch.optim has four of TensorFlow's optimizers under other names.
# All numbers are such as float32 holds: TensorFlow rounds them even for a float64 variable.
LR = 2**-4
OPTIMIZERS = {
    "adam": lambda params: tf1.Adam(params, LR, 0.875, 0.75, epsilon=2**-10),
    "rmsprop": lambda params: tf1.RMSProp(params, LR, 0.75),
    "rmsprop-momentum": lambda params: tf1.RMSProp(params, LR, 0.75, momentum=0.5, epsilon=2**-10),
    "rmsprop-centered": lambda params: tf1.RMSProp(params, LR, 0.75, momentum=0.5, centered=True),
    "momentum": lambda params: torch.optim.SGD(params, LR, momentum=0.5),
    "nesterov": lambda params: torch.optim.SGD(params, LR, momentum=0.5, nesterov=True),
    "adagrad": lambda params: torch.optim.Adagrad(params, LR, initial_accumulator_value=0.125, eps=0.0),
    "gradient-descent": lambda params: torch.optim.SGD(params, LR),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_takes_tensorflows_steps(name):
    variable = torch.nn.Parameter(torch.from_numpy(draw("start", 4)))
    optimizer = OPTIMIZERS[name]([variable])
    steps = []
    for gradient in draw("gradients", 5, 4) * [1e-3, 0.1, 1.0, 10.0]:
        variable.grad = torch.from_numpy(gradient)
        optimizer.step()
        steps.append(variable.detach().clone())
    assert_close(torch.stack(steps), GOLDEN[f"optimizer/{name}"])


@pytest.fixture
def graph_seed():
    tf1.set_random_seed(1234)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_are_tensorflows_bit_for_bit(dtype, graph_seed):
    drawn = {
        "uniform": tf1.random_uniform([37], -0.3, 0.7, dtype, seed=42),
        "normal": tf1.random_normal([37], 0.1, 0.5, dtype, seed=42),
        "truncated": tf1.truncated_normal([37], 0.1, 0.5, dtype, seed=42),
        "first-unseeded": tf1.random_uniform([5], dtype=dtype),
        "second-unseeded": tf1.random_uniform([5], dtype=dtype),
        "large-seed": tf1.random_uniform([5], dtype=dtype, seed=2**40 + 5),
    }
    for name, numbers in drawn.items():
        assert_equal(numbers, torch.from_numpy(GOLDEN[f"random/{name}/{dtype}"]))


def test_glorots_initial_weights_are_tensorflows_bit_for_bit():
    assert_equal(tf1.glorot_uniform(42)((5, 12)), torch.from_numpy(GOLDEN["random/glorot-kernel"]))
    assert_equal(tf1.glorot_uniform(42)((12,)), torch.from_numpy(GOLDEN["random/glorot-vector"]))


def test_the_golden_numbers_name_the_tensorflow_that_made_them():
    assert str(GOLDEN["tensorflow"]) == "2.21.0"
