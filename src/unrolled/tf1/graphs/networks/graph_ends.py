"""Where sequences go into a graph, how they lie there and what else is fed: found by running it.

A way to feed a graph is one if the graph answers each sequence, or each of its steps, and if the answer to a
sequence depends on that sequence alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from unrolled.errors import UnrolledError
from unrolled.networks.graph_config import LENGTHS
from unrolled.tf1.graphs.graph import Graph as RunningGraph
from unrolled.tf1.graphs.networks.definition import Graph
from unrolled.tf1.graphs.networks.feeding import (
    FLAG,
    FLOATS,
    INTEGERS,
    TELLING,
    USUAL,
    Entrance,
    Feed,
    Layout,
    entrances,
    fillings,
    fixed_by_lengths,
    layouts,
    sizes_inside,
)
from unrolled.tf1.graphs.networks.trial import Sequences, Setting, distance
from unrolled.tf1.graphs.values import as_tensor

SECONDS = 60  # for all that is tried
SAME = 1e-5  # as a part of the largest number
TOKENS = 2  # so many are drawn from: what a graph has in its smallest table
NOT_TRAINING = re.compile(r"infer|test|eval|predict|deploy", re.I)


class Said(NamedTuple):
    """What a caller says of a graph's ends; None is looked for."""

    input: str | None
    lengths: str | None
    feeds: Mapping[str, Feed]
    layout: str | None
    width: int | None


class Ends(NamedTuple):
    """A way to feed a graph, and how its answer lies, with C numbers for a sequence or step."""

    setting: Setting
    width: int
    answers: str
    classes: int
    answer: ndarray


def find_ends(graph: Graph, running: RunningGraph, output: str, said: Said) -> Ends:
    """The one way to feed a graph.

    Raises:
        UnrolledError: there is none, or several that give different answers; the message asks.
    """
    search = _Search(graph, running, output, said)
    found = search.ways()
    if not found:
        raise UnrolledError(search.why_none())
    doors = {ends.setting.entrance.tensor for ends in found}
    if len(doors) > 1:
        raise UnrolledError(f"which of {', '.join(sorted(doors))} takes the sequences? Say it with --input")
    lay = {ends.setting.layout.name for ends in found}
    if len(lay) > 1:
        names = ", ".join(f'"{name}"' for name in sorted(lay))
        raise UnrolledError(f"how do sequences lie in {min(doors)}, {names}? Say it with --layout")
    search.check_guesses(found)
    return found[0]


class _Search:
    def __init__(self, graph: Graph, running: RunningGraph, output: str, said: Said) -> None:
        self.graph, self.running, self.output, self.said = graph, running, output, said
        self.end = time.monotonic() + SECONDS
        self.reasons: list[str] = []
        fed = None
        if said.input is not None:  # of a tensor that is no placeholder, a width says that it has numbers
            fed = (said.input, 1 if said.width else 3)
        self.doors = entrances(graph, output, running.placeholders, fed)
        names = [door.tensor for door in self.doors]
        for name in [*said.feeds, *filter(None, [said.lengths])]:
            if name not in names:
                known = ", ".join(names) or "none"
                raise UnrolledError(f"{name} is no placeholder that {output} depends on: those are {known}")
        self.given: dict[str, Feed] = dict(said.feeds)
        if said.lengths is not None:
            self.given[said.lengths] = LENGTHS

    def ways(self) -> list[Ends]:
        """The ways that work; of several batch or sequence sizes inside, those with the first that does."""
        likely = [
            door
            for door in self.doors
            if self.said.input in (None, door.tensor) and door.tensor not in self.given
        ]
        free = [door for door in self.doors if door.tensor not in self.given]
        for fixed in ({}, *sizes_inside(self.graph, self.output)):
            found = []
            for door in likely:
                others = [other for other in free if other.tensor != door.tensor]
                for width, layout in self.layouts(door):
                    if fixed.keys() & layout.sizes.keys():
                        continue
                    sizes = {**fixed_by_lengths(layout, others), **fixed}
                    for filling in fillings(others):
                        where = layout._replace(sizes=sizes, fixed_inside=bool(fixed))
                        setting = Setting(self.output, door, where, {**filling, **self.given, **told(others)})
                        if time.monotonic() > self.end:
                            raise UnrolledError(f"{SECONDS} s were not enough for this graph: say more of it")
                        try:
                            found.append(self.tried(setting, width))
                        except UnrolledError as error:
                            self.reasons.append(str(error))
            if found:
                return found
        return []

    def layouts(self, door: Entrance) -> Iterator[tuple[int, Layout]]:
        """The ways in which sequences can lie in a placeholder, with the width of a step."""
        widths = [1] if door.dtype in INTEGERS else self.widths(door)
        for width in widths:
            for layout in layouts(door, width):
                if self.said.layout in (None, layout.name):
                    yield width, layout

    def widths(self, door: Entrance) -> list[int]:
        shape = door.shape
        if self.said.width is not None:
            return [self.said.width]
        if door.dtype not in FLOATS or shape is None or len(shape) < 2:
            return []
        last = shape[-2] if len(shape) == 4 and shape[-1] == 1 else shape[-1]
        if len(shape) > 2:
            return [last] if last > 0 else []
        return sorted(self.reshaped(door))

    def reshaped(self, door: Entrance) -> set[int]:
        """The width of a step by what the graph makes of rows that hold several steps, or of one number."""
        found = set()
        for node in self.graph.ops("Reshape", "ExpandDims"):
            if len(node.inputs) < 2 or node.inputs[0][0] != door.tensor.partition(":")[0]:
                continue
            if node.op == "ExpandDims":
                found.add(1)
                continue
            shape = self.graph.nodes.get(node.inputs[1][0])
            if shape is not None and shape.op == "Const" and "value" in shape.attributes:
                sizes = np.asarray(as_tensor(shape.attributes["value"].message(8))).ravel()
                if len(sizes) >= 2 and sizes[-1] > 0:
                    found.add(int(sizes[-1]))
        return found

    def tried(self, setting: Setting, width: int) -> Ends:
        """What the graph answers if it is run so.

        Raises:
            UnrolledError: it does not run, draws random numbers, or does not answer sequence by sequence.
        """
        draw = partial(
            Sequences.draw, setting, TOKENS if setting.entrance.dtype in INTEGERS else width, **_sizes()
        )
        one, other = draw(seed=0), draw(seed=1)
        mixed = one._replace(x=np.concatenate([other.x[:1], one.x[1:]]))
        answer, again, changed = (setting.answer(self.running, each, self.end) for each in (one, one, mixed))
        if not np.array_equal(answer, again, equal_nan=True):
            raise UnrolledError(f"{self.output} is another one each time: the graph draws random numbers")
        if not np.isfinite(answer).all():
            raise UnrolledError(f"{self.output} is not finite")
        n, t = one.size
        for answers, y, z in zip(
            _ways(answer, n, t), _readings(answer, n, t), _readings(changed, n, t), strict=True
        ):
            if distance(z[1:], y[1:]) <= SAME < distance(z[:1], y[:1]):
                return Ends(setting, width, answers, y.shape[-1], y)
        raise UnrolledError(
            f"{self.output} has shape {list(answer.shape)} for {n} sequences of {t} steps in "
            f"{setting.entrance.tensor}, and is no answer to each of them, or to each of their steps, alone"
        )

    def check_guesses(self, found: list[Ends]) -> None:
        """Ask where something else could be fed that no name tells, and the answer were another."""
        first = found[0]
        others = [(ends.setting.filling, ends.answer) for ends in found[1:]]
        filling = first.setting.filling
        for door in self.doors:
            if door.dtype == FLAG and filling.get(door.tensor) is False:
                other = first.setting._replace(filling={**filling, door.tensor: True})
                try:
                    others.append((other.filling, self.tried(other, first.width).answer))
                except UnrolledError:
                    continue
        for other_filling, answer in others:
            differing = [
                name
                for name in {**filling, **other_filling}
                if filling.get(name) != other_filling.get(name) and not TELLING.search(name)
            ]
            if differing and (answer.shape != first.answer.shape or distance(answer, first.answer) > SAME):
                name = differing[0]
                ways = [str(each.get(name, "its default")) for each in (filling, other_filling)]
                raise UnrolledError(
                    f"what is fed to {name}, {' or '.join(ways).lower()}? Say it with --feed {name}=VALUE"
                )

    def why_none(self) -> str:
        """What to say if no way works."""
        shapes = [f"{door.tensor} {_shape(door)}" for door in self.doors]
        why = f" The last that was tried: {self.reasons[-1]}." if self.reasons else ""
        unknown = [door.tensor for door in self.doors if door.dtype in FLOATS and not self.widths(door)]
        hint = f" How wide a step of {unknown[0]} is, --width says." if unknown and not self.reasons else ""
        return (
            f"{self.output} depends on {', '.join(shapes) or 'no placeholder'}, and it is not clear how "
            f"sequences go in there.{why}{hint} --input names the tensor, --layout how they lie in it, "
            "--lengths the one of their lengths, --feed what else is fed"
        )


def told(others: list[Entrance]) -> dict[str, Feed]:
    """Flags whose names say that nothing is trained."""
    flags = [door.tensor for door in others if door.dtype == FLAG and NOT_TRAINING.search(door.tensor)]
    return {name: True for name in flags if not re.search("train", name, re.I)}


def _sizes() -> dict[str, Any]:
    return {"n": USUAL["N"], "t": USUAL["T"]}


def _shape(door: Entrance) -> str:
    if door.shape is None:
        return "of any shape"
    return str([size if size >= 0 else None for size in door.shape])


def _ways(y: ndarray, n: int, t: int) -> list[str]:
    ways = ["N C"] if y.shape[:1] == (n,) and y.ndim <= 2 else []
    if (y.shape[:2] == (n, t) and y.ndim <= 3) or (y.shape[:1] == (n * t,) and y.ndim <= 2):
        ways.append("N T C")
    if (y.shape[:2] == (t, n) and y.ndim <= 3) or (y.shape[:1] == (n * t,) and y.ndim <= 2):
        ways.append("T N C")
    return ways


def _readings(y: ndarray, n: int, t: int) -> Iterator[ndarray]:
    """An answer in each of the ways in which it may lie, as [N, C] or [N, T, C]."""
    for way in _ways(y, n, t):
        if way == "N C":
            yield y.reshape(n, -1)
        elif way == "N T C":
            yield y.reshape(n, t, -1)
        else:
            yield y.reshape(t, n, -1).swapaxes(0, 1)
