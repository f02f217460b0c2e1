"""Variables: references of old and resources of later, read and assigned."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.indexing import checked, gather_axis, split_indices
from unrolled.tf1.graphs.ops.shapes import shape_of
from unrolled.tf1.graphs.registry import stateful
from unrolled.tf1.graphs.run import Run
from unrolled.tf1.graphs.tokens import UNTAKEN
from unrolled.tf1.graphs.values import from_numpy
from unrolled.tf1.graphs.variables import Handle, Reference, variable_name


@stateful("Variable", "VariableV2")
def variable(run: Run, node: Node) -> Reference:
    return Reference(variable_name(node))


@stateful("VarHandleOp")
def handle(run: Run, node: Node) -> Handle:
    return Handle(variable_name(node))


@stateful("RefIdentity")
def identity_of_reference(run: Run, node: Node, x: Any) -> Any:
    return x


Variable: TypeAlias = "Reference | Handle"


def referred(x: Any) -> str:
    """The name of a variable that is a node's input."""
    if not isinstance(x, Reference | Handle):
        raise UnrolledError("the input is no variable")
    return x.name


@stateful("ReadVariableOp")
def read_variable(run: Run, node: Node, x: Variable) -> Any:
    return run.changes.read(referred(x))


@stateful("VariableShape")
def variable_shape(run: Run, node: Node, x: Variable) -> Tensor:
    return shape_of(run.changes.read(referred(x)), node.dtype("out_type", torch.int32))


@stateful("IsVariableInitialized", "VarIsInitializedOp")
def is_initialized(run: Run, node: Node, x: Variable) -> Tensor:
    return torch.tensor(referred(x) in run.changes)


@stateful("Assign", "AssignVariableOp")
def assign(run: Run, node: Node, x: Variable, value: Any) -> Variable:
    run.changes.assign(referred(x), run.read(value))
    return x


@stateful("AssignAdd", "AssignAddVariableOp", "AssignSub", "AssignSubVariableOp")
def assign_added(run: Run, node: Node, x: Variable, value: Any) -> Variable:
    old, value = run.changes.read(referred(x)), run.read(value)
    run.changes.assign(x.name, old + value if node.op.startswith("AssignAdd") else old - value)
    return x


@stateful("ResourceGather")
def resource_gather(run: Run, node: Node, x: Variable, indices: Tensor) -> Any:
    rows = run.changes.read(referred(x))
    return gather_axis(rows, run.read(indices), node.integer("batch_dims"), node.integer("batch_dims"))


@stateful("ResourceGatherNd")
def gather_nd_of_variable(run: Run, node: Node, x: Any, indices: Tensor) -> Tensor:
    rows, indices = run.changes.read(referred(x)), run.read(indices)
    found: Tensor = rows[split_indices(indices, rows.shape)]
    return found


@stateful(
    "ScatterAdd", "ScatterSub", "ScatterUpdate",
    "ResourceScatterAdd", "ResourceScatterSub", "ResourceScatterUpdate",
)  # fmt: skip
def scatter(run: Run, node: Node, x: Variable, indices: Tensor, updates: Tensor) -> Variable:
    """Rows of a variable are replaced, or something is added to them."""
    old, kind = run.changes.read(referred(x)), node.op.removeprefix("Resource").removeprefix("Scatter")
    rows = checked(run.read(indices), old.shape[0])
    new = run.read(updates).expand([*rows.shape, *old.shape[1:]])
    new = -new if kind == "Sub" else new
    run.changes.assign(x.name, old.index_put((rows,), new, accumulate=kind != "Update"))
    return x


@stateful("RestoreV2")
def restore_v2(run: Run, node: Node, prefix: Any, names: np.ndarray, parts: np.ndarray) -> tuple[Any, ...]:
    found = zip(names.reshape(-1), parts.reshape(-1), strict=True)
    return tuple(restored(run, name.decode(), part.decode()) for name, part in found)


@stateful("RestoreSlice")
def restore_slice(run: Run, node: Node, pattern: Any, name: np.ndarray, part: np.ndarray) -> Any:
    return restored(run, name.item().decode(), part.item().decode())


@stateful("Restore")
def restore(run: Run, node: Node, pattern: Any, name: np.ndarray) -> Any:
    return restored(run, name.item().decode(), "")


def restored(run: Run, name: str, part: str) -> Any:
    """A variable of the checkpoint, or a part of it; if there is none, what needs it is not run.

    A part is written "8 4 0,4:-": the whole shape, and for each axis where it begins and how long it is.
    """
    if run.checkpoint is None:
        raise UnrolledError("checkpoints are read by Graph.load alone")
    value = run.checkpoint.get(name)
    if value is None:
        return UNTAKEN
    if part:
        axes = re.fullmatch(r"(?:\d+ )*((?:-|\d+,\d+)(?::(?:-|\d+,\d+))*)", part)
        if axes is None:
            raise UnrolledError(f"{part!r} is no part of a variable")
        ranges = [
            slice(None) if axis == "-" else slice(int(axis.split(",")[0]), sum(map(int, axis.split(","))))
            for axis in axes[1].split(":")
        ]
        value = value[tuple(ranges)]
    return value if value.dtype == object else from_numpy(value)
