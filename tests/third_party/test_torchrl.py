"""torchrl: a GRU and an LSTM whose state starts anew wherever `is_init` says so."""

import pytest
import torch

import unrolled

torchrl = pytest.importorskip("torchrl.modules")
tensordict = pytest.importorskip("tensordict")

N, T, I, H = 4, 23, 5, 7


def batch(states):
    generator = torch.Generator().manual_seed(1)
    found = {
        "observation": torch.randn(N, T, I, generator=generator),
        "is_init": torch.rand(N, T, 1, generator=generator) < 0.15,
    }
    found |= {name: torch.randn(N, T, 2, H, generator=generator) for name in states}
    return tensordict.TensorDict(found, [N, T])


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_batch_with_resets_gives_the_same(kind, same_after_accelerate):
    states = ["h"] if kind == "GRU" else ["h", "c"]
    module = getattr(torchrl, f"{kind}Module")(
        input_size=I,
        hidden_size=H,
        num_layers=2,
        in_keys=["observation", *states],
        out_keys=["outputs", *(("next", name) for name in states)],
        default_recurrent_mode=True,
    )

    def run(module):
        result = module(batch(states))
        return [result["outputs"], *(result["next", name] for name in states)]

    same_after_accelerate(module, run)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_one_call_with_resets_gives_what_the_trajectories_give(kind):
    states = ["h"] if kind == "GRU" else ["h", "c"]
    module = getattr(torchrl, f"{kind}Module")(
        input_size=I,
        hidden_size=H,
        num_layers=2,
        in_keys=["observation", *states],
        out_keys=["outputs", *(("next", name) for name in states)],
        default_recurrent_mode=True,
    )
    sequences = batch(states)
    for name in states:  # as a rollout records them: an episode begins with zeros
        sequences[name].masked_fill_(sequences["is_init"].unsqueeze(-1), 0)
    expected = module(sequences.clone())["outputs"]
    (layer,) = [part for part in module.modules() if isinstance(part, torch.nn.RNNBase)]
    h = tuple(sequences[name][:, 0].transpose(0, 1).contiguous() for name in states)
    zeros = tuple(map(torch.zeros_like, h))
    outputs, _ = unrolled.accelerate(layer)(
        sequences["observation"],
        h if kind == "LSTM" else h[0],
        resets=sequences["is_init"].squeeze(-1),
        reset_hx=zeros if kind == "LSTM" else zeros[0],
    )
    assert (outputs - expected).abs().max() <= 1e-5
