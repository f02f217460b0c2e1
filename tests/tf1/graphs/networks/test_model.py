"""Which network the names and shapes of a checkpoint's variables mean."""

import numpy as np
import pytest

from unrolled import UnrolledError
from unrolled.tf1 import find_model
from unrolled.tf1.checkpoints.wire import Message, bytes_field, write_varint
from unrolled.tf1.graphs.networks.definition import FUSED_LSTMS, Graph

I, H, K, C = 3, 4, 6, 5


def variables(**shapes):
    """Arrays of these shapes; two underscores stand for a slash."""
    return {name.replace("__", "/"): np.ones(shape, "f4") for name, shape in shapes.items()}


def lstm(home, inputs=I, width=H, kernel="kernel", bias="bias"):
    shapes = {f"{home}/{kernel}": (inputs + width, 4 * width), f"{home}/{bias}": (4 * width,)}
    return variables(**shapes)


def layers(model):
    return [(layer[0], layer[1]) for layer in model.config.layers]


def find(*parts, **given):
    merged = {name: value for part in parts for name, value in part.items()}
    return find_model(merged, **given)


OUTPUTS = {
    "fully_connected": ("fully_connected/weights", "fully_connected/biases"),
    "unnamed": ("Variable", "Variable_1"),
    "letters": ("W", "b"),
    "words": ("W_out", "b_out"),
    "numbered": ("weights1", "biases1"),
    "attributes": ("out/softmax_w", "out/softmax_b"),
    "dense": ("dense/kernel", "dense/bias"),
    "inside the scope": ("rnn/logits/kernel", "rnn/logits/bias"),
    "slim": ("output_layer/w", "output_layer/b"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_layer_of_any_name_is_found_by_its_shape(name):
    kernel, bias = OUTPUTS[name]
    rest = variables(**{kernel: (H, C), bias: (C,)}) | {"global_step": np.array(3), "keep": np.float32(1)}
    model = find(lstm("rnn/basic_lstm_cell"), rest)
    assert (layers(model), model.config.classes) == ([("lstm", H)], C)
    assert model.describe()[-1] == f"{kernel}, {bias}: dense 4 → 5"


def test_a_bias_may_be_a_row_or_missing():
    row = find(lstm("rnn/basic_lstm_cell"), variables(W=(H, C), b=(1, C)))
    assert row.network().classifier.bias.tolist() == [1] * C
    none = find(lstm("rnn/basic_lstm_cell"), variables(W=(H, C)))
    assert none.network().classifier.bias.tolist() == [0] * C


def test_slots_and_bookkeeping_are_passed_over():
    own = lstm("net/rnn/basic_lstm_cell") | variables(net__W=(H, C), net__b=(C,))
    more = {}
    for name, value in own.items():
        for slot in ("Adam", "Adam_1", "RMSProp_2", "Momentum", "ExponentialMovingAverage", "mine", "mine_1"):
            more[f"{name}/{slot}"] = value
            more[f"net/{name}/{slot}"] = value
            more[f"OptimizeLoss/{name}/{slot}"] = value
    more |= {"beta1_power": np.float32(0.9), "net/beta2_power_1": np.float32(0.9), "global_step": np.int64(7)}
    model = find(own, more, options={"forget_bias": 1.0})
    assert layers(model) == [("lstm", H)]
    assert model.notes == ["no graph: the cells are taken to have TensorFlow's activations, and no clips"]


STACKS = {
    "today": [f"rnn/multi_rnn_cell/cell_{n}/basic_lstm_cell" for n in range(12)],
    "own names": [f"rnn/multi_rnn_cell/cell_{n}/layer_{n}" for n in range(12)],
    "no level": [f"RNN/cell_{n}/basic_lstm_cell" for n in range(12)],
    "scopes of one's own": [f"lstm{n}/rnn/basic_lstm_cell" for n in range(12)],
    "numbered by TensorFlow": ["rnn/lstm_cell", *(f"rnn/lstm_cell_{n}" for n in range(1, 12))],
    "first era": [f"RNN/MultiRNNCell/Cell{n}/BasicLSTMCell" for n in range(12)],
}


@pytest.mark.parametrize("names", STACKS)
def test_layers_are_in_order_even_beyond_ten(names):
    old = names == "first era"
    words = {"kernel": "Linear/Matrix", "bias": "Linear/Bias"} if old else {}
    parts = [lstm(home, I + n, I + n + 1, **words) for n, home in enumerate(STACKS[names])]
    model = find(*reversed(parts))
    assert layers(model) == [("lstm", I + n + 1) for n in range(12)]


def test_scopes_that_no_number_orders_are_ordered_by_their_shapes():
    model = find(lstm("upper/rnn/lstm_cell", K, 7), lstm("lower/rnn/lstm_cell", I, K))
    assert layers(model) == [("lstm", K), ("lstm", 7)]


def test_a_cell_of_any_name_is_an_lstm_or_an_rnn_by_its_shapes():
    assert layers(find(lstm("rnn/mine", 3, 8))) == [("lstm", 8)]
    simple = variables(rnn__mine__kernel=(9, 6), rnn__mine__bias=(6,))
    assert layers(find(simple)) == [("rnn", 6)]
    both = variables(rnn__mine__kernel=(11, 8), rnn__mine__bias=(8,))
    with pytest.raises(
        UnrolledError, match=r"rnn/mine/kernel \[11, 8\] can be of LSTM 2 or RNN 8: say which with --cell"
    ):
        find(both)
    assert layers(find(both, cell="rnn")) == [("rnn", 8)]
    assert layers(find(both, variables(W=(2, C), b=(C,)))) == [("lstm", 2)]  # the output layer decides


def test_dense_layers_stand_where_shapes_and_names_put_them():
    around = variables(weight1=(1, H), bias1=(H,), weight2=(H, C), bias2=(C,))
    model = find(lstm("rnn/basic_lstm_cell", H, H), around)
    assert model.config.input_layers == ((H, "identity"),)
    assert (model.config.input_size, model.config.classes) == (1, C)
    after = variables(dense__kernel=(H, 7), dense__bias=(7,), dense_1__kernel=(7, I), dense_1__bias=(I,))
    model = find(lstm("rnn/basic_lstm_cell"), after, activation="relu")
    assert (model.config.input_layers, model.config.output_layers) == ((), ((7, "relu"),))
    assert "nothing says what stands after dense/kernel" in find(lstm("rnn/lstm_cell"), after).notes[1]


def test_the_layers_of_well_known_programs_are_found():
    """A dense layer before the cells, all four variables unnamed; and a language model with its embedding."""
    unnamed = variables(Variable=(28, H), Variable_1=(H, 10), Variable_2=(H,), Variable_3=(10,))
    model = find(lstm("RNN/BasicLSTMCell", H, H, "Linear/Matrix", "Linear/Bias"), unnamed)
    assert (model.config.input_size, model.config.classes) == (28, 10)
    assert model.describe()[0] == "Variable, Variable_2: dense 28 → 4"
    words = variables(Model__embedding=(90, H), Model__softmax_w=(H, 90), Model__softmax_b=(90,))
    cells = [lstm(f"Model/RNN/multi_rnn_cell/cell_{n}/basic_lstm_cell", H, H) for n in range(2)]
    model = find(*cells, words)
    assert model.describe()[0] == "Model/embedding: embedding 90 → 4"
    assert (model.config.input_size, model.config.classes) == (90, 90)


def test_a_batch_normalisation_is_an_error_that_names_it():
    """Not taken for the missing bias of the layer before it either."""
    norm = variables(bn__gamma=(7,), bn__beta=(7,), d__kernel=(H, 7), e__kernel=(7, 1), e__bias=(1,))
    with pytest.raises(UnrolledError, match="bn/beta, bn/gamma have no place among"):
        find(lstm("rnn/lstm_cell"), norm)


def test_a_matrix_without_a_place_is_an_error_that_names_it():
    odd = variables(W=(H, C), b=(C,), conv__kernel=(3, 3, 1, 8), U=(17, 19))
    message = r"conv/kernel, U have no place among LSTM 3 → 4; dense 4 → 5: .* leave it out with --ignore"
    with pytest.raises(UnrolledError, match=message):
        find(lstm("rnn/lstm_cell"), odd)
    model = find(lstm("rnn/lstm_cell"), odd, ignore="conv/.*|U")
    assert model.config.classes == C
    note = find(lstm("rnn/lstm_cell"), variables(W=(H, C), b=(C,), scale=(9,))).notes[1]
    assert note == "not used: scale"


def test_two_output_layers_are_an_error_that_says_what_to_do():
    heads = variables(a__W=(H, C), a__b=(C,), z__W=(H, 9), z__b=(9,))
    with pytest.raises(UnrolledError, match=r"z/W has no place among .* leave it out with --ignore"):
        find(lstm("rnn/lstm_cell"), heads)
    assert find(lstm("rnn/lstm_cell"), heads, ignore="a/.*").config.classes == 9


def test_two_directions_that_differ_are_an_error():
    cells = [lstm("bidirectional_rnn/fw/lstm_cell", I, H), lstm("bidirectional_rnn/bw/lstm_cell", I, K)]
    with pytest.raises(UnrolledError, match="two directions must be alike"):
        find(*cells)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"W": (2, 3), "b": (3,)}, "no recurrent cell was found: its variables are W, b"),
        ({"global_step": ()}, "no recurrent cell was found: its variables are none but counters and slots"),
        ({"rnn/ugrnn_cell/kernel": (7, 8)}, "belongs to a ugrnn_cell, which cannot be imported"),
        ({"lstm/recurrent_kernel": (4, 16)}, "belongs to a recurrent_kernel, which cannot be imported"),
        ({"rnn/lstm_cell/kernel": (7, 15)}, "is named like an LSTM, but its variables are"),
        ({"rnn/basic_rnn_cell/kernel": (3, 4)}, "is named like an RNN cell, but its variables are"),
        ({"rnn/gru_cell/gates/kernel": (7, 8)}, "is named like a GRU, but its variables are"),
        ({"rnn/carry_w": (4, 4)}, "has a HighwayWrapper's carry_w, and a run cannot hold that cell"),
    ],
)
def test_what_cannot_be_imported_is_explained(shapes, message):
    with pytest.raises(UnrolledError, match=message):
        find(variables(**shapes))


def test_a_layer_normalised_cell_is_found():
    cell = variables(rnn__layer_norm_basic_lstm_cell__kernel=(I + H, 4 * H))
    for gate in ("input", "transform", "forget", "output", "state"):
        for name in ("gamma", "beta"):
            cell |= variables(**{f"rnn/layer_norm_basic_lstm_cell/{gate}/{name}": (H,)})
    model = find(cell, variables(W=(H, C), b=(C,)))
    assert model.config.layers == (("lstm", H, {"layer_norm": "gates"}),)
    assert float(model.network().get_submodule("cell.cells.0").norm_c.weight.detach().sum()) == H


def node(name, op, *inputs, **attributes):
    message = bytes_field(1, name.encode()) + bytes_field(2, op.encode())
    message += b"".join(bytes_field(3, text.encode()) for text in inputs)
    for key, value in attributes.items():
        message += bytes_field(5, bytes_field(1, key.encode()) + bytes_field(2, value))
    return bytes_field(1, message)


def test_a_fused_lstm_tells_its_forget_bias():
    number = write_varint(4 << 3 | 5) + np.float32(0.25).tobytes()
    inputs = [f"input{n}" for n in range(FUSED_LSTMS["BlockLSTM"])]
    graph = Graph(
        Message(
            node("k", "VariableV2")
            + node("k/read", "Identity", "k", "^later")
            + node("fused", "BlockLSTM", *inputs, "k/read", forget_bias=number)
        )
    )
    assert graph.forget_biases == {"k": 0.25}


def test_a_graph_that_runs_in_circles_ends():
    graph = Graph(
        Message(
            node("a", "Identity", "b")
            + node("b", "Identity", "a")
            + node("s", "Sigmoid", "sum")
            + node("sum", "Add", "sum", "a")
            + node("m", "MatMul", "s", "a")
            + node("t", "Tanh", "split:1")
            + node("split", "Split", "t", "split")
            + node("clip", "Minimum", "clip", "clip")
        )
    )
    assert graph.variable("a") is None
    assert (graph.forget_biases, graph.activations, graph.clips) == ({}, {}, {})
