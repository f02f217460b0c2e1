"""A forecasting package's GRU, unchanged but for one call: the same forecast, from a shorter training."""

import time
from importlib.util import find_spec

import unrolled

if find_spec("neuralforecast") is None:
    raise SystemExit("this example needs neuralforecast: pip install neuralforecast")

from neuralforecast import NeuralForecast
from neuralforecast.models import GRU
from neuralforecast.utils import AirPassengersPanel

QUIET = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
SIZES = {"h": 12, "input_size": 48, "encoder_hidden_size": 128, "max_steps": 50, "random_seed": 1}

forecasts = []
for prepare in (lambda model: model, unrolled.accelerate):
    model = prepare(GRU(**SIZES, accelerator="cpu", **QUIET))
    forecaster = NeuralForecast(models=[model], freq="ME")
    start = time.perf_counter()
    forecaster.fit(AirPassengersPanel)
    seconds = time.perf_counter() - start
    forecasts.append(forecaster.predict()["GRU"].to_numpy())
    print(f"{seconds:.1f} s", *unrolled.layers.explain(model))

difference = abs(forecasts[1] / forecasts[0] - 1).max()
print(f"the forecasts differ by {difference:.0e}, relatively")
assert difference < 1e-5
