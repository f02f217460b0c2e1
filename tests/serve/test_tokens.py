"""Tokens: what comes back is what went in, and nothing else is taken."""

import base64
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unrolled import UnrolledError
from unrolled.serve.errors import TokenError
from unrolled.serve.tokens import Kept, Seal

SEAL = Seal(b"k" * 16, "mine", 40)
LETTERS = string.ascii_letters + string.digits + "-_"
TOKEN = SEAL.token(Kept(7, bytes(range(40))))


@given(steps=st.integers(0, 2**64 - 1), state=st.binary(min_size=40, max_size=40))
def test_a_token_gives_back_what_was_kept(steps, state):
    token = SEAL.token(Kept(steps, state))
    assert SEAL.read_token(token) == (steps, state)
    assert token.isascii()
    assert token.replace("-", "").replace("_", "").isalnum()


@given(place=st.integers(0, len(TOKEN) - 1), letter=st.sampled_from("ABCabc019-_=+/\n é"))
def test_one_changed_letter_anywhere_is_found(place, letter):
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    if changed != TOKEN:
        with pytest.raises(TokenError):
            SEAL.read_token(changed)


@pytest.mark.parametrize("letter", sorted(set(LETTERS) - {TOKEN[-1]}))
def test_the_last_letter_has_one_form(letter):
    with pytest.raises(TokenError, match="damaged"):
        SEAL.read_token(TOKEN[:-1] + letter)


@given(st.one_of(st.text(), st.binary(max_size=200).map(lambda b: base64.urlsafe_b64encode(b).decode())))
@example("")
@example(TOKEN + "A")
@example(TOKEN + "=")
@example(TOKEN[:-1])
@example("A" * 1_000_000)
@example(TOKEN[: len(TOKEN) // 2] * 2)
def test_anything_else_is_a_token_error_in_one_line(text):
    with pytest.raises(TokenError) as caught:
        SEAL.read_token(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.binary(max_size=200))
def test_any_bytes_of_a_file_are_a_token_error(sealed):
    with pytest.raises(TokenError):
        SEAL.read(sealed, "place")


@pytest.mark.parametrize(
    ("seal", "says"),
    [
        (Seal(b"z" * 16, "mine", 40), "signed with another key"),
        (Seal(b"k" * 16, "other", 40), "of another network"),
        (Seal(b"k" * 16, "mine", 44), "expected 135: it is damaged, or of another network"),
    ],
)
def test_a_token_from_elsewhere_says_what_it_is(seal, says):
    with pytest.raises(TokenError, match=says):
        seal.read_token(TOKEN)


def test_another_version_says_so():
    sealed = bytearray(SEAL.sealed(Kept(7, bytes(40))))
    sealed[0] = 2
    with pytest.raises(TokenError, match="the token is of version 2, expected 1"):
        SEAL.read_token(base64.urlsafe_b64encode(sealed).decode().rstrip("="))


def test_a_file_of_one_session_is_not_anothers_and_no_token():
    sealed = SEAL.sealed(Kept(7, bytes(40)), "one")
    assert SEAL.read(sealed, "one").steps == 7
    for place in ("two", ""):
        with pytest.raises(TokenError, match="damaged"):
            SEAL.read(sealed, place)


def test_a_short_key_is_refused():
    with pytest.raises(UnrolledError, match="the key has 3 bytes, expected at least 16"):
        Seal(b"key", "mine", 40)
