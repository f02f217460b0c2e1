"""A drop-in is an instance of torch.nn's class; compile, export, copies and pickles go on."""

import copy
import gc
import io
import pickle

import pytest
import torch
from torch import nn

import unrolled
from tests.layers.conftest import PAIRS
from tests.layers.results import tensors_of
from tests.tolerances import assert_close, assert_equal

N, T, I, H = 3, 17, 5, 7
EVERY = pytest.mark.parametrize(("peer", "drop_in"), list(PAIRS.values()), ids=list(PAIRS))


@EVERY
def test_a_drop_in_is_an_instance_of_torch_nns_class_and_of_no_other(peer, drop_in):
    for layer in (drop_in(I, H), unrolled.accelerate(peer(I, H))):
        assert type(layer) is drop_in
        assert [kind for kind, _ in PAIRS.values() if isinstance(layer, kind)] == [peer]
        assert isinstance(layer, nn.RNNBase)
    assert issubclass(drop_in, peer)
    assert type(unrolled.restore(layer)) is peer


class Reader(nn.Module):
    """A model that asks what its layer is, as torchrl's, espnet's and OpenNMT's do."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        outputs, state = self.layer(x)
        if isinstance(self.layer, nn.LSTM):
            state, _ = state
        return outputs.sum(0) + state[-1]


@EVERY
def test_torch_compile_makes_one_graph_of_a_model_that_asks(peer, drop_in):
    model = Reader(peer(I, H))
    x = torch.randn(T, N, I)
    expected = model(x)
    torch._dynamo.reset()
    compiled = torch.compile(unrolled.accelerate(model), backend="aot_eager", fullgraph=True)
    assert_close(compiled(x), expected)


@pytest.mark.parametrize("strict", [False, True])
@EVERY
def test_torch_export_takes_a_model_that_asks(peer, drop_in, strict):
    model = Reader(peer(I, H))
    x = torch.randn(T, N, I)
    expected = model(x)
    program = torch.export.export(unrolled.accelerate(model), (x,), strict=strict)
    assert "unrolled.unroll" in str(program.graph)
    assert_close(program.module()(x), expected)


def test_torch_compile_goes_on_refusing_torch_nns_own_layers():
    torch._dynamo.reset()
    unrolled.LSTM(I, H)
    model = torch.compile(nn.Sequential(nn.LSTM(I, H)), backend="eager", fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="LSTM"):
        model(torch.randn(T, N, I))
    assert torch._dynamo.config.allow_rnn is False


def test_a_layer_that_is_accelerated_after_it_was_compiled_is_compiled_anew(kernel_calls):
    torch._dynamo.reset()
    model = Reader(nn.GRU(I, H))
    compiled = torch.compile(model, backend="aot_eager")
    x = torch.randn(T, N, I)
    expected = compiled(x)
    unrolled.accelerate(compiled)
    assert type(model.layer) is unrolled.GRU
    assert_close(compiled(x), expected)
    unrolled.restore(compiled)
    assert_equal(compiled(x), expected)


@EVERY
def test_copies_and_pickles_keep_the_class(peer, drop_in):
    model = unrolled.accelerate(Reader(peer(I, H, 2)))
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    x = torch.randn(T, N, I)
    for twin in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(file, weights_only=False),
    ):
        assert type(twin.layer) is drop_in
        assert_equal(twin(x), model(x))
        assert type(unrolled.restore(twin).layer) is peer
    assert type(model.layer) is drop_in


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@EVERY
def test_torch_jit_compiles_a_model_as_if_it_had_torch_nns_layer(peer, drop_in):
    model = nn.Sequential(peer(I, H))
    expected = str(torch.jit.script(model).inlined_graph)
    assert str(torch.jit.script(unrolled.accelerate(model)).inlined_graph) == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantization_finds_torch_nns_layer_again_after_restore():
    model = nn.Sequential(nn.LSTM(I, H))
    kinds = [
        type(torch.ao.quantization.quantize_dynamic(copy.deepcopy(one), {nn.LSTM})[0]).__name__
        for one in (model, unrolled.restore(unrolled.accelerate(model)))
    ]
    assert kinds == ["LSTM", "LSTM"]
    quantized = torch.ao.quantization.quantize_dynamic(unrolled.accelerate(model), {nn.LSTM})
    assert type(quantized[0]) is unrolled.LSTM  # the mapping is by class: left as it is
    x = torch.randn(T, N, I)
    assert_close(tensors_of(quantized(x)), tensors_of(model(x)))


def test_distributed_data_parallel_trains_an_accelerated_model(tmp_path):
    torch.distributed.init_process_group("gloo", f"file://{tmp_path}/group", rank=0, world_size=1)

    def train():
        model = unrolled.accelerate(Reader(nn.LSTM(I, H)))
        peer = unrolled.restore(copy.deepcopy(model))
        parallel = nn.parallel.DistributedDataParallel(model)
        x = torch.randn(T, N, I)
        for one in (parallel, peer):
            one(x).square().sum().backward()
        assert_close([p.grad for p in model.parameters()], [p.grad for p in peer.parameters()])
        assert type(unrolled.restore(parallel).module.layer) is nn.LSTM

    # A model that outlives its group ends the group's threads, and waits for ever for one that is still busy.
    try:
        train()
    finally:
        gc.collect()
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
