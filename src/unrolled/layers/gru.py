"""The drop-in for torch.nn.GRU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from unrolled.layers.drop_in import DropIn

if TYPE_CHECKING:
    from unrolled.layers.drop_in import Called


class GRU(DropIn, nn.GRU):
    r"""Gated recurrent unit layers: torch.nn.GRU, on fused kernels for CPUs.

        r, z = σ(W_k x_t + b_k + U_k h_{t-1} + d_k)       k in {r, z}
        n    = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + d_n))
        h_t  = (1 - z) * n + z * h_{t-1}

    Symbols: x_t [N, I] input, of a layer above the first the outputs of the layer below; h_t [N, H] output
    and state. W, U, b, d are `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` and so on for each
    layer and direction: torch.nn's names and layouts, gates in the order r, z, n.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: layers on top of one another.
        bias: whether b and d are there.
        batch_first: whether a batch is [N, T, I]; [T, N, I] otherwise. States are [layers, N, H] always.
        dropout: the probability with which the outputs between two layers are zeroed during training.
        bidirectional: whether each layer reads both ways; its outputs are then [forward, backward].
        device, dtype: of the parameters.

    Returns (of `forward`, which also takes `lengths` and `resets`): outputs and h_n, as torch.nn.GRU.

    Raises:
        ValueError, TypeError, RuntimeError: as torch.nn.GRU.

    >>> import torch
    >>> gru = GRU(4, 3, batch_first=True)
    >>> outputs, h_n = gru(torch.ones(2, 20, 4), lengths=[20, 5])
    >>> bool((outputs[1, 4] == h_n[0, 1]).all()), bool((outputs[1, 5:] == 0).all())
    (True, True)

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """

    peer = nn.GRU
    places_before_device = 7
    if TYPE_CHECKING:
        __call__: Called[Tensor]
