"""The page in a real browser: that it asks for nothing, fits a phone and is drawn in light and dark."""

import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from tests.report.conftest import TEST, epoch, make_pets, write_run
from unrolled.report import save_page, summarize

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH")


@pytest.fixture
def browse(tmp_path):
    """`browse("--dump-dom", path)`: what headless Chromium prints."""

    def call(*arguments) -> str:
        quiet = ("--no-first-run", "--disable-background-networking", "--disable-component-update")
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *quiet]
        command += [f"--user-data-dir={tmp_path / 'profile'}", "--hide-scrollbars", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return call


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page about 14 runs, three of which can be examined."""
    folder = tmp_path_factory.mktemp("page")
    runs = [
        write_run(folder, f"a-run-with-a-rather-long-name-{n}", epoch(1, 0.5), TEST, seed=n) for n in range(3)
    ]
    runs += [
        write_run(folder, f"run-{n}", epoch(1, 0.5), epoch(2, 0.75), weights=False, data="other")
        for n in range(11)
    ]
    summaries = [summarize(run, run.folder.name) for run in runs]
    save_page(summaries, folder / "page.html", {"pets": make_pets()})
    return folder / "page.html"


@pytest.fixture
def proxy():
    """A proxy that refuses everything, and the hosts that it was asked for."""
    asked: list[str] = []

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(403)

        do_CONNECT = do_POST = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"--proxy-server=127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_it_asks_the_network_for_nothing(browse, page, proxy, tmp_path):
    setting, asked = proxy
    greedy = tmp_path / "greedy.html"
    greedy.write_text(
        '<img src="http://picture.test/a.png"><link rel="stylesheet" href="https://style.test/">'
    )
    browse(setting, "--dump-dom", greedy)
    assert any("picture.test" in address for address in asked)  # this way of looking sees what is asked for
    assert any("style.test" in address for address in asked)
    asked.clear()
    assert "14 runs compared" in browse(setting, "--dump-dom", page)
    own = ("google.com", "googleapis.com", "gvt1.com")  # the browser's own calls home
    assert [address for address in asked if not any(host in address for host in own)] == []


@pytest.mark.parametrize("width", [360, 800])
def test_it_is_no_wider_than_the_window(browse, page, width):
    frame = page.with_name("frame.html")
    frame.write_text(
        f'<iframe src="page.html" width="{width}" height="700" style="border:0"></iframe><p></p><script>'
        "onload = () => { const page = frames[0].document; document.querySelector('p').textContent ="
        " `${page.querySelectorAll('svg').length} pictures, ${page.documentElement.scrollWidth} wide` }"
        "</script>"
    )
    printed = browse("--allow-file-access-from-files", "--dump-dom", frame)
    lines = 14 + 14  # of the table and the legend
    reliability = 3  # a diagram for each run
    assert f"<p>{lines + 5 + 3 + reliability} pictures, {width} wide</p>" in printed


def test_it_is_drawn_light_and_dark(browse, page, tmp_path):
    papers = []
    for name, arguments in (("light", ()), ("dark", ("--blink-settings=preferredColorScheme=0",))):
        path = tmp_path / f"{name}.png"
        browse(*arguments, "--window-size=1000,1400", f"--screenshot={path}", page)
        with Image.open(path) as image:
            assert image.size == (1000, 1400)
            papers.append(image.convert("L").getpixel((3, 1390)))
            assert len(image.convert("RGB").getcolors(1 << 20)) > 100  # something is drawn
    light, dark = papers
    assert light > 240
    assert dark < 40


def test_it_prints_on_landscape_sheets(browse, page, tmp_path):
    path = tmp_path / "page.pdf"
    browse(f"--print-to-pdf={path}", page)
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", path.read_bytes())
    assert {(round(float(width)), round(float(height))) for width, height in sheets} == {(842, 595)}
