"""Damaged, truncated and hostile checkpoints: one clear error, in bounded memory."""

import resource
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled import UnrolledError, tf1
from unrolled.tf1.checkpoints import bundle, table
from unrolled.tf1.graphs.networks.definition import Graph

FILES = [
    "partitioned/model.ckpt.index",
    "shards/model.ckpt.index",
    "every-type-2/model.ckpt.index",
    "every-type-2/model.ckpt.data-00000-of-00001",
    "every-type-1/model.ckpt",
    "version-1-partitioned/model.ckpt",
    "every-option/model.ckpt.meta",
    "loops-as-functions/model.ckpt.meta",
]

# Where to (as a share of the file), and what: a byte, bytes taken away, bytes put in, or the end.
damages = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.one_of(
            st.integers(0, 255),
            st.tuples(st.integers(1, 40), st.binary(max_size=12)),
            st.none(),
        ),
    ),
    min_size=1,
    max_size=6,
)


class FitsAll(int):
    """A checksum that equals every other, so that damage reaches what lies behind the checksums."""

    __hash__ = int.__hash__

    def __ne__(self, other):
        return False


def damage(data, changes):
    data = bytearray(data)
    for share, change in changes:
        position = int(share * len(data))
        if change is None:
            del data[position:]
        elif isinstance(change, int):
            data[position : position + 1] = bytes([change])
        else:
            data[position : position + change[0]] = change[1]
    return bytes(data)


@pytest.mark.parametrize("checksums", ["checked", "passed"])
@pytest.mark.parametrize("file", FILES)
def test_damage_is_one_clear_error(checkpoints, tmp_path, monkeypatch, file, checksums):
    if checksums == "passed":
        monkeypatch.setattr(table, "masked_crc32c", lambda data: FitsAll())
        monkeypatch.setattr(bundle, "masked_crc32c", lambda data: FitsAll())
    shutil.copytree(checkpoints / file.partition("/")[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / file.partition("/")[2]
    original = path.read_bytes()

    @settings(suppress_health_check=list(HealthCheck), max_examples=60)
    @given(damages)
    def check(changes):
        path.write_bytes(damage(original, changes))
        try:
            variables = tf1.read_checkpoint(tmp_path / "model.ckpt")
            meta = tmp_path / "model.ckpt.meta"
            tf1.find_model(variables, Graph.read(meta) if meta.exists() else None).network()
        except UnrolledError as error:
            assert len(str(error)) < 1000  # noqa: PT017

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
