"""What the names of files tell: `{label}_{speaker}_{index}`."""

from __future__ import annotations

import re
from os.path import splitext

from unrolled.data.readers.walk import Place
from unrolled.errors import UnrolledError

MOST_FIELDS = 8
EXAMPLE = "'{label}_{speaker}_{index}'"


class NamePattern:
    """A form that names of files have.

    What stands in braces is the name of a field, which is at least one character long; all else stands in
    each name as it is. The ending does not belong to the name. A form with slashes is of the last folders and
    the name, one without of the name alone.

    Args:
        form: as '{label}_{speaker}_{index}'.

    Attributes:
        fields: the names of the fields.

    Raises:
        UnrolledError: there is no field in it, too many, or two of one name or next to each other.

    >>> NamePattern("{label}_{speaker}").read(("recordings", "7_jackson.wav"), "x")
    ('7', 'jackson')
    >>> NamePattern("{speaker}/{label}-{_}").read(("all", "ann", "cat-12.wav"), "x")
    ('ann', 'cat', '12')
    """

    def __init__(self, form: str) -> None:
        pieces = re.split(r"\{([^{}]*)\}", form)
        self.form, self.fields, between = form, tuple(pieces[1::2]), pieces[::2]
        if (
            not 1 <= len(self.fields) <= MOST_FIELDS
            or len(set(self.fields)) < len(self.fields)
            or not all(field.isidentifier() for field in self.fields)
            or "" in between[1:-1]
            or any("{" in piece or "}" in piece for piece in between)
        ):
            raise UnrolledError(
                f"names is {form!r}, expected 1 to {MOST_FIELDS} fields in braces, each a word of its own, "
                f"with something between them, as {EXAMPLE}"
            )
        self._parts = form.count("/") + 1
        # The shortest and the longest first fields that fit: where they are the same nothing else fits.
        self._ways = [
            re.compile(field.join(map(re.escape, between)), re.DOTALL) for field in ("([^/]+?)", "([^/]+)")
        ]

    def read(self, place: Place, path: object) -> tuple[str, ...]:
        """The fields of the name of a file that lies in `path`.

        Raises:
            UnrolledError: the name is of another form, or of this one in two ways.
        """
        name = "/".join((*place[:-1], splitext(place[-1])[0])[-self._parts :])
        short, long = (way.fullmatch(name) for way in self._ways)
        if short is None or long is None:
            raise UnrolledError(f"{path}: the name {'/'.join(place)!r} is not of the form {self.form!r}")
        if short.groups() != long.groups():
            raise UnrolledError(
                f"{path}: the name {'/'.join(place)!r} is of the form {self.form!r} in two ways, "
                f"{_said(short)} and {_said(long)}: choose a form with more, or other, text between fields"
            )
        return short.groups()


def _said(match: re.Match[str]) -> str:
    return ", ".join(map(repr, match.groups()))
