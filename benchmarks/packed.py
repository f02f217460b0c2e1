"""Time a training step on ragged batches: torch.nn on packed sequences against the drop-ins.

    python -m benchmarks.packed --save NAME           results into benchmarks/results/

N128 T100 I28 H128, lengths uniform in 1 ... 100, a fused Adam step, mean square error; turn by turn in one
process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled
from benchmarks.pairs import Pairs

N, T, I, H = 128, 100, 28, 128
WORKS = {
    "packed, loss on h_n": ("packed", "packed"),
    "packed, pad_packed_sequence, loss on the last outputs": ("padded again", "padded again"),
    "lengths= against pad_packed_sequence": ("padded again", "lengths"),
}


def training(layer: Any, how: str) -> Callable[[], None]:
    """A training step of a layer that takes its sequences in one of three ways."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N, T, I, generator=generator)
    lengths = torch.randint(1, T + 1, (N,), generator=generator)
    lengths[0] = T
    target = 2 * torch.rand(N, H, generator=generator) - 1
    rows = torch.arange(N)
    adam = torch.optim.Adam(layer.parameters(), fused=True)

    def last() -> torch.Tensor:
        if how == "lengths":
            outputs, _ = layer(x, lengths=lengths)
            return outputs[rows, lengths - 1]
        outputs, state = layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        if how == "packed":
            return (state[0] if isinstance(state, tuple) else state)[0]
        return pad_packed_sequence(outputs, batch_first=True)[0][rows, lengths - 1]

    def step() -> None:
        adam.zero_grad()
        (last() - target).square().mean().backward()
        adam.step()

    return step


def main() -> None:
    pairs = Pairs(__doc__, seconds=8.0)
    lines = [
        f"# Ragged training steps, torch.nn and the drop-ins, {pairs.found['machine']['date']}",
        "",
        f"{pairs.head()}. N{N} T{T} I{I} H{H}.",
        "",
        "| layer | work | torch.nn ms | drop-in ms | ratio |",
        "|---|---|---|---|---|",
    ]
    for peer_class, drop_in_class in ((nn.LSTM, unrolled.LSTM), (nn.GRU, unrolled.GRU)):
        for work, (peer_way, our_way) in WORKS.items():
            peer, ours = peer_class(I, H, batch_first=True), drop_in_class(I, H, batch_first=True)
            ours.load_state_dict(peer.state_dict())
            one = pairs.time(training(peer, peer_way), training(ours, our_way))
            pairs.found["rows"][f"{peer_class.__name__}, {work}"] = one
            lines.append(
                f"| {peer_class.__name__} | {work} | {one['peer_ms']:.1f} | {one['ours_ms']:.1f} | "
                f"{one['ratio']:.1f} |"
            )
            print(lines[-1], flush=True)
    pairs.save("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
