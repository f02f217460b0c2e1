"""The inputs that PyTorch keeps for the tests of its own modules: ours give the same for every one of them.

`make torch_tests` runs PyTorch's own tests of these modules, with ours in place of torch.nn's.
"""

import pickle

import pytest
import torch
from torch.testing._internal.common_modules import module_db

from tests.layers.conftest import PAIRS
from tests.layers.results import results_of
from tests.tolerances import assert_close

DROP_INS = dict(PAIRS.values())
INFOS = [info for info in module_db if info.module_cls in DROP_INS]


def inputs_of(info, dtype, training):
    return info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=True, training=training, set_seed=True
    )


def test_every_kind_is_in_the_database():
    assert {info.module_cls for info in INFOS} == set(DROP_INS)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.filterwarnings("ignore:dropout option adds dropout after all but last recurrent layer")
def test_the_database_cannot_tell_them_apart(info, dtype, training, monkeypatch):
    monkeypatch.setattr("unrolled.layers.drop_in.is_short", lambda *_: False)  # its inputs are small
    count = 0
    for given in inputs_of(info, dtype, training):
        build, call = given.constructor_input, given.forward_input
        peer = info.module_cls(*build.args, **build.kwargs).to(dtype).train(training)
        drop_in = DROP_INS[info.module_cls](*build.args, **build.kwargs).to(dtype).train(training)
        drop_in.load_state_dict(peer.state_dict())
        drop_in = pickle.loads(pickle.dumps(drop_in))
        assert_close(
            results_of(drop_in, *call.args, **call.kwargs), results_of(peer, *call.args, **call.kwargs)
        )
        count += 1
    assert count > 3


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
def test_gradients_are_the_slopes(info, monkeypatch):
    monkeypatch.setattr("unrolled.layers.drop_in.is_short", lambda *_: False)
    drop_in = DROP_INS[info.module_cls](3, 2, 2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: drop_in(x)[0], (x, *drop_in.parameters()))
