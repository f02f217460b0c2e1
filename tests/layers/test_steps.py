"""A single step of a drop-in: of torch.nn's cells, and of its layers on sequences of one step."""

import copy
import sys
import threading

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_map

import unrolled
from tests.layers.results import results_of, tensors_of
from tests.layers.stepped import LAYERS, H, I, N, follows, native, step_of, taken_by
from tests.tolerances import assert_close, assert_equal
from unrolled import layers


@native
@pytest.mark.parametrize("batch", [None, 1, N, 13])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_from_state_to_state_are_torch_nns(pair, batch, dtype):
    peer, module = (part.to(dtype) for part in pair)
    x, state = step_of(peer, batch, dtype)
    with torch.no_grad():
        found, expected = module(x), peer(x)
        assert_close(tensors_of(found), tensors_of(expected))
        for _ in range(4):
            found, expected = module(x, state), peer(x, state)
            assert [part.shape for part in tensors_of(found)] == [part.shape for part in tensors_of(expected)]
            assert [p.stride() for p in tensors_of(found)] == [p.stride() for p in tensors_of(expected)]
            assert_close(tensors_of(found), tensors_of(expected))
            assert type(found) is type(expected)
            state = found if isinstance(peer, nn.RNNCellBase) else found[1]
    assert taken_by(module) == 5


@native
@pytest.mark.parametrize("name", [name for name in LAYERS if "both ways" not in name])
def test_steps_have_the_bits_of_the_whole_sequence(name):
    layer = unrolled.accelerate(LAYERS[name]()).eval()
    layer.batch_first = False
    x = torch.randn(17, N, I)
    with torch.no_grad():
        outputs, last = layer(x)
        state = None
        for t in range(17):
            output, state = layer(x[t : t + 1], state)
            assert torch.equal(output[0], outputs[t])
    assert_equal(tensors_of(state), tensors_of(last))


@native
def test_results_are_new_memory_and_leave_the_arguments_alone(pair):
    _, module = pair
    x, state = step_of(module)
    before = copy.deepcopy((x, state))
    with torch.no_grad():
        first, second = tensors_of(module(x, state)), tensors_of(module(x, state))
    assert_equal(tensors_of((x, state)), tensors_of(before))
    places = [part.data_ptr() for part in (*first, *second)]
    assert len(set(places)) == len(places)
    expected = [part.clone() for part in second]
    for part in first:
        part.fill_(9.0)
    assert_equal(second, expected)


@native
@pytest.mark.parametrize("lies", ["apart", "turned", "offset", "negative", "one row for all"])
def test_an_input_may_lie_anyhow(pair, lies):
    peer, module = pair
    x, state = step_of(peer)
    if lies == "apart":
        x = torch.stack([x, x], -1)[..., 0]
    elif lies == "turned":
        x = x.transpose(0, -1).contiguous().transpose(0, -1)
        state = tree_map(lambda s: s.transpose(0, -1).contiguous().transpose(0, -1), state)
    elif lies == "offset":
        x = torch.cat([x, x], -1)[..., I:]
    elif lies == "negative":
        x = torch._neg_view(-x)
    else:
        x = x[:1].expand_as(x) if isinstance(peer, nn.RNNCellBase) else x
    with torch.no_grad():
        module(*step_of(peer))
        assert_close(tensors_of(module(x, state)), tensors_of(peer(x, state)))


WRONG = {
    "too wide": lambda x, state: (torch.cat([x, x], -1), state),
    "of another type": lambda x, state: (x.double(), state),
    "whole numbers": lambda x, state: (x.long(), state),
    "four axes": lambda x, state: (x[None, None, None], state),
    "a state too many": lambda x, state: (
        x,
        (*state, state[0]) if isinstance(state, tuple) else (state, state),
    ),
    "a state of another batch": lambda x, state: (
        x,
        tree_map(lambda s: torch.cat([s, s], -2), state),
    ),
    "no tensor": lambda x, state: (x.numpy(), state),
}


@native
@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_is_torch_nns(pair, wrong):
    peer, module = pair
    arguments = WRONG[wrong](*step_of(peer))
    outcomes = []
    with torch.no_grad():
        module(*step_of(peer))
        for each in (peer, module):
            try:
                outcomes.append([part.shape for part in tensors_of(each(*arguments))])
            except Exception as error:
                outcomes.append((type(error), str(error)))
    assert outcomes[0] == outcomes[1]


def test_gradients_are_torch_nns_bit_for_bit(pair):
    peer, module = pair
    x, state = step_of(peer)
    x.requires_grad_()
    with torch.no_grad():
        module(x, state)
    assert_equal(results_of(module, x, state), results_of(peer, x, state))


@native
def test_a_frozen_module_needs_no_gradients(pair):
    _, module = pair
    module.requires_grad_(False)
    x, state = step_of(module)
    module(x, state)
    assert taken_by(module) == 1
    found = tensors_of(module(x.requires_grad_(), state))
    assert taken_by(module) == 1
    assert all(part.requires_grad for part in found)


@native
def test_a_layer_that_draws_dropout_is_torch_nns_until_it_evaluates():
    layer = unrolled.accelerate(nn.LSTM(I, H, 2, dropout=0.5))
    with torch.no_grad():
        x, state = step_of(layer)
        seen = {tuple(layer(x, state)[0].flatten().tolist()) for _ in range(8)}
        assert len(seen) > 1
        assert taken_by(layer) is None
        (finding,) = layers.explain(layer)
        assert finding.reason.endswith("single steps in torch.nn: it draws dropout between its layers")
        layer.eval()(x, state)
        layer(x, state)
    assert taken_by(layer) == 2


def test_restore_leaves_no_trace(pair):
    peer, module = pair
    with torch.no_grad():
        module(*step_of(peer))
    unrolled.restore(module)
    assert type(module) is type(peer)
    assert vars(module).keys() == vars(peer).keys()


@native
def test_several_threads_may_step_one_module():
    cell = unrolled.accelerate(nn.LSTMCell(64, 96))
    peer = copy.deepcopy(cell)
    unrolled.restore(peer)
    inputs = [(torch.randn(n, 64), (torch.randn(n, 96), torch.randn(n, 96))) for n in (1, 3, 1, 5)]
    wrong = []

    def serve(place):
        x, state = inputs[place]
        with torch.no_grad():
            expected = tensors_of(peer(x, state))
            for _ in range(300):
                found = tensors_of(cell(x, state))
                if not all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True)):
                    wrong.append(place)

    def disturb():
        for _ in range(100):
            cell.train()
            cell.eval()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=serve, args=(place,)) for place in range(4)]
        threads.append(threading.Thread(target=disturb))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


@native
@pytest.mark.parametrize("batch", [1, 40])
def test_a_large_step_gives_the_same_bits_for_any_number_of_threads(batch):
    cell = unrolled.accelerate(nn.LSTMCell(300, 512))
    x, state = torch.randn(batch, 300), (torch.randn(batch, 512), torch.randn(batch, 512))
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with torch.no_grad():
                found.append(cell(x, state))
    finally:
        torch.set_num_threads(threads)
    assert_equal(found[1], found[0])
    assert_equal(found[2], found[0])


@native
def test_inference_mode_gives_what_it_gives_of_torch_nn(pair):
    peer, module = pair
    x, state = step_of(peer)
    with torch.inference_mode():
        found = tensors_of(module(x, state))
        assert all(part.is_inference() for part in found)
    assert follows(module, peer)
    assert taken_by(module) == 2
