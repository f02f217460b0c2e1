"""What the drop-ins share: a forward that runs in the fused kernels, or in torch.nn's own."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.layers.dynamo import let_through
from unrolled.layers.fits import (
    check_shapes,
    fits,
    is_short,
    is_step,
    kernel_of,
    step_layers,
    weight_shapes,
    weights_of,
    weights_of_layer,
)
from unrolled.layers.keeping import KEPT, Form, Keeping
from unrolled.layers.leaf import call_in_graph, proxy_among
from unrolled.layers.packing import Packing
from unrolled.layers.walk import walk
from unrolled.unroll.lengths import Lengths, check_lengths


class DropIn(Keeping, nn.RNNBase):
    """A recurrent layer of torch.nn, its `peer`, whose forward runs in the fused kernels where it can.

    A drop-in derives from this class and from its peer, in this order, and so keeps the peer's constructor,
    parameters, state_dict, pickles and moves between devices, and `isinstance`. torch.compile, which refuses
    every other instance of torch.nn.LSTM, GRU and RNN, traces it as one operator for each layer and
    direction; for torch.fx it is a leaf, as the peer is. A call that the kernels do not take, one with wrong
    arguments among them, goes to the peer's forward, which computes it or says what is wrong.
    """

    peer: ClassVar[type[nn.RNNBase]]

    def forward(self, input: Any, hx: Any = None, *, lengths: Lengths | None = None) -> Any:
        """The outputs and final states of a batch, as torch.nn returns them.

        Args:
            input: [T, N, I], or [N, T, I] with batch_first=True; [T, I], one sequence; or a PackedSequence.
            hx: the initial states as torch.nn takes them; zeros if None.
            lengths: [N] whole numbers from 0 to T in any order, in place of packing.

        Returns:
            The outputs, laid out as the input, and the final states. With lengths, outputs past a length are
            zero, final states are those at each length, and a length of 0 leaves the initial state.

        Raises:
            ValueError: lengths that do not fit, or lengths of something else than a padded batch; a weight
                that was put in another's place and has another shape, where torch.nn would crash.
            ValueError, RuntimeError: what torch.nn raises for the same arguments.
        """
        if lengths is None and not torch.compiler.is_compiling():
            kept = self.__dict__.get(KEPT)
            results = None if kept is None else kept.step(self.__dict__, input, hx)
            if results is not None:
                return results
        if type(input) is not Tensor or hx is not None or lengths is not None:
            proxy = proxy_among((input, hx, lengths))
            if proxy is not None:
                return self._forward_in_graph(proxy, input, hx, lengths)
        if lengths is None and is_short(self, input):
            results = self._first_step(input, hx) if is_step(self, input) else None
            return self._forward_of_peer(input, hx) if results is None else results
        known = None if lengths is None else self._known(lengths, input)
        weights = weights_of(self)
        if not fits(self, weights, input, hx):
            return (
                self._forward_of_peer(input, hx) if known is None else self._pack_for_peer(input, hx, known)
            )
        if isinstance(input, PackedSequence):
            return self._forward_packed(weights, input, hx)
        if input.dim() == 3:
            return walk(self, weights, input, hx, known)
        batch_axis = 0 if self.batch_first else 1
        outputs, states = walk(self, weights, input.unsqueeze(batch_axis), _map(lambda s: s.unsqueeze(1), hx))
        return outputs.squeeze(batch_axis), _map(lambda state: state.squeeze(1), states)

    def _known(self, lengths: Lengths, input: Any) -> Tensor:
        """The lengths of a padded batch, checked."""
        if isinstance(input, PackedSequence) or input.dim() != 3:
            came = "a PackedSequence" if isinstance(input, PackedSequence) else f"shape {list(input.shape)}"
            layout = "[N, T, I]" if self.batch_first else "[T, N, I]"
            raise ValueError(f"lengths came with {came}, expected a padded batch {layout}")
        batch, time = input.shape[:2] if self.batch_first else (input.shape[1], input.shape[0])
        return check_lengths(lengths, batch, time, input.device)

    def _forward_packed(
        self, weights: list[Tensor], packed: PackedSequence, hx: Any
    ) -> tuple[PackedSequence, Any]:
        packing = Packing(packed.batch_sizes)
        if hx is not None:
            hx = self.permute_hidden(hx, packed.sorted_indices)
        outputs, states = walk(self, weights, packing.pad(packed.data), hx, packing.lengths, packing)
        return (
            packed._replace(data=packing.pack(outputs)),
            self.permute_hidden(states, packed.unsorted_indices),
        )

    def _forward_in_graph(self, proxy: Proxy, input: Any, hx: Any, lengths: Any) -> Any:
        arguments = (input,) if hx is None else (input, hx)
        options = {} if lengths is None else {"lengths": lengths}
        called = None
        if type(self).forward is DropIn.forward:  # a subclass's is traced, and torch.nn's in it cannot be
            called = call_in_graph(proxy, self, *arguments, **options)
        return self._forward_of_peer(input, hx) if called is None else called

    def _forward_of_peer(self, input: Any, hx: Any) -> Any:
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
            return _uncompiled(DropIn._forward_of_peer, self, input, hx)
        check_shapes(self)
        return self.peer.forward(self, input, hx)

    def _pack_for_peer(self, x: Tensor, hx: Any, lengths: Tensor) -> tuple[Tensor, Any]:
        """Lengths for the peer: it takes them packed, and none that is 0."""
        time_axis = 1 if self.batch_first else 0
        some = (lengths > 0).view(-1, 1)
        packed = pack_padded_sequence(
            torch.where(some.unsqueeze(time_axis), x, 0),
            lengths.clamp(min=1).cpu(),
            batch_first=self.batch_first,
            enforce_sorted=False,
        )
        outputs, states = self._forward_of_peer(packed, hx)
        outputs, _ = pad_packed_sequence(outputs, self.batch_first, total_length=x.shape[time_axis])
        initial = hx if hx is not None else _map(torch.zeros_like, states)
        if isinstance(states, tuple):
            states = tuple(torch.where(some, new, old) for new, old in zip(states, initial, strict=True))
        else:
            states = torch.where(some, states, initial)
        return torch.where(some.unsqueeze(time_axis), outputs, 0), states

    def _weight_names(self) -> list[str]:
        return list(self._flat_weights_names)

    def _weight_shapes(self) -> list[tuple[int, ...]]:
        return weight_shapes(self)

    def _form(self, weights: list[Tensor]) -> Form:
        layers = step_layers(kernel_of(self), weights_of_layer(self), weights)
        return Form(layers, False, self.batch_first, 2 if self.bidirectional else 1)


let_through(DropIn)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _uncompiled(function: Any, *arguments: Any) -> Any:
    """torch.compile leaves torch.nn's own layers alone; made to trace them, it fails on some."""
    return function(*arguments)


def _map(function: Any, states: Any) -> Any:
    """`function` of h, or of h and c, or None of None."""
    if states is None:
        return None
    return (
        tuple(function(state) for state in states) if isinstance(states, tuple | list) else function(states)
    )
