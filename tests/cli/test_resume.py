"""`unrolled train --resume` and `--from`, and the signals that stop a training."""

import json
import os
import shutil
import signal

import pytest
from safetensors.torch import load_file

from tests.tolerances import assert_equal
from unrolled.cli.stop_signals import StopSignals

SMALL = ("--network", "seed-000", "--steps", 6)


@pytest.fixture
def killed(unrolled, monkeypatch, tmp_path):
    """A run folder as a training leaves it that was killed before its test."""

    def stop(*_):
        raise KeyboardInterrupt

    folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr("unrolled.training.session.evaluate", stop)
        result = unrolled("train", *SMALL, "--run", folder)
    assert result.code == 130
    assert result.err == "unrolled: stopped; `unrolled train --resume RUN` goes on with a training\n"
    return folder


def test_a_run_that_was_killed_before_its_test_is_tested_and_drawn(unrolled, killed):
    before = load_file(killed / "weights.safetensors")
    result = unrolled("train", "--resume", killed)
    assert result.code == 0
    accuracy = json.loads((killed / "metrics.jsonl").read_text().splitlines()[-1])["test_accuracy"]
    assert result.out.splitlines()[-1] == f"test accuracy {accuracy:.4f}  {killed}"
    assert (killed / "reading.png").exists()
    assert_equal(list(load_file(killed / "weights.safetensors").values()), list(before.values()))


def test_a_run_that_was_killed_before_its_pictures_is_drawn(unrolled, trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    (folder / "reading.png").unlink()
    assert unrolled("train", "--resume", folder).code == 0
    assert (folder / "reading.png").exists()
    assert (folder / "metrics.jsonl").read_text() == (trained / "metrics.jsonl").read_text()


def test_a_finished_run_is_refused(unrolled, trained):
    result = unrolled("train", "--resume", trained)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    accuracy = json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])["test_accuracy"]
    assert f"{trained} is finished, with a test accuracy of {accuracy:.4f}: " in result.err


def test_options_that_say_otherwise_than_the_run_are_refused(unrolled, killed):
    others = ("--epochs", 3, "--seed", 4, "--run", "elsewhere", "--from", killed, "--network", "seed-003")
    result = unrolled("train", "--resume", killed, *others)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "says: leave out --epochs, --seed, --network, --run, --from, or train anew" in result.err


@pytest.mark.usefixtures("blank_pictures")
def test_other_threads_are_allowed_and_said_to_matter(unrolled, killed):
    path = killed / "config.json"
    values = json.loads(path.read_text())
    values["machine"]["threads"] = 7
    path.write_text(json.dumps(values))
    result = unrolled("train", "--resume", killed, "--threads", 1)
    assert result.code == 0
    note = "note: the run was begun with threads 7 and goes on with 1: last bits may differ"
    assert note in result.out.splitlines()


def test_a_folder_that_is_no_run_cannot_be_resumed(unrolled, tmp_path):
    result = unrolled("train", "--resume", tmp_path / "nowhere")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "no run folder" in result.err


def test_a_checkpoint_after_no_time_is_refused(unrolled):
    for seconds in ("0", "nan"):
        result = unrolled("train", "--checkpoint-every", seconds)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert "expected a number above 0" in result.err


@pytest.mark.usefixtures("blank_pictures")
def test_a_training_may_start_from_another_runs_weights(unrolled, trained, tmp_path):
    folder = tmp_path / "run"
    result = unrolled(
        "train", "--from", trained, "--steps", 1, "--learning-rate", 1e-12, "--run", folder, "--seed", 5
    )
    assert result.code == 0
    config = json.loads((folder / "config.json").read_text())
    assert config["start"] == str(trained)
    assert config["network"]["name"] == "seed-004"
    theirs, ours = (load_file(path / "weights.safetensors") for path in (trained, folder))
    for name, tensor in theirs.items():
        assert (ours[name] - tensor).abs().max() < 1e-9


def test_the_weights_of_another_network_are_refused_and_leave_no_folder(unrolled, trained, tmp_path):
    folder = tmp_path / "run"
    result = unrolled("train", "--from", trained, "--network", "seed-000", "--run", folder)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert f"{trained} has weights of another network than seed-000: cell.cells.0.weight_ih is" in result.err
    assert not folder.exists()


def test_pictures_that_cannot_be_written_are_one_line_and_can_be_drawn_later(unrolled, monkeypatch, tmp_path):
    def fail(*_):
        raise OSError(28, "No space left on device")

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("unrolled.report.pictures.save_figure", fail)
        result = unrolled("train", *SMALL, "--run", folder)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "No space left on device; all else is there, and `unrolled train --resume" in result.err
    assert unrolled("train", "--resume", folder).code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_and_the_second_stops_at_once(number, code):
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.exit_code == code
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_sigterm_stops_a_training_with_code_143(unrolled, monkeypatch, tmp_path):
    folder = tmp_path / "run"
    seen = []

    def terminate(self, step):
        seen.append(step.number)
        if step.number == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("unrolled.cli.progress.TrainingProgress.on_step", terminate)
    result = unrolled("train", *SMALL, "--run", folder)
    assert result.code == 143
    assert result.err == f"unrolled: stopped at step 4: unrolled train --resume {folder} goes on\n"
    assert seen == [1, 2, 3, 4]
