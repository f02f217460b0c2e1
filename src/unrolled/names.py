"""Names are text: of classes, networks, runs, files and data, wherever they are shown."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata

# Control characters, invisible ones that turn the text around, halves of characters, ends of lines.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"  # invisible, but part of words in Persian and of emoji


def printable(name: str) -> str:
    r"""The name with an escape in the place of each character that would do something rather than be seen.

    No terminal, page or file of one line a name takes orders from what is left. Letters of all scripts,
    emoji and punctuation stay what they are.

    >>> printable("naïve 猫 $x$ [red]"), printable("a\x1b[31m\n\u202eb")
    ('naïve 猫 $x$ [red]', 'a\\x1b[31m\\n\\u202eb')
    """
    return name if name.isprintable() else "".join(map(_seen, name))


def as_markdown(name: str) -> str:
    r"""The name as Markdown that shows it, in a table, too.

    >>> as_markdown("a|b_c `x`")
    'a\\|b\\_c \\`x\\`'
    """
    return re.sub(r"[\\`*_\[\]<>|&#$~]", r"\\\g<0>", printable(name))


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts names as people do, numbers by their value, -2 before -1.

    >>> sorted(["item 10", "item 9", "item 09", "2", "-1", "-2"], key=natural)
    ['-2', '-1', '2', 'item 09', 'item 9', 'item 10']
    """
    if re.fullmatch(r"-[0-9]{1,18}", name):
        return [(0, int(name), "")], name
    parts = re.split(r"([0-9]+)", name)
    digits = [part.lstrip("0") for part in parts[1::2]]
    key = [(2, 0, part) for part in parts]
    # By length and digits: Python reads no number of thousands of digits.
    key[1::2] = [(1, len(number), number) for number in digits]
    return [part for part in key if part != (2, 0, "")], name


def pasteable(path: str | os.PathLike[str]) -> str:
    r"""The path as a word of a shell's command line, whatever is in it.

    >>> print(pasteable("runs/a"), pasteable("my runs/$x"), pasteable("-x"), pasteable("it's\n"))
    runs/a 'my runs/$x' ./-x $'it\'s\x0a'
    """
    name = os.fspath(path)
    if name.startswith("-"):
        name = f"./{name}"  # it is no option
    if name.isprintable():
        return shlex.quote(name)
    return f"$'{''.join(map(_in_c, name))}'"


def escaped(character: str) -> str:
    r"""A character as its number.

    >>> escaped("\x1b"), escaped("猫")
    ('\\x1b', '\\u732b')
    """
    return character.encode("unicode_escape").decode("ascii")


def _in_c(character: str) -> str:
    """A character as it stands between the quotes of $'...'."""
    if character.isprintable():
        return f"\\{character}" if character in "\\'" else character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def _seen(character: str) -> str:
    nothing = ord(character) & 0xFFFE == 0xFFFE  # no character ever: an XML reader stumbles over it
    unseen = unicodedata.category(character) in UNSEEN and character not in JOINERS
    return escaped(character) if nothing or unseen else character
