"""`unrolled serve` refuses, in one line, what it cannot serve."""

import importlib.util
import socket

import pytest


def test_other_machines_may_not_ask_without_an_access_token(unrolled, trained, monkeypatch):
    monkeypatch.delenv("UNROLLED_TOKEN", raising=False)
    result = unrolled("serve", trained, "--host", "0.0.0.0")
    assert result.code == 2
    assert result.err.startswith("unrolled: host is 0.0.0.0, which other machines can reach")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["RUN", "--port", "1000000"], "port is 1000000"),
        (["RUN", "--delay", "-1"], "--delay is -1, expected 0 to 1000 milliseconds"),
        (["RUN", "--token-file", "nowhere"], "cannot read nowhere"),
        (["RUN", "--key-file", "KEY"], "holds no key of at least 32 bytes in hexadecimal"),
        (["RUN", "RUN", "--port", "0"], "are both called"),
        (["RUN", "--port", "0", "--sessions", "KEY"], "cannot keep sessions in"),
        (["RUN", "--port", "0", "--sessions", "INSIDE", "--key-file", "GOOD"], "cannot keep sessions in"),
        (
            ["RUN", "--port", "0", "--sessions", "INSIDE", "--key-file", "GOOD", "--workers", "2"],
            "cannot keep sessions in",
        ),
    ],
)
def test_what_cannot_be_served_is_one_line(unrolled, trained, tmp_path, arguments, message):
    key = tmp_path / "key"
    key.write_text("abc")
    good = tmp_path / "good"
    good.write_text("ab" * 32)
    places = {"RUN": trained, "KEY": key, "GOOD": good, "INSIDE": key / "inside a file"}
    result = unrolled("serve", *(places.get(one, one) for one in arguments))
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_without_the_extra_it_is_named(unrolled, trained, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find(name))
    result = unrolled("serve", trained)
    assert result.code == 2
    assert "uvicorn came with no installation: pip install 'unrolled[serve]'" in result.err


def test_a_port_that_is_taken_is_one_line(unrolled, trained):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = unrolled("serve", trained, "--port", str(port))
        assert "no run folder nowhere" in unrolled("serve", "nowhere", "--port", str(port)).err
    assert result.code == 2
    assert f"cannot listen at 127.0.0.1 port {port}: Address already in use: choose another" in result.err
    assert result.err.count("\n") == 1
