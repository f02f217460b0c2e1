"""The files of a run that holds a graph of TensorFlow 1: the graph, and the values of its variables."""

from __future__ import annotations

import dataclasses
from hashlib import sha256
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.foreign import MissingFileError
from unrolled.networks.graph_config import GraphConfig
from unrolled.tf1.checkpoints.wire import DamagedError
from unrolled.tf1.graphs.files import parse_meta, read_bytes
from unrolled.tf1.graphs.networks.graph_network import GraphNetwork
from unrolled.tf1.graphs.values import TORCH_TYPES
from unrolled.tf1.graphs.variables import Declared
from unrolled.training.run_file import shortened
from unrolled.training.state import check_finite
from unrolled.training.tensors_file import TYPES, TensorsFile

GRAPH, VARIABLES = "graph.meta", "weights.safetensors"


def files_of(network: GraphNetwork) -> dict[str, bytes]:
    """The content of the files by their names.

    Raises:
        UnrolledError: a variable is of a type that no file of tensors holds.
    """
    weights = network.weights()
    for name, value in weights.items():
        if not isinstance(value, Tensor) or value.dtype not in TYPES.values():
            kind = value.dtype if isinstance(value, Tensor) else "text"
            raise UnrolledError(f"the variable {name} is {kind}, which no run folder holds")
    content = {name: value.contiguous() for name, value in weights.items()}
    return {GRAPH: network.meta(), VARIABLES: save(content)}


def described(network: GraphNetwork) -> GraphConfig:
    """The network's configuration, with the digests of its files."""
    digests = {name: sha256(content).hexdigest() for name, content in files_of(network).items()}
    return dataclasses.replace(network.config, digests=digests)


def read_network(folder: Path, config: GraphConfig) -> GraphNetwork:
    """The network that lies in a run's folder, in evaluation mode.

    Raises:
        UnrolledError: a file is missing or damaged, or is another graph's.
    """
    path = folder / GRAPH
    try:
        content = read_bytes(path)
        check_digest(path, content, config)
        network = GraphNetwork(config, parse_meta(path, content))
    except MissingFileError:
        raise UnrolledError(f"{folder} has no {GRAPH}, and its network is a graph: import it anew") from None
    except DamagedError as error:
        raise UnrolledError(f"{path} is damaged: {shortened(error)}") from error
    network.set_weights(read_variables(folder / VARIABLES, network))
    return network.eval()


def read_variables(path: Path, network: GraphNetwork) -> dict[str, Tensor]:
    """The values of a graph's variables; nothing is asked of the memory before they are seen to fit.

    Raises:
        UnrolledError: the file is missing or damaged, or its variables are another graph's.
    """
    declared = network.graph.variables.declared
    try:
        file = TensorsFile(path)
    except MissingFileError:
        raise UnrolledError(f"{path.parent} has no {path.name}: import its graph anew") from None
    for name in sorted({*declared, *file.shapes}):
        if name not in file.shapes or name not in declared or not _fits(file.shapes[name], declared[name]):
            raise UnrolledError(
                f"{path} holds another graph's variables than {GRAPH} beside it: {name} differs"
            )
    weights = file.load(lambda content: check_digest(path, content, network.config))
    try:
        check_finite({name: value for name, value in weights.items() if value.is_floating_point()})
    except UnrolledError as error:
        raise UnrolledError(f"{path} is damaged: {error}") from error
    return weights


def _fits(value: Tensor, declared: Declared) -> bool:
    shape = declared.shape
    if TORCH_TYPES.get(declared.type_number % 100) != value.dtype:
        return False
    return shape is None or (
        len(shape) == value.dim() and all(a in (-1, b) for a, b in zip(shape, value.shape, strict=True))
    )


def check_digest(path: Path, content: bytes, config: GraphConfig) -> None:
    """Raise an UnrolledError if the content of a file is not what was imported."""
    came, expected = sha256(content).hexdigest(), config.digests.get(path.name)
    if came != expected:
        raise UnrolledError(
            f"{path} is not the file that was imported: its SHA-256 is {came[:12]}..., config.json says "
            f"{'nothing of it' if expected is None else f'{expected[:12]}...'}"
        )
