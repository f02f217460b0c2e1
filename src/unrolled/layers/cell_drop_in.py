"""The drop-ins for torch.nn.LSTMCell, GRUCell and RNNCell: what they share, and the three."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unrolled.layers.fits import cell_shapes, kernel_of_cell, step_layers, weights_of_cell
from unrolled.layers.keeping import KEPT, Form, Keeping
from unrolled.layers.leaf import call_in_graph, proxy_among


class CellDropIn(Keeping, nn.RNNCellBase):
    """A cell of torch.nn, its `peer`, whose steps in inference run in the fused kernels.

    Like `DropIn`, it keeps the peer's constructor, parameters, state_dict, pickles, moves between devices and
    `isinstance`; torch.compile and torch.export trace it as the peer, and for torch.fx it is a leaf. A call
    that needs gradients, or that the kernels do not take, goes to the peer's forward.
    """

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state of each sequence, as torch.nn returns it.

        Args:
            input: [N, I] or [I].
            hx: the state as torch.nn takes it; zeros if None.

        Raises:
            ValueError, RuntimeError: what torch.nn raises for the same arguments.
        """
        if torch.compiler.is_compiling():
            return self._forward_of_peer(input, hx)
        kept = self.__dict__.get(KEPT)
        state = None if kept is None else kept.step(self.__dict__, input, hx)
        if state is not None:
            return state
        if type(input) is not Tensor or hx is not None:
            proxy = proxy_among((input, hx))
            if proxy is not None:
                return self._forward_in_graph(proxy, input, hx)
        state = self._first_step(input, hx)
        return self._forward_of_peer(input, hx) if state is None else state

    def _forward_in_graph(self, proxy: Any, input: Any, hx: Any) -> Any:
        called = None
        if type(self).forward is CellDropIn.forward:  # a subclass's is traced, and torch.nn's in it
            called = call_in_graph(proxy, self, *((input,) if hx is None else (input, hx)))
        return self._forward_of_peer(input, hx) if called is None else called

    def _forward_of_peer(self, input: Any, hx: Any) -> Any:
        return self.peer.forward(self, input, hx)

    def _weight_names(self) -> list[str]:
        return weights_of_cell(self)

    def _weight_shapes(self) -> list[tuple[int, ...]]:
        return cell_shapes(self)

    def _form(self, weights: list[Tensor]) -> Form:
        return Form(step_layers(kernel_of_cell(self), weights_of_cell(self), weights), True, True, 1)


class LSTMCell(CellDropIn, nn.LSTMCell):
    r"""A step of a long short-term memory cell: torch.nn.LSTMCell, several times faster on CPUs in inference.

        i, f, o = σ(W_k x + b_k + U_k h + d_k)    k in {i, f, o}
        g       = tanh(W_g x + b_g + U_g h + d_g)
        c'      = f * c + i * g
        h'      = o * tanh(c')

    Symbols: x [N, I] input; h, c [N, H] state; h', c' the next one. W, U, b, d are `weight_ih`, `weight_hh`,
    `bias_ih`, `bias_hh`: torch.nn's names and layouts, gates in the order i, f, g, o.

    Args:
        input_size, hidden_size, bias, device, dtype: as of torch.nn.LSTMCell.

    Returns (of `forward`): (h', c').

    Raises:
        ValueError, TypeError, RuntimeError: as torch.nn.LSTMCell.

    >>> cell = LSTMCell(4, 3)
    >>> with torch.no_grad():
    ...     h, c = cell(torch.ones(2, 4))
    >>> h.shape, isinstance(cell, nn.LSTMCell)
    (torch.Size([2, 3]), True)

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
    """

    peer = nn.LSTMCell
    if TYPE_CHECKING:

        def __call__(
            self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
        ) -> tuple[Tensor, Tensor]: ...


class GRUCell(CellDropIn, nn.GRUCell):
    r"""A step of a gated recurrent unit: torch.nn.GRUCell, several times faster on CPUs in inference.

        r, z = σ(W_k x + b_k + U_k h + d_k)       k in {r, z}
        n    = tanh(W_n x + b_n + r * (U_n h + d_n))
        h'   = (1 - z) * n + z * h

    Symbols: x [N, I] input; h [N, H] state; h' the next one. W, U, b, d are `weight_ih`, `weight_hh`,
    `bias_ih`, `bias_hh`: torch.nn's names and layouts, gates in the order r, z, n.

    Args:
        input_size, hidden_size, bias, device, dtype: as of torch.nn.GRUCell.

    Returns (of `forward`): h'.

    Raises:
        ValueError, TypeError, RuntimeError: as torch.nn.GRUCell.

    >>> cell = GRUCell(4, 3)
    >>> with torch.no_grad():
    ...     cell(torch.ones(2, 4)).shape
    torch.Size([2, 3])

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
    """

    peer = nn.GRUCell
    if TYPE_CHECKING:

        def __call__(self, input: Tensor, hx: Tensor | None = None) -> Tensor: ...


class RNNCell(CellDropIn, nn.RNNCell):
    r"""A step of an Elman cell: torch.nn.RNNCell, several times faster on CPUs in inference.

        h' = φ(W x + b + U h + d)                 φ: tanh or relu

    Symbols: x [N, I] input; h [N, H] state; h' the next one. W, U, b, d are `weight_ih`, `weight_hh`,
    `bias_ih`, `bias_hh`: torch.nn's names and layouts.

    Args:
        input_size, hidden_size, bias, nonlinearity, device, dtype: as of torch.nn.RNNCell.

    Returns (of `forward`): h'.

    Raises:
        ValueError, TypeError, RuntimeError: as torch.nn.RNNCell.

    >>> cell = RNNCell(4, 3, nonlinearity="relu")
    >>> with torch.no_grad():
    ...     cell(torch.ones(2, 4)).shape
    torch.Size([2, 3])

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """

    peer = nn.RNNCell
    if TYPE_CHECKING:

        def __call__(self, input: Tensor, hx: Tensor | None = None) -> Tensor: ...
