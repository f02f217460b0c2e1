"""The drop-in for torch.nn.RNN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from unrolled.layers.drop_in import DropIn

if TYPE_CHECKING:
    from unrolled.layers.drop_in import Called


class RNN(DropIn, nn.RNN):
    r"""Elman layers: torch.nn.RNN, on fused kernels for CPUs.

        h_t = φ(W x_t + b + U h_{t-1} + d)                φ: tanh or relu

    Symbols: x_t [N, I] input, of a layer above the first the outputs of the layer below; h_t [N, H] output
    and state. W, U, b, d are `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` and so on for each
    layer and direction: torch.nn's names and layouts.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: layers on top of one another.
        nonlinearity: φ, "tanh" or "relu".
        bias: whether b and d are there.
        batch_first: whether a batch is [N, T, I]; [T, N, I] otherwise. States are [layers, N, H] always.
        dropout: the probability with which the outputs between two layers are zeroed during training.
        bidirectional: whether each layer reads both ways; its outputs are then [forward, backward].
        device, dtype: of the parameters.

    Returns (of `forward`, which also takes `lengths` and `resets`): outputs and h_n, as torch.nn.RNN.

    Raises:
        ValueError, TypeError, RuntimeError: as torch.nn.RNN.

    >>> import torch
    >>> rnn = RNN(4, 3, batch_first=True)
    >>> outputs, h_n = rnn(torch.ones(2, 20, 4), lengths=[20, 5])
    >>> bool((outputs[1, 4] == h_n[0, 1]).all()), bool((outputs[1, 5:] == 0).all())
    (True, True)

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """

    peer = nn.RNN
    places_before_device = 8
    if TYPE_CHECKING:
        __call__: Called[Tensor]
