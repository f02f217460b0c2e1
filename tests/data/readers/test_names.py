"""What names of files tell, and in which order they come."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.readers.names import NamePattern
from unrolled.errors import UnrolledError
from unrolled.names import natural

words = st.text(st.characters(exclude_characters="_/.\0"), min_size=1, max_size=8)


@given(fields=st.tuples(words, words, words))
def test_fields_come_back_from_the_name_that_they_make(fields: tuple[str, str, str]) -> None:
    pattern = NamePattern("{label}_{speaker}_{index}")
    assert pattern.read(("deep", "_".join(fields) + ".wav"), "data") == fields


def test_text_around_fields_stands_for_itself() -> None:
    assert NamePattern("rec(.*)-{a}+{b}").read(("rec(.*)-x+y.wav",), "data") == ("x", "y")
    with pytest.raises(UnrolledError, match="not of the form"):
        NamePattern("rec.-{a}").read(("recs-x.wav",), "data")


def test_a_form_with_slashes_is_of_the_last_folders() -> None:
    pattern = NamePattern("{speaker}/{label}_{_}")
    assert pattern.read(("all", "ann", "cat_1.wav"), "data") == ("ann", "cat", "1")
    with pytest.raises(UnrolledError, match=r"data: the name 'cat_1\.wav' is not of the form"):
        pattern.read(("cat_1.wav",), "data")


def test_a_name_that_fits_in_two_ways_is_refused() -> None:
    message = r"'7_de_la_1\.wav' is of the form .* in two ways, '7', 'de', 'la_1' and '7_de', 'la', '1'"
    with pytest.raises(UnrolledError, match=message):
        NamePattern("{label}_{speaker}_{index}").read(("7_de_la_1.wav",), "data")


@pytest.mark.parametrize(
    "form",
    ["", "no field", "{a}{b}", "{a}_{a}", "{}", "{a b}", "{a", "a}", "{{a}}", "_".join("{abcdefghi}") * 9],
)
def test_forms_that_tell_nothing_are_refused(form: str) -> None:
    with pytest.raises(UnrolledError, match="expected 1 to 8 fields in braces"):
        NamePattern(form)


@given(names=st.lists(st.text(st.sampled_from("ab019_"), max_size=6), max_size=12), seed=st.integers(0, 99))
def test_the_order_of_names_does_not_depend_on_the_order_of_the_disk(names: list[str], seed: int) -> None:
    mixed = list(names)
    random.Random(seed).shuffle(mixed)
    assert sorted(mixed, key=natural) == sorted(names, key=natural)


def test_numbers_of_thousands_of_digits_have_an_order() -> None:
    names = ["9" * 5000, "1" + "0" * 5000, "8" * 5000]
    assert sorted(names, key=natural) == [names[2], names[0], names[1]]
