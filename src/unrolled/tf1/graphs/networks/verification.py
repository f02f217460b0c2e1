"""A network that was found in a checkpoint, held against the checkpoint's graph on random sequences."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Set
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy import ndarray

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs import Graph as RunningGraph
from unrolled.tf1.graphs.networks.definition import SUMS, Graph
from unrolled.tf1.graphs.networks.feeding import (
    INTEGERS,
    TELLING,
    USUAL,
    Entrance,
    entrances,
    fillings,
    fixed_by_lengths,
    layouts,
    sizes_inside,
)
from unrolled.tf1.graphs.networks.found_model import FoundModel
from unrolled.tf1.graphs.networks.trial import STEADY, Sequences, Setting, answers, distance, tolerance
from unrolled.tf1.graphs.networks.variations import variations

SECONDS = 60  # for all that is tried
# N, T, how large the numbers are, whether sequences are padded, after the first: small and large, so that a
# clip or a bend is met; padded, since a graph may take its lengths, or what it leaves out, from the padding.
TRIALS = (
    (1, 1, 1.0, False),
    (2, 4, 0.1, False),
    (4, 9, 1.0, False),
    (3, 6, 10.0, False),
    (8, 15, STEADY, False),
    (6, 9, 1.0, True),
)
MOST_ENDS = 8  # tensors that may be the network's answer

# What may lie between a product and the sum with its bias.
SHAPING = {"Reshape", "Identity", "Squeeze", "ExpandDims", "Transpose"}
OF_LAST_LAYER = (
    "Exit",
    "Transpose",
    "TransposeV2",
    "StridedSlice",
    "GatherNd",
    "ConcatV2",
    "Squeeze",
    "While",
)


class NotVerifiedError(UnrolledError):
    """The graph could not be held against the network."""


class PartedError(UnrolledError):
    """No network that was tried computes what the graph does."""


class Verdict(NamedTuple):
    """A network that computes what the graph does.

    Attributes:
        model: it.
        setting: how the graph was run.
        error: the largest difference, as a part of the largest number of the answer.
        every_step: whether the graph answers at every step, of which the last was compared.
    """

    model: FoundModel
    setting: Setting
    error: float
    every_step: bool

    def describe(self) -> str:
        setting = self.setting
        steps = setting.layout.sizes.get("T")
        ragged = (f" of {steps} steps" if steps else "") + ", of several lengths" * setting.takes_lengths
        return (
            f"it computes what the graph's {setting.output} is for {setting.entrance.tensor}, on random "
            f"sequences{ragged}, to {self.error:.0e} of its scale"
        )


def verify(
    model: FoundModel,
    graph: Graph,
    running: RunningGraph,
    *,
    given: Set[str] = frozenset(),
    input: str | None = None,
    output: str | None = None,
) -> Verdict:
    """Find the network, of those that the names and shapes allow, which computes what the graph does.

    Args:
        model: as it was found.
        graph, running: the checkpoint's graph, to be looked at and to be run.
        given: what the caller said of the network, and is not to be changed: "forget_bias", "read".
        input, output: the tensors at which to feed sequences and to compare; by default they are looked for.

    Raises:
        NotVerifiedError: the graph cannot be run, or it is not clear where data go in and the answer out.
        PartedError: no network that was tried computes what the graph does; the message says where the first
            of them parts with it.
    """
    end = time.monotonic() + SECONDS
    judge = _Judge(model, graph, running, end)
    settings = judge.settings(input, output)
    nearly: PartedError | None = None
    kinds = Counter[str]()
    for setting, *_ in settings:
        kinds |= Counter(node.op for node in graph.before(setting.output.partition(":")[0]))
    for number, varied in enumerate(variations(model, graph, kinds, given)):
        if number and time.monotonic() > end:
            break
        network = varied.network()
        for setting, sequences, answer in settings:
            found = judge.compare(network, sequences, answer)
            if found is None:
                continue
            try:
                return judge.confirm(varied, network, setting, found)
            except PartedError as error:
                nearly = nearly or error  # they part on other sequences only
    if nearly is not None:
        raise nearly
    setting, sequences, answer = settings[0]
    raise PartedError(judge.where_they_part(model, setting, sequences, answer))


class _Judge:
    def __init__(self, model: FoundModel, graph: Graph, running: RunningGraph, end: float) -> None:
        self.model, self.graph, self.running, self.end = model, graph, running, end
        self.width = model.config.input_size
        self.classes = model.config.classes
        widths = [width for _, width, *_ in model.config.layers]
        self.states = sorted({2 * sum(widths), sum(widths), *widths})

    def settings(self, input: str | None, output: str | None) -> list[tuple[Setting, Sequences, ndarray]]:
        """The ways to run the graph that give an answer which fits the network's and depends on x alone."""
        found: list[tuple[Setting, Sequences, ndarray]] = []
        reasons = []
        for end in [output] if output else self.outputs():
            fed = None if input is None else (input, 3 if self.reads_tokens else 1)
            doors = entrances(self.graph, end, self.running.placeholders, fed)
            inputs = [door for door in doors if input in (None, door.tensor)]
            no_guess: dict[str, int] = {}
            # A graph may run with a size that is not its own, where sequences lie otherwise: all are kept.
            for guesses in (iter([no_guess]), self._fixed_sizes(end)):
                for fixed in guesses:
                    for setting in self._ways(end, inputs, doors, fixed):
                        try:
                            found.append((setting, *self._tried(setting)))
                        except NotVerifiedError as error:
                            reasons.append(error)
                if found:
                    # A default is part of what the graph computes, where it runs so.
                    plain = {d.tensor for d in doors if d.has_default and not TELLING.search(d.tensor)}
                    return [way for way in found if not way[0].filling.keys() & plain] or found
            reasons.append(
                NotVerifiedError(
                    f"no placeholder that {end} depends on takes sequences (name it with --input)"
                )
            )
        raise (
            reasons[0]
            if reasons
            else NotVerifiedError("no tensor of the graph is its output layer's (name it with --output)")
        )

    def _tried(self, setting: Setting) -> tuple[Sequences, ndarray]:
        """Sequences, and what the graph answers if it is run so."""
        if time.monotonic() > self.end:
            raise NotVerifiedError(f"{SECONDS} s were not enough for its graph")
        end = setting.output
        draw = partial(Sequences.draw, setting, self.width, USUAL["N"], USUAL["T"])
        sequences = draw(seed=0)
        try:
            answer, again, other = (
                self.answer(setting, each) for each in (sequences, sequences, draw(seed=1))
            )
        except UnrolledError as error:
            raise NotVerifiedError(f"the graph does not run: {error}") from error
        if not np.array_equal(answer, again, equal_nan=True):
            raise NotVerifiedError(f"{end} is another one each time: the graph draws random numbers")
        if not np.isfinite(answer).all():
            raise NotVerifiedError(f"{end} is not finite")
        if np.array_equal(answer, other):
            raise NotVerifiedError(f"{end} does not depend on {setting.entrance.tensor}")
        if not list(answers(answer, *sequences.size, self.classes, sequences.lengths)):
            raise NotVerifiedError(
                f"{end} has shape {list(answer.shape)}, which is not {self.classes} for each sequence"
            )
        return sequences, answer

    @property
    def reads_tokens(self) -> bool:
        return bool(self.model.dense.before) and self.model.dense.before[0].lookup

    def _fixed_sizes(self, end: str) -> Iterator[dict[str, int]]:
        """Sizes that a graph may have inside, where no placeholder's shape shows them."""
        kernel = self.model.original[self.model.layers.forward[0].kernel]
        copies = len(self.graph.products(kernel))
        if copies > 1 and not self.graph.in_a_loop(kernel):
            yield {"T": copies}
        yield from sizes_inside(self.graph, end)

    def _ways(
        self, end: str, inputs: list[Entrance], doors: list[Entrance], fixed: dict[str, int]
    ) -> Iterator[Setting]:
        one_hot = not self.reads_tokens and any(
            node.op == "OneHot" for node in self.graph.before(end.partition(":")[0])
        )
        for door in inputs:
            if (door.dtype in INTEGERS) != (self.reads_tokens or one_hot):
                continue
            for layout in layouts(door, self.width, one_hot):
                others = [other for other in doors if other.tensor != door.tensor]
                if fixed.keys() & layout.sizes.keys():
                    continue
                sizes = {**fixed_by_lengths(layout, others), **fixed}
                where = layout._replace(sizes=sizes, fixed_inside=bool(fixed))
                for filling in fillings(others, self.states):
                    yield Setting(end, door, where, filling)

    def outputs(self) -> list[str]:
        """The tensors that may be the network's answer: the last product with a weight, and a bias."""
        after = self.model.dense.after
        if not after:
            top = {self.model.original[cell.kernel] for cell in self.model.layers.top}
            ends = [
                f"{node.name}:0"
                for node in self.graph.ops(*OF_LAST_LAYER)
                if self.graph.behind(node.name).weights == top
            ]
            return ends[::-1][:MOST_ENDS]
        weight = self.model.original[after[-1].name]
        bias = after[-1].bias_name and self.model.original[after[-1].bias_name]
        products = [product.name for product in self.graph.products(weight)]
        ends = products if bias is None else [end for p in products for end in self._with_bias(p, bias)]
        if not ends:  # the weight is changed before the product, or the product is one that is not known
            ends = [
                end.partition(":")[0]
                for end in self.running.ends
                if any(
                    self.graph.variable(node.name) == weight
                    for node in self.graph.before(end.partition(":")[0])
                )
            ]
        return [f"{end}:0" for end in ends][:MOST_ENDS]

    def _with_bias(self, product: str, bias: str) -> Iterator[str]:
        for node in self.graph.ops(*SUMS):
            operands = [name for name, _ in node.inputs[:2]]
            for operand, other in (operands, operands[::-1]) if len(operands) == 2 else ():
                if self.graph.variable(other) != bias:
                    continue
                for _ in range(5):
                    if operand == product:
                        yield node.name
                        break
                    before = self.graph.nodes.get(operand)
                    if before is None or before.op not in SHAPING or not before.inputs:
                        break
                    operand = before.inputs[0][0]

    def answer(self, setting: Setting, sequences: Sequences, output: str | None = None) -> ndarray:
        """What the graph makes of sequences."""
        return setting.answer(self.running, sequences, self.end, output)

    def compare(self, network: Any, sequences: Sequences, answer: ndarray) -> tuple[int, float] | None:
        """Which reading of the graph's answer the network's is, and how far apart they are; None for none."""
        n, t = sequences.size
        t_lengths = sequences.lengths
        with torch.no_grad():
            x = torch.from_numpy(sequences.x)
            said = network(x, None if (t_lengths == t).all() else torch.from_numpy(t_lengths)).numpy()
        for number, read in answers(answer, n, t, self.classes, t_lengths):
            error = distance(said, read)
            if error <= tolerance(read):
                return number, error
        return None

    def confirm(self, model: FoundModel, network: Any, setting: Setting, found: tuple[int, float]) -> Verdict:
        """The same on sequences of other sizes, some of them of several lengths, and of other magnitudes."""
        number, worst = found
        takes_lengths = setting.takes_lengths
        trials = [(ragged, *trial) for ragged in (False, True)[: 1 + takes_lengths] for trial in TRIALS]
        for seed, (ragged, n, t, scale, padded) in enumerate(trials, start=2):
            draw = partial(
                Sequences.draw, setting, self.width, scale=scale, seed=seed, ragged=ragged, padded=padded
            )
            sequences = draw(n=n, t=t)
            try:
                answer = self.answer(setting, sequences)
            except UnrolledError:  # a size that the graph has inside
                sequences = draw(n=USUAL["N"], t=USUAL["T"])
                try:
                    answer = self.answer(setting, sequences)
                except UnrolledError as error:
                    raise NotVerifiedError(f"the graph does not run: {error}") from error
            compared = self.compare(network, sequences, answer)
            if compared is None:
                n, t = sequences.size
                lengths = f", lengths {sequences.lengths.tolist()}" if ragged else ""
                raise PartedError(
                    f"{self.where_they_part(model, setting, sequences, answer)} "
                    f"(N {n}, T {t}{lengths}, numbers of about {scale:g}{', padded' * padded})"
                )
            worst = max(worst, compared[1])
        return Verdict(model, setting, worst, number > 0)

    def where_they_part(
        self, model: FoundModel, setting: Setting, sequences: Sequences, answer: ndarray
    ) -> str:
        """What to say of a network that does not compute what the graph does."""
        network = model.network()
        n, t = sequences.size
        first = setting.output
        with torch.no_grad():
            x = torch.from_numpy(sequences.x)
            lengths = None if (sequences.lengths == t).all() else torch.from_numpy(sequences.lengths)
            v = network.features(x, lengths).numpy()
            said = network(x, lengths).numpy()
        by = min((distance(said, read) for _, read in answers(answer, n, t, self.classes, sequences.lengths)))
        named = [layer.name for layer in model.dense.after if layer.name]
        for product in self.graph.products(model.original[named[0]]) if named else []:
            seen = f"{product.inputs[0][0]}:{product.inputs[0][1]}"
            try:
                theirs = self.answer(setting, sequences, seen)
            except UnrolledError:
                continue
            ways = [distance(v, read) for _, read in answers(theirs, n, t, v.shape[1], sequences.lengths)]
            if not ways or min(ways) > tolerance(theirs):
                first, by = seen, min(ways, default=by)
                break
        return (
            f"the network that was found is not the graph's: they part at {first}, by {by:.1e} of its scale"
        )
