"""Subclasses of torch.nn's layers: accelerated where their forward goes on to torch.nn's, else left alone."""

import abc
import copy
import functools
import pickle

import pytest
import torch
from torch import fx, nn

import unrolled
from tests.layers.results import results_of, tensors_of
from tests.tolerances import assert_close, assert_equal
from unrolled.layers import explain

N, T, I, H = 3, 17, 5, 7


class Named(nn.LSTM):
    """Nothing but a name, a constructor and a method of its own."""

    def __init__(self, width):
        super().__init__(I, width, batch_first=True)

    def last(self, x):
        return self(x)[1][0][-1]


class Flipped(nn.GRU):
    """Something before and something after torch.nn's forward."""

    def forward(self, x, hx=None):
        outputs, state = super().forward(x.flip(0), hx=hx)
        return outputs.flip(0) * 2, state


class Twice(Flipped):
    """A subclass of a subclass, with the old way to say super."""

    def forward(self, x, hx=None):
        outputs, state = super(Twice, self).forward(x, hx)  # noqa: UP008
        return outputs + 1, state


class Zeroing(abc.ABC, nn.RNNBase):
    """pytorch-forecasting's way: an abstract class beside torch.nn's, whose forward asks its subclass."""

    @abc.abstractmethod
    def factor(self):
        """What the outputs are multiplied by."""

    def forward(self, x, hx=None):
        outputs, state = super().forward(x, hx=hx)
        return outputs * self.factor(), state


class ZeroingLSTM(Zeroing, nn.LSTM):
    def factor(self):
        return 3


class Guarded(nn.RNN):
    """A forward in a decorator, and a flatten_parameters that does nothing."""

    def flatten_parameters(self):
        pass

    @functools.lru_cache  # noqa: B019
    def unrelated(self):
        return 1

    @torch.no_grad()
    def forward(self, x, hx=None):
        return super().forward(x, hx)


GOOD = [
    functools.partial(Named, H),
    functools.partial(Flipped, I, H, 2, bidirectional=True),
    functools.partial(Twice, I, H),
    functools.partial(ZeroingLSTM, I, H),
    functools.partial(Guarded, I, H),
]
EVERY = pytest.mark.parametrize("build", GOOD, ids=lambda build: build.func.__name__)


@EVERY
def test_a_subclass_that_goes_on_to_super_runs_in_the_kernels(build, kernel_calls):
    layer = build()
    kind, x = type(layer), torch.randn(T, N, I)
    expected = tensors_of(layer(x))
    assert unrolled.accelerate(layer) is layer
    assert isinstance(layer, kind)
    assert (type(layer).__name__, repr(layer)) == (kind.__name__, repr(build()))
    assert_close(tensors_of(layer(x)), expected)
    assert len(kernel_calls) == layer.num_layers * (2 if layer.bidirectional else 1)
    (finding,) = explain(layer)
    assert str(finding) == f"the model itself: {kind.__name__}, replaced: it runs in the fused kernels"
    assert type(unrolled.restore(layer)) is kind
    assert_equal(tensors_of(layer(x)), expected)


def test_gradients_go_through_what_a_subclass_adds():
    layer = Twice(I, H)
    x = torch.randn(T, N, I, requires_grad=True)
    expected = results_of(layer, x)
    assert_close(results_of(unrolled.accelerate(layer), x), expected)


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize("protocol", [0, 5])
@EVERY
def test_copies_of_an_accelerated_subclass_are_accelerated(build, duplicate, protocol, monkeypatch):
    layer = unrolled.accelerate(build())
    monkeypatch.setattr(pickle, "dumps", functools.partial(pickle.dumps, protocol=protocol))
    twin = duplicate(layer)
    x = torch.randn(T, N, I)
    assert type(twin) is type(layer)
    assert_equal(tensors_of(twin(x)), tensors_of(layer(x)))
    assert type(unrolled.restore(twin)) is build.func


def test_torch_compile_makes_one_graph_of_an_accelerated_subclass():
    layer = Twice(I, H)
    x = torch.randn(T, N, I)
    expected = tensors_of(layer(x))
    torch._dynamo.reset()
    compiled = torch.compile(unrolled.accelerate(layer), backend="aot_eager", fullgraph=True)
    assert_close(tensors_of(compiled(x)), expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_torch_jit_and_torch_fx_see_the_subclass():
    layer = nn.Sequential(Flipped(I, H))
    with pytest.raises(fx.proxy.TraceError):
        fx.symbolic_trace(layer)
    unrolled.accelerate(layer)
    with pytest.raises(fx.proxy.TraceError):  # its forward is not the layer's whole call
        fx.symbolic_trace(layer)
    twin = layer[0].__prepare_scriptable__()
    assert type(twin) is Flipped


def test_a_parametrized_subclass_goes_both_ways():
    layer = nn.utils.parametrizations.weight_norm(Flipped(I, H), "weight_hh_l0")
    x = torch.randn(T, N, I)
    expected = tensors_of(layer(x))
    assert_close(tensors_of(unrolled.accelerate(layer)(x)), expected)
    assert explain(layer)[0].replaced
    unrolled.restore(layer)
    nn.utils.parametrize.remove_parametrizations(layer, "weight_hh_l0")
    assert type(layer) is Flipped


class OwnLoop(nn.GRU):
    def forward(self, x, hx=None):
        return x, hx


class PastSuper(nn.GRU):
    def forward(self, x, hx=None):
        return nn.GRU.forward(self, x, hx)


class OwnStates(nn.GRU):
    def permute_hidden(self, hx, permutation):
        return hx * 2


class OwnChecks(nn.LSTM):
    def check_forward_args(self, *arguments):
        raise RuntimeError("mine")


class OwnWeights(nn.GRU):
    @property
    def _flat_weights(self):
        return [weight * 2 for weight in self.__dict__["_kept"]]

    @_flat_weights.setter
    def _flat_weights(self, weights):
        self.__dict__["_kept"] = weights


class OwnAttributes(nn.GRU):
    def __getattr__(self, name):
        return super().__getattr__(name)


class OfItsType(nn.GRU):
    def forward(self, x, hx=None):
        return super(type(self), self).forward(x, hx)


class OnlyTheBase(nn.RNNBase):
    pass


class Registering(nn.GRU):
    kinds = ()

    def __init_subclass__(cls):
        Registering.kinds += (cls,)


BAD = {
    OwnLoop: "a class of its own, whose forward does not go on to super().forward",
    PastSuper: "a class of its own, whose forward does not go on to super().forward",
    OwnStates: "a class of its own, whose permute_hidden may compute something else than torch.nn's",
    OwnChecks: "a class of its own, whose check_forward_args may compute something else than torch.nn's",
    OwnWeights: "a class of its own, whose _flat_weights may compute something else than torch.nn's",
    OwnAttributes: "a class of its own, whose __getattr__ may compute something else than torch.nn's",
    OfItsType: "a class of its own, whose forward calls super of type(self)",
    Registering: "a class of its own, with rules for its subclasses",
    functools.partial(OnlyTheBase, "GRU"): (
        "a class of its own, which may compute something else than torch.nn's"
    ),
}


@pytest.mark.parametrize(("build", "reason"), BAD.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_a_subclass_that_may_compute_something_else_is_left(build, reason):
    layer = build(I, H)
    kind = type(layer)
    assert type(unrolled.accelerate(layer)) is kind
    (finding,) = explain(layer)
    assert str(finding) == f"the model itself: {kind.__name__}, left: {reason}"


def test_a_class_needs_no_source_to_be_read():
    names = {"nn": nn, "__name__": "typed_in"}
    exec(
        "class Good(nn.GRU):\n    def forward(self, x, hx=None):\n        return super().forward(x, hx)\n"
        "class Bad(nn.GRU):\n    def forward(self, x, hx=None):\n        return super().extra_repr(), x",
        names,
    )
    good, bad = (unrolled.accelerate(names[name](I, H)) for name in ("Good", "Bad"))
    assert [finding.replaced for layer in (good, bad) for finding in explain(layer)] == [True, False]


class OfItsClass(nn.GRU):
    def extra_repr(self):
        return super(self.__class__, self).extra_repr()


class Helped(nn.GRU):
    """It asks for super and for a type, but not for the one's of the other."""

    def forward(self, x, hx=None):
        own = super()
        return own.forward(x.type(torch.float32), hx)


def test_only_super_of_type_self_counts_as_such(kernel_calls):
    assert not explain(unrolled.accelerate(OfItsClass(I, H)))[0].replaced
    layer, x = Helped(I, H), torch.randn(T, N, I)
    expected = tensors_of(layer(x))
    assert_close(tensors_of(unrolled.accelerate(layer)(x)), expected)
    assert len(kernel_calls) == 1


@pytest.mark.parametrize("name", ["forward", "permute_hidden", "check_forward_args"])
def test_a_method_put_on_a_layer_keeps_it_from_being_replaced(name):
    layer = nn.GRU(I, H)
    setattr(layer, name, lambda *arguments: arguments)
    assert type(unrolled.accelerate(layer)) is nn.GRU
    assert explain(layer)[0].reason == f"something has put its own {name} on it"


class Derived(unrolled.GRU):
    """Someone's subclass of the drop-in."""

    def forward(self, x, hx=None):
        return super().forward(x * 2, hx)


class DerivedLoop(unrolled.GRU):
    def forward(self, x, hx=None):
        return x, hx


def test_what_derives_from_a_drop_in_stays_and_says_where_it_runs(kernel_calls):
    x = torch.randn(T, N, I)
    layer, loop = Derived(I, H), DerivedLoop(I, H)
    assert explain(layer)[0].reason == "it runs in the fused kernels"
    assert explain(loop)[0].reason == (
        "its own code runs: a class of its own, whose forward does not go on to super().forward"
    )
    layer(x)
    assert len(kernel_calls) == 1
    assert type(unrolled.restore(layer)) is Derived
