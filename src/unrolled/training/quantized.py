"""A run whose recurrent weights have fewer bits than those of the run that it was made of."""

from __future__ import annotations

import dataclasses
import shutil

from unrolled.errors import UnrolledError, unknown_name
from unrolled.layers.quantize import quantize
from unrolled.training.outline import DTYPES
from unrolled.training.run import CALIBRATION, DATA, LIKENESS, PathLike, Run

_KEPT = (DATA, CALIBRATION, LIKENESS)  # what holds for the new run, too


def quantize_run(run: Run, folder: PathLike, weights: str = "int8") -> Run:
    """Make a run folder of another run's network, see `unrolled.quantize`.

    It can be evaluated, predicted with and served. Its confidences are calibrated as the other's are; it has
    no metrics, as nothing has been measured, and no training goes on from it.

    Args:
        run: what was trained.
        folder: where to make it.
        weights: "int8" or "bfloat16".

    Raises:
        UnrolledError: something is in the folder, the network has nothing to quantize, or the run has no
            weights.
    """
    if weights not in DTYPES:
        raise unknown_name("kind of weights", weights, DTYPES)
    run.config.check_float("be quantized")
    network = quantize(run.load_classifier(), DTYPES[weights])
    small = Run.create(folder, dataclasses.replace(run.config, weights=weights))
    try:
        small.circumstances, small.contents = run.circumstances, run.contents
        for name in _KEPT:
            if (run.folder / name).exists():
                shutil.copyfile(run.folder / name, small.folder / name)
        small.save_weights(network.state_dict())
        small.save_config()
    except OSError as error:
        small.discard()
        raise UnrolledError(f"cannot write into {small.folder}: {error.strerror or error}") from error
    return small
