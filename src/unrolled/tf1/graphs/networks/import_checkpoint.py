"""A checkpoint becomes a network, which its graph proves where it has one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from numpy import ndarray

from unrolled.errors import UnrolledError
from unrolled.names import pasteable
from unrolled.networks.graph_config import LENGTHS
from unrolled.tf1.checkpoints.checkpoint import find_prefix, read_checkpoint
from unrolled.tf1.checkpoints.wire import DamagedError
from unrolled.tf1.graphs import Graph as RunningGraph
from unrolled.tf1.graphs.files import read_source
from unrolled.tf1.graphs.networks.definition import Graph
from unrolled.tf1.graphs.networks.feeding import words
from unrolled.tf1.graphs.networks.found_model import FoundModel
from unrolled.tf1.graphs.networks.model import check_choices, find_model
from unrolled.tf1.graphs.networks.verification import NotVerifiedError, PartedError, verify
from unrolled.tf1.graphs.networks.without_dropout import fixed_dropouts, with_constants


class Imported(NamedTuple):
    """A network from a checkpoint.

    Attributes:
        model: the network, and what was found.
        variables: all of the checkpoint.
        has_graph: whether a .meta file stands beside it.
        proof: what the graph proved of the network; None without a graph, or where it could not be run: then
            a note says why.
    """

    model: FoundModel
    variables: Mapping[str, ndarray]
    has_graph: bool
    proof: str | None


def import_checkpoint(
    path: str | Path,
    *,
    input: str | None = None,
    output: str | None = None,
    **choices: Any,
) -> Imported:
    """Find the recurrent network in a checkpoint, and hold it against the graph in its .meta file.

    What names and shapes leave open is tried until a network computes what the graph does, on random
    sequences of several sizes, to 1e-5 of the scale of its answer.

    Args:
        path: a checkpoint's prefix, one of its files, or its folder for the newest.
        input, output: the graph's tensors at which sequences are fed and answers compared, such as "x:0" and
            "logits:0"; by default they are looked for.
        choices: as `find_model` takes them.

    Raises:
        UnrolledError: there is no network that a run can hold, it is not clear which, or none that was tried
            computes what the graph does.

    >>> import tempfile
    >>> import numpy as np
    >>> from unrolled.tf1 import write_checkpoint
    >>> prefix = Path(tempfile.mkdtemp()) / "model.ckpt"
    >>> shapes = {"rnn/gru_cell/gates/kernel": (5, 6), "rnn/gru_cell/gates/bias": (6,),
    ...           "W": (3, 2), "b": (2,), "rnn/gru_cell/candidate/kernel": (5, 3),
    ...           "rnn/gru_cell/candidate/bias": (3,)}
    >>> write_checkpoint(prefix, {name: np.ones(shape, "f4") for name, shape in shapes.items()})
    >>> imported = import_checkpoint(prefix)
    >>> imported.model.config.layers, imported.has_graph
    ((('gru', 3),), False)
    """
    prefix = find_prefix(Path(path))
    variables = read_checkpoint(prefix)
    meta = prefix.with_name(f"{prefix.name}.meta")
    if not os.path.lexists(meta):
        if input or output:
            raise UnrolledError(f"{input or output} is a tensor of a graph, and there is no {meta}")
        return Imported(find_model(variables, None, **choices), variables, False, None)
    graph = Graph.read(meta)
    check_choices(**choices)
    instead = f"`unrolled import-tf1 {pasteable(prefix)} --as-graph` makes a run of the graph as it is"
    try:
        model = find_model(variables, graph, **choices)
    except UnrolledError as error:
        raise UnrolledError(f"{error}; {instead}") from error
    given = {*(choices.get("options") or {}), *(name for name in ("read",) if choices.get(name))}
    dropped = fixed_dropouts(graph)
    try:
        running = _running(prefix, dropped)
        verdict = verify(model, graph, running, given=given, input=input, output=output)
    except PartedError as error:
        raise UnrolledError(f"{error}: nothing is imported; {instead}") from error
    except NotVerifiedError as error:
        if input or output:
            raise UnrolledError(
                f"not verified at {input or 'its input'} and {output or 'its output'}: {error}"
            ) from error
        if model.doubt is not None:
            raise UnrolledError(f"{model.doubt}, and that cannot be verified: {error}; {instead}") from error
        model.notes.append(f"not verified: {error}")
        return Imported(model, variables, True, None)
    notes = list(verdict.model.notes)
    if dropped and any(
        node.name in dropped for node in graph.before(verdict.setting.output.partition(":")[0])
    ):
        notes.append("the graph drops values with a fixed probability, also when it predicts: here none")
    notes += [
        f"fed: {tensor} = {words(feed)}"
        for tensor, feed in verdict.setting.filling.items()
        if feed not in (LENGTHS, "N", "T")
    ]
    if verdict.setting.layout.one_hot:
        notes.append("the graph takes whole numbers and makes one-hot steps of them: the network takes those")
    if verdict.every_step:
        notes.append("the graph answers at every step: the network does after the last one")
    model = dataclasses.replace(verdict.model, notes=notes, asks_forget_bias=False)
    return Imported(model, variables, True, verdict.describe())


def _running(prefix: Path, constants: dict[str, float]) -> RunningGraph:
    """The graph with other constants, to be run."""
    try:
        source = read_source(prefix)
        # Step by step: what proves the network shares none of its kernels.
        return RunningGraph(with_constants(source, constants) if constants else source, loops="steps")
    except DamagedError as error:
        raise UnrolledError(f"{prefix}.meta is damaged: {error}") from error
    except UnrolledError as error:
        raise NotVerifiedError(f"the graph cannot be loaded: {error}") from error
