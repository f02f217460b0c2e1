"""torch.compile and the drop-ins, which are torch.nn.LSTM, GRU and RNN: it refuses those."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from torch import nn

from unrolled.compiler import when_imported

if TYPE_CHECKING:
    from torch._dynamo.variables.builder import VariableBuilder


def let_through(kind: type[nn.Module]) -> None:
    """Have torch.compile trace the instances of `kind`; every other recurrent layer it goes on refusing.

    The refusal is a line of `VariableBuilder.wrap_module`, which only a setting for all modules turns off
    (`torch._dynamo.config.allow_rnn`): here it is on while an instance of `kind` is wrapped.
    """
    when_imported(lambda: _let_through(kind))


def _let_through(kind: type[nn.Module]) -> None:
    from torch._dynamo import config
    from torch._dynamo.variables.builder import VariableBuilder

    wrap = VariableBuilder.wrap_module

    @functools.wraps(wrap)
    def wrap_module(builder: VariableBuilder, value: nn.Module) -> Any:
        if not isinstance(value, kind):
            return wrap(builder, value)
        with config.patch(allow_rnn=True):
            return wrap(builder, value)

    VariableBuilder.wrap_module = wrap_module  # type: ignore[method-assign, assignment]
