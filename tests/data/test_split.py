"""Who is held out: a part of each class, and no group on both sides."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.split import held_out
from unrolled.errors import UnrolledError


@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.data())
def test_each_class_gives_its_part_within_one_and_keeps_one(classes: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.integers(0, len(classes) - 1))
    rows = held_out(len(classes), wanted, classes=classes)
    assert sorted(set(rows.tolist())) == rows.tolist()
    all_of, held = Counter(classes), Counter(classes[row] for row in rows)
    for name, count in all_of.items():
        # What a class of one cannot give, the others may have to.
        assert held[name] <= count * wanted / len(classes) + len(all_of)
        assert held[name] < count or len(all_of) == 1
    most = len(classes) - len(all_of) if len(all_of) > 1 else len(classes)
    assert len(rows) == min(wanted, most) or len(all_of) > 1


def test_thirty_of_each_of_nine_give_three_of_each() -> None:
    classes = [number for number in range(9) for _ in range(30)]
    assert Counter(classes[row] for row in held_out(270, 27, classes=classes)) == dict.fromkeys(range(9), 3)


def test_the_rows_are_not_the_first_of_each_class() -> None:
    classes = ["a"] * 50 + ["b"] * 50
    assert held_out(100, 10, classes=classes).tolist() != [*range(5), *range(50, 55)]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=4, max_size=100), st.floats(0.05, 0.6)
)
def test_no_group_is_on_both_sides(drawn: list[tuple[int, int]], share: float) -> None:
    classes, groups = [c for c, _ in drawn], [f"speaker {g}" for _, g in drawn]
    if len(set(groups)) == 1:
        return
    rows = held_out(len(drawn), max(1, int(share * len(drawn))), classes=classes, groups=groups)
    inside = {groups[row] for row in rows}
    outside = {groups[row] for row in np.setdiff1d(np.arange(len(drawn)), rows)}
    assert inside
    assert outside
    assert not inside & outside


def test_ten_equal_groups_give_two_for_a_fifth() -> None:
    groups = [str(number // 10) for number in range(100)]
    rows = held_out(100, 20, classes=[number % 2 for number in range(100)], groups=groups)
    assert len(rows) == 20


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(UnrolledError, match="all sequences are of one group, 'anna'"):
        held_out(4, 1, groups=["anna"] * 4)


def test_all_cannot_be_held_out() -> None:
    with pytest.raises(UnrolledError, match="4 of 4 sequences are to be held out, expected 0 to 3"):
        held_out(4, 4)
