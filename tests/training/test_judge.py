"""What a run refuses to answer, and the two files that it keeps for that."""

import dataclasses
import json
import math
import shutil
import struct

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled import data, networks, training
from unrolled.data import Dataset, Examples
from unrolled.errors import UnrolledError
from unrolled.training.judge import Judge, uncalibrated
from unrolled.training.likeness import Gaussians, Likeness, beyond
from unrolled.training.strokes import strokes

NETWORK = networks.NetworkConfig("small", (("gru", 8),), input_size=3, classes=2)


def waves(count, seed, slope=1.0):
    """Sequences of 4 to 9 steps that rise or fall, one class each."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    steps = [
        (slope * np.linspace(-1, 1, int(random.integers(4, 10)))[:, None] * (1 - 2 * label)
         + random.normal(0, 0.3, (1, 3))).astype(np.float32)
        for label in labels
    ]  # fmt: skip
    return Examples(steps, torch.from_numpy(labels))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    set_of_data = Dataset("waves", waves(300, 0), waves(200, 1), waves(200, 2), ("rising", "falling"))
    config = training.RunConfig(
        NETWORK, training.Recipe(steps=120, batch_size=32), "waves", ("rising", "falling"), 0, 200
    )
    folder = tmp_path_factory.mktemp("judged") / "run"
    return training.train_run(folder, config, set_of_data).run


def test_a_training_keeps_a_judge_which_refuses_few_of_its_kind_and_most_of_another(run):
    judge, network = Judge.of(run), run.load_network()
    assert judge.held_out == 200
    theirs = judge.judge(network, waves(400, 5)).statuses
    others = judge.judge(network, waves(400, 5, slope=8.0)).statuses
    assert theirs.count("unlike the training data") <= 0.05 * 400
    assert others.count("unlike the training data") >= 0.8 * 400


def test_the_probabilities_of_a_judge_are_tempered_and_padding_changes_nothing(run):
    judge, network = Judge.of(run), run.load_network()
    examples = waves(20, 7)
    found = judge.judge(network, examples)
    for row in range(3):
        alone = judge.judge(network, examples[row : row + 1])
        x = examples.sequence(row)[None]
        expected = (network(x) / judge.temperature).softmax(1)
        assert torch.allclose(alone.probabilities, expected, atol=1e-6)
        assert torch.allclose(alone.probabilities[0], found.probabilities[row], atol=1e-5)
        assert torch.allclose(alone.unlike[0], found.unlike[row], atol=1e-3)


@pytest.mark.parametrize(("count", "wrong"), [(99, 9), (100, 0), (100, 9)])
def test_a_temperature_takes_a_hundred_examples_and_one_that_is_wrong(run, count, wrong):
    examples, network = waves(count, 1, slope=3.0), run.load_network()
    said = torch.tensor(Judge().judge(network, examples).probabilities.argmax(1).tolist())
    labels = said.clone()
    labels[:wrong] = 1 - labels[:wrong]
    held_out = Examples([examples.sequence(row) for row in range(count)], labels)
    judge = Judge.fit(network, Dataset("waves", waves(50, 0), held_out, waves(20, 2), ("rising", "falling")))
    assert (judge.temperature == 1) == (count < 100 or wrong == 0)


def test_an_answer_with_less_confidence_than_asked_for_is_not_sure(run):
    network = run.load_network()
    examples = waves(50, 9)
    demanding = dataclasses.replace(Judge.of(run), sure=1.1, likeness=None)
    assert set(demanding.judge(network, examples).statuses) == {"not sure"}
    assert set(dataclasses.replace(demanding, sure=0.0).judge(network, examples).statuses) == {"answered"}


def test_a_run_without_the_files_answers_everything_with_its_own_confidence(run, tmp_path):
    old = shutil.copytree(run.folder, tmp_path / "old")
    (old / "calibration.json").unlink()
    (old / "likeness.safetensors").unlink()
    judge = Judge.of(training.Run.open(old))
    assert (judge.temperature, judge.held_out, judge.likeness) == (1.0, 0, None)
    found = judge.judge(run.load_network(), waves(30, 3, slope=50.0))
    assert "unlike the training data" not in found.statuses
    assert found.unlike.isnan().all()


def test_a_training_that_holds_nothing_out_keeps_no_judge(tmp_path):
    set_of_data = Dataset("waves", waves(60, 0), waves(60, 1)[:0], waves(20, 2), ("rising", "falling"))
    config = training.RunConfig(NETWORK, training.Recipe(steps=3), "waves", ("rising", "falling"), 0, 0)
    run = training.train_run(tmp_path / "run", config, set_of_data).run
    assert not (run.folder / "calibration.json").exists()
    assert Judge.of(run).held_out == 0


def test_what_is_said_of_a_run_without_a_judge_is_why(run, tmp_path):
    old = training.Run.open(shutil.copytree(run.folder, tmp_path / "old"))
    assert "it was imported, is of an earlier version, or held nothing out" in uncalibrated(old)
    lines = (old.folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (old.folder / "metrics.jsonl").write_text("".join(lines[:-1]))
    assert "is not finished" in uncalibrated(old)
    assert f"`unrolled train --resume {old.folder}` goes on" in uncalibrated(old)


def test_what_is_saved_is_read_again(run, tmp_path):
    judge = Judge.of(run)
    copy = shutil.copytree(run.folder, tmp_path / "copy")
    judge.save(copy)
    again = Judge.of(training.Run.open(copy))
    network, examples = run.load_network(), waves(30, 3)
    assert torch.equal(judge.judge(network, examples).unlike, again.judge(network, examples).unlike)
    assert (again.temperature, again.likeness.threshold) == (judge.temperature, judge.likeness.threshold)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.sampled_from(["", "1", "x"]),
    st.lists(st.floats(), max_size=3), st.dictionaries(st.sampled_from(["features", "x"]), st.none()),
)  # fmt: skip
NO_DOUBT = torch.zeros(1, dtype=torch.bool)
NAMES = st.sampled_from(["version", "temperature", "sure", "held_out", "threshold", "scales", "other"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_a_damaged_calibration_is_one_line_or_can_be_used(run, tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("damaged")
    for name in ("config.json", "calibration.json", "likeness.safetensors"):
        shutil.copy(run.folder / name, folder / name)
    values = json.loads((folder / "calibration.json").read_text()) | changes
    (folder / "calibration.json").write_text(json.dumps(values))
    try:
        judge = Judge.of(training.Run.open(folder))
    except UnrolledError as error:
        said = str(error)
        assert "calibration.json is damaged" in said
        return
    assert judge.judge(run.load_network(), waves(2, 0)).probabilities.isfinite().all()


@pytest.mark.parametrize("damage", ["cut", "another network's", "not finite", "gone"])
def test_a_damaged_likeness_is_one_line(run, tmp_path, damage):
    from safetensors.torch import save

    folder = shutil.copytree(run.folder, tmp_path / "run")
    path = folder / "likeness.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "gone":
        path.unlink()
    elif damage == "not finite":
        path.write_bytes(path.read_bytes()[:-4] + struct.pack("<f", math.nan))
    else:
        path.write_bytes(
            save({"features/means": torch.zeros(2, 5), "features/whitening": torch.zeros(1, 5, 5)})
        )
    with pytest.raises(UnrolledError, match=r"likeness\.safetensors") as caught:
        Judge.of(training.Run.open(folder))
    said = str(caught.value)
    assert ("calibration.json" in said) == (damage == "gone"), said
    assert damage == "gone" or said.startswith(f"{path} is damaged: "), said


def test_distances_are_mahalanobis_from_the_class_that_is_predicted():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(900, 3, generator=generator) @ torch.tensor([[2.0, 0, 0], [1, 1, 0], [0, 0.5, 3]])
    labels = torch.arange(900) % 3
    vectors = vectors + 5 * labels[:, None]
    for shared in (True, False):
        found = Gaussians.fit(vectors, labels, 3, 0.0, shared=shared)
        predicted = torch.tensor([2, 0, 1, 1])
        rows = vectors[:4]
        for row, distance, number in zip(rows, found.distances(rows, predicted), predicted, strict=True):
            left = vectors.double() - torch.stack([vectors[labels == k].mean(0) for k in range(3)])[labels]
            chosen = left if shared else left[labels == number]
            covariance = chosen.T @ chosen / len(chosen)
            away = row.double() - vectors[labels == number].double().mean(0)
            expected = (away @ torch.linalg.inv(covariance) @ away).log()
            assert float(distance) == pytest.approx(float(expected), rel=1e-3, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 30), st.integers(0, 1000))
def test_a_likeness_is_finite_whatever_is_missing(classes, width, count, seed):
    generator = torch.Generator().manual_seed(seed)
    seen = {"features": torch.randn(count + 1, width, generator=generator).round()}
    labels = torch.randint(classes, (count + 1,), generator=generator)
    held_out = {"features": torch.randn(150, width, generator=generator).round()}
    predicted = torch.randint(classes, (150,), generator=generator)
    likeness = Likeness.fit(seen, labels, held_out, predicted, NO_DOUBT.expand(150), classes)
    assert likeness.unlike(held_out, predicted).isfinite().all()
    assert math.isfinite(likeness.threshold)
    assert (likeness.unlike(held_out, predicted) > likeness.threshold).sum() <= beyond(150)


@pytest.mark.parametrize("count", [114, 400, 2000])
def test_as_many_lie_beyond_as_leave_one_doubt_in_ten(count):
    def at_most(k):
        return sum(math.comb(count, each) * 0.02**each * 0.98 ** (count - each) for each in range(k + 1))

    assert at_most(beyond(count)) <= 0.1 < at_most(beyond(count) + 1)


def test_with_few_examples_held_out_nothing_is_refused():
    seen, labels = {"features": torch.randn(20, 2)}, torch.arange(20) % 2
    assert math.isinf(Likeness.fit(seen, labels, seen, labels, NO_DOUBT.expand(20), 2).threshold)


@pytest.mark.parametrize(("unsure", "beside"), [(0, 4), (3, 1), (4, 0), (9, 0), (399, 0)])
def test_those_of_which_the_network_is_not_sure_are_among_those_that_may_be_refused(unsure, beside):
    held_out, labels = {"features": torch.randn(400, 3)}, torch.arange(400) % 2
    doubted = torch.arange(400) < unsure
    likeness = Likeness.fit(held_out, labels, held_out, labels, doubted, 2)
    refused = likeness.unlike(held_out, labels) > likeness.threshold
    assert int((refused & ~doubted).sum()) == beside
    assert beside + unsure == max(beyond(400), unsure)


def test_strokes_know_no_strength_of_ink_and_turn_with_the_picture():
    digits = data.load("sample").test.sequences[:5].float() / 255
    assert torch.allclose(strokes(digits), strokes(0.5 * digits), atol=1e-3)
    mirrored = strokes(digits.flip(1)).view(5, 8, 4, 4).flip(2)[:, [0, 7, 6, 5, 4, 3, 2, 1]]
    assert torch.allclose(mirrored.flatten(1), strokes(digits), atol=1e-3)
    assert strokes(torch.zeros(2, 28, 28)).isfinite().all()
