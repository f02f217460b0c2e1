"""Lists of tensors: what loops of functions carry from step to step. A list never changes: each change is a
new one.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator


class TensorList:
    """Tensors, None where nothing was put, and what is known of their shape (-1 for a size that is not)."""

    def __init__(self, items: list[Any], shape: list[int] | None, dtype: torch.dtype | None) -> None:
        self.items, self.shape, self.dtype = items, shape, dtype

    def with_items(self, items: list[Any]) -> TensorList:
        return TensorList(items, self.shape, self.dtype)

    def item(self, place: int, shape: Tensor | None = None) -> Any:
        """What stands there; zeros where nothing was put."""
        if not 0 <= place < len(self.items):
            raise UnrolledError(f"item {place} of a list of {len(self.items)}")
        if self.items[place] is not None:
            return self.items[place]
        known = self.element_shape(shape)
        check_memory(math.prod(known), self.dtype or torch.float32)
        return torch.zeros(known, dtype=self.dtype)

    def element_shape(self, other: Tensor | None) -> list[int]:
        """The shape of an item that was never put: what the list, the node or another item says."""
        put = [list(item.shape) for item in self.items if item is not None][:1]
        for shape in (self.shape, shape_or_none(other), *put):
            if shape is not None and min(shape, default=0) >= 0:
                return shape
        raise UnrolledError("an item of a list is read that was never put, and nothing says its shape")

    def __add__(self, other: TensorList) -> TensorList:
        """The sum item by item, as gradients come together; nothing and something is the something."""
        if len(self.items) != len(other.items):
            raise UnrolledError(f"lists of {len(self.items)} and {len(other.items)} are added")
        pairs = zip(self.items, other.items, strict=True)
        return self.with_items([b if a is None else a if b is None else a + b for a, b in pairs])

    def zeros_like(self) -> TensorList:
        return self.with_items([None if item is None else torch.zeros_like(item) for item in self.items])


def shape_or_none(shape: Tensor | None) -> list[int] | None:
    """A shape that is a tensor; None if it is the single -1 of an unknown one."""
    return None if shape is None or (shape.ndim == 0 and int(shape) == -1) else sizes(shape)


def _dtype(node: Node) -> torch.dtype | None:
    return node.dtype("element_dtype") if node.type_number("element_dtype") not in (7, 20, 21) else None


@operator("EmptyTensorList")
def empty(node: Node, shape: Tensor, most: Tensor) -> TensorList:
    return TensorList([], shape_or_none(shape), _dtype(node))


@operator("TensorListReserve")
def reserve(node: Node, shape: Tensor, count: Tensor) -> TensorList:
    check_memory(max(int(count), 0), torch.int64)
    return TensorList([None] * int(count), shape_or_none(shape), _dtype(node))


@operator("TensorListFromTensor")
def from_tensor(node: Node, x: Tensor, shape: Tensor) -> TensorList:
    return TensorList(list(x.unbind(0)), shape_or_none(shape), x.dtype)


@operator("TensorListLength")
def length(node: Node, items: TensorList) -> Tensor:
    return torch.tensor(len(items.items), dtype=torch.int32)


@operator("TensorListElementShape")
def element_shape(node: Node, items: TensorList) -> Tensor:
    dtype = node.dtype("shape_type", torch.int32)
    return torch.tensor(-1 if items.shape is None else items.shape, dtype=dtype)


@operator("TensorListGetItem")
def get_item(node: Node, items: TensorList, place: Tensor, shape: Tensor) -> Any:
    return items.item(int(place), shape)


@operator("TensorListSetItem")
def set_item(node: Node, items: TensorList, place: Tensor, value: Any) -> TensorList:
    at = int(place)
    if at < 0 or (at >= len(items.items) and not node.flag("resize_if_index_out_of_bounds")):
        raise UnrolledError(f"item {at} of a list of {len(items.items)} is put")
    check_memory(at, torch.int64)
    new = [*items.items, *[None] * (at + 1 - len(items.items))]
    new[at] = value
    return items.with_items(new)


@operator("TensorListPushBack")
def push_back(node: Node, items: TensorList, value: Any) -> TensorList:
    return items.with_items([*items.items, value])


@operator("TensorListPopBack", outputs=("output_handle", "tensor"))
def pop_back(node: Node, items: TensorList, shape: Tensor) -> tuple[TensorList, Any]:
    last = items.item(len(items.items) - 1, shape)
    return items.with_items(items.items[:-1]), last


@operator("TensorListResize")
def resize(node: Node, items: TensorList, count: Tensor) -> TensorList:
    check_memory(max(int(count), 0), torch.int64)
    kept = items.items[: max(int(count), 0)]
    return items.with_items([*kept, *[None] * (int(count) - len(kept))])


def stacked(items: TensorList, places: list[int], shape: Tensor) -> Tensor:
    if places:
        return torch.stack([items.item(place, shape) for place in places])
    known = [size for size in items.shape or shape_or_none(shape) or () if size >= 0]
    return torch.zeros([0, *known], dtype=items.dtype)


@operator("TensorListStack")
def stack(node: Node, items: TensorList, shape: Tensor) -> Tensor:
    return stacked(items, list(range(len(items.items))), shape)


@operator("TensorListGather")
def gather(node: Node, items: TensorList, places: Tensor, shape: Tensor) -> Tensor:
    return stacked(items, sizes(places), shape)


@operator("TensorListScatter", "TensorListScatterV2")
def scatter(node: Node, x: Tensor, places: Tensor, shape: Tensor, count: Tensor | None = None) -> TensorList:
    wanted = sizes(places)
    most = max([*wanted, -1]) + 1 if count is None or int(count) < 0 else int(count)
    check_memory(most, torch.int64)
    items = [None] * most
    return _put(TensorList(items, shape_or_none(shape), x.dtype), x, wanted)


@operator("TensorListScatterIntoExistingList")
def scatter_into(node: Node, items: TensorList, x: Tensor, places: Tensor) -> TensorList:
    return _put(items.with_items(list(items.items)), x, sizes(places))


def _put(items: TensorList, x: Tensor, places: list[int]) -> TensorList:
    for place, value in zip(places, x.unbind(0), strict=True):
        if not 0 <= place < len(items.items):
            raise UnrolledError(f"item {place} of a list of {len(items.items)} is put")
        items.items[place] = value
    return items


@operator("TensorListConcat", "TensorListConcatV2", outputs=("tensor", "lengths"))
def concat(node: Node, items: TensorList, *_: Tensor) -> tuple[Tensor, Tensor]:
    parts = [items.item(place) for place in range(len(items.items))]
    lengths = torch.tensor([len(part) for part in parts], dtype=torch.int64)
    return (torch.cat(parts) if parts else torch.zeros(0, dtype=items.dtype)), lengths


@operator("TensorListSplit")
def split(node: Node, x: Tensor, shape: Tensor, lengths: Tensor) -> TensorList:
    return TensorList(list(x.split(sizes(lengths))), shape_or_none(shape), x.dtype)
