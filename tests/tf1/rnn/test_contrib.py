"""What holds for every cell of `tf.contrib`: loops, lengths, copies, and its variables in checkpoints."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given

from tests.catalogue import ragged
from tests.tf1_catalogue import CELLS, CLASSES, I
from tests.tolerances import assert_close, assert_equal
from unrolled import UnrolledError, tf1
from unrolled.cells.state import map_state

STEPWISE = [name for name in CELLS if not isinstance(CELLS[name](), tf1.FusedRNNCell)]
each = pytest.mark.parametrize("name", STEPWISE)
SPACE = {"conv-1d": [4], "conv-2d": [4, 3], "conv-3d": [4, 3, 2]}


def draw(name, batch, time):
    """Inputs of a batch of sequences for the cell of that name, in float64."""
    if name == "embedding":
        return torch.randint(CLASSES, (batch, time, 1))
    x = torch.randn(batch, time, *SPACE.get(name, []), I, dtype=torch.float64)
    return (torch.rand(batch, time, 1, dtype=torch.float64).cumsum(1), x) if name.startswith("phased") else x


def made(name):
    """The cell, built in float64, with random weights."""
    cell = CELLS[name]()
    cell.build(1 if name == "embedding" else I, "float64")
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_(std=0.5)
            if parameter.dim() == 1 and name.startswith("phased"):
                parameter.abs_().add_(0.2)
    return cell


def run(cell, x, lengths=None):
    return tf1.dynamic_rnn(cell, x, lengths, dtype="float64")


def cut(x, rows, steps):
    return map_state(lambda part: part[rows, :steps], x)


@each
def test_static_and_dynamic_compute_the_same(name):
    cell, x = made(name), draw(name, 4, 5)
    for lengths in (None, [5, 2, 0, 1]):
        expected, state = run(cell, x, lengths)
        parts = x if isinstance(x, tuple) else (x,)
        steps = [tuple(part[:, t] for part in parts) for t in range(5)]
        steps = steps if isinstance(x, tuple) else [step[0] for step in steps]
        outputs, other = tf1.static_rnn(cell, steps, dtype="float64", sequence_length=lengths)
        assert_equal(torch.stack(outputs, 1), expected)
        assert_equal(parts_of(other), parts_of(state))


def parts_of(state):
    tensors = []
    map_state(tensors.append, state)
    return tensors


@each
@given(ragged)
def test_padding_changes_nothing(name, drawn):
    time, lengths = drawn
    cell, x = made(name), draw(name, len(lengths), time)
    outputs, state = run(cell, x, lengths)
    for n, length in enumerate(lengths):
        assert not outputs[n, length:].any()
        if length:
            alone, final = run(cell, cut(x, slice(n, n + 1), length))
            assert_close(outputs[n : n + 1, :length], alone)
        else:
            final = cell.zero_state(1, "float64")
        assert_close([part[n : n + 1] for part in parts_of(state)], parts_of(final))


@each
def test_nothing_in_the_padding_reaches_results_or_gradients(name):
    if name == "embedding":
        pytest.skip("whole numbers cannot be NaN")
    cell, x = made(name), draw(name, 2, 4)
    parts = x if isinstance(x, tuple) else (x,)
    expected, _ = run(cell, x, [4, 2])
    for part in parts:
        part[1, 2:] = torch.nan
        part.requires_grad_()
    outputs, _ = run(cell, x, [4, 2])
    assert_equal(outputs, expected)
    outputs.sum().backward()
    assert not any(part.grad.isnan().any() for part in parts)
    assert not any(p.grad.isnan().any() for p in cell.parameters() if p.grad is not None)


@each
def test_a_copy_and_a_pickled_cell_compute_the_same(name):
    cell, x = made(name), draw(name, 2, 3)
    expected, _ = run(cell, x)
    for other in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert_equal(run(other, x)[0], expected)
    target = made(name)
    target.load_state_dict(cell.state_dict())
    assert_equal(run(target, x)[0], expected)


@pytest.mark.parametrize("name", CELLS)
def test_a_checkpoints_variables_build_the_cell_and_fill_it(name):
    source, target = made(name), CELLS[name]()
    variables = {f"net/rnn/{key}": value.detach().numpy() for key, value in source.variables.items()}
    used = tf1.load_variables(target, {**variables, "global_step": np.array(3)}, "net/rnn")
    assert used == list(variables)
    assert_close(list(target.variables.values()), list(source.variables.values()))
    assert target.shapes(1 if name == "embedding" else I) == {
        key: tuple(value.shape) for key, value in source.variables.items()
    }
    if name in STEPWISE:
        assert target.built
        assert_close(run(target, x := draw(name, 2, 3))[0], run(source, x)[0])


@each
def test_a_variable_that_is_missing_or_of_another_size_is_named(name):
    variables = {f"rnn/{key}": value.detach().numpy() for key, value in made(name).variables.items()}
    *_, last = variables
    with pytest.raises(UnrolledError, match=r"rnn has no variables .*, expected one; there are"):
        tf1.load_variables(CELLS[name](), {key: variables[key] for key in variables if key != last})
    wrong = {**variables, last: np.zeros([size + 1 for size in variables[last].shape])}
    with pytest.raises(UnrolledError, match="has other sizes than TensorFlow's"):
        tf1.load_variables(CELLS[name](), wrong)


def test_an_lstms_checkpoint_is_read_by_the_kernels_cells_and_the_other_way_round():
    source = tf1.LSTMCell(4, use_peepholes=True)
    source.build(3, "float64")
    variables = {f"rnn/{key}": value.detach().numpy() for key, value in source.variables.items()}
    x = torch.randn(2, 5, 3).double()
    expected, _ = run(source, x)
    block = tf1.LSTMBlockCell(4, use_peephole=True)
    assert len(tf1.load_variables(block, variables)) == 5
    assert_close(run(block, x)[0], expected)
    fused = tf1.LSTMBlockFusedCell(4, use_peephole=True)
    tf1.load_variables(fused, variables)  # below lstm_cell, and not below lstm_fused_cell
    assert_close(fused(x.transpose(0, 1), dtype="float64")[0].transpose(0, 1), expected)
    gru = tf1.GRUCell(4)
    gru.build(3, "float64")
    first = tf1.GRUBlockCell(4)
    tf1.load_variables(first, {f"rnn/{key}": value.detach().numpy() for key, value in gru.variables.items()})
    assert_close(run(first, x)[0], run(gru, x)[0])
    back = tf1.GRUCell(4)
    names = {f"rnn/{key}": value.detach().numpy() for key, value in first.variables.items()}
    first_names = ["w_ru", "b_ru", "w_c", "b_c"]
    assert tf1.load_variables(back, names) == [f"rnn/gru_cell/{name}" for name in first_names]
    assert_close(run(back, x)[0], run(gru, x)[0])


@each
def test_both_directions_run_whatever_the_inputs_and_outputs_are(name):
    ahead, back, x = made(name), made(name), draw(name, 3, 4)
    lengths = [4, 1, 2]
    (forward, backward), states = tf1.bidirectional_dynamic_rnn(ahead, back, x, lengths, dtype="float64")
    expected, state = run(ahead, x, lengths)
    assert_close(forward, expected)
    assert_close(parts_of(states[0]), parts_of(state))
    for n, length in enumerate(lengths):
        alone, final = run(back, map_state(lambda part: part.flip(1), cut(x, slice(n, n + 1), length)))
        assert_close(backward[n : n + 1, :length], alone.flip(1))
        assert not backward[n, length:].any()
        assert_close([part[n : n + 1] for part in parts_of(states[1])], parts_of(final))


def test_stacks_take_images_and_symbols():
    images = torch.randn(2, 5, 6, 3)
    cell = tf1.MultiRNNCell(
        [tf1.ConvLSTMCell(1, [6, 3], 4, [3]), tf1.DropoutWrapper(tf1.ConvLSTMCell(1, [6, 4], 2, [3]))]
    )
    outputs, states = tf1.dynamic_rnn(cell, images, [5, 2], dtype="float32")
    assert outputs.shape == (2, 5, 6, 2)
    skipped, _ = tf1.dynamic_rnn(
        tf1.ResidualWrapper(tf1.ConvLSTMCell(1, [6, 3], 3, [3])), images, [5, 2], dtype="float32"
    )
    assert_equal(skipped[1, 2:], torch.zeros(3, 6, 3))
    assert_close(states[1].h[1], outputs[1, 1])
    first, _ = tf1.dynamic_rnn(cell.cells[0], images, [5, 2], dtype="float32")
    second, _ = tf1.dynamic_rnn(cell.cells[1], first, [5, 2], dtype="float32")
    assert_close(outputs, second)
    other = tf1.MultiRNNCell([tf1.ConvLSTMCell(1, [6, 3], 4, [3]), tf1.ConvLSTMCell(1, [6, 4], 2, [3])])
    variables = {f"rnn/{name}": value.detach().numpy() for name, value in cell.variables.items()}
    tf1.load_variables(other, variables)
    assert_close(tf1.dynamic_rnn(other, images, [5, 2], dtype="float32")[0], outputs)
    symbols = tf1.MultiRNNCell([tf1.EmbeddingWrapper(tf1.GRUCell(3), 7, 4), tf1.LSTMCell(4)])
    ids = torch.randint(7, (2, 5))
    outputs, _ = tf1.dynamic_rnn(symbols, ids.unsqueeze(2), [5, 2], dtype="float32")
    steps, _ = tf1.static_rnn(symbols, ids.unbind(1), dtype="float32", sequence_length=[5, 2])
    assert_equal(torch.stack(steps, 1), outputs)


REFUSED = {
    "units": (lambda: tf1.NASCell(0), "NASCell: num_units is 0, expected a whole number of at least 1"),
    "shards": (
        lambda: tf1.CoupledInputForgetGateLSTMCell(2, num_unit_shards=9).build(3),
        "W has 5 rows, expected at least one for each of its 9 shards",
    ),
    "block sizes": (
        lambda: tf1.GRUBlockCell(3, cell_size=3),
        "GRUBlockCell: num_units is 3 and cell_size is 3, expected one of them",
    ),
    "convolution axes": (
        lambda: tf1.ConvLSTMCell(4, [1, 1, 1, 1, 1], 2, [1]),
        "ConvLSTMCell: conv_ndims is 4, expected 1, 2 or 3",
    ),
    "convolution shape": (
        lambda: tf1.Conv2DLSTMCell(input_shape=[4, 3], output_channels=2, kernel_shape=[3, 3]),
        r"Conv2DLSTMCell: input_shape is \[4, 3\], expected 2 sizes and the channels",
    ),
    "convolution kernel": (
        lambda: tf1.Conv1DLSTMCell(input_shape=[4, 3], output_channels=2, kernel_shape=[3, 3]),
        r"Conv1DLSTMCell: kernel_shape is \[3, 3\], expected 1 sizes",
    ),
    "image": (
        lambda: tf1.ConvLSTMCell(1, [4, 3], 2, [3])(torch.zeros(2, 5, 3), None),
        r"ConvLSTMCell: inputs has shape \[2, 5, 3\], expected \[N, 4, channels\]",
    ),
    "image state": (
        lambda: tf1.ConvLSTMCell(1, [4, 3], 2, [3])(torch.zeros(2, 4, 3), torch.zeros(2, 4, 2)),
        r"ConvLSTMCell: state has shapes \[\[2, 4, 2\]\], expected twice \[2, 4, 2\]",
    ),
    "skip in a loop": (
        lambda: tf1.dynamic_rnn(
            tf1.ConvLSTMCell(1, [4, 3], 2, [3], skip_connection=True),
            torch.zeros(2, 3, 4, 3),
            dtype="float32",
        ),
        r"ConvLSTMCell: state has shapes \[\[2, 4, 2\], \[2, 4, 5\]\], expected twice \[2, 4, 2\]",
    ),
    "phased without a time": (
        lambda: tf1.PhasedLSTMCell(3)(torch.zeros(2, 4), None),
        r"PhasedLSTMCell: inputs is a Tensor, expected a pair: time \[N, 1\], x \[N, I\]",
    ),
    "phased times": (
        lambda: tf1.PhasedLSTMCell(3)((torch.zeros(2), torch.zeros(2, 4)), None),
        r"PhasedLSTMCell: time has shape \[2\] and x \[2, 4\], expected \[N, 1\] and \[N, I\]",
    ),
    "symbols": (
        lambda: tf1.EmbeddingWrapper(tf1.GRUCell(3), 5, 2)(torch.tensor([5, 0]), torch.zeros(2, 3)),
        "EmbeddingWrapper: inputs are from 0 to 5, expected 0 to 4",
    ),
    "symbols of reals": (
        lambda: tf1.EmbeddingWrapper(tf1.GRUCell(3), 5, 2)(torch.zeros(2), torch.zeros(2, 3)),
        r"EmbeddingWrapper: inputs has shape \[2\] of torch.float32, expected whole numbers \[2\]",
    ),
    "attention state": (
        lambda: tf1.AttentionCellWrapper(tf1.BasicLSTMCell(3), 2, state_is_tuple=False),
        "AttentionCellWrapper: state_is_tuple is False, but the cell's state is a tuple",
    ),
    "attention length": (
        lambda: tf1.AttentionCellWrapper(tf1.GRUCell(3), 0),
        "AttentionCellWrapper: attn_length is 0, expected a whole number of at least 1",
    ),
    "state names": (
        lambda: tf1.static_state_saving_rnn(tf1.BasicLSTMCell(3), [torch.zeros(2, 4)], None, "h"),
        r"state_name is 'h', expected a name for each part of the state: LSTMStateTuple\(c=3, h=3\)",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_explained(what):
    make, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_cell_is_refused():
    with pytest.raises(TypeError, match=r"cell is a .*, expected a cell of unrolled.tf1"):
        tf1.InputProjectionWrapper(torch.nn.GRUCell(3, 3), 3)
    with pytest.raises(TypeError, match=r"cell is a GRUCell, expected a fused cell such as tf1\.LSTMBlock"):
        tf1.TimeReversedFusedRNN(tf1.GRUCell(3))


def test_one_step_with_a_skip_connection_shows_the_input_beside_the_output():
    cell = tf1.ConvLSTMCell(1, [4, 3], 2, [3], skip_connection=True)
    x = torch.randn(2, 4, 3)
    output, (_, h) = cell(x, cell.zero_state(2, "float32"))
    assert_equal(output[..., 2:], x)
    assert_equal(h, output)
    assert cell.output_size == tf1.TensorShape([4, 5])


def test_first_periods_are_log_uniform_and_phases_lie_in_them():
    tf1.set_random_seed(3)
    cell = tf1.PhasedLSTMCell(500, period_init_min=2.0, period_init_max=50.0)
    cell.build(1)
    period, phase = (cell.variables[f"phased_lstm_cell/{name}"].detach() for name in ("period", "phase"))
    assert 2 <= float(period.min()) < 2.3
    assert 45 < float(period.max()) <= 50
    assert abs(float(period.log().mean()) - np.log(10)) < 0.1
    assert bool(((phase >= 0) & (phase <= period)).all())
    assert float((phase / period).std()) > 0.25
    frozen = tf1.PhasedLSTMCell(3, trainable_ratio_on=False)
    frozen.build(1)
    assert not frozen.variables["phased_lstm_cell/ratio_on"].requires_grad
