"""Folders of arrays whose sequences have lengths of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled.data import Examples, batches, open_arrays, save_arrays
from unrolled.errors import UnrolledError

LENGTHS = (3, 1, 5, 2, 2, 4)
LABELS = [0, 1, 2, 0, 1, 2]


def some(lengths=LENGTHS, dtype=np.float32, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(0, 200, (length, 2)).astype(dtype) for length in lengths]


def put(folder: Path, form: str, steps=None, labels=LABELS, lengths=None) -> Path:
    """A folder whose files were saved by numpy."""
    folder.mkdir()
    steps = some() if steps is None else steps
    of_each = np.array([len(one) for one in steps])
    if form == "flat":
        sequences = np.concatenate(steps)
    else:
        sequences = np.full((len(steps), of_each.max() + 2, 2), np.nan, steps[0].dtype)
        for row, one in enumerate(steps):
            sequences[row, : len(one)] = one
    for part in ("train", "test"):
        np.save(folder / f"{part}-sequences.npy", sequences)
        np.save(folder / f"{part}-labels.npy", labels)
        np.save(folder / f"{part}-lengths.npy", of_each if lengths is None else lengths)
    return folder


def assert_same(one: Examples, other: Examples) -> None:
    for ours, theirs in zip(batches(one, 4), batches(other, 4), strict=True):
        assert torch.equal(ours.x, theirs.x)
        assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.lengths, theirs.lengths)


@pytest.mark.parametrize("form", ["flat", "dense"])
def test_lengths_beside_the_arrays_are_those_of_the_sequences(tmp_path, form):
    opened = open_arrays(put(tmp_path / "mine", form), validation=2)
    in_memory = Examples(some(), torch.tensor(LABELS))
    assert_same(opened.train, in_memory[2:])
    assert_same(opened.validation, in_memory[:2])
    assert_same(opened.test, in_memory)
    opened.check_finite()


@pytest.mark.parametrize("form", ["flat", "dense"])
def test_they_stay_on_the_disk(tmp_path, form):
    """The values are the file's: what changes there changes here."""
    folder = put(tmp_path / "mine", form)
    opened = open_arrays(folder, validation=0)
    before = opened.train.sequence(5).clone()
    with (folder / "train-sequences.npy").open("r+b") as file:
        file.seek(0 if form == "flat" else -2 * 2 * 2 * 4 - 3 * 2 * 4, 2)
        file.seek(-8 if form == "flat" else 0, 1)
        file.write(np.float32([77, 78]).tobytes())
    changed = opened.train.sequence(5)
    assert not torch.equal(changed, before)
    opened.train.expect(torch.tensor([5, 0]))


def test_pieces_of_any_lengths_are_saved_as_one_array_of_steps(tmp_path):
    steps = some()
    pieces = [(steps[:4], LABELS[:4]), (tuple(map(torch.from_numpy, steps[4:])), torch.tensor(LABELS[4:]))]
    save_arrays(tmp_path / "mine", train=iter(pieces), test=pieces[:1])
    assert np.load(tmp_path / "mine" / "train-sequences.npy").shape == (sum(LENGTHS), 2)
    assert np.load(tmp_path / "mine" / "train-lengths.npy").tolist() == list(LENGTHS)
    assert_same(open_arrays(tmp_path / "mine", validation=0).train, Examples(steps, torch.tensor(LABELS)))


def test_arrays_of_one_length_need_no_lengths_however_they_came(tmp_path):
    steps = some((4, 4, 4))
    save_arrays(tmp_path / "list", train=[(steps, [0, 1, 0])], test=[(steps, [0, 1, 0])])
    save_arrays(tmp_path / "array", train=[(np.stack(steps), [0, 1, 0])], test=[(steps[:1], [0])])
    for name in ("list", "array"):
        assert np.array_equal(np.load(tmp_path / name / "train-sequences.npy"), np.stack(steps))
        assert not (tmp_path / name / "train-lengths.npy").exists()
        assert open_arrays(tmp_path / name, validation=0).train.lengths is None


def test_an_array_may_follow_a_list(tmp_path):
    steps = some((2, 3, 5, 5))
    save_arrays(
        tmp_path / "mine", train=[(steps[:2], [0, 1]), (np.stack(steps[2:]), [1, 0])], test=[(steps, [0] * 4)]
    )
    opened = open_arrays(tmp_path / "mine", validation=0)
    assert_same(opened.train, Examples(steps, torch.tensor([0, 1, 1, 0])))


@pytest.mark.parametrize(
    ("form", "lengths", "message"),
    [
        (
            "flat",
            [3, 1, 5, 2, 2, 5],
            r"holds lengths of 18 steps together, expected the 17 of train-",
        ),
        ("flat", [3, 1, 5, 2, 6, 0], r"train-lengths.npy holds 0 in row 5, expected 1 to 17"),
        ("dense", [3, 1, 5, 2, 2, 8], r"train-lengths.npy holds 8 in row 5, expected 1 to 7"),
        (
            "dense",
            [3, 1, 5, 2, 2],
            r"holds 5 lengths, expected 6: one for each sequence",
        ),
        ("dense", [3, 1, 5, 2, 2, -1], r"holds -1 in row 5"),
        ("flat", [3.0, 1, 5, 2, 2, 4.5], r"train-lengths.npy holds 4.5 in row 5, expected whole numbers"),
        ("flat", [[3, 1]], r"holds int64 \[1, 2\], expected integers \[N\]"),
        ("flat", [17], r"train-labels.npy holds 6 labels, expected 1: one for each sequence"),
        ("flat", [2**62, 2**62, 2**62, 2**62, 1, 16], "holds 4611686018427387904 in row 0, expected 1 to 17"),
    ],
)
def test_lengths_that_do_not_fit_are_one_clear_error(tmp_path, form, lengths, message):
    with pytest.raises(UnrolledError, match=message):
        open_arrays(put(tmp_path / "mine", form, lengths=lengths))


def test_steps_without_lengths_say_what_is_missing(tmp_path):
    folder = put(tmp_path / "mine", "flat")
    (folder / "train-lengths.npy").unlink()
    with pytest.raises(UnrolledError, match=r"expected .* \[N, T, I\], none of them 0, or train-lengths.npy"):
        open_arrays(folder)


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (
            ([np.zeros((2, 3)), np.zeros((2, 4))], [0, 1]),
            r"sequence 1 of piece 0 of train is .* \[2, 4\]",
        ),
        (
            ([np.zeros((2, 3)), np.zeros((0, 3))], [0, 1]),
            r"sequence 1 of piece 0 of train is .* \[0, 3\]",
        ),
        (([np.zeros((2, 3)), np.zeros((2, 3), int)], [0, 1]), "sequence 1 of piece 0 of train is int64"),
        (([np.zeros((2, 3), complex)], [0]), "the sequences of piece 0 of train are complex128, expected"),
        (([np.zeros((2, 3)), np.zeros((1, 3))], [0]), r"with labels int64 \[1\], expected"),
    ],
)
def test_lists_that_do_not_fit_are_refused_and_leave_nothing(tmp_path, piece, message):
    with pytest.raises(UnrolledError, match=message):
        save_arrays(tmp_path / "mine", train=[piece], test=[piece])
    assert not (tmp_path / "mine").exists()
