"""Folders of .npy files: their headers, the numbers in them, and the names of the classes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from attacks import innocent
from attacks.attack import Call, add, attack
from unrolled import data

SEQUENCES, LABELS, CLASSES = "train-sequences.npy", "train-labels.npy", "classes.txt"


def header(descr: str = "'<f4'", shape: str = "(6, 4, 3)", order: str = "False", version: int = 1) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + b"\n"


DAMAGED = "header is damaged"
HEADERS = {
    "a shape of a quintillion": (header(shape="(10**18, 4, 3)"), "header is damaged"),
    "a shape of a hundred exabytes": (header(shape=f"({10**18}, 4, 3)"), "is cut: .* bytes of data came"),
    "a negative shape": (header(shape="(-6, -4, 3)") + bytes(288), "is damaged"),
    "a number of ten thousand digits": (
        header(shape=f"(0x{'f' * 9000}, 4, 3)", version=2),
        "header is damaged",
    ),
    "a shape of four thousand axes": (header(shape=f"({'1,' * 4000})", version=2), "header is damaged"),
    "parentheses as deep as the header": (
        header(shape="(" * 4000 + ")" * 4000, version=2),
        "header is damaged",
    ),
    "as many signs as there is room for": (header(shape="-" * 9000 + "1", version=2), "header is damaged"),
    "python objects": (header(descr="'|O'"), "holds Python objects"),
    "python objects inside a record": (header(descr="[('a', '|O')]"), "holds Python objects"),
    "records": (header(descr="[('a', '<f4'), ('b', '<f4')]") + bytes(576), "expected "),
    "complex numbers": (header(descr="'<c8'") + bytes(576), "expected "),
    "text": (header(descr="'<U3'") + bytes(864), "expected "),
    "elements of no bytes": (header(descr="'|V0'", shape=f"({10**18}, 4, 3)"), "expected |is damaged"),
    "fortran order": (header(order="True") + bytes(288), "in Fortran order"),
    "code in place of a header": (b"\x93NUMPY\1\0\x1c\0" + b"__import__('os').abort()    ", DAMAGED),
    "a version of the future": (b"\x93NUMPY\x09\0" + bytes(100), "is not a .npy file"),
    "an archive of arrays": (b"PK\3\4" + bytes(100), "is not a .npy file"),
}  # fmt: skip


def _with_header(content: bytes) -> object:
    def make(folder: Path) -> Call:
        (innocent.arrays(folder / "arrays") / SEQUENCES).write_bytes(content)
        return lambda: data.open_arrays(folder / "arrays")

    return make


for name, (content, says) in HEADERS.items():
    add(f"a .npy file with {name}", _with_header(content), says)


@attack("header is damaged")
def a_npy_file_whose_header_has_four_gigabytes(folder: Path) -> Call:
    start = b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1)
    innocent.sparse(innocent.arrays(folder / "arrays") / SEQUENCES, 5 << 30, start)
    return ["train", "--data", str(folder / "arrays")]


@attack("train-sequences.npy: in row 5, step 2, number 1 is nan")
def a_number_that_is_none(folder: Path) -> Call:
    path = innocent.arrays(folder / "arrays") / SEQUENCES
    sequences = np.load(path)
    sequences[5, 2, 1] = np.nan
    np.save(path, sequences)
    return ["train", "--data", str(folder / "arrays"), "--run", str(folder / "run"), "--validation", "2"]


WRONG_LABELS = {
    "halves": (np.arange(12) / 2, "holds 0.5 in row 1, expected whole numbers"),
    "infinity": (np.full(12, np.inf), "holds inf in row 0, expected whole numbers"),
    "nothing at all": (np.full(12, np.nan), "holds nan in row 0, expected whole numbers"),
    "numbers that no integer can be": (np.full(12, 1e300), "holds 1e\\+300 in row 0, expected whole numbers"),
    "names": (np.array(["sine", "square"] * 6), "expected integers.*return_inverse"),
    "python objects": (np.array([0, None] * 6), "holds Python objects"),
    "complex numbers": (np.zeros(12, complex), "expected integers"),
    "numbers beyond 63 bits": (np.full(12, 2**64 - 1, "u8"), "expected"),
}  # fmt: skip


def _with_labels(labels: np.ndarray) -> object:
    def make(folder: Path) -> Call:
        np.save(innocent.arrays(folder / "arrays") / LABELS, labels)
        (folder / "arrays" / CLASSES).unlink()
        return lambda: data.open_arrays(folder / "arrays")

    return make


for name, (labels, says) in WRONG_LABELS.items():
    add(f"labels that are {name}", _with_labels(labels), says)


@attack("classes.txt .*more than")
def names_of_classes_in_a_terabyte(folder: Path) -> Call:
    innocent.sparse(innocent.arrays(folder / "arrays") / CLASSES, 1 << 40)
    return ["train", "--data", str(folder / "arrays")]


@attack("classes.txt .* expected .*name")
def names_of_classes_that_move_the_cursor(folder: Path) -> Call:
    (innocent.arrays(folder / "arrays") / CLASSES).write_text("sine\x1b[2J\nsquare\n")
    return ["train", "--data", str(folder / "arrays")]
