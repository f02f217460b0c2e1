"""TensorFlow 1's layer of one matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import check_count
from unrolled.tf1.holder import VariableHolder, as_dtype
from unrolled.tf1.replay.initializers import Initializer, glorot_uniform, zeros
from unrolled.tf1.rnn.activation import name_and_function


class Dense(VariableHolder):
    """act(x kernel + bias), as `tf.layers.Dense`.

    Args:
        units: how wide the result is.
        activation: a function, or its name; None for none.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: draw kernel and bias; None for `glorot_uniform` and zeros.
        dtype: of the variables; None for that of the first inputs.
        name: the scope of the variables' names.

    >>> layer = Dense(5)
    >>> layer(torch.ones(2, 3, 4)).shape, list(layer.variables)
    (torch.Size([2, 3, 5]), ['dense/kernel', 'dense/bias'])
    """

    bias: Tensor | None

    def __init__(
        self,
        units: int,
        activation: str | Callable[[Tensor], Tensor] | None = None,
        use_bias: bool = True,
        kernel_initializer: Initializer | None = None,
        bias_initializer: Initializer | None = None,
        dtype: Any = None,
        name: str = "dense",
    ) -> None:
        super().__init__()
        self.units = check_count("Dense: units", units)
        self.name, self.dtype = name, dtype
        self._use_bias = use_bias
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer
        self._act = name_and_function(activation or "linear")[1]

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        bias: dict[str, tuple[int, ...]] = {f"{self.name}/bias": (self.units,)} if self._use_bias else {}
        return {f"{self.name}/kernel": (input_size, self.units)} | bias

    def build(self, input_size: int, dtype: Any = None, device: Any = None) -> None:
        """Make the variables for inputs [..., input_size]; nothing happens if they are there already."""
        if self.built:
            return
        kind = as_dtype(self.dtype or dtype or torch.float32)
        draw = {
            "kernel": self._kernel_initializer or glorot_uniform(),
            "bias": self._bias_initializer or zeros,
        }
        for name, shape in self.shapes(input_size).items():
            local = name.removeprefix(f"{self.name}/")
            self.register_parameter(local, nn.Parameter(draw[local](shape, kind).to(device)))
        self.built = True

    def forward(self, x: Tensor) -> Tensor:
        self.build(x.shape[-1], x.dtype, x.device)
        product = x @ self.get_parameter("kernel")
        return self._act(product + self.get_parameter("bias") if self._use_bias else product)

    @property
    def variables(self) -> dict[str, Tensor]:
        return {f"{self.name}/{name}": value for name, value in self.named_parameters(recurse=False)}

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.named_parameters(recurse=False):
            parameter.copy_(values[f"{self.name}/{name}"])
