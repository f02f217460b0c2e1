"""A checkpoint's values come into a graph's variables as the graph itself says: its saver is run."""

from __future__ import annotations

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.executor import execute
from unrolled.tf1.graphs.files import Source
from unrolled.tf1.graphs.functions import Library
from unrolled.tf1.graphs.plan import ENTER, RAN, Body, Plan, Port
from unrolled.tf1.graphs.run import Run
from unrolled.tf1.graphs.values import TORCH_TYPES, from_numpy
from unrolled.tf1.graphs.variables import Variables

LOOPS_AND_CALLS = {"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"}


def restore(variables: Variables, body: Body, library: Library, source: Source) -> None:
    """Give variables the values of a checkpoint.

    The nodes that restore know how a variable is called in the checkpoint, which part of it a partitioned one
    is, and how cuDNN's parameters are put together. Variables that they leave out, or all if the graph has no
    such nodes, take what has their own name and shape.
    """
    assert source.checkpoint is not None
    node, file_name = source.restore
    if node in body.nodes:
        try:
            fed = [body.port(file_name)] if file_name else []
            plan = Plan(body, [Port(node, RAN)], fed, library.__contains__)
            if _is_bounded(plan, library):
                run = Run(variables, library, {}, checkpoint=source.checkpoint)
                execute(plan, [None] * len(fed), run)
                run.changes.keep()
        except UnrolledError:
            pass  # the names are left
    for name, (number, shape, _) in variables.declared.items():
        value = source.checkpoint.get(name)
        if name in variables or value is None:
            continue
        if shape is None or tuple(shape) == value.shape or -1 in shape:
            dtype = TORCH_TYPES.get(number % 100)
            variables.set(name, value if dtype is None else from_numpy(value).to(dtype))


def _is_bounded(plan: Plan, library: Library) -> bool:
    """Whether each node runs once: a file that is only loaded must not run for ever."""
    plans = [plan, *map(library.plan, plan.functions)]
    return not any(inner.functions for inner in plans[1:]) and not any(
        step.kind == ENTER or (step.node is not None and step.node.op in LOOPS_AND_CALLS)
        for each in plans
        for step in each.steps
    )
