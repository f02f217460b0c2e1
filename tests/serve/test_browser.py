"""The page that a service shows, in a real browser: the service reads along, and says what the page says."""

import json
import re
import signal
import time

import httpx
import pytest

from tests.page.conftest import Visit, make_run
from tests.page.test_page import BAR, RING, SEVEN, close, predicted
from tests.serve.conftest import Served
from unrolled.networks import lookup
from unrolled.page.writer import render

TOKEN = "a-token-that-is-long-enough"
ALONG = "let the server read along"


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """Two runs of networks that read digits step by step."""
    folder = tmp_path_factory.mktemp("two")
    return {
        "lstm": make_run(folder, "lstm", lookup("single-layer-dynamic-lstm")),
        "gru": make_run(folder, "gru", lookup("single-layer-dynamic-gru")),
    }


def folders(two):
    return [run.folder for run in two.values()]


@pytest.fixture(scope="module")
def server(two):
    """A service of both, which is stopped at the end and has never failed."""
    server = Served(*folders(two), "--port", 0)
    yield server
    assert server.stop() in (0, -signal.SIGTERM)
    assert "Traceback" not in "".join(server.lines)


@pytest.fixture
def visit(chromium):
    """`visit(server)`: its page, opened; at the end nothing may have gone wrong, or been asked of others."""
    visits = []

    def call(server, **context):
        visits.append(Visit(chromium, f"{server.url}/", **context))
        return visits[-1]

    yield call
    for each in visits:
        each.context.close()
    for each in visits:
        assert each.wrong == []
        own = (each.address, each.address.replace("http", "ws", 1), "blob:", "data:")
        assert [url for url in each.asked if not url.startswith(own)] == []


def server_line(place="first"):
    return f"document.querySelector('#{place} .server')?.textContent ?? ''"


def wait_for_line(seen, words, place="first"):
    seen.wait(f"({server_line(place)}).includes({json.dumps(words)})")
    return seen.page.evaluate(server_line(place))


def test_a_drawing_that_the_server_reads_along_gets_the_pages_answer_and_that_of_predict(
    visit, server, two, tmp_path, capsys
):
    seen = visit(server, viewport={"width": 1400, "height": 900})
    frames = []
    seen.page.on(
        "websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(json.loads(frame)))
    )
    seen.draw(SEVEN, BAR)
    assert not frames  # it was not asked yet
    seen.page.get_by_label("beside it").select_option("1")
    seen.page.get_by_label(ALONG).check()
    picture = seen.save_drawing(tmp_path / "digit.png")
    for at, (name, place) in enumerate(zip(two, ("first", "second"), strict=True)):
        line = wait_for_line(seen, "as the page", place)
        found = seen.page.evaluate(f"Array.from(served('{name}').shares)")
        expected = predicted(picture, two[name], capsys)
        close(found, expected)
        close(found, seen.shares(at))
        best = max(range(10), key=expected.__getitem__)
        assert line == f"Server, after row 28: {best}, confidence {expected[best]:.1%}, as the page"
    assert sum(len(frame.get("steps", ())) for frame in frames) == 2 * 28


def test_rows_are_streamed_one_by_one_as_the_drawing_plays(visit, server):
    seen = visit(server)
    frames = []
    seen.page.on(
        "websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(json.loads(frame)))
    )
    seen.page.get_by_label(ALONG).check()
    seen.draw(RING)
    wait_for_line(seen, "after row 28")
    frames.clear()
    seen.page.click("[data-player=first]")
    seen.page.click("[data-player=toggle]")
    wait_for_line(seen, "after row 28:")
    sent = [len(frame["steps"]) for frame in frames if "steps" in frame]
    assert sum(sent) == 28
    assert len(sent) >= 14  # not in one piece: the drawing plays for seconds
    assert seen.page.evaluate(server_line()).endswith("as the page")


def test_the_access_token_that_the_browser_asks_for_opens_the_stream_too(visit, serve, two):
    server = serve(*folders(two), "--port", 0, env={"UNROLLED_TOKEN": TOKEN})
    seen = visit(server, http_credentials={"username": "", "password": TOKEN})
    seen.draw(RING)
    seen.page.get_by_label(ALONG).check()
    assert wait_for_line(seen, "after row 28").endswith("as the page")
    assert TOKEN not in "".join(server.lines)


def test_rows_that_are_left_out_and_their_order_are_sent_and_other_changes_are_not(visit, server):
    seen = visit(server)
    seen.page.get_by_label(ALONG).check()
    seen.draw(SEVEN)
    seen.page.get_by_label("read rows from below").check()
    seen.page.get_by_role("button", name="Skip row 1").click()
    seen.page.click("[data-player=last]")
    assert wait_for_line(seen, "after row 27").endswith("as the page")
    close(seen.page.evaluate("Array.from(served('lstm').shares)"), seen.shares())
    seen.page.get_by_role("combobox", name="forget gate f").select_option("1")
    wait_for_line(seen, "holds no gate, and is not asked")
    seen.page.get_by_role("button", name="Undo all changes").click()
    seen.page.click("[data-player=last]")
    assert wait_for_line(seen, "after row 28").endswith("as the page")


def test_a_server_that_says_something_else_is_told_apart(visit, server):
    seen = visit(server)
    seen.page.get_by_label(ALONG).check()
    seen.page.evaluate("reading.of(0).network.classifier.bias[3] += 2")
    seen.draw(RING)
    assert "not as the page, by up to 0." in wait_for_line(seen, "after row 28")
    assert seen.page.evaluate("document.querySelector('#first .server').classList.contains('differs')")
    seen.wait("document.querySelector('#said').textContent.includes('not as the page')")


def test_a_server_that_falls_is_said_and_asked_again_when_it_is_back(visit, serve, two):
    server = serve(*folders(two), "--port", 0)
    seen = visit(server)
    seen.page.get_by_label(ALONG).check()
    seen.draw(RING)
    before = wait_for_line(seen, "after row 28")
    server.stop(signal.SIGKILL)
    wait_for_line(seen, "the connection broke. It is tried again.")
    wait_for_line(seen, "it cannot be reached. It is tried again.")
    again = serve(*folders(two), "--port", server.port)
    assert wait_for_line(seen, "after row 28") == before
    again.stop()
    wait_for_line(seen, "it stops. It is tried again.")
    refused = [line for line in seen.wrong if "ERR_CONNECTION_REFUSED" in line]
    assert seen.wrong == refused  # a browser says so by itself
    seen.wrong.clear()


def test_a_session_that_is_gone_is_begun_anew(visit, server):
    seen = visit(server)
    seen.page.get_by_label(ALONG).check()
    seen.draw(RING)
    wait_for_line(seen, "after row 28")
    seen.page.evaluate("fetch(`v1/sessions/${served('lstm').id}`, { method: 'DELETE' }).then(() => {})")
    seen.page.click("[data-player=back]")
    wait_for_line(seen, "there is no such session")
    assert wait_for_line(seen, "after row 27").endswith("as the page")


def test_a_server_that_is_full_is_said_and_asked_again(visit, serve, two):
    server = serve(*folders(two), "--port", 0, "--most-sessions", 1)
    other = httpx.post(f"{server.url}/v1/sessions").json()["session"]
    seen = visit(server)
    seen.page.get_by_label(ALONG).check()
    seen.draw(RING)
    wait_for_line(seen, "there are 1 sessions, as many as may be")
    httpx.delete(f"{server.url}/v1/sessions/{other}")
    assert wait_for_line(seen, "after row 28").endswith("as the page")


def test_a_server_that_is_asked_too_often_is_said(visit, serve, two):
    seen = visit(serve(*folders(two), "--port", 0, "--rate", 2))
    seen.draw(RING)
    seen.page.get_by_label(ALONG).check()
    wait_for_line(seen, "more than 2 messages a second came from your address. It is tried again.")


def test_a_network_that_cannot_be_read_step_by_step_is_named(visit, serve, digits):
    seen = visit(serve(digits, "--port", 0))
    seen.page.get_by_label(ALONG).check()
    seen.draw(RING)
    wait_for_line(seen, "cannot stream")


def test_sessions_end_when_they_are_not_needed_any_more(visit, serve, two):
    server = serve(*folders(two), "--port", 0)  # of whose sessions the page's are all

    def open_sessions():
        counts = httpx.get(f"{server.url}/metrics").text
        return sum(map(float, re.findall(r"^unrolled_engine_in_memory\{.*\} (\S+)$", counts, re.MULTILINE)))

    def wait_for_sessions(count):
        end = time.monotonic() + 20
        while open_sessions() != count:
            assert time.monotonic() < end
            seen.page.wait_for_timeout(50)

    seen = visit(server)
    seen.draw(RING)
    seen.page.get_by_label("beside it").select_option("1")
    assert open_sessions() == 0
    seen.page.get_by_label(ALONG).check()
    wait_for_line(seen, "after row 28", "second")
    assert open_sessions() == 2
    seen.page.get_by_label(ALONG).uncheck()
    wait_for_sessions(0)
    assert seen.page.locator("#first .server").is_hidden()
    seen.page.get_by_label(ALONG).check()
    wait_for_line(seen, "after row 28", "second")
    seen.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    wait_for_sessions(0)
    seen.page.evaluate(
        "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    )  # by the way back
    wait_for_sessions(2)
    seen.page.goto("about:blank")
    wait_for_sessions(0)


def test_it_can_be_read_by_everybody(visit, server):
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    seen = visit(server)
    page = seen.page
    page.get_by_label("beside it").select_option("1")
    page.get_by_label(ALONG).check()
    page.evaluate("reading.of(1).network.classifier.bias[3] += 2")  # a line of each kind
    seen.draw(RING)
    wait_for_line(seen, "after row 28")
    wait_for_line(seen, "not as the page", "second")
    seen.wait("document.querySelector('#said').textContent.includes('as the page')")  # heard, too
    page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    for width in (380, 1300):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_text(ALONG).bounding_box()["height"] >= 32  # a fingertip
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("axe.run()")["violations"]
            serious = [one for one in found if one["impact"] in ("serious", "critical")]
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []


def test_the_policy_lets_a_served_page_ask_its_server_alone(visit, server):
    seen = visit(server)
    other = "fetch('http://localhost:9/').then(() => 'went', () => 'stopped')"
    assert seen.page.evaluate(other) == "stopped"
    assert any("Content Security Policy" in line for line in seen.wrong)
    seen.wrong.clear()
    seen.asked.clear()
    assert seen.text("#asks") == "It asks its server alone, and only while that reads along."


def test_the_file_of_a_page_has_no_word_of_connections(two):
    file, served = render(two), render(two, served=True)
    assert "default-src 'none'" in file
    assert "default-src 'none'" in served
    for word in ("connect-src", "WebSocket", "fetch("):
        assert word not in file
        assert word in served
