"""Arrays of tensors, one a step: what loops of old read from and write to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator


class TensorArray:
    """Tensors by their place. Nothing is set aside for places that nothing was written to."""

    def __init__(self, node: Node, size: int) -> None:
        if size < 0:
            raise UnrolledError(f"an array of {size} tensors")
        self.size, self.grows = size, node.flag("dynamic_size")
        self.dtype = node.dtype("dtype") if node.type_number("dtype") != 7 else None
        self.element_shape = node.shape("element_shape")
        self.written: dict[int, Any] = {}
        self.gradients: dict[str, ArrayOfGradients] = {}

    def write(self, place: int, value: Any) -> None:
        if not 0 <= place < self.size and not (self.grows and place >= 0):
            raise UnrolledError(f"step {place} of an array of {self.size} is written")
        self.size = max(self.size, place + 1)
        self.written[place] = value

    def read(self, place: int) -> Any:
        if place in self.written:
            return self.written[place]
        if 0 <= place < self.size and self.written:
            # TensorFlow gives zeros for what was never written, once a shape is known.
            return torch.zeros_like(next(iter(self.written.values())))
        raise UnrolledError(f"step {place} of an array of {self.size} is read, and nothing was written to it")

    def stack(self, places: list[int]) -> Tensor:
        if places:
            return torch.stack([self.read(place) for place in places])
        shape = [size for size in self.element_shape or () if size >= 0]
        return torch.zeros([0, *shape], dtype=self.dtype)

    def zeros_like(self) -> Tensor:
        return torch.zeros(())


class ArrayOfGradients(TensorArray):
    """What comes back to the tensors of an array: a place that is written several times holds the sum."""

    def __init__(self, array: TensorArray) -> None:
        self.array, self.size, self.grows = array, array.size, False
        self.dtype, self.element_shape = array.dtype, array.element_shape
        self.written: dict[int, Any] = {}
        self.gradients: dict[str, ArrayOfGradients] = {}

    def write(self, place: int, value: Any) -> None:
        super().write(place, self.written[place] + value if place in self.written else value)

    def read(self, place: int) -> Any:
        return self.written[place] if place in self.written else torch.zeros_like(self.array.read(place))


FLOW = torch.zeros((), device="cpu")  # what orders reads after writes: its value means nothing


@operator("TensorArrayV3", outputs=("handle", "flow"))
def tensor_array(node: Node, size: Tensor) -> tuple[TensorArray, Tensor]:
    return TensorArray(node, int(size)), FLOW


@operator("TensorArray", "TensorArrayV2")
def old_tensor_array(node: Node, size: Tensor) -> TensorArray:
    return TensorArray(node, int(size))


@operator("TensorArrayGradV3", outputs=("grad_handle", "flow_out"))
def gradient(node: Node, array: TensorArray, flow: Tensor) -> tuple[TensorArray, Tensor]:
    """The array of what comes back to another: one for each `source`, a part of what TensorFlow derives."""
    source = node.text("source")
    if source not in array.gradients:
        array.gradients[source] = ArrayOfGradients(array)
    return array.gradients[source], flow


@operator("TensorArrayGrad", "TensorArrayGradV2")
def old_gradient(node: Node, array: TensorArray, flow: Tensor) -> TensorArray:
    return gradient(node, array, flow)[0]


@operator("TensorArrayWrite", "TensorArrayWriteV2", "TensorArrayWriteV3")
def write(node: Node, array: TensorArray, place: Tensor, value: Any, flow: Tensor) -> Tensor:
    array.write(int(place), value)
    return flow


@operator("TensorArrayRead", "TensorArrayReadV2", "TensorArrayReadV3")
def read(node: Node, array: TensorArray, place: Tensor, flow: Tensor) -> Any:
    return array.read(int(place))


@operator("TensorArrayGather", "TensorArrayGatherV2", "TensorArrayGatherV3")
def gather(node: Node, array: TensorArray, places: Tensor, flow: Tensor) -> Tensor:
    return array.stack(sizes(places))


@operator("TensorArrayPack")
def pack(node: Node, array: TensorArray, flow: Tensor) -> Tensor:
    return array.stack(list(range(array.size)))


@operator("TensorArrayScatter", "TensorArrayScatterV2", "TensorArrayScatterV3")
def scatter(node: Node, array: TensorArray, places: Tensor, value: Tensor, flow: Tensor) -> Tensor:
    if len(value) != places.numel():
        raise UnrolledError(f"{len(value)} tensors are written to {places.numel()} places")
    for place, each in zip(sizes(places), value.unbind(0), strict=True):
        array.write(place, each)
    return flow


@operator("TensorArrayUnpack")
def unpack(node: Node, array: TensorArray, value: Tensor, flow: Tensor) -> Tensor:
    for place, each in enumerate(value.unbind(0)):
        array.write(place, each)
    return flow


@operator(
    "TensorArrayConcat", "TensorArrayConcatV2", "TensorArrayConcatV3", outputs=("value", "lengths")
)  # fmt: skip
def concat(node: Node, array: TensorArray, flow: Tensor) -> tuple[Tensor, Tensor]:
    parts = [array.read(place) for place in range(array.size)]
    lengths = torch.tensor([len(part) for part in parts], dtype=torch.int64)
    return (torch.cat(parts) if parts else array.stack([])), lengths


@operator("TensorArraySplit", "TensorArraySplitV2", "TensorArraySplitV3")
def split(node: Node, array: TensorArray, value: Tensor, lengths: Tensor, flow: Tensor) -> Tensor:
    for place, part in enumerate(value.split(sizes(lengths))):
        array.write(place, part)
    return flow


@operator("TensorArraySize", "TensorArraySizeV2", "TensorArraySizeV3")
def size(node: Node, array: TensorArray, flow: Tensor) -> Tensor:
    return torch.tensor(array.size, dtype=torch.int32)


@operator("TensorArrayClose", "TensorArrayCloseV2", "TensorArrayCloseV3")
def close(node: Node, array: TensorArray) -> None:
    return None
