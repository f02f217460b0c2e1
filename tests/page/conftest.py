"""Pages in a real Chromium; without one the tests of this folder that need it are skipped."""

import time

import pytest
import torch

from unrolled.data import load
from unrolled.networks import SequenceClassifier, lookup
from unrolled.page import modules, write_page
from unrolled.training import Recipe, Run, RunConfig
from unrolled.training.judge import Judge


@pytest.fixture(scope="module")
def blank(chromium):
    """An empty page that has the page's modules of numbers as `modules`."""
    page = chromium.new_page()
    names = ("network", "model", "digit", "edges", "shapes", "strokes", "address", "files")
    shared = ", ".join(f"...${name}" for name in names)
    page.add_script_tag(
        content=f"{modules.script(*names)}\nglobalThis.modules = {{ {shared} }};", type="module"
    )
    page.wait_for_function("globalThis.modules")
    yield page
    page.close()


def make_run(folder, name, network, **values):
    """A finished run of a network with new weights, by default on the embedded digits."""
    settings = {"data": "sample", "classes": tuple("0123456789"), "seed": 0, "validation": 0, **values}
    run = Run.create(folder / name, RunConfig(network, Recipe(), **settings))
    torch.manual_seed(3)
    made = SequenceClassifier(network)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2)  # so that answers differ, and gates leave their middle
    run.save_weights(made.state_dict())
    Judge(sure=0.0).save(run.folder)  # nothing that was never trained is sure of anything
    return run


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """A page about two networks that read digits, and their runs."""
    folder = tmp_path_factory.mktemp("two")
    runs = {
        "lstm": make_run(folder, "lstm", lookup("single-layer-dynamic-lstm")),
        "gru": make_run(folder, "gru", lookup("single-layer-dynamic-gru")),
    }
    return write_page(folder / "reading.html", runs, load("sample")), runs


class Visit:
    """An open page, and what went wrong or was asked for meanwhile."""

    def __init__(self, browser, address, fragment="", **context):
        self.context = browser.new_context(accept_downloads=True, **context)
        self.page = self.context.new_page()
        self.wrong, self.asked = [], []
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type != "log" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.address = address
        self.page.goto(self.address + fragment)
        self.wait("Boolean(globalThis.reading)")

    def wait(self, condition, seconds=60):
        """Until something is true: the page's policy lets nothing be evaluated in it that waits by itself."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            self.page.wait_for_timeout(50)

    def draw(self, *strokes):
        """By the pointer, each a list of (x, y) as shares of the sheet."""
        sheet = self.page.locator("#sheet")
        sheet.scroll_into_view_if_needed()
        box = sheet.bounding_box()
        mouse = self.page.mouse
        for stroke in strokes:
            places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
            mouse.move(*places[0])
            mouse.down()
            for place in places[1:]:
                mouse.move(*place, steps=3)
            mouse.up()

    def shares(self, network=0, t="state.t"):
        """The probabilities that are shown."""
        return self.page.evaluate(
            f"(({{ state, of }}) => Array.from(of({network}).answer({t}).shares))(reading)"
        )

    def state(self):
        """What the page shows, as its address says it."""
        return self.page.evaluate("reading.state")

    def text(self, selector):
        return self.page.locator(selector).first.text_content()

    def save_drawing(self, path):
        with self.page.expect_download() as download:
            self.page.click("#save")
        download.value.save_as(path)
        return path


@pytest.fixture
def visit(chromium):
    """`visit(path, "#t=3")`: the page, opened; at the end nothing may have gone wrong, or been asked for."""
    visits = []

    def call(path, fragment="", **context):
        visits.append(Visit(chromium, path.as_uri(), fragment, **context))
        return visits[-1]

    yield call
    for each in visits:
        each.context.close()
    for each in visits:
        assert each.wrong == []
        strangers = [
            url for url in each.asked if not url.startswith((each.address, "blob:null", "blob:file", "data:"))
        ]
        assert strangers == []
