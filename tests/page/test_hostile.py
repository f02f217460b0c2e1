"""Names, addresses and files that mean harm, and runs that a page cannot show."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.nasty_names import NASTY
from tests.page.conftest import make_run
from unrolled.errors import UnrolledError
from unrolled.names import printable
from unrolled.networks import NetworkConfig
from unrolled.page import write_page
from unrolled.page.writer import render
from unrolled.training.judge import Judge

SMALL = NetworkConfig("small", (("lstm", 5),))


def test_names_full_of_html_are_only_text(visit, tmp_path):
    classes = tuple(NASTY)
    plain = tuple(map(str, range(len(classes))))
    run = make_run(tmp_path, "nasty", SMALL.changed(classes=len(classes)), classes=plain)
    run.config = dataclasses.replace(run.config, classes=classes)  # halves of characters, too
    path = write_page(tmp_path / "nasty.html", {name: run for name in NASTY if name.strip()})
    seen = visit(path, "#n=17&b=18&t=9")
    assert seen.page.evaluate("document.querySelectorAll('img, link:not([rel=icon]), iframe').length") == 0
    assert seen.page.evaluate("document.scripts.length") == 2
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    names = seen.page.evaluate(
        "[...document.querySelectorAll('#first .bars .name')].map((one) => one.textContent)"
    )
    assert names == [printable(name) for name in classes]


FRAGMENTS = (
    "#n=99&b=99&e=999&t=999999&l=9&u=99999&x=99",
    "#d=!!!&p=AAAA&s=1.2.3.999&z=-1&g=f2.q1",
    "#<script>alert(1)</script>",
    "#d=" + "A" * 19_000,
    "#p=" + "AP8" * 5_000,
    "#%00%ff&&&===",
    "#s=" + ".".join(map(str, range(28))),
    "#d=_____w&t=5&w=b",
    "#d=AQAA&g=f1.f0.f1",
)


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_mangled_address_shows_the_page_all_the_same(visit, two, fragment):
    seen = visit(two[0], fragment)
    assert seen.text("#first h2") in ("lstm", "gru")
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("End")
    assert seen.page.evaluate("document.querySelectorAll('#first .bars button').length") == 10


def test_addresses_that_come_while_the_page_is_open_do_no_harm(visit, two):
    seen = visit(two[0])

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.from_regex(r"([nbdpetluwxrszg]=[A-Za-z0-9_.-]{0,12}&?){0,8}", fullmatch=True))
    def check(fragment):
        seen.page.evaluate("(text) => { location.hash = text; }", fragment)
        seen.page.wait_for_timeout(5)

    check()
    seen.page.evaluate("location.hash = '#e=1'")
    seen.wait("reading.state.example === 1 && reading.state.t === 28")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", b"no picture at all", "no picture that this browser can read"),
        ("broken.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "no picture that this browser can read"),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "no picture"),
        ("empty.png", b"", "no picture that this browser can read"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_in_one_line(visit, two, tmp_path, name, content, said):
    seen = visit(two[0])
    before = seen.shares()
    (tmp_path / name).write_bytes(content)
    seen.page.set_input_files("#file", tmp_path / name)
    seen.wait("document.querySelector('#problem').textContent !== ''")
    assert said in seen.text("#problem")
    assert seen.shares() == before


def test_a_file_that_is_dropped_is_read_and_does_not_take_the_pages_place(visit, two):
    seen = visit(two[0])
    drop = """(text) => {
      const files = new DataTransfer();
      files.items.add(new File([text], "x.html", { type: "text/html" }));
      const event = new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
      return document.querySelector("#sheet").dispatchEvent(event);
    }"""
    assert seen.page.evaluate(drop, "<script>alert(1)</script>") is False  # the browser doesn't open it
    seen.wait("document.querySelector('#problem').textContent.includes('no picture')")


def test_a_blank_drawing_and_a_scribble_are_refused_in_one_line(visit, two):
    seen = visit(two[0])
    seen.page.click("#clear")
    assert seen.text("#first .verdict") == "Nothing has been read."
    dots = [[(0.1 + 0.2 * x, 0.1 + 0.2 * y)] for x in range(5) for y in range(5)]
    seen.draw(*[[one[0], (one[0][0] + 0.02, one[0][1])] for one in dots])
    assert "No digit can be made out" in seen.text("#problem")
    assert seen.text("#first .verdict") == "Nothing has been read."
    seen.page.click("#link")


def test_networks_that_read_other_steps_are_not_compared(tmp_path):
    runs = {
        "wide": make_run(tmp_path, "wide", SMALL),
        "narrow": make_run(tmp_path, "narrow", SMALL.changed(input_size=12)),
    }
    with pytest.raises(UnrolledError, match="narrow reads steps of 12 numbers, wide of 28"):
        render(runs)


def test_a_run_without_weights_is_refused(tmp_path):
    run = make_run(tmp_path, "run", SMALL)
    (run.folder / "weights.safetensors").unlink()
    with pytest.raises(UnrolledError, match=r"has no weights\.safetensors"):
        render({"run": run})


def test_a_network_that_is_too_large_is_refused(tmp_path):
    run = make_run(tmp_path, "large", NetworkConfig("large", (("lstm", 1500),)))
    with pytest.raises(UnrolledError, match=r"cannot be shown: its network has 9,\d+,\d+ weights"):
        render({"large": run})


def test_a_network_that_reads_no_rows_is_refused(tmp_path):
    run = make_run(tmp_path, "turned", SMALL.changed(scan="columns"))
    with pytest.raises(
        UnrolledError, match="turned cannot be shown: its network reads pictures column by column"
    ):
        render({"turned": run})


def test_a_page_takes_the_place_of_a_page_alone(tmp_path):
    run = make_run(tmp_path, "run", SMALL)
    path = write_page(tmp_path / "page.html", {"run": run})
    write_page(path, {"run": run})
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(UnrolledError, match=r"mine\.html is no page of this kind: choose another file"):
        write_page(tmp_path / "mine.html", {"run": run})
    with pytest.raises(UnrolledError, match="is a folder: name a file"):
        write_page(tmp_path, {"run": run})
    with pytest.raises(UnrolledError, match="no runs came"):
        render({})


@pytest.mark.parametrize(
    "text", ['{"temperature": 0, "sure": 0.5}', "[]", '{"temperature": "hot", "sure": 0}', "{"]
)
def test_a_damaged_calibration_is_refused(tmp_path, text):
    run = make_run(tmp_path, "run", SMALL)
    (run.folder / "calibration.json").write_text(text)
    with pytest.raises(UnrolledError, match=r"calibration\.json is damaged"):
        render({"run": run})


def test_a_calibration_cools_the_answers_and_sets_a_threshold(visit, tmp_path):
    run = make_run(tmp_path, "run", SMALL)
    Judge(temperature=9.0, sure=0.9).save(run.folder)
    seen = visit(write_page(tmp_path / "page.html", {"run": run}))
    seen.draw([(0.5, 0.1), (0.5, 0.9)])
    assert max(seen.shares()) < 0.2
    assert seen.text("#first .verdict").startswith("Not sure: ")
