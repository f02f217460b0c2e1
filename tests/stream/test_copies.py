"""Copies and pickles of streams: each goes on by itself from where the original was."""

import copy
import io
import multiprocessing
import os
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from tests.tolerances import assert_close, assert_equal
from unrolled import DropoutCell, GRUCell, LSTMCell, StackedCell, Stream
from unrolled.networks import build

I, H = 5, 7

MODELS = {
    "cell": lambda: LSTMCell(I, H),
    "in the loop": lambda: LSTMCell(I, H, activation="relu"),
    "in parts": lambda: StackedCell([LSTMCell(I, H, activation="relu"), GRUCell(H, H)]),
    "in training": lambda: DropoutCell(GRUCell(I, H), output=0.5).train(),
    "layers": lambda: nn.LSTM(I, H, num_layers=2),
    "torch's cell": lambda: nn.LSTMCell(I, H),
    "network": lambda: build("seed-004"),
}


def saved_and_loaded(stream):
    file = io.BytesIO()
    torch.save(stream, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda stream: pickle.loads(pickle.dumps(stream)),
    "torch.save": saved_and_loaded,
}


def draw(stream, batch_size=2):
    return torch.rand(batch_size, 28 if stream._model.__class__.__name__ == "SequenceClassifier" else I)


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", MODELS)
def test_a_copy_goes_on_from_the_same_state_by_itself(name, way, steps):
    stream = Stream(MODELS[name]())
    for _ in range(steps):
        stream.step(draw(stream))
    other = COPIES[way](stream)
    assert (other.state is None) == (steps == 0)
    if steps:
        assert_equal(other.state, stream.state)
    for _ in range(2):
        x = draw(stream)
        assert_equal(other.step(x), stream.step(x))
    other.step(draw(stream))
    if steps:
        assert not torch.equal(other.step(x), stream.step(x))


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_of_a_copy_that_has_not_stepped_is_whole(way):
    stream, x = Stream(GRUCell(I, H), batch_size=2), torch.randn(2, I)
    stream.step(x)
    other = COPIES[way](COPIES[way](stream))
    other.state.fill_(9.0)  # a copy, as always
    assert_equal(other.state, stream.state)
    assert_equal(other.step(x), stream.step(x))
    other.reset()
    assert_equal(other.state, torch.zeros(2, H))


def test_a_deep_copy_has_a_model_of_its_own_and_a_shallow_one_shares_it():
    cell, x = GRUCell(I, H), torch.randn(1, I)
    stream = Stream(cell)
    stream.step(x)
    deep, shallow = copy.deepcopy(stream), copy.copy(stream)
    assert shallow._model is cell
    before = copy.deepcopy(deep).step(x)
    with torch.no_grad():
        cell.weight_hh.mul_(2)
    assert_equal(deep.step(x), before)
    assert_equal(shallow.step(x), stream.step(x))


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = GRUCell(I, H)
        self.stream = Stream(self.cell)

    def forward(self, x):
        return self.stream.step(x)


class Cyclic(GRUCell):
    """A model that holds the stream of itself."""

    def __init__(self):
        super().__init__(I, H)
        self.stream = Stream(self)


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "torch.save"])
def test_a_module_that_holds_a_stream_takes_it_along(way):
    agent, x = Agent(), torch.randn(2, I)
    agent(x)
    other = COPIES[way](agent)
    assert other.stream._model is other.cell
    assert_equal(other(x), agent(x))
    with torch.no_grad():
        other.cell.weight_hh.mul_(2)
    assert not torch.equal(other(x), agent(x))


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "torch.save"])
def test_a_model_may_hold_its_own_stream(way):
    cell, x = Cyclic(), torch.randn(2, I)
    cell.stream.step(x)
    other = COPIES[way](cell)
    assert other.stream._model is other
    assert_close(other.stream.step(x), cell.stream.step(x))


def test_a_subclass_keeps_its_own_attributes():
    class Named(Stream):
        pass

    stream = Named(GRUCell(I, H))
    stream.name = "mine"
    stream.step(torch.randn(1, I))
    assert copy.deepcopy(stream).name == "mine"


@pytest.mark.usefixtures("each_isa")
def test_a_pickled_stream_goes_on_in_a_process_with_another_instruction_set(tmp_path):
    stream, x = Stream(LSTMCell(I, H)), torch.randn(3, 2, I)
    stream.step(x[0])
    torch.save((stream, x), tmp_path / "stream.pt")
    code = (
        "import sys, torch; stream, x = torch.load(sys.argv[1], weights_only=False); "
        "torch.save([stream.step(x[1]), stream.step(x[2].numpy())], sys.argv[2])"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "stream.pt"), str(tmp_path / "outputs.pt")],
        check=True,
        env={**os.environ, "UNROLLED_ISA": "reference"},
    )
    tensor, array = torch.load(tmp_path / "outputs.pt", weights_only=False)
    assert_close(tensor, stream.step(x[1]))
    assert_close(array, stream.step(x[2]))


def give_step(stream, x, queue):
    queue.put(stream.step(x).tolist())


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_stream_can_be_given_to_another_process(method):
    stream, x = Stream(GRUCell(I, H)), torch.randn(1, I)
    stream.step(x)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=give_step, args=(stream, x, queue))
    process.start()
    found = queue.get(timeout=60)
    process.join()
    assert_close(torch.tensor(found), stream.step(x))
