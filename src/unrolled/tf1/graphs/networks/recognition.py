"""Which cells a checkpoint's variables belong to, from their names and shapes."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from numpy import ndarray

from unrolled.errors import UnrolledError
from unrolled.names import natural
from unrolled.tf1.checkpoints.eras import split_local
from unrolled.tf1.graphs.networks.other_layouts import CUDNN_LSTM, HIDDEN, INPUT, resets_after

LSTM_CLASS = re.compile(r"(?:\w+_)?lstm_(?:\w+_)?(?:cell|wrapper)(?:_\d+)?")
RNN_CLASS = re.compile(r"(?:basic_)?rnn_cell(?:_\d+)?")
# A scope that an unrolling, a stack or a direction opens: inside may be a cell with a name of its own.
# (?>...) never tries again: a long name that fits nowhere would take its length squared.
RECURRENT_SCOPE = re.compile(r"(?>\w*?(?:rnn|lstm|gru))\w*|cell_\d+|fw|bw", re.IGNORECASE)
STACK_SCOPE = re.compile(r"rnn(?:_\d+)?|cell_\d+|fw|bw")  # in which a cell's own scope opens at once
DENSE_CLASS = re.compile(r"(?>\w*?(?:dense|fully_connected|fc|logits|softmax|out|proj))\w*", re.IGNORECASE)
OTHER_CELLS = re.compile(
    r"(?:^|/)(ugrnn_cell|nas_cell|nas_rnn|phased_lstm_cell|intersection_rnn_cell|conv_lstm_cell|glstm_cell|"
    r"grid_\w+|sru_cell|indrnn_cell|indy_\w+|ntm_cell|minimal_rnn_cell|cfn_cell|attention_cell_wrapper|"
    r"coupled_input_forget_gate_lstm_cell|time_freq_lstm_cell|opaque_kernel|recurrent_kernel)(?:/|$)"
)
TWO_PARTS = {"encoder": re.compile(r"enc(?:od|\b|_)", re.I), "decoder": re.compile(r"dec(?:od|\b|_)", re.I)}
GATE_NORMS = ("input", "transform", "forget", "output", "state")


class FoundCell(NamedTuple):
    """A cell.

    Attributes:
        home: the scope of its variables.
        kind: "lstm", "gru" or "rnn".
        input_size, width, output_size: I, H, and P or H.
        options: of the cell, as far as the shapes tell.
        variables: by their names inside the cell.
    """

    home: str
    kind: str
    input_size: int
    width: int
    output_size: int
    options: dict[str, Any]
    variables: dict[str, ndarray]

    @property
    def kernel(self) -> str:
        """The name of its first matrix."""
        return f"{self.home}/gates/kernel" if self.kind == "gru" else f"{self.home}/kernel"

    @property
    def path(self) -> list[str]:
        return self.home.split("/")

    @property
    def direction(self) -> str | None:
        """The innermost fw or bw of its scope."""
        return next((part for part in reversed(self.path) if part in ("fw", "bw")), None)

    @property
    def place(self) -> tuple[Any, ...]:
        """Its scope without the direction, so that sorting puts cell_2 before cell_10."""
        return natural("/".join(part for part in self.path if part not in ("fw", "bw")))

    def describe(self) -> str:
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.kind.upper()} {self.input_size} → {self.width}{options}"


def find_cells(
    named: Mapping[str, ndarray], kind: str | None = None, known: Mapping[str, str] | None = None
) -> list[list[FoundCell]]:
    """The readings of variables as cells: usually one, several where the shapes fit an LSTM and an RNN.

    Args:
        named: the network's variables by their modern names.
        kind: "lstm" or "rnn" if the caller knows.
        known: the kinds of cells that were Keras', by their homes.

    Raises:
        UnrolledError: there is a cell that this library does not have.
    """
    for name in named:
        if match := OTHER_CELLS.search(name):
            raise UnrolledError(
                f"{name} belongs to a {match[1]}, which cannot be imported: no run can hold that cell"
            )
    homes: dict[str, dict[str, ndarray]] = defaultdict(dict)
    for name, value in named.items():
        if place := split_local(name):
            homes[place[0]][place[1]] = value
    for home in [home for home in homes if set(homes[home]) == {"projection/kernel"}]:
        del homes[home]  # a dense layer of that name

    sure: list[FoundCell] = []
    doubtful: list[list[FoundCell]] = []
    for home, local in homes.items():
        name = home.rpartition("/")[2]
        if any(part.startswith("carry_") for part in local):
            raise UnrolledError(f"{home} has a HighwayWrapper's carry_w, and a run cannot hold that cell")
        if known and home in known:
            make = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}[known[home]]
            if (cell := make(home, local)) is None:
                raise UnrolledError(f"{home} is one of Keras' cells, but its variables are {_shapes(local)}")
            own = {"forget_bias": 0.0} if cell.kind == "lstm" else {}
            sure.append(cell._replace(options={**cell.options, **own}))
        elif "gates/kernel" in local or "candidate/kernel" in local:
            sure.append(_gru(home, local))
        elif "kernel" not in local or local["kernel"].ndim != 2:
            continue
        elif LSTM_CLASS.fullmatch(name) or len(local) > 2:
            cell = _lstm(home, local)
            if cell is None:
                raise UnrolledError(f"{home} is named like an LSTM, but its variables are {_shapes(local)}")
            own = {"forget_bias": 0.0} if CUDNN_LSTM.fullmatch(home) else {}
            sure.append(cell._replace(options={**cell.options, **own}))
        elif RNN_CLASS.fullmatch(name):
            cell = _rnn(home, local)
            if cell is None:
                raise UnrolledError(
                    f"{home} is named like an RNN cell, but its variables are {_shapes(local)}"
                )
            sure.append(cell)
        elif any(RECURRENT_SCOPE.fullmatch(part) for part in home.split("/")) and not DENSE_CLASS.fullmatch(
            name
        ):
            makers = {"lstm": _lstm, "rnn": _rnn}
            fits = [make(home, local) for maker, make in makers.items() if kind in (None, maker)]
            if found := [cell for cell in fits if cell is not None]:
                doubtful.append(found)
    inner = [cells for cells in doubtful if STACK_SCOPE.fullmatch("/".join(cells[0].path[-2:-1]))]
    if sure or inner:  # then whatever else lies in a recurrent scope is something else
        doubtful = inner
    choices: Iterable[Any] = itertools.product(*doubtful)
    if sum(len(cells) > 1 for cells in doubtful) > 6:  # too many to try them all
        choices = [
            [min(cells, key=lambda cell: cell.kind != k) for cells in doubtful] for k in ("lstm", "rnn")
        ]
    readings = [sorted([*sure, *choice], key=lambda cell: cell.place) for choice in choices]
    # Cells of one stack that are all of one kind are likelier than a mixture that happens to fit.
    homes_of_sure = {cell.home for cell in sure}
    return sorted(readings, key=lambda cells: len({c.kind for c in cells if c.home not in homes_of_sure}))


def _shapes(local: Mapping[str, ndarray]) -> str:
    return ", ".join(f"{name} {list(value.shape)}" for name, value in local.items())


def _gru(home: str, local: dict[str, ndarray]) -> FoundCell:
    if resets_after(local):
        return _gru_reset_after(home, local)
    expected = {"gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"}
    if set(local) >= expected and local["candidate/kernel"].ndim == 2:
        rows, width = local["candidate/kernel"].shape
        shapes = {"gates/kernel": (rows, 2 * width), "gates/bias": (2 * width,), "candidate/bias": (width,)}
        if rows > width and all(local[name].shape == shape for name, shape in shapes.items()):
            return FoundCell(home, "gru", rows - width, width, width, {}, local)
    raise UnrolledError(f"{home} is named like a GRU, but its variables are {_shapes(local)}")


def _gru_reset_after(home: str, local: dict[str, ndarray]) -> FoundCell:
    needed = {"gates/kernel", "gates/bias"} | {
        f"{p}/{v}" for p in (INPUT, HIDDEN) for v in ("kernel", "bias")
    }
    if set(local) >= needed and local[f"{INPUT}/kernel"].ndim == 2:
        size, width = local[f"{INPUT}/kernel"].shape
        shapes = {
            "gates/kernel": (size + width, 2 * width),
            "gates/bias": (2 * width,),
            f"{HIDDEN}/kernel": (width, width),
            f"{INPUT}/bias": (width,),
            f"{HIDDEN}/bias": (width,),
        }
        if size and all(local[name].shape == shape for name, shape in shapes.items()):
            return FoundCell(home, "gru", size, width, width, {"reset": "after"}, local)
    raise UnrolledError(f"{home} is named like cuDNN's GRU, but its variables are {_shapes(local)}")


def _lstm(home: str, local: dict[str, ndarray]) -> FoundCell | None:
    rows, columns = local["kernel"].shape
    width = columns // 4
    if columns % 4 or local.get("bias", local["kernel"][0]).shape != (columns,):
        return None
    options: dict[str, Any] = {}
    if "w_f_diag" in local:
        options["peephole"] = True
    output_size = width
    if "projection/kernel" in local:
        projection = local["projection/kernel"].shape
        if len(projection) != 2 or projection[0] != width:
            return None
        output_size = options["proj_size"] = projection[1]
    if all(f"{gate}/gamma" in local for gate in GATE_NORMS):
        options["layer_norm"] = "gates"
    elif "bias" not in local:
        return None
    if rows <= output_size:
        return None
    return FoundCell(home, "lstm", rows - output_size, width, output_size, options, local)


def _rnn(home: str, local: dict[str, ndarray]) -> FoundCell | None:
    rows, width = local["kernel"].shape
    if rows <= width or "bias" not in local or local["bias"].shape != (width,):
        return None
    return FoundCell(home, "rnn", rows - width, width, width, {}, local)


class Layers(NamedTuple):
    """Cells in the order of the layers; backward ones for two directions."""

    direction: str
    forward: list[FoundCell]
    backward: list[FoundCell]

    @property
    def feature_size(self) -> int:
        return self.forward[-1].output_size + (self.backward[-1].output_size if self.backward else 0)

    @property
    def top(self) -> list[FoundCell]:
        return [self.forward[-1], *self.backward[-1:]]


def arrangements(cells: list[FoundCell]) -> Iterator[Layers]:
    """The layers that cells can make, likelier ones first: what each gives is what the next takes."""
    forward = [cell for cell in cells if cell.direction != "bw"]
    backward = [cell for cell in cells if cell.direction == "bw"]
    if not backward:
        orders: Iterable[Any] = [forward]
        if len(forward) <= 6 and not any(re.search(r"(?:^|/)cell_\d+/", cell.home) for cell in forward):
            orders = itertools.permutations(forward)  # in scopes that someone named
        for order in orders:
            if all(above.input_size == below.output_size for below, above in itertools.pairwise(order)):
                yield Layers("forward", list(order), [])
        return
    likes = [(cell.kind, cell.input_size, cell.width, cell.options) for cell in forward]
    if likes != [(cell.kind, cell.input_size, cell.width, cell.options) for cell in backward]:
        return
    inside = any(re.search(r"(?:^|/)(?:fw|bw)/(?:\w+/)*cell_\d+/", cell.home) for cell in forward)
    direction = "parallel" if inside and len(forward) > 1 else "bidirectional"
    times = 1 if direction == "parallel" else 2
    if all(above.input_size == times * below.output_size for below, above in itertools.pairwise(forward)):
        yield Layers(direction, forward, backward)


def is_doubtful(orders: list[Layers]) -> bool:
    """Whether cells in scopes that words tell apart can be stacked in several orders, or are of two parts.

    An encoder and a decoder of one width look like a stack.
    """
    homes = [cell.home for cell in orders[0].forward]
    scopes = {re.sub(r"\d+", "#", home) for home in homes}
    if len(scopes) == 1 or orders[0].backward:
        return False
    numbered = {re.sub(r"_#(?=/|$)", "", scope) for scope in scopes}  # lstm_cell, lstm_cell_1
    return (len(orders) > 1 and len(numbered) > 1) or sum(
        any(TWO_PARTS[part].search(home) for home in homes) for part in TWO_PARTS
    ) > 1
