"""What the service answers, in this process."""

import asyncio
import json
import struct
import warnings

import httpx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled import Stream
from unrolled.data.mnist import SAMPLE
from unrolled.serve import Limits, ServeSettings, make_app
from unrolled.training import Run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another client than httpx
    from starlette.testclient import TestClient, WebSocketDenialResponse

TOKEN = "a-token-that-is-long-enough"
HERE = "http://127.0.0.1:8000"


@pytest.fixture
def client(small, digits):
    with TestClient(make_app(ServeSettings((small, digits))), base_url=HERE) as client:
        yield client


def steps(count, seed=0, width=3):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def opened(client, **body):
    answer = client.post("/v1/sessions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["session"]


def error_of(answer, status):
    """The one sentence of a refusal."""
    assert answer.status_code == status, answer.text
    values = answer.json()
    assert list(values) == ["error"]
    assert values["error"]
    assert "\n" not in values["error"]
    return values["error"]


def test_a_prediction_is_what_predict_says_of_ragged_sequences(client, small):
    sequences = [steps(4), steps(1, 1), steps(7, 2)]
    answer = client.post("/v1/predict", json={"sequences": [one.tolist() for one in sequences]})
    network = Run.open(small).load_classifier()
    for said, one in zip(answer.json()["answers"], sequences, strict=True):
        with torch.inference_mode():
            shares = network(torch.from_numpy(one)[None]).softmax(dim=1)[0]
        assert said["predicted"] == "abcd"[int(shares.argmax())]
        assert said["confidence"] == pytest.approx(float(shares.max()), abs=1e-6)
        assert set(said["probabilities"]) == set("abcd")
        assert said["status"] in ("answered", "not sure")


def test_a_picture_of_a_digit_gets_the_answer_of_its_file(client):
    file = SAMPLE / "t10k-images-idx3-ubyte.gz"
    answer = client.post(
        "/v1/predict", files={"file": (file.name, file.read_bytes())}, data={"model": "digits"}
    )
    said = answer.json()["answers"]
    assert len(said) == 1000
    assert said[3]["sequence"] == f"{file.name}[3]"


def test_a_damaged_file_is_named_as_its_sender_names_it(client):
    answer = client.post(
        "/v1/predict", files={"file": ("seven.png", b"no picture")}, data={"model": "digits"}
    )
    assert error_of(answer, 400).startswith("cannot use seven.png: it is neither a picture")


def test_the_answers_of_a_session_are_the_bits_of_a_stream(client, small):
    session, stream = opened(client), Stream(Run.open(small).load_classifier(), 1)
    x = steps(9)
    for first, last in ((0, 1), (1, 5), (5, 9)):
        said = client.post(
            f"/v1/sessions/{session}/steps", json={"steps": x[first:last].tolist(), "outputs": True}
        ).json()
        assert said["count"] == last
        own = [stream.step(row) for row in torch.from_numpy(x[first:last])]
        shares = torch.tensor(said["outputs"]).softmax(dim=1)
        assert torch.equal(shares, torch.stack(own))
        assert said["predicted"] == "abcd"[int(own[-1].argmax())]
        assert said["confidence"] == pytest.approx(float(own[-1].max()), abs=1e-6)


def test_a_session_goes_on_from_its_token_and_begins_anew_after_a_reset(client):
    x, session = steps(6), opened(client)

    def outputs(session, rows):
        body = {"steps": rows.tolist(), "outputs": True}
        return client.post(f"/v1/sessions/{session}/steps", json=body).json()["outputs"]

    first = outputs(session, x[:3])
    token = client.get(f"/v1/sessions/{session}/token").json()["token"]
    rest = outputs(session, x[3:])
    other = opened(client, token=token)
    assert outputs(other, x[3:]) == rest
    client.post(f"/v1/sessions/{session}/reset")
    assert outputs(session, x[:3]) == first
    assert client.delete(f"/v1/sessions/{session}").json()["closed"]
    error_of(client.delete(f"/v1/sessions/{session}"), 404)


def test_every_gives_the_answer_after_each_step_and_keep_the_token(client):
    session = opened(client)
    body = {"steps": steps(3).tolist(), "every": True, "keep": True}
    said = client.post(f"/v1/sessions/{session}/steps", json=body).json()
    assert len(said["every"]) == 3
    assert said["every"][-1]["confidence"] == said["confidence"]
    opened(client, token=said["token"])


def test_the_compact_form_says_the_same_numbers(client):
    x, session = steps(4), opened(client)
    body = {"steps": x.tolist(), "outputs": True}
    said = client.post(f"/v1/sessions/{session}/steps", json=body).json()
    other = opened(client)
    answer = client.post(
        f"/v1/sessions/{other}/steps",
        content=x.astype("<f4").tobytes(),
        headers={"content-type": "application/octet-stream"},
    )
    assert struct.unpack_from("<Q", answer.content)[0] == 4
    outputs = np.frombuffer(answer.content[8:], "<f4").reshape(4, 4)
    assert outputs.tolist() == said["outputs"]


def test_a_stream_of_one_session_answers_in_the_order_of_its_messages(client):
    session = opened(client)
    with client.websocket_connect(f"ws://127.0.0.1:8000/v1/sessions/{session}/stream") as socket:
        for count in range(1, 6):
            socket.send_json({"steps": steps(1).tolist(), "id": count})
        socket.send_json({"steps": "none", "id": "wrong"})
        socket.send_bytes(steps(2).astype("<f4").tobytes())
        said = [socket.receive_json() for _ in range(6)]
        assert [one["count"] for one in said[:5]] == [one["id"] for one in said[:5]] == [1, 2, 3, 4, 5]
        assert said[5]["id"] == "wrong"
        assert said[5]["status"] == 400
        assert struct.unpack_from("<Q", socket.receive_bytes())[0] == 7
        socket.send_json({"do": "open"})
        assert "one session" in socket.receive_json()["error"]


def test_a_stream_of_many_opens_steps_and_closes_each_by_its_name(client):
    with client.websocket_connect("ws://127.0.0.1:8000/v1/stream") as socket:
        names = []
        for number in range(5):
            socket.send_json({"do": "open", "id": number})
            names.append(socket.receive_json()["session"])
        for place, name in enumerate(names):
            socket.send_json({"session": name, "steps": steps(place + 1).tolist()})
        said = [socket.receive_json() for _ in names]
        assert {one["session"]: one["count"] for one in said} == dict(zip(names, range(1, 6), strict=True))
        name = names[0].encode()
        head = struct.pack("<H", len(name)) + name
        socket.send_bytes(head + steps(1).astype("<f4").tobytes())
        answer = socket.receive_bytes()
        assert answer.startswith(head)
        assert struct.unpack_from("<Q", answer, len(head))[0] == 2
        socket.send_json({"do": "close", "session": names[0]})
        assert socket.receive_json()["closed"]
        socket.send_json({"session": names[0], "steps": steps(1).tolist()})
        assert socket.receive_json()["status"] == 404


WRONG = [
    (b"", "sequences"),
    (b"\xff\xfe", "UTF-8"),
    (b"{", "no JSON"),
    (b"[1]", "a list, expected an object"),
    (b'{"sequences": [[[1, 2, NaN]]]}', "NaN"),
    (b'{"sequences": [[[1, 2, 1e999]]]}', "finite"),
    (b'{"sequences": [[[1, 2, 1e39]]]}', "finite"),
    (b'{"sequences": [[[1, 2, 1' + b"0" * 400 + b"]]]}", "finite"),
    (b'{"sequences": [[[1, 2, 1' + b"0" * 5000 + b"]]]}", "no JSON"),
    (b'{"sequences": [[[1, 2]]]}', "sequences[0][0] has 2 numbers, expected 3"),
    (b'{"sequences": [[[1, 2, "3"]]]}', "sequences[0][0][2] is text"),
    (b'{"sequences": [[[1, 2, true]]]}', "a truth value"),
    (b'{"sequences": [[[1, 2, null]]]}', "null"),
    (b'{"sequences": [[]]}', "an empty list"),
    (b'{"sequences": [[1]]}', "sequences[0][0] is a number"),
    (b'{"sequences": {}}', "sequences"),
    (b'{"sequences": [], "sequences": []}', "twice"),
    (b'{"sequence": []}', "the key 'sequence'"),
    (b'{"sequences": ' + b"[" * 100_000, "nested too deeply"),
    (b'{"model": 3}', "model is a number"),
]


@pytest.mark.parametrize(("body", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_list_of_sequences_is_one_sentence(client, body, message):
    assert message in error_of(client.post("/v1/predict", content=body), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/healthz", 405),
        ("POST", "/v1/sessions/0-none-x/steps", 404),
        ("POST", "/v1/sessions/none/reset", 404),
        ("GET", "/v1/sessions/99999999999999-a-b/token", 404),
        ("POST", "/v1/ask", 404),
        ("POST", "/v1/ask-compact?session=x", 404),
    ],
)
def test_what_is_not_there_is_one_sentence(client, method, path, status):
    error_of(client.request(method, path), status)


def test_a_model_that_is_not_served_and_one_that_cannot_stream_are_named(client):
    assert "small, digits" in error_of(client.post("/v1/sessions", json={"model": "other"}), 404)
    assert "cannot stream" in error_of(client.post("/v1/sessions", json={"model": "digits"}), 409)
    models = client.get("/v1/models").json()["models"]
    assert [(model["name"], model["step"], model["sessions"]) for model in models] == [
        ("small", 3, True),
        ("digits", 28, False),
    ]


def test_a_token_of_nobody_is_refused(client):
    error_of(client.post("/v1/sessions", json={"token": "nonsense"}), 400)
    error_of(client.post("/v1/sessions", json={"token": "x", "model": "small"}), 400)


def limited(small, **limits):
    return TestClient(make_app(ServeSettings((small,), limits=Limits(**limits))), base_url=HERE)


def test_what_is_too_large_is_refused(small):
    with limited(small, body=1000, sequences=2, steps=5, sessions=2) as client:
        error_of(client.post("/v1/predict", content=b" " * 1001), 413)
        parts = (b" " * 100 for _ in range(50))  # without a content-length
        error_of(client.post("/v1/predict", content=parts), 413)
        one = [[1, 2, 3]]
        assert "at most 2" in error_of(client.post("/v1/predict", json={"sequences": [one] * 3}), 400)
        assert "at most 5" in error_of(client.post("/v1/predict", json={"sequences": [one * 6]}), 400)
        session = opened(client)
        assert "at most 5" in error_of(
            client.post(f"/v1/sessions/{session}/steps", json={"steps": one * 6}), 400
        )


def test_an_address_that_asks_too_often_is_told_so(small):
    with limited(small, rate=3) as client:
        answers = [client.get("/v1/models") for _ in range(10)]
        assert "3 requests a second" in error_of(answers[-1], 429)
        assert answers[-1].headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200


def test_no_more_connections_are_open_than_may_be(small):
    with limited(small, sockets=1) as client, client.websocket_connect("ws://127.0.0.1:8000/v1/stream"):
        with (
            pytest.raises(WebSocketDenialResponse) as refusal,
            client.websocket_connect("ws://127.0.0.1:8000/v1/stream"),
        ):
            pass
        assert refusal.value.status_code == 503


def test_without_the_access_token_there_are_only_health_and_readiness(small):
    settings = ServeSettings((small,), host="0.0.0.0", token=TOKEN)
    with TestClient(make_app(settings), base_url="http://service.example") as client:
        for path in ("/", "/v1/models", "/metrics", "/openapi.json", "/nowhere"):
            assert "access token" in error_of(client.get(path), 401)
        wrong = {"authorization": f"Bearer {TOKEN}x"}
        error_of(client.get("/v1/models", headers=wrong), 401)
        error_of(client.get("/v1/models", headers={"authorization": "Basic ???"}), 401)
        error_of(client.get("/v1/models", headers={"authorization": "Bearer \xff".encode("latin-1")}), 401)
        assert client.get("/healthz").json() == {"status": "alive"}
        assert client.get("/readyz").json() == {"status": "ready"}
        right = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/v1/models", headers=right).status_code == 200
        assert client.get("/", auth=("anybody", TOKEN)).status_code == 200


def test_a_page_of_another_site_may_not_ask(client):
    other = {"origin": "http://evil.example"}
    assert "another site" in error_of(client.get("/v1/models", headers=other), 403)
    error_of(client.get("/v1/models", headers={"host": "evil.example"}), 403)
    assert client.get("/v1/models", headers={"origin": HERE}).status_code == 200


def test_the_page_and_the_counts_and_the_document_are_there(client):
    assert "see it read" in client.get("/").text or "no page" in client.get("/").text
    opened(client)
    counts = client.get("/metrics").text
    assert 'unrolled_requests_total{method="POST",route="/v1/sessions",status="201",worker="0"} 1.0' in counts
    assert "unrolled_engine_" in counts
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            assert said["summary"], (path, method)
            assert said["description"], (path, method)


def test_a_service_that_stops_is_not_ready(small):
    app = make_app(ServeSettings((small,)))
    assert TestClient(app, base_url=HERE).get("/readyz").status_code == 503


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)
KEYS = st.sampled_from(["sequences", "steps", "model", "token", "every", "outputs", "keep"])
BODIES = (
    st.binary(max_size=200)
    | st.dictionaries(KEYS, JSON, max_size=3).map(lambda values: json.dumps(values).encode())
    | JSON.map(lambda values: json.dumps({"sequences": [[values]], "x": values}).encode())
    | st.lists(st.lists(st.lists(st.floats(width=32), min_size=2, max_size=4), max_size=3), max_size=3).map(
        lambda values: json.dumps({"sequences": values}).encode()
    )
)
TYPES = st.sampled_from(
    [
        "application/json",
        "application/octet-stream",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "?",
    ]
)


@pytest.fixture(scope="module")
def fuzzed(small):
    with TestClient(make_app(ServeSettings((small,))), base_url=HERE) as client:
        yield client, opened(client)


@given(body=BODIES, kind=TYPES)
def test_no_body_is_answered_with_a_failure(fuzzed, body, kind):
    client, session = fuzzed
    for path in ("/v1/predict", "/v1/sessions", f"/v1/sessions/{session}/steps"):
        answer = client.post(path, content=body, headers={"content-type": kind})
        if answer.status_code >= 300:
            assert 400 <= answer.status_code < 500, answer.text
            error_of(answer, answer.status_code)


@given(messages=st.lists(BODIES | st.text(max_size=20), max_size=5))
def test_no_message_ends_a_stream(fuzzed, messages):
    client, session = fuzzed
    with client.websocket_connect("ws://127.0.0.1:8000/v1/stream") as socket:
        for message in messages:
            if isinstance(message, str):
                socket.send_text(message)
            else:
                socket.send_bytes(message)
            said = socket.receive_json()
            assert "session" in said or 400 <= said["status"] < 500
        socket.send_json({"session": session, "steps": steps(1).tolist()})
        assert socket.receive_json()["session"] == session


def test_predictions_wait_for_each_other_and_no_more_than_may(small):
    app = make_app(ServeSettings((small,), limits=Limits(waiting=1)))

    async def ask_at_once():
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client,
        ):
            body = {"sequences": [[[0, 0, 0]] * 3000]}  # small enough to be read at once
            return await asyncio.gather(*(client.post("/v1/predict", json=body) for _ in range(6)))

    statuses = sorted(answer.status_code for answer in asyncio.run(ask_at_once()))
    assert statuses[0] == 200
    assert statuses[-1] == 503
