"""What TensorBoard reads of a training."""

import sys

import pytest

from tests.report.conftest import CLASSES
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig
from unrolled.report import TensorBoardLog
from unrolled.training import EpochMetrics, Evaluation, Recipe, RunConfig, Step

CONFIG = RunConfig(
    NetworkConfig("small", (("lstm", 7),), input_size=5, classes=3),
    Recipe(batch_size=16),
    "pets",
    CLASSES,
    seed=4,
    validation=0,
)


def metrics(epoch: int, step: int, validation: float | None = None) -> EpochMetrics:
    return EpochMetrics(
        epoch,
        step,
        1 / epoch,
        {"accuracy": 0.5},
        validation,
        {"accuracy": validation},
        0.125,
        0.25 * epoch,
        True,
    )


def events(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulator.EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    return read.Reload()


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    read = events(folder)
    found = {
        name: [(event.step, event.value) for event in read.Scalars(name)] for name in read.Tags()["scalars"]
    }
    return {name: values for name, values in found.items() if values}  # without what was dropped altogether


def test_it_has_every_step_every_epoch_and_the_test(tmp_path):
    pytest.importorskip("tensorboard")
    with TensorBoardLog(tmp_path, CONFIG) as log:
        for step in (1, 2):
            log.on_step(Step(step, 2.0 / step, None))
        log.on_epoch(metrics(1, 2))
        log.on_step(Step(3, 0.5, None))
        log.on_epoch(metrics(2, 3, validation=0.75))
        log.on_test(Evaluation(0.5, {"accuracy": 0.625}, None, None))
    assert scalars(tmp_path) == {
        "step/loss": [(1, 2.0), (2, 1.0), (3, 0.5)],
        "epoch/epoch": [(2, 1.0), (3, 2.0)],
        "epoch/loss": [(2, 1.0), (3, 0.5)],
        "epoch/accuracy": [(2, 0.5), (3, 0.5)],
        "epoch/validation_loss": [(3, 0.75)],
        "epoch/validation_accuracy": [(3, 0.75)],
        "epoch/learning_rate": [(2, 0.125), (3, 0.125)],
        "epoch/seconds": [(2, 0.25), (3, 0.5)],
        "test/loss": [(3, 0.5)],
        "test/accuracy": [(3, 0.625)],
    }


def test_the_settings_are_its_hyperparameters_and_all_is_in_one_log(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    with TensorBoardLog(tmp_path, CONFIG) as log:
        log.on_step(Step(1, 2.0, None))
        log.on_test(Evaluation(0.5, {"accuracy": 0.625}, None, None))
    content = events(tmp_path).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["recipe.batch_size"].number_value == 16
    assert settings["seed"].number_value == 4
    assert settings["network.name"].string_value == "small"
    assert settings["recipe.steps"].string_value == "None"
    assert len(list((tmp_path / "tensorboard").rglob("*"))) == 1


def test_a_training_that_goes_on_goes_on_in_the_same_curve(tmp_path):
    pytest.importorskip("tensorboard")
    with TensorBoardLog(tmp_path, CONFIG) as log:
        for step in (1, 2, 3, 4):  # killed after step 4, the last checkpoint is of step 2
            log.on_step(Step(step, 1.0, None))
        log.on_epoch(metrics(1, 4))
    with TensorBoardLog(tmp_path, CONFIG) as log:
        for step in (3, 4, 5):
            log.on_step(Step(step, 0.5, None))
    assert scalars(tmp_path) == {"step/loss": [(1, 1.0), (2, 1.0), (3, 0.5), (4, 0.5), (5, 0.5)]}


def test_before_the_first_step_there_is_no_folder(tmp_path):
    pytest.importorskip("tensorboard")
    with TensorBoardLog(tmp_path / "run", CONFIG):
        pass
    assert not (tmp_path / "run").exists()


def test_without_the_package_there_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UnrolledError, match=r"needs the package tensorboard.*'unrolled\[tensorboard\]'"):
        TensorBoardLog(tmp_path, CONFIG)
