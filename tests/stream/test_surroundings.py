"""Steps where something else is going on: odd tensors and arrays, modes, transforms, graphs, threads."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from tests.catalogue import make
from tests.tolerances import assert_close, assert_equal
from unrolled import GRUCell, LSTMCell, StackedCell, Stream, dynamic_unroll
from unrolled.errors import UnrolledError
from unrolled.networks import build

I, H = 5, 7

# PyTorch's own ways to trace and to differentiate forward use what it has deprecated.
deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Labelled(torch.Tensor):
    """A subclass that carries a name, as some libraries have them."""


def negative(x):
    """The same numbers in memory that holds their negatives."""
    return torch.complex(torch.zeros_like(x), -x).conj().imag


def negative_rows(x):
    """The same, one number after the other."""
    return torch._neg_view(-x)


TENSORS = {
    "negative view": negative,
    "negative view without gaps": negative_rows,
    "negative view of a transform": lambda x: negative(x.T.contiguous()).T,
    "requires grad": lambda x: x.clone().requires_grad_(),
    "in a graph": lambda x: x.clone().requires_grad_() * 1,
    "parameter": lambda x: torch.nn.Parameter(x.clone()),
    "subclass": lambda x: x.clone().as_subclass(Labelled),
    "transposed": lambda x: x.T.contiguous().T,
    "misaligned": lambda x: torch.cat([torch.zeros(1), x.flatten()])[1:].view(x.shape),
    "real part": lambda x: torch.complex(x, x).real,
}


@pytest.fixture(params=["fused", "loop", "parts", "network"])
def model(request):
    if request.param == "network":
        return build("seed-004").eval()
    if request.param == "parts":
        return StackedCell([LSTMCell(I, H), LSTMCell(H, H, activation="relu")]).eval()
    return (GRUCell(I, H) if request.param == "fused" else make("highway").float()).eval()


def x_for(model, batch_size=2):
    width = model.config.input_size if hasattr(model, "config") else model.input_size
    return torch.randn(batch_size, width)


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("name", TENSORS)
def test_tensors_of_every_kind_are_read_for_what_they_are(model, name, batch_size):
    stream, other = Stream(model), Stream(model)
    for _ in range(3):
        x = x_for(model, batch_size)
        same = TENSORS[name](x)
        assert_equal(same.detach().as_subclass(torch.Tensor), x)
        output = stream.step(same)
        assert type(output) is torch.Tensor
        assert not output.requires_grad
        assert_close(output, other.step(x))


@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_negative_view_with_one_feature_is_read_with_its_sign(steps_before):
    cell = GRUCell(1, H).eval()
    steps = torch.fft.rfft(torch.randn(4, 64)).conj().imag.unsqueeze(2)
    stream, other = Stream(cell), Stream(cell)
    for t in range(steps_before + 1):
        assert_equal(stream.step(steps[:, t]), other.step(steps[:, t].clone()))


def test_a_zero_without_memory_is_a_zero(model):
    stream, other = Stream(model), Stream(model)
    x = x_for(model)
    for _ in range(2):
        assert_equal(stream.step(torch._efficientzerotensor(x.shape)), other.step(torch.zeros_like(x)))


ARRAYS = {
    "reversed": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    "rows reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "Fortran order": np.asfortranarray,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "misaligned": lambda a: np.frombuffer(b"." + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "every second": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "subclass": lambda a: a.view(type("Mine", (np.ndarray,), {})),
}


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_every_kind_are_read_for_what_they_are(model, name, batch_size):
    stream, other = Stream(model), Stream(model)
    for _ in range(3):
        x = x_for(model, batch_size).numpy()
        same = ARRAYS[name](x)
        np.testing.assert_array_equal(same, x)
        output = stream.step(same)
        assert type(output) is np.ndarray
        np.testing.assert_array_equal(output, other.step(x))


def test_one_row_for_all_sequences_is_read():
    cell = GRUCell(I, H)
    row = np.random.default_rng(0).normal(size=(1, I)).astype(np.float32)
    stream, other = Stream(cell), Stream(cell)
    for _ in range(2):
        same = np.broadcast_to(row, (4, I))
        assert_equal(torch.from_numpy(stream.step(same)), torch.from_numpy(other.step(same.copy())))


@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (lambda: np.zeros((2, I), np.float16), "x is float16, but the model is float32"),
        (lambda: np.zeros((2, I), ">f4"), "x is >f4, but the model is float32"),
        (lambda: torch.zeros(2, I, dtype=torch.bfloat16), "x is bfloat16, but the model is float32"),
        (lambda: torch.zeros(2, I).conj().to(torch.complex64), "x is complex64, but the model"),
        (lambda: torch.zeros(2, I, device="meta"), "x has no numbers to read: it is on the meta device"),
        (lambda: torch.zeros(2, I).to_sparse(), "x has no numbers to read: its layout is torch.sparse_coo"),
        (lambda: emptied(torch.zeros(2, I)), "x has no memory: its storage holds nothing"),
    ],
)
@pytest.mark.parametrize("make", [GRUCell, lambda *size: LSTMCell(*size, activation="relu")])
def test_what_has_no_numbers_to_read_is_refused(x, words, steps_before, make):
    stream = Stream(make(I, H))
    for _ in range(steps_before):
        stream.step(torch.randn(2, I))
    with pytest.raises(UnrolledError, match=words.replace("(", r"\(")):
        stream.step(x())
    stream.step(torch.randn(2, I))


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(
    "make", [GRUCell, nn.LSTM, nn.RNNCell, lambda *size: LSTMCell(*size, activation="relu")]
)
def test_a_model_without_numbers_is_refused_and_streams_when_it_has_some(make, array):
    model = make(I, H)
    x = torch.randn(2, I)
    stream, weights = Stream(model), model.state_dict()
    before = stream.step(x)
    model.to("meta")
    stream.reset()
    with pytest.raises(UnrolledError, match="the model is on the meta device"):
        stream.step(x.numpy() if array else x)
    model.load_state_dict(weights, assign=True)
    assert_equal(stream.step(x), before)


def emptied(x):
    x.untyped_storage().resize_(0)
    return x


def test_a_state_of_every_kind_is_read_for_what_it_is(model):
    x = x_for(model)
    stream, other = Stream(model), Stream(model)
    stream.step(x)
    other.step(x)
    state = stream.state

    def each(change, state):
        if isinstance(state, tuple):
            parts = [each(change, part) for part in state]
            return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
        return change(state)

    for name, change in TENSORS.items():
        stream.state, other.state = each(change, state), state
        output = stream.step(x)
        assert not output.requires_grad, name
        assert_close(output, other.step(x))


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_the_default_device_and_dtype_do_not_matter(model, device):
    x = x_for(model)
    plain = Stream(model)
    expected = [plain.step(x), plain.step(x)]
    torch.set_default_device(device)
    torch.set_default_dtype(torch.float64)
    try:
        stream = Stream(model)
        found = [stream.step(x), stream.step(x)]
        stream.reset()
        array = stream.step(x.numpy())
        stream.state = stream.state
        fixed = Stream(model, batch_size=2).step(x)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    assert_equal(found[0], expected[0])
    assert_equal(found[1], expected[1])
    assert_close(torch.from_numpy(array), expected[0])
    assert_equal(fixed, expected[0])


def test_a_stream_made_for_inference_goes_on_outside(model):
    x = x_for(model)
    plain = Stream(model)
    with torch.inference_mode():
        stream = Stream(model)
        assert_equal(stream.step(x), plain.step(x))
        inside = stream.state
    stream.state = inside
    assert_equal(stream.step(x), plain.step(x))
    stream.reset()
    stream.step(x)
    with torch.inference_mode():
        stream.state = inside
        x_inside = x.clone()
    plain.state = inside
    assert_equal(stream.step(x_inside), plain.step(x))


@pytest.mark.parametrize("before", [True, False])
def test_autocast_changes_nothing(model, before):
    x = x_for(model)
    stream, plain = Stream(model), Stream(model)
    if before:
        stream.step(x)
        plain.step(x)
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = stream.step(x)
        assert_equal(output, plain.step(x))
    assert_equal(stream.state, plain.state)


@deprecated
def test_modes_that_only_watch_change_nothing(model):
    x = x_for(model)
    stream, plain = Stream(model), Stream(model)
    for _ in range(2):
        with FlopCounterMode(display=False):
            output = stream.step(x)
        assert_close(output, plain.step(x))
    with forward_ad.dual_level():
        assert_close(stream.step(x), plain.step(x))


WATCHERS = {
    "jit.trace": lambda step, x: torch.jit.trace(step, x, check_trace=False),
    "make_fx": lambda step, x: make_fx(lambda x: step(x))(x),
    "make_fx of fakes": lambda step, x: make_fx(lambda x: step(x), tracing_mode="fake")(x),
    "vmap": lambda step, x: torch.vmap(step)(x.expand(3, *x.shape)),
    "grad": lambda step, x: torch.func.grad(lambda x: step(x).sum())(x),
    "jvp": lambda step, x: torch.func.jvp(step, (x,), (x,)),
    "fake tensors": lambda step, x: fake(step, x),
}


def fake(step, x):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        return step(mode.from_tensor(x))


@deprecated
@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize("name", WATCHERS)
def test_a_step_refuses_to_become_part_of_a_graph_or_a_transform(model, name, steps_before):
    x = x_for(model)
    stream, plain = Stream(model), Stream(model)
    for _ in range(steps_before):
        stream.step(x)
        plain.step(x)
    with pytest.raises(UnrolledError, match=r"recorded or transformed .*: give it dynamic_unroll"):
        WATCHERS[name](stream.step, x)
    assert_equal(stream.step(x), plain.step(x))


@deprecated
def test_a_stream_that_is_not_there_yet_is_not_made_under_a_tracer():
    cell, x = GRUCell(I, H), torch.randn(2, I)
    with pytest.raises(UnrolledError, match="recorded or transformed"):
        torch.jit.trace(lambda x: Stream(cell, batch_size=2).step(x), x, check_trace=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [GRUCell, lambda *size: LSTMCell(*size, activation="relu")])
def test_a_step_inside_a_compiled_function_is_taken_outside_of_its_graph(kind):
    cell, x = kind(I, H).eval(), torch.randn(2, I)
    stream, plain = Stream(cell), Stream(cell)
    compiled = torch.compile(lambda x: stream.step(x + 1) * 2, backend="eager")
    for _ in range(4):
        assert_equal(compiled(x), plain.step(x + 1) * 2)


def test_threads_may_each_step_a_stream_of_one_model():
    cell, x = LSTMCell(I, H).eval(), torch.randn(1, 50, I)
    expected, _ = dynamic_unroll(cell, x)
    found = [None] * 4

    def walk(index):
        stream = Stream(cell)
        found[index] = torch.stack([stream.step(x[:, t]) for t in range(50)], 1)

    threads = [threading.Thread(target=walk, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outputs in found:
        assert_equal(outputs, expected)


@pytest.mark.parametrize("size", [H, 600])
def test_steps_of_several_threads_take_turns(size):
    cell = GRUCell(I, size).eval()
    stream, x = Stream(cell), torch.zeros(4, I)
    expected, plain = 200, Stream(cell)
    for _ in range(expected):
        last = plain.step(x)

    def walk():
        for _ in range(expected // 4):
            stream.step(x)

    stream.step(x)
    stream.state = cell.initial_state(4)
    threads = [threading.Thread(target=walk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_equal(stream.state, last)
