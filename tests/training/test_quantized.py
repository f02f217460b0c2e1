"""Runs with int8 or bfloat16 weights, made of trained ones."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tolerances import assert_equal
from unrolled import UnrolledError, data, quantize
from unrolled.cells import QuantizedCell
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig, quantize_run, train_run

CONFIG = NetworkConfig("small", (("lstm", 5), ("gru", 6)), input_size=3, classes=2)


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "run", RunConfig(CONFIG, Recipe(), "none", ("a", "b"), seed=0, validation=0))
    run.save_weights(SequenceClassifier(CONFIG).state_dict())
    (run.folder / "calibration.json").write_text("{}")
    return run


@pytest.mark.parametrize("weights", ["int8", "bfloat16"])
def test_a_quantized_run_gives_what_the_quantized_network_does(run, tmp_path, weights):
    quantize_run(run, tmp_path / "small", weights)
    small = Run.open(tmp_path / "small")
    network, x = small.load_network(), torch.randn(4, 5, 3)
    assert small.config.weights == weights
    assert [type(cell) for cell in network.cell.cells] == [QuantizedCell, QuantizedCell]
    assert not network.training
    assert (small.folder / "calibration.json").read_text() == "{}"
    with torch.no_grad():
        expected = quantize(run.load_network(), getattr(torch, weights))(x)
        assert_equal(network(x), expected)
        assert 0 < float((run.load_network()(x) - expected).abs().max()) < 0.02
    assert {"cell.cells.0.weight_hh", "classifier.weight"} <= set(
        load_file(small.folder / "weights.safetensors")
    )


def test_a_config_of_a_version_without_kinds_of_weights_is_of_float32(run):
    path = run.folder / "config.json"
    values = json.loads(path.read_text())
    del values["weights"]
    path.write_text(json.dumps(values))
    assert Run.open(run.folder).config.weights == "float32"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("cell.cells.0.weight_hh", lambda w: w.float(), "is torch.float32, expected torch.int8"),
        ("cell.cells.0.weight_hh", lambda w: w[:, :4].contiguous(), r"is \[20, 4\], expected \[20, 5\]"),
        ("cell.cells.1.scale_ih", lambda s: s * torch.nan, "scale_ih holds numbers that are not finite"),
    ],
)
def test_damaged_weights_are_named(run, tmp_path, name, change, message):
    small = quantize_run(run, tmp_path / "small")
    path = small.folder / "weights.safetensors"
    tensors = load_file(path)
    tensors[name] = change(tensors[name])
    save_file(tensors, path)
    with pytest.raises(UnrolledError, match=message):
        small.load_network()


def test_missing_weights_are_named(run, tmp_path):
    small = quantize_run(run, tmp_path / "small")
    run.save_weights(small.load_weights())
    with pytest.raises(UnrolledError, match="holds another network than small"):
        run.load_network()


def test_an_unknown_kind_of_weights_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="kind of weights 'int4'"):
        quantize_run(run, tmp_path / "small", "int4")
    path = run.folder / "config.json"
    path.write_text(path.read_text().replace('"weights": "float32"', '"weights": "int4"'))
    with pytest.raises(UnrolledError, match="kind of weights 'int4'"):
        Run.open(run.folder)


def test_a_quantized_run_is_neither_quantized_again_nor_trained(run, tmp_path):
    small = quantize_run(run, tmp_path / "small")
    message = "its recurrent weights are int8, and a run must have float32 to"
    with pytest.raises(UnrolledError, match=f"{message} be quantized"):
        quantize_run(small, tmp_path / "smaller")
    with pytest.raises(UnrolledError, match=f"{message} be trained"):
        train_run(small.folder, small.config, data.load("sample"), resume=True)
