"""A network that is a graph of TensorFlow 1, as data: where sequences go in, and where answers come out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from unrolled.errors import UnrolledError, check_count, check_fields, is_number, unknown_name
from unrolled.networks.config import MOST_LETTERS, MOST_WIDTH

OF_NUMBERS = ("N T I", "T N I", "N TI", "NT I", "TN I", "N T I 1")
OF_ONE_NUMBER, OF_TOKENS = ("N T", "T N"), ("N T", "T N", "N T 1")
LAYOUTS = (*OF_NUMBERS, *OF_TOKENS)
ANSWERS = ("N C", "N T C", "T N C")
LENGTHS, ZEROS = "lengths", "zeros"
WORDS = re.compile(rf"N|T|{LENGTHS}|{ZEROS}( (N|T|[0-9]{{1,8}})){{0,8}}")
MOST_FEEDS, MOST_SIZE = 1000, 2**16
DIGEST = re.compile("[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class GraphConfig:
    """A graph that reads sequences and says what they are.

    Symbols: N sequences, T steps, I numbers in a step, C numbers in an answer.

    Attributes:
        name: one of your own.
        input: the tensor that sequences are fed to, "x:0".
        layout: how they lie in it, one of `LAYOUTS`: "T N I" is [T, N, I], "N TI" is [N, T I].
        output: the tensor that is the answer, "logits:0".
        answers: how that lies, one of `ANSWERS`: with a T there is an answer for each step.
        feeds: what else is fed, by the tensors' names: a number, true, false, a list of numbers; or in
            words "N", "T", "lengths" (of the sequences, [N]), "zeros N 128".
        input_size: I; 1 of tokens.
        classes: C.
        tokens: whether steps are whole numbers.
        sizes: of N and T those that are always the same.
        ragged: whether sequences of several lengths may be in one batch.
        digests: SHA-256 of the files that hold the graph and its variables, by their names.

    Raises:
        UnrolledError: a value is of another type or out of range.
    """

    name: str
    input: str
    layout: str
    output: str
    answers: str
    feeds: dict[str, Any]
    input_size: int
    classes: int
    tokens: bool = False
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)
    ragged: bool = False
    digests: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for field in ("name", "input", "output"):
            text = getattr(self, field)
            if not isinstance(text, str) or not 0 < len(text) <= MOST_LETTERS:
                raise UnrolledError(f"{field} of a graph is {text!r}, expected 1 to {MOST_LETTERS} letters")
        for field, known in (("layout", LAYOUTS), ("answers", ANSWERS)):
            if getattr(self, field) not in known:
                raise unknown_name(field, getattr(self, field), known)
        for field in ("input_size", "classes"):
            check_count(f"graph {self.name}: {field}", getattr(self, field), most=MOST_WIDTH)
        for field in ("tokens", "ragged"):
            if not isinstance(getattr(self, field), bool):
                raise UnrolledError(f"{field} is {getattr(self, field)!r}, expected true or false")
        fitting = OF_TOKENS if self.tokens else OF_NUMBERS + OF_ONE_NUMBER * (self.input_size == 1)
        if self.layout not in fitting:
            raise UnrolledError(
                f"layout is {self.layout!r}, expected one of {', '.join(fitting)}: so lie "
                f"{'tokens' if self.tokens else f'steps of {self.input_size} numbers'}"
            )
        for field in ("feeds", "sizes", "digests"):
            values = getattr(self, field)
            if not isinstance(values, dict) or len(values) > MOST_FEEDS:
                raise UnrolledError(
                    f"{field} of the graph {self.name} is {values!r}, expected names and values"
                )
        for name, feed in self.feeds.items():
            check_feed(name, feed)
        for name, size in self.sizes.items():
            if name not in ("N", "T"):
                raise unknown_name("size", name, ("N", "T"))
            check_count(f"graph {self.name}: the size {name}", size, most=MOST_SIZE)
        for name, digest in self.digests.items():
            if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
                raise UnrolledError(f"the digest of {name} is {digest!r}, expected 64 hexadecimal digits")

    @property
    def read(self) -> str:
        """As a `NetworkConfig` has it: "steps" for an answer at every step."""
        return "final" if self.answers == "N C" else "steps"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GraphConfig:
        """The configuration that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("option of a graph", values, cls)
        fields = [f for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING]
        missing = [field.name for field in fields if field.name not in values]
        if missing:
            raise UnrolledError(f"the graph has no {missing[0]!r}")
        return cls(**values)


def check_feed(name: str, feed: Any) -> None:
    """Raise an UnrolledError if `feed` is not what `GraphConfig.feeds` may hold.

    >>> check_feed("state:0", "ones")
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: state:0 is fed 'ones', expected a number, true, false, a list of numbers, \
N, T, lengths, or zeros with sizes such as zeros N 128
    """

    def is_value(value: Any, depth: int = 0) -> bool:
        if isinstance(value, list):
            return depth < 8 and len(value) <= MOST_WIDTH and all(is_value(one, depth + 1) for one in value)
        return isinstance(value, bool) or is_number(value)

    if not (WORDS.fullmatch(feed) if isinstance(feed, str) else is_value(feed)):
        raise UnrolledError(
            f"{name} is fed {feed!r}, expected a number, true, false, a list of numbers, N, T, lengths, or "
            "zeros with sizes such as zeros N 128"
        )
