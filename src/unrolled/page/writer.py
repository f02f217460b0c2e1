"""The page, in one file that makes no requests."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from unrolled import __version__
from unrolled.atomic import atomic_path
from unrolled.data import Dataset
from unrolled.errors import UnrolledError
from unrolled.names import printable
from unrolled.page import modules
from unrolled.page.examples import examples_of
from unrolled.page.model import model_of
from unrolled.training import Run
from unrolled.training.data_file import DataRecord

MARK = '<meta name="generator" content="unrolled page">'
DIGIT = 28  # numbers of a step that a drawing can be read in
POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def write_page(path: str | os.PathLike[str], runs: Mapping[str, Run], data: Dataset | None = None) -> Path:
    """Write a page in which the networks of runs read: a drawing, or examples, step by step.

    The file holds the weights and needs neither a network nor a server. What it says of a drawing is what
    `unrolled predict` says of the picture that it saves, unless that looks like a sheet of paper on a table.

    Args:
        path: the file, new or such a page.
        runs: one or more, by the names that the page shows; networks that read the same steps.
        data: what the first run was trained on, of which some test examples are put in; None for none.

    Returns:
        The path.

    Raises:
        UnrolledError: no runs, one without weights or too large, runs that read other steps than the first,
            or the file is something else or cannot be written.

    >>> import tempfile, torch
    >>> from unrolled.networks import CATALOGUE, SequenceClassifier
    >>> from unrolled.training import Recipe, RunConfig
    >>> network = CATALOGUE["seed-000"]
    >>> folder = Path(tempfile.mkdtemp())
    >>> config = RunConfig(network, Recipe(), "sample", tuple("0123456789"), seed=0, validation=0)
    >>> run = Run.create(folder / "run", config)
    >>> run.save_weights(SequenceClassifier(network).state_dict())
    >>> write_page(folder / "reading.html", {"untrained": run}).name
    'reading.html'
    """
    path = Path(path)
    check_output(path)
    text = render(runs, data)
    try:
        with atomic_path(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnrolledError(f"cannot write {path}: {error.strerror}: choose another with --output") from error
    return path


def check_output(path: Path) -> None:
    """Raise an UnrolledError if `path` is something that a page must not take the place of."""
    if path.is_dir():
        raise UnrolledError(f"{path} is a folder: name a file with --output")
    if path.exists():
        with path.open("rb") as file:
            if MARK.encode() not in file.read(2000):
                raise UnrolledError(
                    f"{path} is no page of this kind: choose another file with --output, or remove it"
                )


def render(runs: Mapping[str, Run], data: Dataset | None = None, *, served: bool = False) -> str:
    """The page, as `write_page` writes it.

    Args:
        runs, data: as there.
        served: whether a service shows it, whose own networks may then read along: it may ask that alone.
    """
    if not runs:
        raise UnrolledError("no runs came, expected at least one to make a page of")
    check_alike(runs)
    first = next(iter(runs.values()))
    names = [printable(name) for name in runs]
    for name, run in runs.items():
        try:
            run.config.check_float("be shown on a page")
        except UnrolledError as error:
            raise UnrolledError(f"{printable(name)}: {error}") from error
    networks = [run.load_classifier() for run in runs.values()]
    content: dict[str, Any] = {
        "version": __version__,
        "input": _input(first, data),
        "runs": [model_of(*each) for each in zip(runs.values(), names, networks, strict=True)],
        "examples": [] if data is None else examples_of(first, networks[0], data),
    }
    script = f"\n{modules.script('served' if served else 'app')}"
    style = f"\n{modules.read('page.css')}"
    policy = POLICY.format(script=_digest(script), style=_digest(style))
    parts = {
        "policy": f"{policy}; connect-src 'self'" if served else policy,
        "mark": MARK,
        "title": escape(f"{names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)}: see it read"),
        "style": style,
        "content": json.dumps(content).replace("<", "\\u003c"),
        "script": script,
    }
    text = modules.read("page.html")
    for name, part in parts.items():
        before, mark, after = text.partition(f"<!-- {name} -->")
        assert mark, name
        text = before + part + after
    return text


def check_alike(runs: Mapping[str, Run]) -> None:
    """Raise an UnrolledError if runs do not read the same: then they cannot be compared on one example."""
    (first_name, first), *others = runs.items()
    record = DataRecord.load(first.folder).preparation
    for name, run in others:
        if run.config.network.input_size != first.config.network.input_size:
            raise UnrolledError(
                f"{printable(name)} reads steps of {run.config.network.input_size} numbers, "
                f"{printable(first_name)} of {first.config.network.input_size}: a page is of networks that "
                "read the same"
            )
        if DataRecord.load(run.folder).preparation != record:
            raise UnrolledError(
                f"{printable(name)} and {printable(first_name)} prepare their sequences in other ways: a "
                "page is of networks that read the same"
            )


def _input(run: Run, data: Dataset | None) -> dict[str, Any]:
    """How what is read is to be shown: a drawing, a picture or lines; and what each number of a step is."""
    width = run.config.network.input_size
    preparation = DataRecord.load(run.folder).preparation
    drawn = width == DIGIT and (preparation is None or not preparation.reading)
    pictures = data is not None and data.test.pictures is not None
    one = "pixel" if drawn or pictures else "feature"
    features = () if preparation is None else preparation.features
    return {
        "kind": "drawing" if drawn else "picture" if pictures else "lines",
        "width": width,
        "features": [printable(name) for name in features] or [f"{one} {n + 1}" for n in range(width)],
        "standardised": preparation is not None and preparation.standardization is not None,
    }


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
