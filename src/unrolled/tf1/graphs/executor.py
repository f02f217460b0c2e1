"""A plan is run: values flow as tokens along its edges, and a step computes when all of its have come.

Branches and loops are TensorFlow 1's dataflow. A Switch sends its value to one side and a *dead* token to the
other; what gets a dead token computes nothing and passes it on; a Merge takes the first that is not dead. A
loop is a *frame*: Enter brings a value into its first iteration, NextIteration from one into the next, and
Exit out of it. A frame belongs to one iteration of the frame around it, so that loops may be nested.

Reference: Yu et al. 2018, Dynamic control flow in large-scale machine learning, arXiv:1805.01772.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.plan import ENTER, EXIT, FED, MERGE, NEXT, RAN, SWITCH, TRIGGER, Plan, Step
from unrolled.tf1.graphs.run import Run, RunError
from unrolled.tf1.graphs.tokens import DEAD, UNTAKEN, Dead
from unrolled.tf1.graphs.variables import Reference


class _Waiting:
    """A step of one iteration that not all tokens have come for."""

    __slots__ = ("dead", "deaths", "inputs", "missing")

    def __init__(self, step: Step) -> None:
        # A Merge waits for the steps that it must come after, and for one value.
        self.missing = step.waits - step.arity if step.kind == MERGE else step.waits
        self.inputs: list[Any] = [] if step.kind == MERGE else [None] * step.arity
        self.dead: Dead | None = None
        self.deaths = 0


class _Frame:
    __slots__ = ("expected", "invariants", "iterations", "name", "oldest", "parent")

    def __init__(self, name: str, parent: _Iteration | None, expected: int) -> None:
        self.name, self.parent, self.expected = name, parent, expected
        self.invariants: list[tuple[Step, Any]] = []
        self.oldest = 0
        self.iterations = {0: _Iteration(self, 0)}


class _Iteration:
    """One pass through a frame. It is forgotten when nothing can come to it any more."""

    __slots__ = ("children", "frame", "number", "outstanding", "waiting")

    def __init__(self, frame: _Frame, number: int) -> None:
        self.frame, self.number = frame, number
        self.waiting: dict[int, _Waiting | None] = {}  # None: it has run
        self.children: dict[str, _Frame] = {}
        self.outstanding = 0  # steps that are ready, and frames within


def execute(plan: Plan, feeds: Sequence[Any], run: Run) -> list[Any]:
    """The values of what a plan was made for, in its order; None for a node that is to run only.

    Args:
        feeds: a value for each fed output, in the plan's order.

    Raises:
        UnrolledError: a step fails, the time is over, or something is never computed.
    """
    execution = _Execution(plan, run)
    try:
        return execution.results(feeds)
    finally:
        execution.forget()


class _Execution:
    def __init__(self, plan: Plan, run: Run) -> None:
        self.plan, self.run = plan, run
        self.ready: deque[tuple[Step, _Iteration, list[Any], Dead | None]] = deque()
        self.root = _Frame("", None, 0).iterations[0]
        self.fetched: list[Any] = [None] * len(plan.wanted)
        for step in plan.steps:
            for place, _ in step.fetched:
                self.fetched[place] = UNTAKEN

    def results(self, feeds: Sequence[Any]) -> list[Any]:
        for step, value in zip(self.plan.fed.values(), feeds, strict=True):
            self.send(step, self.root, (value,), None)
        for step in self.plan.roots:
            self.enqueue(step, self.root, [], None)
        while self.ready:
            step, at, inputs, dead = self.ready.popleft()
            outputs = (dead,) * len(step.targets) if dead else self.compute(step, inputs)
            self.send(step, at, outputs, dead)
            self.settle(at)
        for port, value in zip(self.plan.wanted, self.fetched, strict=True):
            if value is UNTAKEN or value is DEAD:
                raise UnrolledError(
                    f"{port.node!r} was not computed: it stands in a branch that was not taken, inside a "
                    "loop, or in a circle"
                )
        return self.fetched

    def forget(self) -> None:
        """Let go of all values at once, also after an error: frames and iterations know each other."""
        frames = [self.root.frame]
        while frames:
            frame = frames.pop()
            for iteration in frame.iterations.values():
                frames += iteration.children.values()
                iteration.children.clear()
                iteration.waiting.clear()
            frame.iterations.clear()
            frame.invariants.clear()
        self.ready.clear()

    def enqueue(self, step: Step, at: _Iteration, inputs: list[Any], dead: Dead | None) -> None:
        at.outstanding += 1
        self.ready.append((step, at, inputs, dead))

    def compute(self, step: Step, inputs: list[Any]) -> tuple[Any, ...]:
        try:
            if not step.of_run and not step.refers:
                for place, value in enumerate(inputs):
                    if type(value) is Reference:
                        inputs[place] = self.run.read(value)
            return self.apply(step, inputs)
        except (RunError, RecursionError):
            raise
        except Exception as error:
            assert step.node is not None
            text = str(error).strip().partition("\n")[0] or type(error).__name__
            raise RunError(f"the node {step.node.name!r} ({step.node.op}) failed: {text}") from error

    def apply(self, step: Step, inputs: list[Any]) -> tuple[Any, ...]:
        if step.function is not None:
            node = step.node
            value = step.function(self.run, node, *inputs) if step.of_run else step.function(node, *inputs)
            return value if type(value) is tuple else (value,)
        if step.kind == SWITCH:
            data, taken = inputs
            return (UNTAKEN, data) if bool(self.run.read(taken)) else (data, UNTAKEN)
        if step.kind == MERGE:
            return inputs[0], torch.tensor(inputs[1], dtype=torch.int32, device="cpu")
        return () if step.kind == TRIGGER else (inputs[0],)

    def send(self, step: Step, at: _Iteration, outputs: Sequence[Any], dead: Dead | None) -> None:
        if step.kind == ENTER:
            at = self.child(step, at)
            if step.constant:
                at.frame.invariants.append((step, outputs[0] if outputs else None))
                for iteration in list(at.frame.iterations.values()):
                    self.spread(step, iteration, outputs, dead)
                return
        elif step.kind == NEXT:
            if dead:
                return
            self.run.check_time()
            at = self.iteration(at.frame, at.number + 1)
        elif step.kind == EXIT:
            if dead is UNTAKEN or at.frame.parent is None:
                return
            at = at.frame.parent
        if step.kind == SWITCH and dead:
            outputs, dead = (DEAD,) * len(outputs), DEAD
        if step.fetched and at is self.root:
            for place, output in step.fetched:
                self.fetched[place] = self.output(step, outputs, output, dead)
        self.spread(step, at, outputs, dead)

    @staticmethod
    def output(step: Step, outputs: Sequence[Any], output: int, dead: Dead | None) -> Any:
        if dead:
            return dead
        if output == RAN:
            return None
        output = 0 if step.kind == FED else output
        if output >= len(outputs):
            raise UnrolledError(f"the node {step.node.name if step.node else ''!r} has no output {output}")
        return outputs[output]

    def spread(self, step: Step, at: _Iteration, outputs: Sequence[Any], dead: Dead | None) -> None:
        """Bring the outputs to every step that waits for them in an iteration."""
        if len(step.targets) > len(outputs) and not dead:
            raise UnrolledError(
                f"the node {step.node.name if step.node else ''!r} has {len(outputs)} outputs, and output "
                f"{len(step.targets) - 1} is needed"
            )
        for targets, value in zip(step.targets, outputs, strict=False):
            gone = value if type(value) is Dead else None
            for target, place in targets:
                self.arrive(target, at, place, value, gone, step)
        for target in step.after:
            self.arrive(target, at, RAN, None, dead, step)

    def arrive(
        self, step: Step, at: _Iteration, place: int, value: Any, dead: Dead | None, source: Step
    ) -> None:
        """A token comes to a step: a value, a dead one, or the word that another step has run (`RAN`)."""
        waiting = at.waiting.get(step.index)
        if waiting is None:
            if step.index in at.waiting:
                return  # a Merge that has run already
            waiting = at.waiting[step.index] = _Waiting(step)
        if step.kind == MERGE:
            self.arrive_at_merge(step, at, waiting, place, value, dead, source)
            return
        if dead:
            # A trigger waits for what comes, dead or not: a loop's steps need it after a branch within.
            waiting.dead = None if step.kind == TRIGGER else dead
        elif place != RAN:
            waiting.inputs[place] = value
        waiting.missing -= 1
        if not waiting.missing:
            del at.waiting[step.index]
            self.enqueue(step, at, waiting.inputs, waiting.dead)

    def arrive_at_merge(
        self, step: Step, at: _Iteration, waiting: _Waiting, place: int, value: Any, dead: Dead | None,
        source: Step,
    ) -> None:  # fmt: skip
        if place == RAN:
            waiting.missing -= 1
        elif not dead:
            waiting.inputs = waiting.inputs or [value, place]
        else:
            waiting.deaths += 1
            # What never enters a loop never comes around to it again, either.
            if waiting.deaths == step.arity or source.kind == ENTER:
                waiting.dead = dead
        if not waiting.missing and (waiting.inputs or waiting.dead):
            at.waiting[step.index] = None
            self.enqueue(step, at, waiting.inputs, None if waiting.inputs else waiting.dead)

    def child(self, step: Step, at: _Iteration) -> _Iteration:
        """The first iteration of the frame that an Enter leads into."""
        frame = at.children.get(step.frame)
        if frame is None:
            frame = at.children[step.frame] = _Frame(step.frame, at, self.plan.enters[step.frame])
            at.outstanding += 1
        frame.expected -= 1
        return self.iteration(frame, 0)

    def iteration(self, frame: _Frame, number: int) -> _Iteration:
        found = frame.iterations.get(number)
        if found is None:
            found = frame.iterations[number] = _Iteration(frame, number)
            for step, value in frame.invariants:
                self.spread(step, found, (value,), value if type(value) is Dead else None)
        return found

    def settle(self, at: _Iteration) -> None:
        """A step of an iteration has run: forget iterations and frames that nothing comes to any more."""
        at.outstanding -= 1
        frame = at.frame
        while not at.outstanding and frame.parent is not None and not frame.expected:
            while (oldest := frame.iterations.get(frame.oldest)) is not None and not oldest.outstanding:
                del frame.iterations[frame.oldest]
                frame.oldest += 1
            if frame.iterations:
                return
            at = frame.parent
            del at.children[frame.name]
            at.outstanding -= 1
            frame = at.frame
