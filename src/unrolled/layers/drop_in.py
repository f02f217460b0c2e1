"""What the drop-ins share: a forward that runs in the fused kernels, or in torch.nn's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.compiler import uncompiled
from unrolled.kernels.readable import is_recorded, is_transformed
from unrolled.layers.dynamo import let_through
from unrolled.layers.episodes import Episodes
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
from unrolled.layers.walk import parts_of, walk
from unrolled.unroll.lengths import Lengths, check_lengths
from unrolled.unroll.resets import Resets, check_reset_state, check_resets

if TYPE_CHECKING:
    States = TypeVar("States")

    class Called(Protocol[States]):
        """What a call of a drop-in takes and returns, for type checkers."""

        @overload
        def __call__(
            self,
            input: Tensor,
            hx: States | None = None,
            *,
            lengths: Lengths | None = None,
            resets: Resets | None = None,
            reset_hx: States | None = None,
        ) -> tuple[Tensor, States]: ...
        @overload
        def __call__(
            self, input: PackedSequence, hx: States | None = None
        ) -> tuple[PackedSequence, States]: ...


class DropIn(Keeping, nn.RNNBase):
    """A recurrent layer of torch.nn, its `peer`, whose forward runs in the fused kernels where it can.

    A drop-in derives from this class and from its peer, in this order, and so keeps the peer's constructor,
    parameters, state_dict, pickles and moves between devices, and `isinstance`. torch.compile, which refuses
    every other instance of torch.nn.LSTM, GRU and RNN, traces it as one operator for each layer and
    direction; for torch.fx it is a leaf, as the peer is. A call that the kernels do not take, one with wrong
    arguments among them, goes to the peer's forward, which computes it or says what is wrong.
    """

    peer: ClassVar[type[nn.RNNBase]]
    # The arguments that stand before `device` in the peer's documentation.
    places_before_device: ClassVar[int]

    if not TYPE_CHECKING:  # a type checker knows the peer's

        def __init__(self, *arguments: Any, **options: Any) -> None:
            # By name: where GRU and RNN document their device, torch.nn's constructor takes LSTM's proj_size.
            first, last = arguments[: self.places_before_device], arguments[self.places_before_device :]
            if len(last) > 2:
                raise TypeError(
                    f"{type(self).__name__} got {len(arguments)} arguments without names, expected at most "
                    f"{self.places_before_device + 2}: the last are device and dtype"
                )
            super().__init__(*first, **dict(zip(("device", "dtype"), last, strict=False)), **options)

    def forward(
        self,
        input: Any,
        hx: Any = None,
        *,
        lengths: Lengths | None = None,
        resets: Resets | None = None,
        reset_hx: Any = None,
    ) -> Any:
        """The outputs and final states of a batch, as torch.nn returns them.

        Args:
            input: [T, N, I], or [N, T, I] with batch_first=True; [T, I], one sequence; or a PackedSequence.
            hx: the initial states as torch.nn takes them; zeros if None.
            lengths: [N] whole numbers from 0 to T in any order, in place of packing.
            resets: [N, T] bool, also where time comes first in `input`, true where an episode begins: the
                states before that step are the initial ones, and no gradient passes. A backward direction
                begins anew at an episode's last step, so that none sees across such a border.
            reset_hx: the states that resets go back to, shaped as hx; hx if None. Whoever goes on from the
                states of an earlier call gives those as hx, and here zeros.

        Returns:
            The outputs, laid out as the input, and the final states. With lengths, outputs past a length are
            zero, final states are those at each length, and a length of 0 leaves the initial state.

        Raises:
            ValueError: lengths or resets that do not fit, or of something else than a padded batch; a weight
                that was put in another's place and has another shape, where torch.nn would crash.
            ValueError, RuntimeError: what torch.nn raises for the same arguments.
        """
        if lengths is None and resets is None and reset_hx is None and not torch.compiler.is_compiling():
            kept = self.__dict__.get(KEPT)
            results = None if kept is None else kept.step(self.__dict__, input, hx)
            if results is not None:
                return results
        if type(input) is not Tensor or hx is not None or lengths is not None or resets is not None:
            options = {"lengths": lengths, "resets": resets, "reset_hx": reset_hx}
            proxy = proxy_among((input, hx, *options.values()))
            if proxy is not None:
                return self._forward_in_graph(proxy, input, hx, options)
        if lengths is None and resets is None and is_short(self, input):
            check_reset_state(resets, reset_hx, "reset_hx")
            results = self._first_step(input, hx) if is_step(self, input) else None
            return self._forward_of_peer(input, hx) if results is None else results
        known, anew = self._known(lengths, resets, input)
        check_reset_state(resets, reset_hx, "reset_hx")
        reset_hx = hx if anew is not None and reset_hx is None else reset_hx
        if anew is not None and known is None and self._is_one_step(input):
            return DropIn.forward(self, input, self._begun(input, hx, anew, reset_hx))
        weights = weights_of(self)
        if not fits(self, weights, input, hx, reset_hx):
            if anew is not None and anew.numel():
                return self._forward_of_episodes(input, hx, known, anew, reset_hx)
            if known is not None:
                return self._pack_for_peer(input, hx, known)
            return self._forward_of_peer(input, hx)
        if isinstance(input, PackedSequence):
            return self._forward_packed(weights, input, hx)
        if input.dim() == 3:
            return walk(self, weights, input, hx, known, None, anew, reset_hx)
        batch_axis = 0 if self.batch_first else 1
        outputs, states = walk(self, weights, input.unsqueeze(batch_axis), _map(lambda s: s.unsqueeze(1), hx))
        return outputs.squeeze(batch_axis), _map(lambda state: state.squeeze(1), states)

    def _known(
        self, lengths: Lengths | None, resets: Resets | None, input: Any
    ) -> tuple[Tensor | None, Tensor | None]:
        """The lengths and resets of a padded batch, checked."""
        if lengths is None and resets is None:
            return None, None
        if isinstance(input, PackedSequence) or input.dim() != 3:
            name = "resets" if lengths is None else "lengths"
            came = "a PackedSequence" if isinstance(input, PackedSequence) else f"shape {list(input.shape)}"
            layout = "[N, T, I]" if self.batch_first else "[T, N, I]"
            advice = "; lengths take the place of packing" if name == "resets" else ""
            raise ValueError(f"{name} came with {came}, expected a padded batch {layout}{advice}")
        batch, time = input.shape[:2] if self.batch_first else (input.shape[1], input.shape[0])
        return (
            None if lengths is None else check_lengths(lengths, batch, time, input.device),
            None if resets is None else check_resets(resets, batch, time, input.device),
        )

    def _is_one_step(self, input: Tensor) -> bool:
        """Whether resets are a choice of the initial states, and nothing else."""
        steps = input.shape[1 if self.batch_first else 0]
        return steps == 1 and not self.bidirectional and not torch.compiler.is_compiling()

    def _begun(self, input: Tensor, hx: Any, resets: Tensor, reset_hx: Any) -> Any:
        """The states with which a single step begins."""
        if hx is None and reset_hx is None:
            return None
        for state in (hx, reset_hx):
            if state is not None:
                self.check_forward_args(input, state, None)
        hx = _map(torch.zeros_like, reset_hx) if hx is None else hx
        if isinstance(hx, Tensor):
            return torch.where(resets, reset_hx, hx)
        return tuple(torch.where(resets, new, old) for new, old in zip(reset_hx, hx, strict=True))

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

    def _forward_in_graph(self, proxy: Proxy, input: Any, hx: Any, options: dict[str, Any]) -> Any:
        arguments = (input,) if hx is None else (input, hx)
        given = {name: value for name, value in options.items() if value is not None}
        called = None
        if type(self).forward is DropIn.forward:  # a subclass's is traced, and torch.nn's in it cannot be
            called = call_in_graph(proxy, self, *arguments, **given)
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

    def _forward_of_episodes(
        self, x: Tensor, hx: Any, lengths: Tensor | None, resets: Tensor, reset_hx: Any
    ) -> Any:
        """Resets for the peer: each episode as a sequence of its own, or in the loop of the reference."""
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
            return _uncompiled(DropIn._forward_of_episodes, self, x, hx, lengths, resets, reset_hx)
        for state in (hx, reset_hx):
            if state is not None:
                self.check_forward_args(x, state, None)
        if is_recorded() or is_transformed():
            return walk(self, weights_of(self), x, hx, lengths, None, resets, reset_hx, watched=True)

        def turned(steps: Tensor) -> Tensor:
            return steps if self.batch_first else steps.transpose(0, 1)

        episodes, directions = Episodes(resets, lengths), 2 if self.bidirectional else 1
        (h, c), (reset_h, reset_c) = parts_of(hx), parts_of(reset_hx)
        begun: Any = episodes.begin(h, reset_h, directions)
        if begun is not None and self.mode == "LSTM":
            begun = (begun, episodes.begin(c, reset_c, directions))
        outputs, states = self._pack_for_peer(turned(episodes.split(turned(x))), begun, episodes.lengths)
        return turned(episodes.join(turned(outputs))), _map(lambda s: episodes.end(s, directions), states)

    def _weight_names(self) -> list[str]:
        return list(self._flat_weights_names)

    def _weight_shapes(self) -> list[tuple[int, ...]]:
        return weight_shapes(self)

    def _form(self, weights: list[Tensor]) -> Form:
        layers = step_layers(kernel_of(self), weights_of_layer(self), weights)
        return Form(layers, False, self.batch_first, 2 if self.bidirectional else 1)


let_through(DropIn)


@uncompiled
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
