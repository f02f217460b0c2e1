"""A TensorFlow checkpoint's variables into a cell."""

from __future__ import annotations

from collections.abc import Mapping

from numpy import ndarray

from unrolled.cells import Cell, DropoutCell, GRUCell, HighwayCell, ResidualCell, StackedCell
from unrolled.errors import UnrolledError
from unrolled.tf1.eras import join_shards, modern, split_local
from unrolled.tf1.gate_layout import parameters


def load_variables(cell: Cell, variables: Mapping[str, ndarray], scope: str = "rnn") -> None:
    """Give a cell, with all that is in it, the weights that a TensorFlow cell had.

    Args:
        cell: any cell with a counterpart in TensorFlow 1, with the options of that one; forget_bias too
            is an option, and stands in no variable. Stacks and wrappers are taken apart.
        variables: as `read_checkpoint` returns them, in the names of any of TensorFlow's eras.
        scope: below which they lie: "rnn", "bidirectional_rnn/fw", "stack_bidirectional_rnn/cell_0/fw", ...

    Raises:
        UnrolledError: variables are missing, or have other shapes than the cell's.

    >>> import numpy as np
    >>> from unrolled.cells import GRUCell
    >>> shapes = {"gates/kernel": (7, 6), "gates/bias": 6, "candidate/kernel": (7, 3), "candidate/bias": 3}
    >>> variables = {f"rnn/gru_cell/{name}": np.ones(shape, "f4") for name, shape in shapes.items()}
    >>> load_variables(GRUCell(4, 3, reset="before"), variables, scope="rnn")
    """
    named = {modern(name): value for name, value in join_shards(variables).items()}
    _load(cell, named, modern(scope.strip("/")))


def _load(cell: Cell, named: Mapping[str, ndarray], scope: str) -> None:
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
            _load(part, named, level)  # type: ignore[arg-type]
        return
    if isinstance(cell, DropoutCell | ResidualCell | HighwayCell):
        _load(cell.cell, named, scope)
        if not isinstance(cell, HighwayCell):
            return
    try:
        weights = parameters(cell, _of_one_cell(cell, named, scope))
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


def _of_one_cell(cell: Cell, named: Mapping[str, ndarray], scope: str) -> dict[str, ndarray]:
    """The variables of one cell by their names inside it: right below the scope, or below the cell's name."""
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
    return {place[1]: named[name] for name, place in found.items() if place and place[0] == home}
