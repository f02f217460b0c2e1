"""Loading by name: where the files are looked for, how they are split, and what is refused."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled.data import DATASETS, DataOptions, load, read_idx, write_idx
from unrolled.data.download import SOURCES, content_digest
from unrolled.data.mnist import FILES
from unrolled.errors import UnrolledError

REAL = Path(os.environ.get("UNROLLED_DATA_DIR", ""))
MakeFiles = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("no_data")


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("sub_folder", ["", "mnist"])
def test_a_folder_holds_the_files_itself_or_in_a_sub_folder(
    tmp_path: Path, make_files: MakeFiles, ending: str, sub_folder: str
) -> None:
    files = make_files(tmp_path / "data" / sub_folder, ending=ending)
    for folder in (tmp_path / "data", str(tmp_path / "data")):
        mine = load("mnist", folder)
        images = read_idx(files / f"train-images-idx3-ubyte{ending}")
        labels = read_idx(files / f"train-labels-idx1-ubyte{ending}")
        assert mine.name == "mnist"
        assert (mine.train.sequences.numpy() == images[2:]).all()
        assert (mine.validation.sequences.numpy() == images[:2]).all()
        assert (mine.validation.labels.numpy() == labels[:2]).all()
        assert (mine.train.sequences.dtype, mine.train.labels.dtype) == (torch.uint8, torch.int64)
        assert len(mine.test) == 3


def test_step_t_is_row_t_of_the_picture(tmp_path: Path, make_files: MakeFiles) -> None:
    files = make_files(tmp_path)
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    image[0, 5, 20] = 255
    write_idx(files / "t10k-images-idx3-ubyte.gz", image)
    write_idx(files / "t10k-labels-idx1-ubyte.gz", np.array([7], dtype=np.uint8))
    test = load("mnist", tmp_path).test
    assert test.sequences.nonzero().tolist() == [[0, 5, 20]]
    assert test.labels.tolist() == [7]


def test_the_environment_variable_names_a_folder_that_data_dir_overrides(
    tmp_path: Path, make_files: MakeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNROLLED_DATA_DIR", str(make_files(tmp_path / "environment", test=4)))
    make_files(tmp_path / "argument", test=5)
    assert len(load("mnist").test) == 4
    assert len(load("mnist", tmp_path / "argument").test) == 5


def test_the_cache_is_used_when_the_environment_s_folder_lacks_the_set(
    tmp_path: Path, make_files: MakeFiles, monkeypatch: pytest.MonkeyPatch, no_data: Path
) -> None:
    make_files(tmp_path / "environment" / "mnist", test=4)
    make_files(no_data / "fashion-mnist", test=6)
    monkeypatch.setenv("UNROLLED_DATA_DIR", str(tmp_path / "environment"))
    fashion = load("fashion-mnist")
    assert len(fashion.test) == 6
    assert (fashion.classes[0], fashion.classes[9], len(fashion.classes)) == ("T-shirt/top", "Ankle boot", 10)
    assert load("mnist").classes == tuple("0123456789")
    monkeypatch.setenv("UNROLLED_DATA_DIR", "")
    assert len(load("fashion-mnist").test) == 6


def test_a_cache_with_another_set_s_files_is_named(
    make_files: MakeFiles, monkeypatch: pytest.MonkeyPatch, no_data: Path
) -> None:
    files = make_files(no_data / "mnist", ending=".gz")
    labels = content_digest(files / "t10k-labels-idx1-ubyte.gz")
    fashion = dataclasses.replace(SOURCES["fashion-mnist"], digests=dict.fromkeys(FILES, labels))
    monkeypatch.setitem(SOURCES, "fashion-mnist", fashion)
    with pytest.raises(UnrolledError, match=r"mnist holds another data set's files .*: remove that folder"):
        load("mnist")


def test_the_first_tenth_is_held_out_unless_a_number_is_given(tmp_path: Path, make_files: MakeFiles) -> None:
    files = make_files(tmp_path, train=29)
    labels = read_idx(files / "train-labels-idx1-ubyte.gz")
    for validation, held_out in ((None, 2), (0, 0), (1, 1), (28, 28)):
        mine = load("mnist", tmp_path, validation=validation)
        assert mine.validation.labels.tolist() == labels[:held_out].tolist()
        assert mine.train.labels.tolist() == labels[held_out:].tolist()


def test_at_most_5000_are_held_out(tmp_path: Path, make_files: MakeFiles) -> None:
    make_files(tmp_path)
    for count, held_out in ((49_990, 4999), (60_000, 5000), (70_000, 5000)):
        write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((count, 28, 28), dtype=np.uint8))
        write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(count, dtype=np.uint8))
        assert len(load("mnist", tmp_path).validation) == held_out


@pytest.mark.parametrize("validation", [-1, 20, 21, 0.1, True])
def test_a_validation_that_cannot_be_held_out_is_refused(
    tmp_path: Path, make_files: MakeFiles, validation: int
) -> None:
    make_files(tmp_path)
    message = f"validation is {validation}, expected a whole number from 0 to 19: mnist has 20 examples"
    with pytest.raises(UnrolledError, match=message):
        load("mnist", tmp_path, validation=validation)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    assert DATASETS == ("sample", "mnist", "fashion-mnist")
    with pytest.raises(UnrolledError, match="unknown data set, file or folder 'minst': did you mean 'mnist'"):
        load("minst")


def test_what_a_known_set_says_itself_is_refused_and_the_scan_is_named_for_the_steps() -> None:
    with pytest.raises(UnrolledError, match=r"label came, but sample is known: leave it out$"):
        load("sample", options=DataOptions(label=("digit",)))
    with pytest.raises(UnrolledError, match=r"by came, but sample is known: .*the network's scan says"):
        load("sample", options=DataOptions(by="columns"))


def test_the_sample_has_no_data_dir(tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=r"the sample comes with the package: leave data_dir out"):
        load("sample", tmp_path)


@pytest.mark.parametrize("missing", range(4))
def test_a_data_dir_that_lacks_a_file_is_refused_and_nothing_downloaded(
    tmp_path: Path, make_files: MakeFiles, no_data: Path, missing: int
) -> None:
    sorted(make_files(tmp_path / "files").iterdir())[missing].unlink()
    for folder in (tmp_path / "files", tmp_path / "nowhere"):
        with pytest.raises(UnrolledError) as caught:
            load("mnist", folder)
        message = str(caught.value)
        assert message.startswith(f"{folder} does not hold mnist: expected train-images-idx3-ubyte, ")
        assert f"each plain or .gz, in that folder or in {folder / 'mnist'}" in message
    assert not no_data.exists()


@pytest.mark.parametrize(
    ("file", "array", "message"),
    [
        ("train-images-idx3-ubyte", np.zeros((20, 28, 27), "u1"), r"uint8 \[20, 28, 27\], expected pictures"),
        ("train-images-idx3-ubyte", np.zeros((20, 784), "u1"), r"uint8 \[20, 784\], expected pictures"),
        (
            "train-images-idx3-ubyte",
            np.zeros((20, 28, 28), "f4"),
            r"float32 \[20, 28, 28\], expected pictures",
        ),
        ("t10k-images-idx3-ubyte", np.zeros((0, 28, 28), "u1"), r"uint8 \[0, 28, 28\], expected pictures"),
        (
            "train-labels-idx1-ubyte",
            np.zeros(19, "u1"),
            r"uint8 \[19\], expected uint8 \[20\]: one label for",
        ),
        ("t10k-labels-idx1-ubyte", np.zeros((3, 1), "u1"), r"uint8 \[3, 1\], expected uint8 \[3\]"),
        ("t10k-labels-idx1-ubyte", np.zeros(3, "i4"), r"int32 \[3\], expected uint8 \[3\]"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, make_files: MakeFiles, file: str, array: np.ndarray, message: str
) -> None:
    write_idx(make_files(tmp_path) / f"{file}.gz", array)
    with pytest.raises(UnrolledError, match=rf"{file}\.gz holds {message}"):
        load("mnist", tmp_path)


def test_a_label_that_is_no_class_and_a_damaged_file_are_refused(
    tmp_path: Path, make_files: MakeFiles
) -> None:
    write_idx(make_files(tmp_path) / "t10k-labels-idx1-ubyte.gz", np.array([0, 10, 3], dtype=np.uint8))
    with pytest.raises(UnrolledError, match="mnist: label 1 of test is 10, expected 0 to 9"):
        load("mnist", tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"<html>")
    with pytest.raises(UnrolledError, match=r"train-images-idx3-ubyte\.gz is not an IDX file"):
        load("mnist", tmp_path)


needs_mnist = pytest.mark.skipif(
    not (REAL / "mnist").is_dir(), reason="needs MNIST in the folder that UNROLLED_DATA_DIR names"
)


@needs_mnist
def test_mnist_has_55000_5000_and_10000_digits() -> None:
    mnist = load("mnist", REAL)
    assert [len(part) for part in (mnist.train, mnist.validation, mnist.test)] == [55_000, 5000, 10_000]
    assert mnist.validation.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_mnist
def test_mnist_is_not_taken_for_fashion_mnist(tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=r"does not hold fashion-mnist: .*, and not another data set's"):
        load("fashion-mnist", REAL / "mnist")


@needs_mnist
def test_the_digests_are_those_of_mnist() -> None:
    for file, digest in SOURCES["mnist"].digests.items():
        assert content_digest(REAL / "mnist" / f"{file}.gz") == digest
