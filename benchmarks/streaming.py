"""The row of one step at a time from Python: N = 1, LSTM 28 to 128, beside nn.LSTMCell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import unrolled
from unrolled.bench import checked, interleaved, median_ms, median_ratio
from unrolled.bench.check import Found

I, H, STEPS = 28, 128, 100


def stream(seconds: float, clock: Callable[[], float]) -> dict[str, Any]:
    """The result of the row: the time of one step, out of turns of 100."""
    torch.manual_seed(0)
    cell = unrolled.LSTMCell(I, H)
    x = list(torch.randn(STEPS, 1, I))
    peer = nn.LSTMCell(I, H)
    peer.load_state_dict(cell.state_dict())
    judge = nn.LSTMCell(I, H, dtype=torch.float64)
    judge.load_state_dict(cell.state_dict())
    flow = unrolled.Stream(cell)

    def ours() -> list[Any]:
        return [flow.step(one) for one in x]

    @torch.inference_mode()
    def steps(cell: nn.LSTMCell, x: list[Tensor]) -> list[Tensor]:
        state, outputs = None, []
        for one in x:
            state = cell(one, state)
            outputs.append(state[0])
        return outputs

    found = torch.stack([torch.as_tensor(output).detach().reshape(1, H) for output in ours()])
    expected = Found(torch.stack(steps(judge, [one.double() for one in x])), {})
    output_error = checked("unrolled", Found(found, {}), expected, "stream").output
    times = interleaved({"ours": ours, "peer": lambda: steps(peer, x)}, seconds, clock)
    return {
        "row": "stream",
        "sizes": f"N1 I{I} H{H}, one step",
        "work": "infer",
        "ms": median_ms(times["ours"]) / STEPS,
        "least_ms": 1e3 * min(times["ours"]) / STEPS,
        "rounds": len(times["ours"]),
        "of_sgemm": None,
        "of_bound": None,
        "output_error": output_error,
        "gradient_error": None,
        "peers": {
            "cell_loop": {
                "ms": median_ms(times["peer"]) / STEPS,
                "ratio": median_ratio(times["peer"], times["ours"]),
            }
        },
    }
