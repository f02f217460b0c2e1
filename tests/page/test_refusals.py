"""What the page refuses: what `predict` does, by the same distance from the training's examples."""

import dataclasses
import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.page.conftest import make_run
from unrolled import training
from unrolled.cli.main import run as command
from unrolled.data import Dataset, Examples, load, read_digits
from unrolled.networks import NetworkConfig, lookup
from unrolled.page import write_page
from unrolled.training import Recipe, RunConfig
from unrolled.training.judge import Judge, Judgement
from unrolled.training.strokes import strokes

NETWORK = NetworkConfig("small", (("gru", 32, {"reset": "after"}),))
A = [[(0.2, 0.9), (0.5, 0.1), (0.8, 0.9)], [(0.3, 0.6), (0.7, 0.6)]]
K = [[(0.25, 0.1), (0.25, 0.9)], [(0.8, 0.1), (0.25, 0.55), (0.8, 0.9)]]
W = [[(0.1, 0.15), (0.3, 0.9), (0.5, 0.3), (0.7, 0.9), (0.9, 0.15)]]
X = [[(0.2, 0.1), (0.8, 0.9)], [(0.8, 0.1), (0.2, 0.9)]]
ONE = [[(0.55, 0.12), (0.45, 0.88)]]
SEVEN = [[(0.2, 0.15), (0.8, 0.15), (0.45, 0.9)]]
ZERO = [[(0.5, 0.1), (0.3, 0.3), (0.27, 0.6), (0.45, 0.9), (0.68, 0.7), (0.7, 0.35), (0.5, 0.1)]]


@pytest.fixture(scope="module")
def digits():
    return load("sample", validation=400)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits):
    """A run that has learned digits, and a page about it."""
    folder = tmp_path_factory.mktemp("refusals")
    recipe = Recipe(learning_rate=0.01, batch_size=64, steps=400, keep="last")
    config = RunConfig(NETWORK, recipe, "sample", digits.classes, seed=0, validation=400)
    run = training.train_run(folder / "run", config, digits).run
    return write_page(folder / "page.html", {"digits": run}, digits), run


def check(seen, judgement: Judgement, row: int, classes: tuple[str, ...], unlike: str) -> str:
    """That the page says of what it shows what Python does; the status."""
    shown, status = seen.text("#first .verdict"), judgement.statuses[row]
    best = classes[int(judgement.probabilities[row].argmax())]
    expected = {
        "answered": f"Predicted {best}, confidence ",
        "not sure": f"Not sure: {best}, confidence ",
        "unlike the training data": f"{unlike}; the nearest is {best}",
    }
    assert shown.startswith(expected[status])
    assert seen.page.evaluate("reading.of(0).unlike()") == pytest.approx(
        float(judgement.unlike[row]), abs=1e-3
    )
    return status


def test_drawn_digits_and_letters_are_refused_where_predict_refuses_them(visit, trained, tmp_path, capsys):
    path, run = trained
    judge, network, classes = Judge.of(run), run.load_network(), run.config.classes
    seen = visit(path)
    found = {}
    for name, drawing in {"A": A, "K": K, "W": W, "X": X, "1": ONE, "7": SEVEN, "0": ZERO}.items():
        seen.page.click("#clear")
        seen.draw(*drawing)
        picture = seen.save_drawing(tmp_path / f"{name}.png")
        pixels = read_digits(picture)
        judgement = judge.judge(network, Examples(pixels, torch.zeros(1, dtype=torch.int64)))
        found[name] = check(seen, judgement, 0, classes, "Not a digit")
        capsys.readouterr()
        assert command(["predict", str(picture), "--run", str(run.folder), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == found[name]
    assert [found[name] for name in "AKWX"].count("unlike the training data") >= 3
    assert "unlike the training data" not in [found[name] for name in "17"]


def test_test_examples_have_the_status_that_python_gives_them(visit, trained, digits):
    path, run = trained
    judgement = Judge.of(run).judge(run.load_network(), digits.test)
    seen = visit(path)
    examples = json.loads(seen.page.locator("#content").text_content())["examples"]
    statuses = []
    for at, example in enumerate(examples):
        seen.page.locator(f"[data-example='{at}']").click()
        row = int(example["name"].split()[-1])
        statuses.append(check(seen, judgement, row, run.config.classes, "Not a digit"))
    assert statuses.count("answered") > len(statuses) / 2


def test_only_what_is_read_to_its_end_and_unchanged_is_refused(visit, trained):
    seen = visit(trained[0])
    seen.draw(*W)
    assert seen.text("#first .verdict").startswith("Not a digit")
    slider = seen.page.locator("[data-player=slider]")
    slider.fill("20")
    assert not seen.text("#first .verdict").startswith("Not a digit")
    slider.fill("28")
    assert seen.text("#first .verdict").startswith("Not a digit")
    seen.page.get_by_label("read rows from below").check()
    assert not seen.text("#first .verdict").startswith("Not a digit")


def test_a_run_that_knows_nothing_of_its_training_data_says_so(visit, trained, tmp_path):
    note = "It answers whatever it is given"
    unknown = visit(write_page(tmp_path / "page.html", {"new": make_run(tmp_path, "new", NETWORK)}))
    assert note in unknown.page.inner_text("#first")
    unknown.draw(*X)
    assert unknown.text("#first .verdict").startswith("Predicted")
    assert note not in visit(trained[0]).page.inner_text("#first")


def waves(count: int, seed: int, slope: float = 1.0) -> Examples:
    """Sequences of 4 to 9 steps of 3 numbers that rise or fall."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    steps = [
        slope * torch.linspace(-1, 1, 4 + n % 6)[:, None] * (1 - 2 * (n % 2))
        + 0.3 * torch.randn(1, 3, generator=random)
        for n in range(count)
    ]
    return Examples(steps, labels)


@pytest.mark.parametrize("direction", ["forward", "backward", "bidirectional"])
def test_sequences_that_are_no_pictures_are_refused_likewise(visit, tmp_path, direction):
    classes = ("rising", "falling")
    config = NetworkConfig("waves", (("lstm", 6),), direction=direction, input_size=3, classes=2)
    steep = waves(30, 3, slope=9.0)
    data = Dataset("waves", waves(300, 0), waves(200, 1), steep, classes)
    settings_of = RunConfig(config, Recipe(steps=80, batch_size=32), "waves", classes, 0, 200)
    run = training.train_run(tmp_path / "run", settings_of, data).run
    judgement = Judge.of(run).judge(run.load_network(), steep)
    seen = visit(write_page(tmp_path / "page.html", {"waves": run}, data))
    examples = json.loads(seen.page.locator("#content").text_content())["examples"]
    statuses = []
    for at, example in enumerate(examples):
        seen.page.locator(f"[data-example='{at}']").click()
        row = int(example["name"].split()[-1])
        statuses.append(check(seen, judgement, row, classes, "None of the classes"))
    assert "unlike the training data" in statuses


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.integers(1, 33), width=st.integers(1, 33), seed=st.integers(0, 99))
def test_the_edges_of_any_picture_are_those_of_python(blank, steps, width, seed):
    x = torch.rand(1, steps, width, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    found = blank.evaluate(
        "(rows) => modules.edgesOf(rows.map((row) => Float32Array.from(row)))", x[0].tolist()
    )
    squares = torch.tensor(found, dtype=torch.float32).square()  # a root makes much of what is nearly nothing
    torch.testing.assert_close(squares, strokes(x)[0].square(), rtol=1e-5, atol=1e-5)


def test_the_page_of_the_default_network_stays_below_three_megabytes(tmp_path, digits):
    network = lookup("single-layer-dynamic-lstm")
    run = make_run(tmp_path, "default", network, validation=400)
    few = dataclasses.replace(digits, train=digits.train[:1000])
    Judge.fit(run.load_classifier(), few).save(run.folder)
    assert write_page(tmp_path / "page.html", {"default": run}, digits).stat().st_size < 3_000_000
