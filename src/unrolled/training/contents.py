"""What a data set holds, in a few words: enough to tell it from every other one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from unrolled.data import Dataset, Examples, Sequences

PARTS = ("train", "validation", "test")
BLOCK = 2**24  # bytes that are in memory at a time, for each thread

# By part, and of the classes, what it holds: numbers, and digests of all its bytes.
Contents = dict[str, dict[str, Any]]


def contents_of(data: Dataset) -> Contents:
    """How many examples each part has, their steps, width and type, and digests of all of their bytes.

    Of sequences of lengths of their own the digest is of their real steps, however they are kept.

    Every byte is read once, block by block, on torch's threads: a second for each GB or so, or what the disk
    needs. Less would let a changed number pass.

    >>> from unrolled import data
    >>> contents_of(data.load("sample"))["test"]["examples"]
    1000
    """
    names = "".join(f"{len(name)} {name}" for name in data.classes)
    classes = {"count": len(data.classes), "names": sha256(names.encode(errors="surrogatepass")).hexdigest()}
    about: Contents = {"classes": classes}
    if data.numbers is not None:
        numbers = repr(dataclasses.astuple(data.numbers)).encode(errors="surrogatepass")
        about["numbers"] = {"count": data.numbers.outputs, "scales": sha256(numbers).hexdigest()}
    return about | {part: _of_examples(getattr(data, part)) for part in PARTS}


def _of_examples(examples: Examples) -> dict[str, Any]:
    labels = examples.labels
    if isinstance(labels, Sequences):
        digest = _digest_each(map(labels.__getitem__, range(len(labels))))
    else:
        digest = _digest(labels)
    held = {
        "examples": len(examples),
        "steps": examples.steps,
        "width": examples.width,
        "type": str(examples.dtype).removeprefix("torch."),
        "labels": digest,
        "sequences": _digest_of_sequences(examples),
    }
    if examples.lengths is not None:
        held["lengths"] = _digest(examples.lengths)
    if examples.scaling is not None:
        scaling = repr(dataclasses.astuple(examples.scaling))
        held["scaling"] = sha256(scaling.encode()).hexdigest()
    return held


def _digest_of_sequences(examples: Examples) -> str:
    if examples.lengths is None and isinstance(examples.sequences, Tensor):
        return _digest(examples.sequences)
    return _digest_each(map(examples.raw, range(len(examples))))


def _digest_each(sequences: Iterable[Tensor]) -> str:
    """SHA-256 of the bytes of sequences one behind the other."""
    digest = sha256()
    for sequence in sequences:
        digest.update(_bytes(sequence))
    return digest.hexdigest()


def _bytes(values: Tensor) -> memoryview:
    plain = values.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().data


def _digest(values: Tensor) -> str:
    """SHA-256 of the digests of blocks of rows: so that several threads can work."""
    if values.numel() == 0:
        return sha256().hexdigest()
    rows = max(1, BLOCK // (values[0].numel() * values.element_size()))

    def block(first: int) -> bytes:
        return sha256(_bytes(values[first : first + rows])).digest()

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return sha256(b"".join(threads.map(block, range(0, len(values), rows)))).hexdigest()


WORDS = {
    "count": "there are {now} {part}, not {then}",
    "names": "the names of the {part} are others",
    "scales": "the names, scales or season of the {part} are others",
    "examples": "{part} has {now} examples, not {then}",
    "steps": "the sequences of {part} have {now} steps, not {then}",
    "width": "the steps of {part} are {now} wide, not {then}",
    "type": "the sequences of {part} are {now}, not {then}",
    "lengths": "the lengths of the sequences of {part} are others",
    "scaling": "the values of {part} are scaled otherwise",
    "labels": "the labels of {part} are others",
    "sequences": "the sequences of {part} are others",
}


def differences(then: Any, now: Contents) -> list[str]:
    """What is not as it was, in words; of what follows from another shape nothing more is said.

    >>> then = {"train": {"examples": 3, "labels": "a"}, "test": {"labels": "c"}}
    >>> differences(then, {"train": {"examples": 2, "labels": "b"}, "test": {"labels": "d"}})
    ['train has 2 examples, not 3', 'the labels of test are others']
    """
    words = []
    for part, held in now.items():
        before = then.get(part) if isinstance(then, Mapping) else None
        if not isinstance(before, Mapping):
            words.append(f"what {part} held is not known")
            continue
        changed = [key for key in WORDS if before.get(key) != held.get(key)]
        shape = [key for key in changed if key in ("count", "examples", "steps", "width", "type")]
        words += [
            WORDS[key].format(part=part, now=held.get(key), then=before.get(key)) for key in shape or changed
        ]
    return words
