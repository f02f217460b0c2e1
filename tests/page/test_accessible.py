"""The page for everybody: on phones, in the dark, by keyboard, for screen readers; and nothing asked for."""

import json

import pytest

from tests.page.test_page import BAR, RING, SEVEN
from unrolled.page import modules


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1300])
def test_axe_finds_nothing_serious(visit, two, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    seen = visit(two[0], viewport={"width": width, "height": 800}, color_scheme=scheme)
    seen.page.get_by_label("beside it").select_option("1")
    seen.page.locator("#changing").evaluate("(one) => { one.open = true; }")
    seen.page.get_by_role("button", name="Skip row").click()
    seen.page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = seen.page.evaluate("axe.run()")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []


def test_axe_would_find_a_button_without_a_name(visit, two):
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    seen = visit(two[0])
    seen.page.evaluate("document.querySelector('#clear').textContent = ''")
    seen.page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    assert "button-name" in [one["id"] for one in seen.page.evaluate("axe.run()")["violations"]]


@pytest.mark.parametrize("beside", ["", "1"])
def test_it_is_no_wider_than_a_phone(visit, two, beside):
    seen = visit(two[0], viewport={"width": 380, "height": 700}, has_touch=True, is_mobile=True)
    page = seen.page
    page.get_by_label("beside it").select_option(beside)
    page.locator("#changing").evaluate("(one) => { one.open = true; }")
    seen.draw(SEVEN, BAR)
    assert len(seen.state()["drawing"]) == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    outside = page.evaluate(
        """[...document.querySelectorAll("button, select, input, canvas, svg")].filter((one) => {
          const box = one.getBoundingClientRect();
          return one.offsetParent && !one.closest("#example-list") && (box.left < 0 || box.right > 380.5);
        }).map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    for name in ("Clear", "Undo", "Save", "Play"):
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert min(box["height"], box["width"]) >= 32  # a fingertip


def test_it_is_drawn_in_light_and_in_dark_and_follows_a_change(visit, two):
    ground = "getComputedStyle(document.body).backgroundColor"
    heat = "document.querySelector('#first .maps:not(.reasons) canvas').toDataURL()"
    lines = "document.querySelector('#first svg polyline, #first svg path').getAttribute('stroke')"
    seen = visit(two[0], color_scheme="light")
    light = [seen.page.evaluate(one) for one in (ground, heat, lines)]
    dark = [visit(two[0], color_scheme="dark").page.evaluate(one) for one in (ground, heat, lines)]
    assert light[0] == "rgb(255, 255, 255)"
    assert dark[0] == "rgb(19, 21, 26)"
    assert not set(light) & set(dark)
    for scheme, expected in (("dark", dark), ("light", light)):
        seen.page.emulate_media(color_scheme=scheme)
        for what, one in zip((ground, heat, lines), expected, strict=True):
            seen.wait(f"{what} === {json.dumps(one)}")  # it is drawn anew with a frame that comes later


def test_motion_can_be_reduced(visit, two):
    moving = "getComputedStyle(document.querySelector('.fill')).transitionDuration"
    assert visit(two[0]).page.evaluate(moving) != "0s"
    assert visit(two[0], reduced_motion="reduce").page.evaluate(moving) == "0s"


def test_colours_differ_for_those_who_confuse_red_and_green(blank):
    """Orange and blue, as a dichromat sees them (Viénot et al. 1999), lie far apart, and lightness rises."""
    blank.add_script_tag(
        content=f"{modules.script('colours')}\nglobalThis.colours = $colours;", type="module"
    )
    blank.wait_for_function("globalThis.colours")
    ends = blank.evaluate("[-1, 0, 1].map((value) => colours.colour('signed', value))")
    steps = blank.evaluate("[0, 0.25, 0.5, 0.75, 1].map((value) => colours.colour('share', value))")

    def deuteranope(rgb):
        red, green, blue = rgb
        return 0.29275 * red + 0.70725 * green, -0.02234 * red + 0.02234 * green + blue

    seen = [deuteranope(rgb) for rgb in ends]
    for one in range(3):
        for other in range(one):
            assert max(abs(a - b) for a, b in zip(seen[one], seen[other], strict=True)) > 60
    lightness = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in steps]
    assert sorted(lightness, reverse=True) == lightness


def test_the_page_asks_for_nothing_and_its_policy_forbids_it(visit, two, tmp_path):
    text = two[0].read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    seen = visit(two[0])
    seen.draw(RING)
    assert seen.asked == [seen.address]  # everything was in the file
    # This way of looking sees a request, and the policy stops it.
    said = seen.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'went', () => 'stopped')")
    assert said == "stopped"
    assert any("Content Security Policy" in line for line in seen.wrong)
    seen.wrong.clear()
    seen.asked.clear()


def test_the_default_network_fits_into_three_megabytes(two):
    assert two[0].stat().st_size < 3_000_000
    content = json.loads(
        two[0].read_text(encoding="utf-8").partition('id="content">')[2].partition("</script>")[0]
    )
    assert len(content["runs"]) == 2
    assert len(content["examples"]) >= 10
