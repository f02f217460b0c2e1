"""Reading and writing checkpoints: what goes in comes out, and a user's mistakes."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unrolled import UnrolledError
from unrolled.tf1 import read_checkpoint, write_checkpoint

TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", "c16"]

arrays = st.sampled_from(TYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
names = st.text(min_size=1, max_size=30).filter(str.isprintable)


@given(st.dictionaries(names, arrays, max_size=8))
def test_what_was_written_is_read_bit_for_bit(tmp_path_factory, variables):
    prefix = tmp_path_factory.mktemp("checkpoint") / "model.ckpt"
    write_checkpoint(prefix, variables)
    came = read_checkpoint(prefix)
    assert sorted(came) == sorted(variables)
    for name, value in variables.items():
        assert came[name].dtype == value.dtype
        assert came[name].shape == value.shape
        assert came[name].tobytes() == value.tobytes()


def test_text_comes_back_as_bytes(tmp_path):
    write_checkpoint(
        tmp_path / "m", {"words": np.array([["a", "ü"]]), "one": b"raw\0", "none": np.array([], "S1")}
    )
    came = read_checkpoint(tmp_path / "m")
    assert came["words"].tolist() == [[b"a", "ü".encode()]]
    assert came["one"].tolist() == b"raw\0"
    assert came["none"].shape == (0,)


def test_numbers_of_another_byte_order_and_python_s_own_are_written(tmp_path):
    big = np.arange(6, dtype=">f4").reshape(2, 3).T
    write_checkpoint(tmp_path / "m", {"big": big, "list": [1, 2], "scalar": 2.5})
    came = read_checkpoint(tmp_path / "m")
    np.testing.assert_array_equal(came["big"], big)
    assert came["big"].dtype == np.dtype("f4")
    assert came["list"].tolist() == [1, 2]
    assert came["scalar"].shape == ()


def test_a_folder_means_its_newest_checkpoint(tmp_path):
    for step in (1, 2):
        write_checkpoint(tmp_path / f"model.ckpt-{step}", {"step": step})
    assert read_checkpoint(tmp_path)["step"] == 2
    state = tmp_path / "checkpoint"
    state.write_text('model_checkpoint_path: "/another/machine/model.ckpt-1"\n')
    assert read_checkpoint(tmp_path)["step"] == 1
    state.write_text("damaged")
    with pytest.raises(
        UnrolledError, match="has no file `checkpoint` that names a checkpoint: name one yourself"
    ):
        read_checkpoint(tmp_path)


def test_what_is_not_there_is_named(tmp_path):
    message = (
        f"no checkpoint {tmp_path / 'm'}: expected m.index (version 2) or a file of that name (version 1)"
    )
    with pytest.raises(UnrolledError, match=re.escape(message)):
        read_checkpoint(tmp_path / "m")
    with pytest.raises(UnrolledError, match="no checkpoint"):
        read_checkpoint(tmp_path / "nowhere" / "m")


def test_a_missing_shard_is_named(tmp_path):
    write_checkpoint(tmp_path / "m", {"a": 1.0})
    (tmp_path / "m.data-00000-of-00001").unlink()
    message = r"m\.index is damaged: m\.data-00000-of-00001 is missing, in which some of its variables lie"
    with pytest.raises(UnrolledError, match=message):
        read_checkpoint(tmp_path / "m")


def test_a_shard_that_was_cut_off_or_changed_is_named(tmp_path):
    write_checkpoint(tmp_path / "m", {"a": np.arange(3.0), "b": np.arange(4.0)})
    shard = tmp_path / "m.data-00000-of-00001"
    data = bytearray(shard.read_bytes())
    shard.write_bytes(data[:-1])
    with pytest.raises(UnrolledError, match="has 55 bytes, and the variables in it 56"):
        read_checkpoint(tmp_path / "m")
    data[30] ^= 1
    shard.write_bytes(data)
    with pytest.raises(UnrolledError, match=r"m\.index is damaged: the checksum of b does not fit"):
        read_checkpoint(tmp_path / "m")


def test_a_file_that_is_no_checkpoint_is_one_error(tmp_path):
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    with pytest.raises(UnrolledError, match=r"notes\.txt is damaged: it does not end as a table does"):
        read_checkpoint(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"": 1.0}, "a variable has an empty name"),
        (
            {"a": np.array(["2020"], "M8[D]")},
            r"a is an array of datetime64\[D\], which TensorFlow does not have",
        ),
        ({"a": np.array([{}], object)}, "a is an array of object, which TensorFlow does not have"),
        ({"a": np.zeros(2, np.longdouble)}, "which TensorFlow does not have"),
    ],
)
def test_what_tensorflow_does_not_have_is_not_written(tmp_path, variables, message):
    with pytest.raises(UnrolledError, match=message):
        write_checkpoint(tmp_path / "m", variables)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnrolledError, match="cannot write"):
        write_checkpoint(tmp_path / "file" / "m", {"a": 1.0})
