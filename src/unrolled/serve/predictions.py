"""Whole sequences, and files of them: what `unrolled predict` says of each."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled.data import Examples, Sequences, read_digits
from unrolled.errors import UnrolledError
from unrolled.serve.bodies import Numbers, RefusedError, steps_of
from unrolled.serve.models import Model
from unrolled.serve.settings import Limits
from unrolled.training import evaluate
from unrolled.training.again import Again
from unrolled.training.answers import Answer, answers, class_answers

DIGIT = 28  # numbers of a row of a picture
SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,10}){1,2}$")


class Predictions:
    """A queue of predictions before one thread: they would take the processor from each other."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = 0
        threads = torch.get_num_threads()
        self._thread = ThreadPoolExecutor(1, "predictions", torch.set_num_threads, (threads,))

    async def of_sequences(self, model: Model, value: Any) -> list[dict[str, Any]]:
        """The answer about each of the sequences in a body.

        Raises:
            UnrolledError: they are no sequences that the model reads, or too many.
        """
        if not isinstance(value, list) or not value:
            raise UnrolledError(
                "sequences is no list of sequences, expected at least one: [[[...], ...], ...]"
            )
        if len(value) > self.limits.sequences:
            raise UnrolledError(
                f"{len(value):,} sequences came, expected at most {self.limits.sequences:,} at a time"
            )
        read = [
            steps_of(one, model.width, self.limits.steps, f"sequences[{place}]", gaps=model.has_gaps)
            for place, one in enumerate(value)
        ]
        return await self._in_turn(lambda: list(_of_arrays(model, read)))

    async def of_files(self, model: Model, files: Sequence[tuple[str, bytes]]) -> list[dict[str, Any]]:
        """The answers about the sequences in files, by their names and contents.

        Raises:
            UnrolledError: a file is of another kind than the run's, or damaged.
        """
        return await self._in_turn(lambda: [said for each in files for said in _of_file(model, *each)])

    async def _in_turn(self, work: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        if self.waiting >= self.limits.waiting:
            raise RefusedError(503, f"{self.waiting} predictions are waiting already: try again later")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Let what runs end."""
        self._thread.shutdown()


def _of_arrays(model: Model, arrays: Sequence[Numbers]) -> Iterator[dict[str, Any]]:
    numbers, config = model.record.numbers, model.run.config
    if config.task == "forecast" and numbers is not None:
        for row, array in enumerate(arrays):
            if len(array) < numbers.season:
                raise UnrolledError(
                    f"sequences[{row}] has {len(array)} steps, expected at least one season of "
                    f"{numbers.season}"
                )
        arrays = [array[-numbers.context :] for array in arrays]
    sequences = Sequences.of([np.ascontiguousarray(array) for array in arrays])
    labels: Any = torch.zeros(len(sequences), dtype=torch.int64)
    if config.task == "tag":
        labels = Sequences(labels.new_zeros(len(sequences.values)), sequences.starts, sequences.lengths)
    elif numbers is not None:
        labels = torch.zeros(len(sequences), numbers.outputs)
    examples = Examples(sequences, labels, preparation=model.record.preparation)
    return (answer.values for answer in _said(model, [f"{row}" for row in range(len(arrays))], examples))


def _of_file(model: Model, name: str, content: bytes) -> Iterator[dict[str, Any]]:
    """The answers about a file, which has its own name in them and in errors."""
    preparation = model.record.preparation
    suffix = SUFFIX.search(name)
    with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
        path = Path(folder) / f"file{suffix[0] if suffix else ''}"
        path.write_bytes(content)
        try:
            if preparation is not None and preparation.reading:
                collection, examples = Again(model.run).read(path)
                examples.check_finite(str(path))
                names = [each.replace(str(path), name) for each in collection.names]
            elif model.width != DIGIT:
                raise UnrolledError(
                    f"{model.name} reads steps of {model.width} numbers and was not trained on files: send "
                    "sequences"
                )
            else:
                digits = read_digits(path)
                names = [name] if len(digits) == 1 else [f"{name}[{row}]" for row in range(len(digits))]
                examples = Examples(digits, torch.zeros(len(digits), dtype=torch.int64))
            yield from (answer.values for answer in _said(model, names, examples))
        except UnrolledError as error:
            raise UnrolledError(str(error).replace(str(path), name)) from error


def _said(model: Model, names: Sequence[str], examples: Examples) -> Iterator[Answer]:
    config = model.run.config
    if config.task == "classify":
        return class_answers(config.classes, names, model.judge.judge(model.network, examples))
    said = evaluate(model.network, examples, model.task)
    return answers(config, names, examples.all_lengths(), said)
