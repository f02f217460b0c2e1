"""The drop-in for torch.nn.LSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from unrolled.layers.drop_in import DropIn

if TYPE_CHECKING:
    from unrolled.layers.drop_in import Called


class LSTM(DropIn, nn.LSTM):
    r"""Long short-term memory layers: torch.nn.LSTM, on fused kernels for CPUs.

        i, f, o = σ(W_k x_t + b_k + U_k h_{t-1} + d_k)    k in {i, f, o}
        g       = tanh(W_g x_t + b_g + U_g h_{t-1} + d_g)
        c_t     = f * c_{t-1} + i * g
        h_t     = o * tanh(c_t)                           with proj_size, h_t = R (o * tanh(c_t))

    Symbols: x_t [N, I] input, of a layer above the first the outputs of the layer below; h_t [N, H] output,
    or [N, proj_size]; c_t [N, H] cell. W, U, b, d, R are `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`,
    `bias_hh_l0`, `weight_hr_l0` and so on for each layer and direction: torch.nn's names and layouts, gates
    in the order i, f, g, o.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: layers on top of one another.
        bias: whether b and d are there.
        batch_first: whether a batch is [N, T, I]; [T, N, I] otherwise. States are [layers, N, H] always.
        dropout: the probability with which the outputs between two layers are zeroed during training.
        bidirectional: whether each layer reads both ways; its outputs are then [forward, backward].
        proj_size: the width of h where a matrix R projects it; 0 for none.
        device, dtype: of the parameters.

    Returns (of `forward`, which also takes `lengths` and `resets`): outputs and (h_n, c_n), as torch.nn.LSTM.

    Raises:
        ValueError, TypeError, RuntimeError: as torch.nn.LSTM.

    >>> import torch
    >>> lstm = LSTM(4, 3, batch_first=True)
    >>> outputs, (h_n, c_n) = lstm(torch.ones(2, 20, 4), lengths=[20, 5])
    >>> bool((outputs[1, 4] == h_n[0, 1]).all()), bool((outputs[1, 5:] == 0).all())
    (True, True)

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    peer = nn.LSTM
    places_before_device = 8
    if TYPE_CHECKING:
        __call__: Called[tuple[Tensor, Tensor]]
