"""Names are text: what is shown of one that is more than that."""

import unicodedata

import pytest
from hypothesis import given

from tests.nasty_names import names
from unrolled.names import printable


@given(names)
def test_what_is_shown_does_nothing(name):
    shown = printable(name)
    assert not {unicodedata.category(c) for c in shown.replace("\u200c", "").replace("\u200d", "")} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    }
    assert shown.encode("utf-8").decode("utf-8").splitlines() in ([shown], [])
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "name", ["naïve", "猫 と 犬", "שלום", "👨\u200d👩\u200d👧", "می\u200cخواهم", r"$\frac$", "[red]x", ""]
)
def test_letters_of_all_scripts_stay_what_they_are(name):
    assert printable(name) == name


def test_names_that_differ_are_shown_as_such():
    different = ["a", "a\n", "a\r", "a\x00", "a\u202e", "\ud800", "\ud801", "\uffff", "\ufffe"]
    assert len({printable(name) for name in different}) == len(different)
