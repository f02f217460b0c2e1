"""Pages of what is no digit: lines of features, numbers, a class for each step, recordings."""

import base64
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.page.conftest import make_run
from tests.report.conftest import make_task, write_task_run
from unrolled.data import DataOptions, load
from unrolled.networks import NetworkConfig
from unrolled.page import write_page
from unrolled.page.sounds import sounds_of
from unrolled.report import read_stepwise
from unrolled.training import Recipe, Run, RunConfig
from unrolled.training.data_file import DataRecord

RECORDINGS = Path(os.environ.get("UNROLLED_DATA_DIR", "")) / "free-spoken-digits" / "recordings"


@pytest.fixture(params=["classify", "tag", "regress", "forecast"])
def task(request):
    return request.param


def test_a_page_of_any_task_answers_as_the_network(visit, tmp_path, task):
    data, run = make_task(task), write_task_run(tmp_path, task)
    path = write_page(tmp_path / "page.html", {task: run}, data)
    seen = visit(path)
    content = json.loads(seen.page.locator("#content").text_content())
    assert seen.page.evaluate("document.querySelector('#drawing').hidden")
    network = run.load_network()
    for at in (0, 3):
        seen.page.locator(f"[data-example='{at}']").click()
        row = int(content["examples"][at]["name"].split()[-1])
        said = network(data.test.sequence(row)[None])[0].detach()
        steps = len(data.test.sequence(row))
        expected = said[-1] if task == "tag" else said
        found = seen.page.evaluate("(t) => Array.from(reading.of(0).answer(t).logits)", steps)
        torch.testing.assert_close(torch.tensor(found, dtype=torch.float32), expected, rtol=0, atol=1e-4)
        if data.numbers is not None:
            value = float(expected[0]) * data.numbers.deviation[0] + data.numbers.mean[0]
            shown = seen.text("#first .bars .value").replace("−", "-")
            assert float(shown) == pytest.approx(value, rel=1e-3, abs=1e-6)
    assert "takes one step after another" in seen.text("header p")
    assert seen.page.locator("#first .chart .legend li").first.text_content().startswith("feature 0")


@pytest.mark.skipif(not RECORDINGS.exists(), reason="needs free-spoken-digits in UNROLLED_DATA_DIR")
def test_a_recording_is_found_by_its_frames_and_heard(tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="needs soundfile")
    folder = tmp_path / "recordings"
    folder.mkdir()
    for digit in "01":
        for take in range(5):
            name = f"{digit}_george_{take}.wav"
            (folder / name).write_bytes((RECORDINGS / name).read_bytes())
    options = DataOptions(names="{label}_{speaker}_{index}")
    data = load(str(folder), options=options)
    network = make_network(data)
    config = RunConfig(network, Recipe(), str(folder), data.classes, seed=0, validation=0)
    run = Run.create(tmp_path / "run", config)
    DataRecord.of(data).save(run.folder)
    frames = [data.test.raw(0), torch.zeros_like(data.test.raw(0))]
    found, missing = sounds_of(run, frames)
    assert missing is None
    assert (folder / found["file"]).exists()
    samples, rate = soundfile.read(folder / found["file"], dtype="int16")
    assert found["rate"] == rate
    heard = np.frombuffer(base64.b64decode(found["samples"]), dtype="<i2").astype(int)
    assert np.abs(heard - samples).max() <= 1


def make_network(data):
    return NetworkConfig("heard", (("gru", 4),), input_size=data.test.width, classes=len(data.classes))


def test_long_names_of_examples_stay_within_a_narrow_screen(visit, tmp_path):
    data, run = make_task("classify"), write_task_run(tmp_path, "classify")
    names = tuple(f"individuals of unknown age who came back {place}" for place in range(len(data.classes)))
    config = json.loads((run.folder / "config.json").read_text())
    (run.folder / "config.json").write_text(json.dumps({**config, "classes": names}))
    path = write_page(tmp_path / "page.html", {"run": Run.open(run.folder)}, data)
    seen = visit(path, viewport={"width": 380, "height": 800})
    button = "document.querySelector('#example-list button')"
    assert names[0][:20] in seen.text("#example-list button")
    assert seen.page.evaluate(f"{button}.scrollWidth <= {button}.clientWidth")


def test_bars_begin_in_one_line_however_long_the_names_of_their_classes_are(visit, tmp_path):
    data, run = make_task("classify"), write_task_run(tmp_path, "classify")
    names = tuple("a name that is longer" * place or "a" for place in range(len(data.classes)))
    config = json.loads((run.folder / "config.json").read_text())
    (run.folder / "config.json").write_text(json.dumps({**config, "classes": names}))
    path = write_page(tmp_path / "page.html", {"run": Run.open(run.folder)}, data)
    for width in (380, 1280):
        seen = visit(path, viewport={"width": width, "height": 800})
        boxes = [track.bounding_box() for track in seen.page.locator("#first .track").all()]
        assert len({round(box["x"]) for box in boxes}) == 1
        assert min(box["width"] for box in boxes) >= 60


def test_numbers_are_lines_beside_the_true_one_and_are_called_by_their_names(visit, tmp_path):
    data, run = make_task("regress"), write_task_run(tmp_path, "regress")
    seen = visit(write_page(tmp_path / "page.html", {"run": run}, data))
    assert seen.text("#first .verdict").startswith("Predicted one ")
    assert ", two " in seen.text("#first .verdict")
    legend = seen.page.locator("#first .reasons .chart").nth(1).locator(".legend")
    for name in ("one", "two"):
        seen.page.locator(f"#first .bars button:has-text('{name}')").click()
        shown = seen.page.locator("#first .bars button[aria-pressed=true] .value").text_content()
        true = seen.text("#first .detail").removeprefix("true ").split(", ")[name == "two"]
        assert legend.all_text_contents() == [f"predicted {name} {shown}true {true}"]


def test_a_state_has_colours_up_to_its_largest_value_whatever_row_is_shown(visit, tmp_path):
    data, run = make_task("classify"), write_task_run(tmp_path, "classify")
    seen = visit(write_page(tmp_path / "page.html", {"run": run}, data))
    network = run.load_network()
    row = int(json.loads(seen.page.locator("#content").text_content())["examples"][0]["name"].split()[-1])
    (trace,) = read_stepwise(network, data.test.sequence(row)).traces
    captions = seen.page.locator("#first .maps:not(.reasons) figcaption")
    whole = captions.all_text_contents()
    for name, caption in zip("ch", whole, strict=False):
        assert float(caption.split("±")[1]) == pytest.approx(float(trace.values[name].abs().max()), rel=0.1)
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("ArrowRight")
    assert seen.state()["t"] == 1
    assert captions.all_text_contents() == whole


def test_weights_are_said_to_come_from_features_or_from_units_of_the_layer_below(visit, tmp_path):
    network = NetworkConfig("deep", (("lstm", 4), ("lstm", 6)), direction="bidirectional")
    run = make_run(tmp_path, "deep", network)
    seen = visit(write_page(tmp_path / "page.html", {"deep": run}))
    cells = run.load_network().forward_cells
    for layer, cell in enumerate((cells[0], cells[1])):
        if layer:
            seen.page.locator("#first .choice select").first.select_option("1")
        weights = cell.weight_ih.view(4, cell.hidden_size, -1)[:, 0]  # of the first unit, each gate's
        for gate, strip in enumerate(seen.page.locator("#first .strips figcaption").all()):
            place = int(weights[gate].abs().argmax())
            way = "forward" if place < 4 else "backward"
            expected = f"{way} unit {place % 4 + 1}" if layer else f"pixel {place + 1}"
            assert f": largest from {expected} (" in strip.text_content()


def test_a_page_without_anything_to_read_says_so(visit, tmp_path):
    run = write_task_run(tmp_path, "classify")
    seen = visit(write_page(tmp_path / "page.html", {"run": run}))
    assert seen.text("#problem").startswith("This page has no examples to read: unrolled page puts some in")
