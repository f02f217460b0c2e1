"""What a service may be told, and what the verb says of the rest."""

import stat

import pytest

from unrolled.errors import UnrolledError
from unrolled.serve import Limits, ServeSettings
from unrolled.serve.settings import signing_key


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"host": "0.0.0.0"},
            "host is 0.0.0.0, which other machines can reach, and there is no access token",
        ),
        ({"host": "::"}, "no access token"),
        ({"host": "example.org"}, "no access token"),
        ({"token": "short"}, "the access token has 5 characters, expected at least 16"),
        ({"token": "with a space in its middle"}, "without spaces"),
        ({"port": 70_000}, "port is 70000"),
        ({"workers": 0}, "workers is 0"),
        ({"delay": 2.0}, "delay is 2.0, expected 0 to 1 seconds"),
        ({"delay": float("nan")}, "delay is nan"),
        ({"runs": ()}, "no runs came"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(values, message, tmp_path):
    with pytest.raises(UnrolledError, match=message):
        ServeSettings(**{"runs": (tmp_path,), **values})


def test_limits_are_numbers_of_at_least_one():
    with pytest.raises(UnrolledError, match="body is 0"):
        Limits(body=0)
    with pytest.raises(UnrolledError, match="patience is 0"):
        Limits(patience=0)


def test_the_key_of_a_folder_stays_and_only_its_owner_reads_it(tmp_path):
    settings = ServeSettings((tmp_path,), sessions=tmp_path / "sessions")
    key = signing_key(settings)
    assert signing_key(settings) == key
    file = tmp_path / "sessions/key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("nonsense")
    with pytest.raises(UnrolledError, match="holds no key"):
        signing_key(settings)


def test_without_a_folder_each_service_has_a_key_of_its_own(tmp_path):
    assert signing_key(ServeSettings((tmp_path,))) != signing_key(ServeSettings((tmp_path,)))


def test_a_token_and_a_key_are_not_shown(tmp_path):
    assert "secret" not in repr(ServeSettings((tmp_path,), token="secret-secret-secret", key=b"secret"))
