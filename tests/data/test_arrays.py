"""Folders of arrays: what is saved is opened, mapped and not read; whatever else comes is one clear error."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.pieces import COUNTS, LABELS, PARTS, SEQUENCES, joined, pieces, put
from unrolled.data import Examples, batches, load, open_arrays, save_arrays
from unrolled.errors import UnrolledError


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_what_is_saved_in_pieces_is_opened(tmp_path: Path, dtype: str) -> None:
    parts = {part: pieces(COUNTS[part], dtype, seed) for seed, part in enumerate(PARTS)}
    generators = {part: (piece for piece in some) for part, some in parts.items()}
    save_arrays(tmp_path / "mine", **generators, classes=["a", "b c", "ä"])
    data = open_arrays(tmp_path / "mine")
    assert data.classes == ("a", "b c", "ä")
    assert data.name == str(tmp_path / "mine")
    for part in PARTS:
        sequences, labels = joined(parts[part])
        examples = getattr(data, part)
        assert examples.sequences.numpy().dtype == dtype
        assert (examples.sequences.numpy() == sequences).all()
        assert (examples.labels.numpy() == labels).all()
        assert (np.load(tmp_path / "mine" / f"{part}-sequences.npy") == sequences).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


def test_tensors_can_be_saved(tmp_path: Path) -> None:
    examples = load("sample").test
    some = [(examples.sequences, examples.labels)]
    save_arrays(tmp_path / "digits", train=some, test=some)
    data = open_arrays(tmp_path / "digits", validation=0)
    assert (data.train.sequences == examples.sequences).all()
    assert data.classes == tuple("0123456789")


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_what_numpy_saves_is_opened(tmp_path: Path, version: tuple[int, int]) -> None:
    put(tmp_path)
    sequences, labels = joined(pieces(23, seed=5))
    with open(tmp_path / "train-sequences.npy", "wb") as file:
        np.lib.format.write_array(file, sequences, version=version)
    np.save(tmp_path / "train-labels.npy", labels.astype(">u2"))
    data = open_arrays(tmp_path, validation=3)
    assert (data.train.sequences.numpy() == sequences[3:]).all()
    assert data.train.labels.tolist() == labels[3:].tolist()
    assert (data.validation.sequences.numpy() == sequences[:3]).all()
    assert data.classes == ("0", "1", "2")


def test_a_tenth_is_held_out_by_default_and_files_for_it_are_taken_as_they_are(tmp_path: Path) -> None:
    put(tmp_path)
    assert len(open_arrays(tmp_path).validation) == 2
    assert len(open_arrays(tmp_path, validation=22).train) == 1
    sequences, labels = joined(pieces(4))
    np.save(tmp_path / "validation-sequences.npy", sequences)
    np.save(tmp_path / "validation-labels.npy", labels)
    for validation in (None, 4):
        data = open_arrays(tmp_path, validation=validation)
        assert (len(data.train), len(data.validation)) == (23, 4)
    with pytest.raises(UnrolledError, match=r"validation is 3, but .* has 4 examples for that in validation"):
        open_arrays(tmp_path, validation=3)


def test_load_takes_a_folder_in_place_of_a_name(tmp_path: Path) -> None:
    put(tmp_path)
    assert len(load(str(tmp_path), validation=5).validation) == 5
    with pytest.raises(UnrolledError, match=r"data_dir is 'x', but .* is a path itself: leave it out"):
        load(str(tmp_path), "x")


def test_opening_warns_of_nothing_and_batches_are_copies(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = open_arrays(put(tmp_path))
    before = data.train.sequences.clone()
    for x, _, _ in batches(data.train, 4):
        x.zero_()
    assert (data.train.sequences == before).all()


def test_a_slice_of_mapped_examples_gives_its_own_rows(tmp_path: Path) -> None:
    examples = open_arrays(put(tmp_path), validation=0).train
    sequences, labels = joined(pieces(23))
    in_memory = Examples(torch.from_numpy(sequences), torch.from_numpy(labels))
    for part in (slice(3, 20), slice(None, None, 2), slice(5, 19, 3)):
        seen, expected = (
            list(batches(whole[part], 4, generator=torch.Generator().manual_seed(1)))
            for whole in (examples, in_memory)
        )
        for one, other in zip(seen, expected, strict=True):
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.labels, other.labels)


ADVICE = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system takes no advice")


@ADVICE
def test_the_bytes_of_the_rows_to_come_are_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)
    begins = (tmp_path / "train-sequences.npy").stat().st_size - 23 * 40
    announced: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, place, size, what: announced.append((place, size)))
    examples = open_arrays(tmp_path, validation=0).train
    examples.expect(torch.tensor([7, 0, 22]))
    assert announced == [(begins + 7 * 40, 40), (begins, 40), (begins + 22 * 40, 40)]
    announced.clear()
    examples[5::3].expect(torch.tensor([1, 0]))
    assert announced == [(begins + 8 * 40, 40), (begins + 5 * 40, 40)]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_files_are_closed_when_the_data_is_let_go(tmp_path: Path) -> None:
    put(tmp_path)
    opened = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        open_arrays(tmp_path)
    assert len(os.listdir("/proc/self/fd")) <= opened


@pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux does")
def test_opening_and_training_take_no_memory_for_the_whole(tmp_path: Path) -> None:
    """A gigabyte of zeros, of which three batches are used: 30 MB of it and their copies."""
    put(tmp_path)
    labels = np.resize(np.arange(3), 5_000)
    np.save(tmp_path / "train-labels.npy", labels)
    header = np.lib.format.open_memmap(
        tmp_path / "train-sequences.npy", mode="w+", dtype=np.float32, shape=(5_000, 25_000, 2)
    )
    del header
    code = f"""
import resource, torch
from unrolled.data import batches, open_arrays
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = open_arrays({str(tmp_path)!r})
examples = batches(data.train, 50, generator=torch.Generator())
for number in range(3):
    print(tuple(next(examples)[0].shape))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    *shapes, kilobytes = ran.stdout.splitlines()
    assert shapes == ["(50, 25000, 2)"] * 3
    assert int(kilobytes) < 300 << 10


@pytest.mark.parametrize("dtype", ["float64", "int8", "int16", "int32", "int64", "uint16", "bool"])
def test_numbers_of_other_types_are_read_as_float32_as_they_are(tmp_path: Path, dtype: str) -> None:
    sequences = SEQUENCES > 100 if dtype == "bool" else (SEQUENCES - 100).astype("int64").astype(dtype)
    put(tmp_path, train_sequences=sequences, test_sequences=sequences[:7])
    examples = open_arrays(tmp_path, validation=0).train
    x, _, _ = examples.take(torch.tensor([4, 0]))
    assert x.dtype == torch.float32
    assert (x.numpy() == sequences[[4, 0]].astype(np.float32)).all()
    assert len({float(number) for number in x.flatten()}) > 1


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (LABELS + 1, ("1", "2", "3")),
        (LABELS - 1, ("-1", "0", "1")),
        (np.where(LABELS == 2, -1, LABELS).astype("i1"), ("-1", "0", "1")),
        (LABELS * 6000.0, ("0", "6000", "12000")),
        (LABELS.astype(">i2") * 7, ("0", "7", "14")),
    ],
)
def test_labels_that_do_not_count_from_0_are_the_names_of_classes(
    tmp_path: Path, labels: np.ndarray, classes: tuple[str, ...]
) -> None:
    put(tmp_path, train_labels=labels, test_labels=labels[:7])
    data = open_arrays(tmp_path)
    assert data.classes == classes
    assert data.notes == (f"the 3 labels from {classes[0]} to {classes[-1]} are classes of these names",)
    assert [int(data.classes[number]) for number in data.test.labels] == labels[:7].tolist()
    assert [int(data.classes[number]) for number in data.train.labels] == labels[2:].tolist()


def test_labels_that_count_from_0_need_no_note(tmp_path: Path) -> None:
    put(tmp_path, train_labels=LABELS.astype(float), test_labels=(LABELS[:7] > 0))
    data = open_arrays(tmp_path)
    assert (data.classes, data.notes) == (("0", "1", "2"), ())
    assert data.test.labels.tolist() == [0, 1, 1, 0, 1, 1, 0]
