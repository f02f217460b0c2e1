"""The verbs that look at a run, and those that need none."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from unrolled import data
from unrolled.cli.main import VERBS
from unrolled.cli.main import run as command
from unrolled.errors import UnrolledError
from unrolled.networks import CATALOGUE


@pytest.fixture
def digit(tmp_path):
    path = tmp_path / "digit [1].png"
    Image.fromarray(data.load("sample").test.sequences[0].numpy()).resize((280, 280)).save(path)
    return path


def test_evaluate_gives_the_accuracy_that_the_training_ended_with(unrolled, trained):
    result = unrolled("evaluate", trained)
    ended_with = json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])["test_accuracy"]
    assert result.code == 0
    assert result.out.splitlines()[-1] == f"test accuracy {ended_with:.4f}  {trained}"


def test_evaluate_counts_each_class(unrolled, trained):
    result = unrolled("evaluate", trained, "--split", "validation")
    counts = [int(count) for count in re.findall(r"^\d +(\d+) +\d+ +[\d.]+ +[\d.]+ *$", result.out, re.M)]
    assert counts == [10] * 10  # the first hundred of the sample are ten of each


def test_evaluate_takes_the_newest_run_by_default(unrolled, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no run in runs/" in unrolled("evaluate").err
    shutil.copytree(trained, tmp_path / "runs" / "copy")
    assert unrolled("evaluate").out.splitlines()[-1].endswith("  runs/copy")


def test_evaluate_refuses_what_does_not_fit(unrolled, trained, tmp_path):
    for arguments, message in {
        (tmp_path / "nowhere",): "no run folder",
        (tmp_path,): "is not a run folder: it has no config.json",
        (trained, "--split", "tset"): "unknown split 'tset': did you mean 'test'",
    }.items():
        result = unrolled("evaluate", *arguments)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert message in result.err


def test_a_run_folder_whose_weights_are_another_networks_is_refused(unrolled, trained, tmp_path, digit):
    folder = tmp_path / "mixed"
    shutil.copytree(trained, folder)
    config = json.loads((folder / "config.json").read_text())
    config["network"]["layers"] = [["lstm", 32], ["lstm", 65]]
    (folder / "config.json").write_text(json.dumps(config))
    for verb in (("evaluate", folder), ("predict", digit, "--run", folder)):
        result = unrolled(*verb)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert "weights.safetensors holds another network than seed-004" in result.err


def test_predict_says_one_line_for_each_image(unrolled, trained, digit):
    result = unrolled("predict", digit, digit, "--run", trained)
    assert result.code == 0
    first, second = result.out.splitlines()
    assert first == second
    assert re.fullmatch(
        re.escape(str(digit)) + r": (not sure: )?\d \(\d+\.\d%\)(, runner-up| or) \d \(\d+\.\d%\)", first
    )
    assert result.err == f"{trained}, which was trained on sample:\n"


def test_predict_gives_all_probabilities_as_json(unrolled, trained, digit):
    result = unrolled("predict", digit, "--json", "--run", trained)
    (answer,) = [json.loads(line) for line in result.out.splitlines()]
    probabilities = answer["probabilities"]
    assert answer["image"] == str(digit)
    assert list(probabilities) == list("0123456789")
    assert abs(sum(probabilities.values()) - 1) < 1e-5
    best, second = sorted(probabilities, key=probabilities.get, reverse=True)[:2]
    assert (answer["predicted"], answer["runner_up"]) == (best, second)
    assert (answer["confidence"], answer["runner_up_confidence"]) == (
        probabilities[best],
        probabilities[second],
    )
    assert answer["status"] in ("answered", "not sure", "unlike the training data")
    assert answer["refused"] == (answer["status"] != "answered")
    assert answer["run"] == str(trained)


def test_predict_reads_every_image_of_an_idx_file(unrolled, trained, tmp_path):
    images = data.load("sample").test.sequences[:3].numpy()
    path = tmp_path / "three.gz"
    data.write_idx(path, images)
    lines = unrolled("predict", path, "--run", trained).out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{path}[{n}]" for n in range(3)]


def test_predict_reads_the_other_images_beside_one_that_is_none(unrolled, trained, digit, tmp_path):
    text, half, blank = tmp_path / "notes.txt", tmp_path / "half.png", tmp_path / "blank.png"
    text.write_text("not a picture")
    half.write_bytes(digit.read_bytes()[:200])
    Image.new("L", (90, 90), 255).save(blank)
    (alone,) = unrolled("predict", digit, "--run", trained).out.splitlines()
    for wrong in (text, half, blank, tmp_path / "missing.png", tmp_path):
        result = unrolled("predict", digit, wrong, digit, "--run", trained)
        assert (result.code, result.out) == (2, f"{alone}\n{alone}\n"), wrong
        _, error = result.err.splitlines()
        assert str(wrong) in error
    result = unrolled("predict", text, half, "--run", trained, "--json")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 2)


def test_evaluate_measures_the_other_runs_beside_one_that_is_none(unrolled, trained, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(trained, damaged)
    (damaged / "weights.safetensors").write_bytes(b"no weights")
    (alone,) = re.findall("^test accuracy .*", unrolled("evaluate", trained).out, re.M)
    result = unrolled("evaluate", trained, damaged, tmp_path / "nowhere", trained)
    assert result.code == 2
    assert re.findall("^test accuracy .*", result.out, re.M) == [alone, alone]
    first, second = result.err.splitlines()
    assert "weights.safetensors is damaged" in first
    assert "no run folder" in second


def save_waves(folder, classes=None, validation=6, labels=(0, 1), first=0.0):
    """A folder of sequences of two classes."""
    sequences = np.random.default_rng(0).normal(size=(20, 5, 3)).astype(np.float32)
    sequences[0, 2, 1] += first
    piece = sequences, np.array(labels * 10)
    held_out = sequences[:validation], piece[1][:validation]
    data.save_arrays(folder, train=[piece], test=[piece], validation=[held_out], classes=classes)
    return folder


@pytest.fixture
def waves(tmp_path):
    """`waves("name", classes=["a", "b"], validation=4)`: such a folder."""

    def make(name, **options):
        return save_waves(tmp_path / name, **options)

    return make


@pytest.fixture(scope="module")
def waves_run(tmp_path_factory):
    """A run on such a folder, which no test changes."""
    folder = tmp_path_factory.mktemp("waves")
    data_folder = save_waves(folder / "waves")
    assert command(["train", "--data", str(data_folder), "--steps", "1", "--run", str(folder / "run")]) == 0
    return folder / "run"


def test_evaluate_takes_other_data_with_the_examples_that_they_hold_out_themselves(
    unrolled, waves_run, waves
):
    result = unrolled("evaluate", waves_run, "--data", waves("other", validation=4), "--split", "validation")
    assert (result.code, result.err) == (0, "")
    assert [line.split()[1] for line in result.out.splitlines() if line[:2] in ("0 ", "1 ")] == ["2", "2"]


@pytest.mark.parametrize("names", [{"labels": (2, 3)}, {"labels": (1, 2)}, {"classes": ["1", "0"]}])
def test_evaluate_refuses_data_whose_classes_are_others(unrolled, waves_run, waves, names):
    result = unrolled("evaluate", waves_run, "--data", waves("other", **names))
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert "have other classes: number 0 is '0' in the run and " in result.err


def test_evaluate_says_which_name_it_takes_for_which_number(unrolled, waves_run, waves):
    result = unrolled("evaluate", waves_run, "--data", waves("other", classes=["slow", "fast"]))
    assert result.code == 0
    assert "0 is taken for slow, 1 is taken for fast" in result.out.splitlines()[0]


def test_evaluate_refuses_numbers_that_are_none(unrolled, waves_run, waves):
    result = unrolled("evaluate", waves_run, "--data", waves("other", first=float("nan")))
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert "test-sequences.npy: in row 0, step 2, number 1 is nan" in result.err


def test_predict_says_so_where_the_network_reads_no_pictures(unrolled, trained, tmp_path, digit):
    folder = tmp_path / "other"
    shutil.copytree(trained, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "network": {**config["network"], "input_size": 3}})
    )
    result = unrolled("predict", digit, "--run", folder)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert "reads steps of 3 numbers, but a picture has rows of 28" in result.err


def test_predict_notes_that_the_network_learnt_something_else_than_digits(unrolled, trained, tmp_path, digit):
    folder = tmp_path / "clothes"
    shutil.copytree(trained, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "data": "fashion-mnist"}))
    result = unrolled("predict", digit, "--run", folder)
    assert (result.code, len(result.out.splitlines())) == (0, 1)
    assert (
        result.err == f"{folder}, which was trained on fashion-mnist:\n"
        f"note: {folder} was trained on fashion-mnist; pictures are read as MNIST's digits are\n"
    )


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (("--device", "meta"), "--device meta: this torch cannot use it"),
        (("--threads", 10**8), "--threads is 100000000, expected a whole number from 1 to 1024"),
        (("--data", ""), "unknown data set, file or folder ''"),
    ],
)
def test_what_cannot_be_trained_with_is_one_line(unrolled, tmp_path, mistake, message):
    result = unrolled("train", "--steps", 1, "--run", tmp_path / "run", *mistake)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert message in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("odd", ["\x0c", "\x1c", "\x85", "\u2028"])
def test_a_name_with_what_is_no_end_of_line_is_refused(waves, odd):
    folder = waves("waves")
    (folder / "classes.txt").write_text(f"a{odd}b\nc\n", encoding="utf-8")
    with pytest.raises(UnrolledError, match="has 2 lines, expected the name of a class on each"):
        data.open_arrays(folder)


def test_a_network_of_one_class_is_trained_and_drawn_though_its_loss_is_nothing(unrolled, waves, tmp_path):
    one = waves("one", labels=(5, 5))
    result = unrolled("train", "--data", one, "--steps", 1, "--run", tmp_path / "run")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == "note: the label 5 is the only class, of this name"
    assert unrolled("report", tmp_path / "run").code == 0


def test_compare_prints_and_saves_one_table(unrolled, tmp_path):
    folder = tmp_path / "comparison"
    result = unrolled("compare", "seed-000", "seed-004", "seed-000", "--steps", 3, "--run", folder)
    assert result.code == 0
    saved = json.loads((folder / "comparison.json").read_text())
    assert [row["network"] for row in saved["rows"]] == ["seed-000", "seed-004"]
    assert [row["parameters"] for row in saved["rows"]] == [6674, 33290]
    assert saved["recipe"]["steps"] == 3
    markdown = (folder / "comparison.md").read_text()
    for row in saved["rows"]:
        accuracy = f"{row['test']:.4f}"
        assert re.search(rf"\| {row['network']} \|.* {accuracy} \|", markdown)
        assert re.search(rf"{row['network']} .* {accuracy} ", result.out)
        assert (folder / row["network"] / "weights.safetensors").exists()


@pytest.mark.parametrize(("file", "wrong"), [("metrics.jsonl", "3\n"), ("config.json", "{")])
def test_compare_shows_the_other_networks_beside_one_that_fails(unrolled, tmp_path, file, wrong):
    folder = tmp_path / "comparison"
    assert unrolled("compare", "seed-000", "seed-004", "--steps", 3, "--run", folder).code == 0
    (folder / "seed-000" / file).write_text(wrong)
    result = unrolled("compare", "--resume", folder)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert f"seed-000/{file} is damaged" in result.err
    assert re.search("^seed-004 .*33,290", result.out, re.M)
    assert "| seed-004 |" in (folder / "comparison.md").read_text()


def test_compare_checks_every_name_before_it_trains(unrolled, tmp_path):
    result = unrolled("compare", "seed-000", "seed-001", "--run", tmp_path / "comparison")
    assert result.code == 2
    assert "unknown network 'seed-001'" in result.err
    assert not (tmp_path / "comparison").exists()


def test_networks_lists_all_eighteen(unrolled):
    out = unrolled("networks").out
    names = re.findall(r"^ *\d+ +(\S+)", out, flags=re.MULTILINE)
    assert names == list(CATALOGUE)
    assert "378,634" in out


def test_info_says_what_is_there(unrolled):
    out = unrolled("info").out
    for what in ("unrolled", "torch", "threads", "sample", "mnist", "fused kernels", "products"):
        assert what in out
    assert 'float32 at matmul precision "highest" as float32' in " ".join(out.split())


@pytest.mark.parametrize("verb", [verb.__name__.replace("_", "-") for verb in VERBS])
def test_every_verb_has_help_with_examples(unrolled, verb):
    result = unrolled(verb, "--help")
    assert result.code == 0
    assert f"unrolled {verb}" in result.out.partition("examples:")[2]


def test_help_does_not_wait_for_torch():
    code = (
        "import sys; from unrolled.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_an_unknown_verb_names_the_nearest(unrolled):
    result = unrolled("trian")
    assert (result.code, result.err) == (2, "unrolled: No such command 'trian'. Did you mean 'train'?\n")


def test_the_version_is_the_packages(unrolled):
    import unrolled as package

    assert unrolled("--version").out == f"unrolled {package.__version__}\n"


def test_output_may_be_cut_off_by_its_reader():
    command = f"{sys.executable} -m unrolled networks | head -1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
