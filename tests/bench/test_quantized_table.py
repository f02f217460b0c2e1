"""The table of quantized weights in the documents: what was measured, cell for cell."""

import itertools
import json
from pathlib import Path

import pytest

from benchmarks import quantized

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["quantized-cpu-time", "quantized-2-threads"])
def test_the_document_shows_what_was_saved(name):
    found = json.loads((quantized.RESULTS / f"{name}.json").read_text())
    assert len(found["rows"]) >= len(quantized.LAYERS)
    assert (quantized.RESULTS / f"{name}.md").read_text() == quantized.page(found)
    assert quantized.table(found["rows"]) in (ROOT / "docs" / "smaller-weights.md").read_text()


def test_a_cell_says_speed_and_error():
    calls, errors = quantized.layers("GRU", 1, 128)
    seconds = itertools.count()
    row = quantized.measured(calls, errors, 0, lambda: next(seconds))
    assert errors["float32"] < 1e-5 < errors["bfloat16"] < errors["int8"] < 0.1
    assert quantized.cell_of(row, "int8").startswith("1.0×, 1.0×, ")
