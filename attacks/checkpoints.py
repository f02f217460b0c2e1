"""TensorFlow's checkpoints: tables, bundles, graphs, and the names by which they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from attacks import innocent
from attacks.attack import Call, add, attack
from unrolled import tf1
from unrolled.tf1.checkpoints.crc32c import masked_crc32c
from unrolled.tf1.checkpoints.snappy import decompress
from unrolled.tf1.checkpoints.table import FOOTER, MAGIC, SNAPPY, write_table
from unrolled.tf1.checkpoints.wire import bytes_field, integer_field, write_varint
from unrolled.tf1.graphs.networks.definition import Graph

DENSE = {"kernel": (5, 4), "bias": (4,)}
NAMES = {
    "nothing": "",
    "the folder itself": ".",
    "the folder above": "..",
    "the root of all folders": "/",
    "only an ending, .index": ".index",
    "only an ending, .meta": ".meta",
    "only an ending, of a shard": ".data-00000-of-00001",
    "only the ending of a shard of version 1": "-00000-of-00001",
    "an ending in a folder that is not there": "nowhere/.index",
    "a name of ten thousand letters": "x" * 10_000,
    "a name with a line break": "model\nnext",
    "a name that is not UTF-8": os.fsdecode(b"\xff\xfe"),
    "a lone surrogate": "\ud800",
}
NONE = "no checkpoint|has no file|no file can|Invalid value for 'prefix'"
for what, name in NAMES.items():
    add(f"import of {what}", lambda folder, name=name: ["import-tf1", "--", name], NONE)
    add(
        f"a checkpoint called {what}, from Python",
        lambda folder, name=name: lambda: tf1.read_checkpoint(name),
        NONE,
    )

for what in ("nothing", "the folder itself", "the folder above", "the root of all folders"):
    add(
        f"export to {what}",
        lambda folder, name=NAMES[what]: ["export-tf1", str(innocent.run(folder / "run")), name],
        "expected .*a name",
    )
    add(
        f"a checkpoint written to {what}, from Python",
        lambda folder, name=NAMES[what]: lambda: tf1.write_checkpoint(name, innocent.variables()),
        "expected .*a name",
    )


def block(content: bytes, kind: int = 0) -> bytes:
    """A block of a table with its trailer."""
    checked = content + bytes([kind])
    return checked + masked_crc32c(checked).to_bytes(4, "little")


def entries(*items: tuple[int, bytes, bytes]) -> bytes:
    """The content of a block: (how much of the last key is shared, the rest of the key, the value)."""
    parts = [
        write_varint(shared) + write_varint(len(rest)) + write_varint(len(value)) + rest + value
        for shared, rest, value in items
    ]
    return b"".join(parts) + bytes(4) + (1).to_bytes(4, "little")


def place(offset: int, size: int) -> bytes:
    return write_varint(offset) + write_varint(size)


def table(blocks: bytes, index: bytes) -> bytes:
    """A file of blocks, with their index behind them."""
    footer = place(0, 0) + place(len(blocks), len(index))
    return blocks + block(index) + footer.ljust(FOOTER - len(MAGIC), b"\0") + MAGIC


def reading(content: Callable[[], bytes]) -> Callable[[Path], Call]:
    """Read a table as a checkpoint of version 1 and, which must say the same, of version 2."""

    def make(folder: Path) -> Call:
        (folder / "model.index").write_bytes(content())
        return lambda: tf1.read_checkpoint(folder / "model")

    return make


def _snappy_bomb() -> bytes:
    """Forty megabytes that claim to be 850."""
    size = 13_000_000 * 64
    content = write_varint(size + 1) + b"\0\0" + bytes([0xFE, 1, 0]) * 13_000_000
    return table(block(content, SNAPPY), entries((0, b"z", place(0, len(content)))))


def _key_bomb() -> bytes:
    """Keys of a megabyte, of which all but the last bytes are the key's before."""
    keys = [(0, b"a" * 1_000_000, b"")] + [(1_000_000 + n // 250, b"b", b"") for n in range(200_000)]
    content = entries(*keys)
    return table(block(content), entries((0, b"z", place(0, len(content)))))


def _index_key_bomb() -> bytes:
    """The same in the index: a hundred thousand blocks of nothing."""
    empty = block(entries())
    keys = [(0, b"a" * 2_000_000, place(0, 8))]
    keys += [(2_000_000, b"", place(13 * n, 8)) for n in range(1, 100_000)]
    return table(empty * 100_000, entries(*keys))


def _self_reference() -> bytes:
    index = entries((0, b"a", place(0, 20)), (0, b"b", place(0, 20)))
    return table(b"", index)


def _bundle(entry: bytes, header: bytes = integer_field(1, 1)) -> Callable[[Path], Call]:
    def make(folder: Path) -> Call:
        (folder / "model.index").write_bytes(write_table({b"": header, b"w": entry}))
        (folder / "model.data-00000-of-00001").write_bytes(bytes(64))
        return lambda: tf1.read_checkpoint(folder / "model")

    return make


def shape(*sizes: int) -> bytes:
    return bytes_field(2, b"".join(bytes_field(2, integer_field(1, size)) for size in sizes))


FLOAT, TEXT = integer_field(1, 1), integer_field(1, 7)
DAMAGED = "is damaged: "
add("a block of Snappy that unpacks to a gigabyte", reading(_snappy_bomb), DAMAGED)
add("keys that unfold to two hundred gigabytes", reading(_key_bomb), DAMAGED + "its keys are absurdly long")
add("index keys that unfold to two hundred gigabytes", reading(_index_key_bomb), DAMAGED)
add("an index whose block is itself", reading(_self_reference), DAMAGED)
add(
    "an empty variable with axes of a trillion",
    _bundle(FLOAT + bytes_field(2, bytes_field(2, b"") + bytes_field(2, integer_field(1, 2**40)) * 30)),
    DAMAGED + "it has a variable of shape",
)
add("a variable of a thousand axes", _bundle(FLOAT + shape(*[1] * 1000)), DAMAGED)
add("a text of a trillion strings", _bundle(TEXT + shape(2**40) + integer_field(5, 64)), DAMAGED)
add(
    "an offset beyond 64 bits",
    _bundle(FLOAT + shape(1) + integer_field(4, 2**64 - 1) + integer_field(5, 4)),
    DAMAGED,
)
add("a size beyond 64 bits", _bundle(FLOAT + shape(1) + integer_field(5, 2**64 - 1)), DAMAGED)
add(
    "a shard of a negative number",
    _bundle(FLOAT + shape(1) + integer_field(3, 2**64 - 1) + integer_field(5, 4)),
    DAMAGED,
)
add("a hundred thousand shards", _bundle(FLOAT, integer_field(1, 2**40)), DAMAGED + "it claims to have")


@attack("is damaged: the checksum of .* does not fit|cannot map")
def a_shard_of_a_terabyte(folder: Path) -> Call:
    prefix = innocent.checkpoint(folder / "model")
    innocent.sparse(folder / "model.data-00000-of-00001", 1 << 40)
    return ["import-tf1", str(prefix)]


@attack("is damaged: it does not end as a table does|cannot map")
def a_checkpoint_of_version_1_of_a_terabyte(folder: Path) -> Call:
    innocent.sparse(folder / "model.ckpt", 1 << 40)
    return ["import-tf1", str(folder / "model.ckpt")]


@attack("model.index is damaged|cannot map")
def an_index_of_a_terabyte(folder: Path) -> Call:
    innocent.sparse(folder / "model.index", 1 << 40, end=bytes(40) + MAGIC)
    return ["import-tf1", str(folder / "model")]


@attack("model.meta .*more than")
def a_graph_of_a_terabyte(folder: Path) -> Call:
    innocent.sparse(innocent.checkpoint(folder / "model").with_name("model.meta"), 1 << 40)
    return ["import-tf1", str(folder / "model")]


@attack("has no file `checkpoint` that names|cannot read .*checkpoint|more than")
def a_state_file_of_a_terabyte(folder: Path) -> Call:
    innocent.sparse(folder / "checkpoint", 1 << 40)
    return ["import-tf1", str(folder)]


def node(name: str, op: str, *inputs: str) -> bytes:
    content = bytes_field(1, name.encode()) + bytes_field(2, op.encode())
    return bytes_field(1, content + b"".join(bytes_field(3, given.encode()) for given in inputs))


def graph(folder: Path, nodes: bytes) -> Path:
    (folder / "model.meta").write_bytes(bytes_field(2, nodes))
    return folder / "model.meta"


@attack("is too tangled|no recurrent|forget_bias")
def a_graph_of_sixty_thousand_tangled_nodes(folder: Path) -> Call:
    innocent.checkpoint(folder / "model")
    nodes = [node("one", "Const"), node("rnn/basic_lstm_cell/kernel", "VariableV2")]
    for n in range(60_000):
        op = ("Sigmoid", "AddV2", "Tanh", "Split", "ClipByValue", "Minimum")[n % 6]
        nodes.append(node(f"n{n}", op, *(f"n{(n * k + k) % 60_000}" for k in (7, 11, 13)), "one"))
    graph(folder, b"".join(nodes))
    return ["import-tf1", str(folder / "model"), "--run", str(folder / "run")]


@attack("is damaged: its graph has 500000 nodes")
def a_graph_of_half_a_million_nodes(folder: Path) -> Call:
    path = graph(folder, node("one", "Const", "two") * 500_000)
    return lambda: Graph.read(path)


@attack("is too tangled|no recurrent|forget_bias")
def a_graph_that_goes_round_in_circles(folder: Path) -> Call:
    innocent.checkpoint(folder / "model")
    around = [node(f"n{n}", "Identity", f"n{(n + 1) % 9}:1") for n in range(9)]
    around += [node("enter", "Enter", "enter"), node("s", "Sigmoid", "s"), node("t", "Tanh", "t:1")]
    around += [node(f"rnn/{n}", "MatMul", "n0", "enter") for n in range(3)]
    graph(folder, b"".join(around))
    return ["import-tf1", str(folder / "model"), "--run", str(folder / "run")]


@attack("is damaged: .*fields")
def a_graph_of_thirty_million_fields(folder: Path) -> Call:
    path = graph(folder, b"\x08\0" * 30_000_000)
    return lambda: Graph.read(path)


@attack("is damaged")
def a_graph_of_messages_inside_one_another(folder: Path) -> Call:
    nested = b""
    for _ in range(3000):
        nested = bytes_field(1, nested) + bytes_field(5, nested[:50])
    path = graph(folder, bytes_field(1, nested))
    return lambda: Graph.read(path)


@attack("is damaged: .*more than ten bytes")
def a_number_of_a_million_bytes(folder: Path) -> Call:
    path = graph(folder, b"\xff" * 1_000_000)
    return lambda: Graph.read(path)


@attack("there are 3001 matrices beside the cells: .* --ignore")
def a_checkpoint_of_three_thousand_matrices_and_as_many_biases(folder: Path) -> Call:
    one = np.zeros((4, 4), "f4")
    variables = {f"part{n}/{name}": value for n in range(3000) for name, value in (("x", one), ("y", one[0]))}
    tf1.write_checkpoint(folder / "model", innocent.variables() | variables)
    return ["import-tf1", str(folder / "model")]


@attack("no recurrent cell was found")
def names_that_look_recurrent_again_and_again(folder: Path) -> Call:
    scopes = (f"{'rnnlstmgru' * 300}{n}!" for n in range(200))
    variables = {
        f"{scope}/{name}": np.zeros(shape, "f4") for scope in scopes for name, shape in DENSE.items()
    }
    tf1.write_checkpoint(folder / "model", variables)
    return ["import-tf1", str(folder / "model")]


@attack("claims to hold|ends early|holds")
def a_block_of_snappy_that_claims_four_gigabytes(folder: Path) -> Call:
    return lambda: decompress(write_varint(2**32 - 1) + b"\xfe\1\0" * 10)
