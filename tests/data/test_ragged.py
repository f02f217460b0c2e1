"""Examples of lengths of their own: what a batch of them is, however they are kept."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import Dataset, Examples, Numbers, Preparation, Sequences, Standardization, batches
from unrolled.data.examples import BLOCK
from unrolled.errors import UnrolledError

TYPES = [np.float64, np.float32, np.float16, np.int64, np.uint8, bool]
ROWS = torch.tensor([3, 0, 3, 1])


def arrays(lengths=(3, 1, 5, 2), width=2, dtype=np.float64, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(0, 255, (length, width)).astype(dtype) for length in lengths]


def kept_as(kind, steps, labels, extra=0, garbage=float("nan"), **options):
    """The same examples as a list of arrays, as one flat array, and padded with something that is none."""
    if kind == "list":
        return Examples(steps, labels, **options)
    lengths = torch.tensor([len(one) for one in steps])
    if kind == "flat":
        return Examples(Sequences.flat(torch.from_numpy(np.concatenate(steps)), lengths), labels, **options)
    dtype = np.float64 if steps[0].dtype.kind != "f" else steps[0].dtype
    dense = np.full((len(steps), int(lengths.max()) + extra, steps[0].shape[1]), garbage, dtype)
    for row, one in enumerate(steps):
        dense[row, : len(one)] = one
    return Examples(torch.from_numpy(dense), labels, lengths, **options)


def assert_same(one, other):
    for ours, theirs in zip(one, other, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.dtype == theirs.dtype and torch.equal(ours, theirs))


@pytest.mark.parametrize("dtype", TYPES)
def test_a_batch_has_its_examples_then_zeros_and_their_lengths(dtype):
    steps = arrays(dtype=dtype)
    examples = Examples(steps, torch.arange(4))
    assert (len(examples), examples.width, examples.steps, examples.shortest) == (4, 2, 5, 1)
    x, labels, lengths = examples.take(ROWS)
    assert x.dtype == torch.float32
    assert lengths.tolist() == [2, 3, 2, 1]
    assert labels.tolist() == ROWS.tolist()
    scale = 255 if dtype is np.uint8 else 1
    for row, (found, length) in enumerate(zip(x, lengths, strict=True)):
        expected = torch.from_numpy(steps[ROWS[row]].astype(np.float32)) / scale
        assert torch.equal(found[:length], expected)
        assert (found[length:] == 0).all()
        assert torch.equal(examples.sequence(int(ROWS[row])), expected)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    extra=st.integers(0, 7),
    garbage=st.sampled_from([float("nan"), float("inf"), 0.0, 7.0]),
    scaled=st.booleans(),
    data=st.data(),
)
def test_however_they_are_kept_and_padded_the_batches_are_the_same(lengths, extra, garbage, scaled, data):
    steps, labels = arrays(lengths), torch.arange(len(lengths))
    scaling = Standardization((3.0, 4.0), (2.0, 0.5)) if scaled else None
    prepared = Preparation(standardization=scaling)
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=6)), dtype=torch.int64)
    first, *others = [
        kept_as(kind, steps, labels, extra, garbage, preparation=prepared)
        for kind in ("list", "flat", "dense")
    ]
    for other in others:
        assert_same(first.take(rows), other.take(rows))
        for ours, theirs in zip(batches(first, 3), batches(other, 3), strict=True):
            assert_same(ours, theirs)
        other.check_finite("train")
        half = slice(1, None, 2)
        assert_same(first[half].take(rows[:0]), other[half].take(rows[:0]))
        for row in range(len(first[half])):
            assert torch.equal(first[half].sequence(row), other[half].sequence(row))


def test_a_batch_of_one_length_says_nothing_of_lengths():
    examples = Examples(arrays((4, 2, 4)), torch.arange(3))
    assert examples.take(torch.tensor([0, 2])).lengths is None
    assert examples.take(torch.tensor([1])).x.shape == (1, 2, 2)
    assert examples.take(torch.tensor([0, 1])).lengths.tolist() == [4, 2]


def test_a_slice_holds_the_same_memory_and_knows_its_rows():
    examples = Examples(arrays(), torch.arange(4))
    part = examples[1:][::2]
    assert part.lengths.tolist() == [1, 2]
    assert part.sequences.values.data_ptr() == examples.sequences.values.data_ptr()
    assert list(part.places) == [1, 3]


def test_windows_of_one_series_may_overlap():
    series = torch.arange(6.0)[:, None]
    starts = torch.tensor([0, 1, 2])
    windows = Examples(Sequences(series, starts, torch.tensor([3, 3, 3])), torch.rand(3, 1))
    assert windows.take(torch.tensor([2, 0])).x.flatten().tolist() == [2, 3, 4, 0, 1, 2]


def test_labels_of_steps_come_padded_with_what_is_no_class():
    steps = arrays((2, 3))
    examples = Examples(steps, Sequences.flat(torch.tensor([1, 0, 2, 2, 1]), torch.tensor([2, 3])))
    assert examples.take(torch.tensor([0, 1])).labels.tolist() == [[1, 0, -1], [2, 2, 1]]
    assert examples[1:].take(torch.tensor([0])).labels.tolist() == [[2, 2, 1]]


@pytest.mark.parametrize("kind", ["list", "flat", "dense"])
@pytest.mark.parametrize(("row", "step"), [(0, 2), (2, 4), (3, 0)])
def test_a_number_that_is_none_is_named_by_row_and_step(kind, row, step):
    steps = arrays()
    steps[row][step, 1] = np.inf
    examples = kept_as(kind, steps, torch.arange(4))
    with pytest.raises(UnrolledError, match=f"train: in row {row}, step {step}, number 1 is inf, expected"):
        examples.check_finite("train")
    rest = examples[row:]
    with pytest.raises(UnrolledError, match=f"in row {row}, step {step}, number 1"):
        rest.check_finite("train")


def test_numbers_are_looked_at_in_every_block():
    lengths = [BLOCK // 8, BLOCK // 4, BLOCK // 2, 3]
    steps = [np.zeros((length, 2), np.float32) for length in lengths]
    steps[3][2, 0] = np.nan
    examples = Examples(steps, torch.arange(4))
    assert len(list(examples.blocks())) > 1
    with pytest.raises(UnrolledError, match="in row 3, step 2, number 0 is nan"):
        examples.check_finite("train")


@pytest.mark.parametrize(
    ("sequences", "labels", "lengths", "message"),
    [
        (torch.zeros(2, 4, 3), [0, 1], [5, 1], r"lengths\[0\] is 5, expected 1 to 4"),
        (torch.zeros(2, 4, 3), [0, 1], [1, 0], r"lengths\[1\] is 0, expected 1 to 4"),
        (torch.zeros(2, 4, 3), [0, 1], [1], r"lengths are torch.int64 \[1\], expected whole numbers \[2\]"),
        (
            torch.zeros(2, 4, 3),
            [0, 1],
            [1.0, 2.0],
            r"lengths are torch.float32 \[2\], expected",
        ),
        ([np.zeros((2, 3))], [0], [1], "lengths came beside sequences that have their own"),
        (
            [np.zeros((2, 3)), np.zeros((2, 4))],
            [0, 1],
            None,
            r"sequence 1 is torch.float64 \[2, 4\]",
        ),
        ([], [], None, "there are no sequences"),
        ([np.zeros((0, 3))], [0], None, "sequence 0 has 0 steps"),
        ([np.zeros((2, 3))], [0, 1], None, "1 sequences and 2 labels"),
    ],
)
def test_sequences_and_lengths_that_do_not_fit_are_refused(sequences, labels, lengths, message):
    with pytest.raises(UnrolledError, match=message):
        Examples(sequences, torch.tensor(labels, dtype=torch.int64), lengths)


def test_labels_that_do_not_fit_the_steps_are_refused():
    tags = Sequences.flat(torch.tensor([0, 1, 1]), torch.tensor([2, 1]))
    with pytest.raises(UnrolledError, match="sequence 1 has 3 steps and 1 labels, expected one"):
        Examples(arrays((2, 3)), tags)
    with pytest.raises(UnrolledError, match="sequence 0 has 4 steps and 2 labels"):
        Examples(torch.zeros(2, 4, 2), tags)


def test_a_scaling_of_other_features_is_refused():
    prepared = Preparation(standardization=Standardization((0, 0, 0), (1, 1, 1)))
    with pytest.raises(UnrolledError, match="the preparation is of 3 features, but a step has 2"):
        Examples(arrays(), torch.arange(4), preparation=prepared)


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=8), blocks=st.integers(1, 5))
def test_standardised_steps_have_mean_0_and_deviation_1(lengths, blocks):
    steps = np.concatenate(arrays(lengths)) + 1e6
    parts = [torch.from_numpy(part) for part in np.array_split(steps, blocks)]
    scaling = Standardization.fit(parts)
    np.testing.assert_allclose(scaling.mean, steps.mean(axis=0), rtol=1e-12)
    deviation = steps.std(axis=0)
    np.testing.assert_allclose(scaling.deviation, np.where(deviation > 0, deviation, 1), rtol=1e-9)


def test_a_feature_that_never_changes_is_only_moved():
    steps = torch.tensor([[0.1, 3.0]] * 7, dtype=torch.float64)
    scaling = Standardization.fit([steps[:3], steps[3:]])
    assert scaling.deviation == (1.0, 1.0)
    with pytest.raises(UnrolledError, match="there are no steps"):
        Standardization.fit([])
    with pytest.raises(UnrolledError, match="the deviation of feature 1 is 0, expected a number above 0"):
        Standardization((0, 0), (1, 0))
    with pytest.raises(UnrolledError, match="1 means and 2 deviations"):
        Standardization((0,), (1, 1))


NUMBERS = Numbers(("a", "b"), (0.0, 1.0), (1.0, 2.0))
AHEAD = Numbers(("a",), (0.0,), (1.0,), horizon=3, features=(1,), season=2, scale=(1.0,))


def of(labels, lengths=(3, 4)):
    return Examples(arrays(lengths), labels)


def test_a_data_set_of_each_task_is_one():
    tags = Sequences.flat(torch.tensor([0, 1, 1, 0, 0, 1, 1]), torch.tensor([3, 4]))
    for task, labels, classes, numbers in (
        ("classify", torch.tensor([0, 1]), ("x", "y"), None),
        ("tag", tags, ("x", "y"), None),
        ("regress", torch.rand(2, 2), (), NUMBERS),
        ("forecast", torch.rand(2, 3), (), AHEAD),
    ):
        part = of(labels)
        data = Dataset("mine", part, part[:0], part, classes, task=task, numbers=numbers)
        assert data.task == task
        data.check_finite()


@pytest.mark.parametrize(
    ("task", "labels", "classes", "numbers", "message"),
    [
        ("sing", torch.tensor([0, 1]), ("x", "y"), None, "unknown task 'sing'"),
        (
            "classify",
            torch.rand(2, 2),
            ("x", "y"),
            None,
            "of train are numbers, expected a class for",
        ),
        (
            "tag",
            torch.tensor([0, 1]),
            ("x", "y"),
            None,
            "are for each sequence, expected a class for each",
        ),
        (
            "classify",
            torch.tensor([0, 1]),
            ("x", "y"),
            NUMBERS,
            "numbers came, but classify predicts",
        ),
        ("regress", torch.rand(2, 2), ("x", "y"), NUMBERS, "2 classes came, but regress predicts numbers"),
        ("regress", torch.rand(2, 2), (), None, "regress predicts numbers: say which"),
        (
            "regress",
            torch.rand(2, 3),
            (),
            NUMBERS,
            r"of train are \[2, 3\], expected \[N, 2\] to regress",
        ),
        ("regress", torch.tensor([0, 1]), (), NUMBERS, r"labels of train are \[2\], expected \[N, 2\]"),
        (
            "regress",
            torch.full((2, 2), float("nan")),
            (),
            NUMBERS,
            "label 0 of train is nan, expected",
        ),
        ("regress", torch.rand(2, 3), (), AHEAD, "the horizon is 3, expected 0 to regress"),
        ("forecast", torch.rand(2, 2), (), NUMBERS, "the horizon is 0, expected at least 1 to forecast"),
    ],
)
def test_a_data_set_of_another_task_is_refused(task, labels, classes, numbers, message):
    part = of(labels)
    with pytest.raises(UnrolledError, match=message):
        Dataset("mine", part, part, part, classes, task=task, numbers=numbers)


def test_a_forecast_needs_a_season_of_steps_and_a_feature_that_is_there():
    part = of(torch.rand(2, 3), (1, 4))
    with pytest.raises(UnrolledError, match="of train has 1 steps, expected at least the 2 of a season"):
        Dataset("mine", part, part, part, (), task="forecast", numbers=AHEAD)
    part = of(torch.rand(2, 3))
    wide = dataclasses.replace(AHEAD, features=(2,))
    with pytest.raises(UnrolledError, match="number 2 of a step is to be forecast, expected 0 to 1"):
        Dataset("mine", part, part, part, (), task="forecast", numbers=wide)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ()}, "there are no numbers to predict"),
        ({"mean": (0.0, 1.0)}, "the mean of the numbers has 2 values, expected 1: one for each of a"),
        ({"deviation": (0.0,)}, "a deviation of the numbers is 0.0, expected a number above 0"),
        ({"scale": ()}, "the scale of the numbers has 0 values"),
        ({"horizon": -1}, "horizon is -1"),
        ({"season": 0}, "season is 0"),
        ({"mean": (float("nan"),)}, "a mean of the numbers is nan, expected a finite number"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(UnrolledError, match=message):
        dataclasses.replace(AHEAD, **changes)
