"""torch.nn: LSTM, GRU and RNN, packed sequences for lengths."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from conformance.problem import Layer, Problem, sizes
from conformance.protocol import Numbers, serve

LACKS = {
    "gru reset before": "torch.nn.GRU resets after the product only",
    "peephole": "torch.nn.LSTM has no peepholes",
    "cell clip": "torch.nn.LSTM does not clip",
    "projection clip": "torch.nn.LSTM does not clip",
    "forget bias": "torch.nn.LSTM has no forget bias beside its biases",
    "mask": "lengths are packed; other steps cannot be left out",
    "resets": "a sequence has one beginning",
    "backward": "a layer reads forwards, or both ways",
    "layers of different width": "the layers of a module have one width",
    "mixed stack": "the layers of a module are of one kind",
    "stacks apart": "each layer reads both directions of the one below",
    "every-step states": "c is returned for the last step alone",
    "static": "there is one way to run a layer",
    "input dropout": "dropout is between layers only",
    "variational input dropout": "dropout is between layers only",
    "output dropout": "dropout is between layers only",
    "state dropout": "dropout is between layers only",
    "recurrent dropout": "dropout is between layers only",
    "candidate dropout": "dropout is between layers only",
    "asks for a dtype": "a state of zeros takes the input's dtype",
    "state as one tensor": "an LSTM's state is the pair (h, c)",
    "fused gru reset after": "GRU has no fused kernel on CPUs",
    "fused rnn": "RNN has no fused kernel on CPUs",
    "fused lstm float64": "the fused LSTM is for float32 and bfloat16",
    "fused lstm lengths": "packed sequences are computed step by step",
}
OUTER = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh", "R": "weight_hr"}
FUSED = "mkldnn_rnn_layer"


def run(problem: Problem, peers: Any = nn) -> Numbers:
    dtype = getattr(torch, problem.dtype)
    leaves = {
        name: torch.tensor(value, dtype=dtype, requires_grad=bool(problem.weigh))
        for name, value in problem.leaves().items()
    }
    torch.manual_seed(0)
    layer = module(problem, dtype, peers)
    if "path" not in problem.ask:
        return _answer(problem, leaves, layer, dtype)
    with torch.profiler.profile() as profile:
        answer = _answer(problem, leaves, layer, dtype)
    fused = any(FUSED in event.key for event in profile.key_averages())
    return answer | {"path": "fused" if fused else "step by step"}


def module(problem: Problem, dtype: torch.dtype, peers: Any) -> nn.RNNBase:
    first = problem.layers[0]
    weights = first.ways["forward"]
    options: dict[str, Any] = {
        "num_layers": len(problem.layers),
        "bias": "b" in weights,
        "bidirectional": len(first.ways) == 2,
        "dropout": problem.dropout.get("between layers", 0.0),
        "batch_first": problem.layout != "time major",
        "dtype": dtype,
    }
    if first.cell == "rnn":
        options["nonlinearity"] = first.options.get("activation", "tanh")
    if "R" in weights:
        options["proj_size"] = len(weights["R"])
    hidden = sizes(first, "forward")[-1]
    kind: type[nn.RNNBase] = {"rnn": peers.RNN, "lstm": peers.LSTM, "gru": peers.GRU}[first.cell]
    return kind(weights["W"].shape[1], hidden, **options).train(problem.training)


def _answer(
    problem: Problem, leaves: dict[str, Tensor], layer: nn.RNNBase, dtype: torch.dtype
) -> dict[str, Tensor]:
    with torch.set_grad_enabled(bool(problem.weigh)):
        parameters = _parameters(problem, leaves)
        x, hx = laid_out(leaves["x"], problem.layout), _initial(problem, leaves)
        given: Tensor | PackedSequence = x
        known = problem.lengths
        if known is not None:
            first = problem.layout != "time major"
            given = pack_padded_sequence(x, torch.tensor(known), batch_first=first, enforce_sorted=False)
        outputs, finals = torch.func.functional_call(layer, parameters, (given, hx), strict=True)
        if known is not None:
            T = problem.x.shape[1]
            outputs, _ = pad_packed_sequence(outputs, batch_first=first, total_length=T)
        found = {"outputs": outputs.transpose(0, 1) if problem.layout == "time major" else outputs}
        found |= _finals(problem, finals)
        return derived(problem, leaves, found, dtype)


def derived(
    problem: Problem, leaves: dict[str, Tensor], found: dict[str, Tensor], dtype: torch.dtype
) -> dict[str, Any]:
    """What is asked for of the results, and their gradients."""
    answer = {name: found[name] for name in problem.asked_of(found)}
    if problem.weigh:
        parts = [(found[name] * torch.tensor(w, dtype=dtype)).sum() for name, w in problem.weigh.items()]
        loss, names = torch.stack(parts).sum(), list(leaves)
        if problem.second is None:
            answer |= _gradients("grad", loss, leaves, names)
        else:
            (first,) = torch.autograd.grad(loss, leaves["x"], create_graph=True)
            along = (first * torch.tensor(problem.second, dtype=dtype)).sum()
            answer |= _gradients("second", along, leaves, names)
    return {name: value.detach().double().numpy() for name, value in answer.items()}


def _gradients(title: str, y: Tensor, leaves: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    found = torch.autograd.grad(y, [leaves[name] for name in names], allow_unused=True)
    return {
        f"{title}.{name}": torch.zeros_like(leaves[name]) if value is None else value
        for name, value in zip(names, found, strict=True)
    }


def laid_out(x: Tensor, layout: str) -> Tensor:
    """x as a view of the kind that is asked for, with its numbers."""
    if layout == "time major":
        return x.transpose(0, 1)
    if layout == "transposed":
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    if layout == "strided":
        return torch.stack([x, torch.full_like(x, 7.0)], 2).flatten(1, 2)[:, ::2]
    if layout == "broadcast":
        return x[:1].expand(x.shape)
    return x


def _parameters(problem: Problem, leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for number, layer in enumerate(problem.layers):
        for way, weights in layer.ways.items():
            ending = f"_l{number}" + ("_reverse" if way == "backward" else "")
            for name in weights:
                found[OUTER[name] + ending] = leaves[f"{number}.{way}.{name}"]
            if "b" in weights and "d" not in weights:
                found["bias_hh" + ending] = torch.zeros_like(found["bias_ih" + ending])
    return found


def _places(layers: list[Layer]) -> list[str]:
    return [f"{number}.{way}" for number, layer in enumerate(layers) for way in layer.ways]


def _initial(problem: Problem, leaves: dict[str, Tensor]) -> Any:
    if not problem.state:
        return None
    parts = sorted({name.split(".")[-1] for name in problem.state}, reverse=True)
    piles = [
        torch.stack([leaves[f"state.{place}.{part}"] for place in _places(problem.layers)]) for part in parts
    ]
    return piles[0] if problem.layers[0].cell != "lstm" or len(piles) == 1 else tuple(piles)


def _finals(problem: Problem, finals: Any) -> dict[str, Tensor]:
    pairs = zip("hc", finals, strict=True) if isinstance(finals, tuple) else [("h", finals)]
    return {
        f"final.{place}.{part}": pile[k]
        for part, pile in pairs
        for k, place in enumerate(_places(problem.layers))
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve("torch.nn", {"torch": torch.__version__}, LACKS, run)
