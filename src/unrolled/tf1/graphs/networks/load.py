"""A TensorFlow checkpoint's variables into a cell."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from numpy import ndarray

from unrolled.cells import Cell, DropoutCell, GRUCell, HighwayCell, ResidualCell, StackedCell
from unrolled.errors import UnrolledError
from unrolled.tf1.checkpoints.eras import join_shards, modern, split_local
from unrolled.tf1.holder import VariableHolder
from unrolled.tf1.rnn.cell import RNNCell
from unrolled.tf1.rnn.gate_layout import parameters


def load_variables(
    cell: Cell | VariableHolder, variables: Mapping[str, ndarray], scope: str = "rnn"
) -> list[str]:
    """Give a cell, with all that is in it, the weights that a TensorFlow cell had.

    Args:
        cell: a cell of `unrolled.tf1`, or any of its layers and scopes that have variables; or a cell of this
            library with a counterpart in TensorFlow 1, with the options of that one; forget_bias too is an
            option, and stands in no variable. Stacks and wrappers are taken apart. What is not built yet is
            built, for the inputs that the variables' shapes tell.
        variables: as `read_checkpoint` returns them, in the names of any of TensorFlow's eras.
        scope: below which they lie: "rnn", "bidirectional_rnn/fw", "stack_bidirectional_rnn/cell_0/fw", ...

    Returns:
        The names of the variables that were used; the others were not looked at.

    Raises:
        UnrolledError: variables are missing, or have other shapes than the cell's.

    >>> import numpy as np
    >>> from unrolled.tf1 import GRUCell
    >>> shapes = {"gates/kernel": (7, 6), "gates/bias": 6, "candidate/kernel": (7, 3), "candidate/bias": 3}
    >>> variables = {f"rnn/gru_cell/{name}": np.ones(shape, "f4") for name, shape in shapes.items()}
    >>> cell = GRUCell(3)
    >>> load_variables(cell, {**variables, "global_step": np.array(7)}, scope="rnn")[0], cell.input_size
    ('rnn/gru_cell/gates/kernel', 4)
    """
    scope = scope.strip("/")
    if isinstance(cell, VariableHolder):
        return _load_holder(cell, variables, scope)
    named, origins = _modernised(variables)
    used: list[str] = []
    _load(cell, named, modern(scope), used)
    return [name for key in used for name in origins[key]]


def _modernised(variables: Mapping[str, ndarray]) -> tuple[dict[str, ndarray], dict[str, list[str]]]:
    """The variables by their names as of today, and by those the names that they have, several for shards."""
    named = {modern(name): value for name, value in join_shards(variables).items()}
    origins: dict[str, list[str]] = {}
    for name in variables:
        key = modern(name)
        if key not in named:  # a shard, which the first of them stands for
            key = modern(re.sub(r"_\d+$", "_0", name))
        origins.setdefault(key, []).append(name)
    return named, origins


def _load_holder(cell: VariableHolder, variables: Mapping[str, ndarray], scope: str) -> list[str]:
    """Into a cell of `unrolled.tf1`: its variables have TensorFlow's names, below the scope."""
    own = list(cell.shapes(1))
    if not own:
        raise UnrolledError(
            f"{type(cell).__name__} has no variables"
            + ("" if isinstance(cell, RNNCell) else " yet: call what makes them once, and load then")
        )
    found: Mapping[str, ndarray] = variables
    origins = {name: [name] for name in variables}
    names = {name: f"{scope}/{name}".removeprefix("/") for name in own}
    if any(name not in found for name in names.values()):
        found, origins = _modernised(variables)
        names = {name: _matching(cell, name, modern(scope), found) for name in own}
    values = {name: found[key] for name, key in names.items()}
    input_size = _input_size(cell, values)
    for name, shape in cell.shapes(input_size).items():
        if tuple(values[name].shape) != shape:
            raise UnrolledError(
                f"{names[name]} has shape {list(values[name].shape)}, expected {list(shape)}: the "
                f"{type(cell).__name__} has other sizes than TensorFlow's"
            )
    if not cell.built:
        cell.build(input_size, "float64" if values[own[0]].dtype == "float64" else "float32")
    cell.assign(values)
    return [name for key in names.values() for name in origins[key]]


def _input_size(cell: VariableHolder, values: Mapping[str, Any]) -> int:
    """How wide the inputs are for which the cell has as many weights as there are.

    Their number grows with the inputs, however a matrix is cut: the width is found by halving. Where it does
    not grow, any width will do.
    """

    def count(input_size: int) -> int:
        return sum(math.prod(shape) for shape in cell.shapes(input_size).values())

    there = sum(math.prod(value.shape) for value in values.values())
    if count(2) == count(1):
        return 1
    low, high = 1, 2
    while count(high) < there:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if count(middle) < there else (low, middle)
    return low


def _matching(cell: VariableHolder, own: str, scope: str, found: Mapping[str, Any]) -> str:
    """The variable that is one of the cell's: its cells may have other names, and no multi_rnn_cell above."""
    if modern(f"{scope}/{own}") in found:
        return modern(f"{scope}/{own}")
    names = {getattr(part, "name", "") for part in cell.modules()} - {"", "multi_rnn_cell"}
    pattern = re.escape(f"{scope}/" if scope else "")
    for part in modern(own).split("/"):
        if part == "multi_rnn_cell":
            pattern += f"(?:{part}/)?"
        else:
            pattern += ("[^/]+" if part in names else re.escape(part)) + "/"
    matches = [name for name in found if re.fullmatch(pattern, f"{name}/")]
    if len(matches) == 1:
        return matches[0]
    shown = ", ".join(sorted(matches or found)) or "none"
    raise UnrolledError(
        f"{scope or 'the checkpoint'} has {len(matches) or 'no'} variables {own} of a {type(cell).__name__}, "
        f"expected one; there are {shown}"
    )


def _load(cell: Cell, named: Mapping[str, ndarray], scope: str, used: list[str]) -> None:
    if isinstance(cell, StackedCell):
        for layer, part in enumerate(cell.cells):
            levels = [f"{scope}/multi_rnn_cell/cell_{layer}", f"{scope}/cell_{layer}"]
            level = next(
                (level for level in levels if any(name.startswith(f"{level}/") for name in named)), None
            )
            if level is None:
                raise UnrolledError(
                    f"{scope} has no cell_{layer}, expected one for each of {len(cell.cells)} layers"
                )
            _load(part, named, level, used)  # type: ignore[arg-type]
        return
    if isinstance(cell, DropoutCell | ResidualCell | HighwayCell):
        _load(cell.cell, named, scope, used)
        if not isinstance(cell, HighwayCell):
            return
    try:
        found = _of_one_cell(cell, named, scope)
        weights = parameters(cell, {local: named[name] for local, name in found.items()})
    except UnrolledError as error:
        raise UnrolledError(f"{scope}: {error}") from error
    expected = cell.state_dict()
    for name, weight in weights.items():
        if weight.shape != expected[name].shape:
            raise UnrolledError(
                f"{scope}: {name} would be {list(weight.shape)}, expected {list(expected[name].shape)}: "
                "the cell has other sizes than TensorFlow's"
            )
    cell.load_state_dict(weights, strict=not isinstance(cell, HighwayCell))
    used += found.values()


def _of_one_cell(cell: Cell, named: Mapping[str, ndarray], scope: str) -> dict[str, str]:
    """One cell's variables by their names inside it: right below the scope, or below the cell's name."""
    first = {HighwayCell: "carry_w", GRUCell: "gates/kernel"}.get(type(cell), "kernel")
    homes = {
        home
        for home, local in filter(None, map(split_local, named))
        if local == first and home.startswith(scope) and home.removeprefix(scope).count("/") <= 1
    }
    homes = {home for home in homes if home == scope or home.startswith(f"{scope}/")}
    if len(homes) != 1:
        others = ", ".join(sorted(homes or {home for home, _ in filter(None, map(split_local, named))}))
        raise UnrolledError(
            f"it has {len(homes) or 'no'} variables {first} of a {type(cell).__name__}, expected one; "
            f"the checkpoint has {others or 'no cells'}"
        )
    (home,) = homes
    found = {name: split_local(name) for name in named}
    return {place[1]: name for name, place in found.items() if place and place[0] == home}
