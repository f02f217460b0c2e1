"""What a step and a state may look like, and the one clear error for what they may not."""

import re

import numpy as np
import pytest
import torch

from tests.catalogue import make
from tests.tolerances import assert_equal
from unrolled import GRUCell, LSTMCell, LSTMState, StackedCell, Stream
from unrolled.errors import UnrolledError

I, H = 5, 21


def cell_of(kind):
    return GRUCell(I, H).double() if kind == "fused" else make("lstm-peephole")


@pytest.fixture(params=["fused", "loop"])
def cell(request):
    return cell_of(request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_arrays_give_arrays_and_tensors_give_tensors(cell, batch_size, dtype):
    cell = cell.to(dtype)
    x = torch.randn(batch_size, cell.input_size, dtype=dtype)
    tensors, arrays = Stream(cell), Stream(cell)
    for _ in range(3):
        output = tensors.step(x)
        array = arrays.step(x.numpy())
        assert type(output) is torch.Tensor
        assert type(array) is np.ndarray
        assert array.dtype == x.numpy().dtype
        assert_equal(torch.from_numpy(array), output)
        assert array.flags.writeable


def test_one_sequence_needs_no_batch_axis(cell):
    x = torch.randn(cell.input_size, dtype=torch.float64)
    flat, batched, array = Stream(cell), Stream(cell), Stream(cell)
    for _ in range(3):
        output = batched.step(x.unsqueeze(0))
        assert output.shape == (1, cell.output_size)
        assert_equal(flat.step(x), output[0])
        assert_equal(torch.from_numpy(array.step(x.numpy())), output[0])
    assert_equal(flat.state, batched.state)


def test_any_strides_are_read(cell):
    width = cell.input_size
    x = torch.randn(3, width, dtype=torch.float64)
    wide = torch.randn(3, 2 * width + 1, dtype=torch.float64)
    every_second, slice_of_rows = wide.clone()[:, : 2 * width : 2], wide.clone()[:, 1 : width + 1]
    transposed = x.T.contiguous().T
    for strided in (every_second, slice_of_rows):
        strided.copy_(x)
    turned = np.ascontiguousarray(x.numpy()[::-1])[::-1]
    read_only = x.numpy().copy()
    read_only.setflags(write=False)
    expected = Stream(cell).step(x)
    for same in (
        every_second,
        slice_of_rows,
        transposed,
        x[[0]].expand(3, width),
        wide[:, width].unsqueeze(1),
    ):
        if same.shape == x.shape and torch.equal(same, x):
            stream = Stream(cell)
            for _ in range(2):  # the first step is looked at more closely
                output = stream.step(same)
                assert_equal(torch.from_numpy(Stream(cell).step(same.numpy())), expected)
            stream.reset()
            assert_equal(stream.step(same), expected)
            assert_equal(output, torch.from_numpy(again(cell, x)))
    for array in (turned, read_only, np.asfortranarray(x.numpy())):
        stream = Stream(cell)
        assert_equal(torch.from_numpy(stream.step(array)), expected)
        assert_equal(torch.from_numpy(stream.step(array)), torch.from_numpy(again(cell, x)))


def again(cell, x):
    """The output of a second step on x."""
    stream = Stream(cell)
    stream.step(x)
    return stream.step(x.numpy())


def test_rows_that_share_memory_are_read():
    cell = GRUCell(I, H)
    row = torch.randn(1, I)
    stream, other = Stream(cell), Stream(cell)
    for _ in range(2):
        assert_equal(stream.step(row.expand(4, I)), other.step(row.repeat(4, 1)))


@pytest.mark.parametrize("steps_before", [0, 1])
@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        ([[0.0] * I], TypeError, "x is a list, expected a torch.Tensor or a numpy.ndarray"),
        (torch.zeros(2, I), UnrolledError, "x is float32, but the model is float64: convert one of them"),
        (np.zeros((2, I), np.float32), UnrolledError, "x is float32, but the model is float64"),
        (np.zeros((2, I), ">f8"), UnrolledError, "x is >f8, but the model is float64"),
        (torch.zeros(2, I, dtype=torch.int64), UnrolledError, "x is int64, but the model is float64"),
        (torch.zeros(2, I + 1, dtype=torch.float64), UnrolledError, "x has shape [2, 6], expected ["),
        (np.zeros((2, I - 1)), UnrolledError, "x has shape [2, 4], expected ["),
        (torch.zeros(2, 3, I, dtype=torch.float64), UnrolledError, "x has shape [2, 3, 5], expected ["),
        (torch.tensor(0.0, dtype=torch.float64), UnrolledError, "x has shape [], expected ["),
        (torch.zeros(0, I, dtype=torch.float64), UnrolledError, "x has shape [0, 5], expected ["),
    ],
)
def test_an_x_that_does_not_fit_is_refused_and_the_state_stays(x, error, words, steps_before):
    cell = cell_of("fused")
    stream = Stream(cell)
    for _ in range(steps_before):
        stream.step(torch.randn(2, I, dtype=torch.float64))
    state = stream.state
    with pytest.raises(error, match=re.escape(words)):
        stream.step(x)
    if steps_before:
        assert_equal(stream.state, state)
    else:
        assert stream.state is None


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            (3, I),
            "x has shape [3, 5], expected [2, 5]: one step of the same 2 sequences; reset() begins others",
        ),
        ((I,), "x has shape [5], expected [2, 5]: one step of the same 2 sequences"),
    ],
)
def test_the_number_of_sequences_stays(shape, words, cell):
    cell = cell_of("fused")
    for stream in (Stream(cell), Stream(cell, batch_size=2)):
        stream.step(torch.zeros(2, I, dtype=torch.float64))
        for x in (torch.zeros(shape, dtype=torch.float64), np.zeros(shape)):
            with pytest.raises(UnrolledError, match=re.escape(words)):
                stream.step(x)


def test_the_shape_of_a_first_step_is_explained():
    with pytest.raises(UnrolledError, match=re.escape("expected [N, 5] or [5]: one step of each sequence")):
        Stream(GRUCell(I, H)).step(torch.zeros(2, 7, I))


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "3"])
def test_a_batch_size_must_be_a_positive_whole_number(batch_size):
    with pytest.raises(
        UnrolledError, match=f"batch_size is {batch_size!r}, expected a whole number of at least 1"
    ):
        Stream(GRUCell(I, H), batch_size=batch_size)


def zeros(*shape, dtype=torch.float32):
    return torch.zeros(*shape, dtype=dtype)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            (LSTMState(zeros(2, 3), zeros(2, 3)),),
            "expected (LSTMState(h='[2, 3] float32', c='[2, 3] float32'), '[2, 4]",
        ),
        (
            (LSTMState(zeros(2, 3), zeros(2, 4)), zeros(2, 4)),
            "state is (LSTMState(h='[2, 3] float32', c='[2, 4] fl",
        ),
        ((LSTMState(zeros(2, 3), zeros(2, 3)), zeros(3, 4)), "'[3, 4] float32'), expected"),
        (
            (LSTMState(zeros(2, 3), zeros(2, 3)), zeros(2, 4, dtype=torch.float64)),
            "'[2, 4] float64'), expected",
        ),
        (zeros(2, 4), "state is [2, 4] float32, expected"),
        ("no state", "state is str, expected"),
    ],
)
@pytest.mark.parametrize("steps_before", [0, 1])
def test_a_state_that_does_not_fit_is_refused(state, words, steps_before):
    stream = Stream(StackedCell([LSTMCell(I, 3), GRUCell(3, 4)]))
    for _ in range(steps_before):
        stream.step(torch.zeros(2, I))
    with pytest.raises(UnrolledError, match=re.escape(words)):
        stream.state = state


def test_numbers_that_are_not_finite_stay_in_their_row():
    cell, x = GRUCell(I, H), torch.randn(3, I)
    x[1, 2] = float("nan")
    stream = Stream(cell)
    for _ in range(2):
        output = stream.step(x)
    assert output[1].isnan().all()
    assert output[[0, 2]].isfinite().all()
