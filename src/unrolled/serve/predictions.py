"""Whole sequences, and files of them: what `unrolled predict` says of each."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled.data import Examples, Sequences, read_digits
from unrolled.errors import UnrolledError
from unrolled.serve.aside import sequences_of
from unrolled.serve.bodies import Numbers, RefusedError, steps_of
from unrolled.serve.models import Model
from unrolled.serve.settings import Limits
from unrolled.training import evaluate
from unrolled.training.again import Again, unlabelled
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

    async def of_sequences(self, model: Model, value: Any) -> bytes:
        """The answer about each of the sequences in a body, in JSON.

        Raises:
            UnrolledError: they are no sequences that the model reads, or too many.
        """
        read = [
            steps_of(one, model.width, self.limits.steps, f"sequences[{place}]", gaps=model.has_gaps)
            for place, one in enumerate(sequences_of(value, self.limits.sequences))
        ]
        self._check_steps(sum(map(len, read)))
        return await self._in_turn(model, lambda: _of_arrays(model, read))

    async def of_files(self, model: Model, files: Sequence[tuple[str, bytes]]) -> bytes:
        """The answers about the sequences in files, by their names and contents, in JSON.

        Raises:
            UnrolledError: a file is of another kind than the run's, or damaged, or holds too many.
        """
        left = [self.limits.sequences, self.limits.steps]

        def check(examples: Examples) -> None:
            left[0] -= len(examples)
            left[1] -= int(examples.all_lengths().sum())
            if left[0] < 0:
                raise UnrolledError(
                    f"the files hold more than {self.limits.sequences:,} sequences: send fewer"
                )
            if left[1] < 0:
                self._check_steps(self.limits.steps - left[1])

        return await self._in_turn(
            model, lambda: (said for each in files for said in _of_file(model, *each, check))
        )

    def _check_steps(self, steps: int) -> None:
        if steps > self.limits.steps:
            raise UnrolledError(
                f"{steps:,} steps came, expected at most {self.limits.steps:,} in all sequences together"
            )

    async def _in_turn(self, model: Model, work: Callable[[], Iterable[dict[str, Any]]]) -> bytes:
        if self.waiting >= self.limits.waiting:
            raise RefusedError(503, f"{self.waiting} predictions are waiting already: try again later")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _written, model.name, work)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Let what runs end."""
        self._thread.shutdown()


def _written(model: str, work: Callable[[], Iterable[dict[str, Any]]]) -> bytes:
    """The answers as text, piece by piece: who waits for the processor gets it between two of them."""
    answers = ", ".join(json.dumps(said) for said in work())
    return f'{{"model": {json.dumps(model)}, "answers": [{answers}]}}'.encode()


def _of_arrays(model: Model, arrays: Sequence[Numbers]) -> Iterator[dict[str, Any]]:
    names = [f"sequences[{place}]" for place in range(len(arrays))]
    sequences = Sequences.of([np.ascontiguousarray(array) for array in arrays])
    examples = unlabelled(sequences, model.run.config, model.record, names)
    return (answer.values for answer in _said(model, [f"{row}" for row in range(len(arrays))], examples))


def _of_file(
    model: Model, name: str, content: bytes, check: Callable[[Examples], None]
) -> Iterator[dict[str, Any]]:
    """The answers about a file, which has its own name in them and in errors; its examples are checked."""
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
            check(examples)
            yield from (answer.values for answer in _said(model, names, examples))
        except UnrolledError as error:
            raise UnrolledError(str(error).replace(str(path), name)) from error


def _said(model: Model, names: Sequence[str], examples: Examples) -> Iterator[Answer]:
    config = model.run.config
    if config.task == "classify":
        return class_answers(config.classes, names, model.judge.judge(model.network, examples))
    said = evaluate(model.network, examples, model.task)
    return answers(config, names, examples.all_lengths(), said)
