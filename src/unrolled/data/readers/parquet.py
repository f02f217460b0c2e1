"""Tables in Parquet files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.readers.columns import NUMBER, OTHER, TEXT, Rows, Table, arrow
from unrolled.data.readers.targets import Codes
from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign

BATCH = 1 << 16  # rows
MOST_VALUES = 1 << 22  # in a batch


class ParquetTable(Table):
    """A Parquet file: row groups are read one by one, and of them the columns that are asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        types = arrow("pyarrow").types
        with self._open() as file:
            schema = file.schema_arrow
            names = schema.names
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise UnrolledError(f"{path} has several columns {twice[0]!r}, expected names of their own")
            self.kinds = {name: _kind(types, kind) for name, kind in zip(names, schema.types, strict=True)}
            if not names or not file.metadata.num_rows:
                raise UnrolledError(f"{path} has {len(names)} columns and no rows, expected some")
            self.samples = {}
            self.nameless = (
                "__index_level_0__" if "__index_level_0__" in names else None
            )  # pandas' name for it
            wanted = [name for name, kind in self.kinds.items() if kind == TEXT]
            for batch in file.iter_batches(100, columns=wanted):
                self.samples = {name: _text(batch.column(name)).to_pylist() for name in wanted}
                break

    def rows(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Rows]:
        columns = list(dict.fromkeys([*numbers, *texts]))
        size = max(1, min(BATCH, MOST_VALUES // max(1, len(columns))))
        with self._open() as file:
            for batch in file.iter_batches(size, columns=columns):
                yield rows_of(batch, numbers, texts)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        parquet, error = arrow("pyarrow.parquet"), arrow("pyarrow").ArrowException
        with open_foreign(self.path) as content:
            try:
                yield parquet.ParquetFile(content, pre_buffer=False)
            except UnrolledError:
                raise
            except (
                error,
                OSError,
                ValueError,
                KeyError,
                MemoryError,
                OverflowError,
                NotImplementedError,
            ) as e:
                raise UnrolledError(f"{self.path} is no Parquet file, or damaged: {e}") from e


def rows_of(batch: Any, numbers: Sequence[str], texts: Sequence[str]) -> Rows:
    """The columns of a batch of Arrow's."""
    values = np.empty((batch.num_rows, len(numbers)))
    for place, name in enumerate(numbers):
        values[:, place] = _numbers(batch.column(name))
    return Rows(values, [_codes(batch.column(name)) for name in texts])


def _kind(types: Any, kind: Any) -> str:
    if types.is_dictionary(kind):
        kind = kind.value_type
    if any(
        is_it(kind) for is_it in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    ):
        return NUMBER
    known = (types.is_string, types.is_large_string, types.is_date, types.is_timestamp, types.is_null)
    return TEXT if any(is_it(kind) for is_it in known) else OTHER


def _numbers(column: Any) -> NDArray[np.float64]:
    pa = arrow("pyarrow")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    # Integers beyond 2^53 are rounded, as those in text are.
    values = column.cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def _text(column: Any) -> Any:
    pa = arrow("pyarrow")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if pa.types.is_floating(column.type):  # as Python writes it, and everything else here
        column = pa.array([None if v is None else repr(v) for v in column.to_pylist()], pa.string())
    return column.cast(pa.string()).fill_null("")


def _codes(column: Any) -> Codes:
    coded = _text(column).dictionary_encode()
    return Codes(coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist())
