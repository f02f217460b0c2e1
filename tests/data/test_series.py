"""Series: their seasons, their missing values, and windows of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import DataOptions, open_data
from unrolled.data.missing import previous_value
from unrolled.data.season import find_season
from unrolled.data.sequences import Sequences
from unrolled.data.windows import parts_in_time, windows
from unrolled.errors import UnrolledError

NAN = float("nan")


@pytest.mark.parametrize("season", [4, 7, 12, 52])
@pytest.mark.parametrize("trend", [0.0, 0.3])
def test_a_season_is_found_through_noise_trend_and_holes(season: int, trend: float) -> None:
    random = np.random.default_rng(season)
    t = np.arange(8 * season + 40)
    series = 3 * np.sin(2 * np.pi * t / season) + trend * t + random.normal(0, 0.5, len(t))
    series[random.random(len(t)) < 0.05] = np.nan
    assert find_season(series) == season


@pytest.mark.parametrize("series", [np.zeros(100), np.arange(100.0), np.full(100, np.nan), np.zeros(3)])
def test_what_has_no_season_has_none(series: np.ndarray) -> None:
    assert find_season(series) == 1


@pytest.mark.parametrize("season", [31, 33])
def test_a_season_may_be_a_third_of_the_series(season: int) -> None:
    assert find_season(np.sin(2 * np.pi * np.arange(100) / season)) == season


@pytest.mark.parametrize("seed", range(5))
def test_days_of_weather_that_lasts_are_days_and_no_weeks(seed: int) -> None:
    random = np.random.default_rng(seed)
    weather = np.zeros(24 * 60)
    for hour in range(1, len(weather)):
        weather[hour] = 0.98 * weather[hour - 1] + random.normal(0, 0.3)
    assert find_season(weather + 2 * np.sin(2 * np.pi * np.arange(len(weather)) / 24)) == 24


def test_noise_has_no_season() -> None:
    assert find_season(np.random.default_rng(0).normal(size=2000)) == 1


@given(st.lists(st.lists(st.sampled_from([NAN, 1.0, 2.0]), min_size=1, max_size=9), min_size=1, max_size=3))
def test_the_previous_value_is_that_of_a_loop(columns: list[list[float]]) -> None:
    steps = min(map(len, columns))
    x = torch.tensor([column[:steps] for column in columns]).T
    expected = x.clone()
    for t in range(1, steps):
        expected[t] = torch.where(expected[t].isnan(), expected[t - 1], expected[t])
    assert torch.equal(previous_value(x[None])[0].nan_to_num(9.0), expected.nan_to_num(9.0))


@given(st.lists(st.lists(st.sampled_from([NAN, 1.0, 2.0]), min_size=1, max_size=9), min_size=1))
def test_values_of_one_sequence_never_fill_another(values: list[list[float]]) -> None:
    apart = [previous_value(torch.tensor(one)[:, None]) for one in values]
    together = previous_value(
        torch.tensor([value for one in values for value in one])[:, None], [len(one) for one in values]
    )
    assert torch.equal(together.nan_to_num(9.0), torch.cat(apart).nan_to_num(9.0))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 8),
    st.integers(1, 5),
    st.integers(1, 2),
)
def test_windows_are_those_of_a_loop(lengths: list[int], context: int, horizon: int, count: int) -> None:
    values = torch.arange(3.0 * sum(lengths)).view(-1, 3)
    series = Sequences.flat(values, torch.tensor(lengths))
    numbers = torch.tensor([2, 0][:count])
    first = torch.tensor([length // 2 for length in lengths])
    found = windows(series, (first, series.lengths), context, horizon, numbers)
    expected = []
    for index in range(len(lengths)):
        one = series[index]
        for origin in range(max(context, int(first[index])), len(one) - horizon + 1):
            expected.append(
                (one[origin - context : origin], one[origin : origin + horizon, numbers].flatten())
            )
    assert len(found.sequences) == len(expected) == len(found.targets)
    for row, (window, following) in enumerate(expected):
        assert torch.equal(found.sequences[row], window)
        assert torch.equal(found.targets[row], following)


def test_windows_whose_targets_are_missing_are_left_out() -> None:
    series = Sequences.of([[[0.0], [1.0], [NAN], [3.0], [4.0]]])
    found = windows(series, (series.lengths * 0, series.lengths), 1, 1, torch.tensor([0]))
    assert found.targets.flatten().tolist() == [1.0, 3.0, 4.0]


def test_windows_share_the_memory_of_the_series() -> None:
    series = Sequences.of([torch.zeros(100, 1)])
    found = windows(series, (series.lengths * 0, series.lengths), 10, 1, torch.tensor([0]))
    assert found.sequences.values.data_ptr() == series.values.data_ptr()


def test_series_to_forecast_may_lie_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    np.savez(path, x=np.arange(400.0).reshape(2, 100, 2))
    data = open_data(path, DataOptions(task="forecast", horizon=2, context=5, label=("x1",)))
    x, following, _ = data.test.take(torch.tensor([0]))
    assert (x.shape, data.train.width) == ((1, 5, 2), 2)
    assert following.tolist() == [[161.0, 163.0]]  # of the second number of steps 80 and 81


def test_the_parts_of_a_series_follow_each_other() -> None:
    parts = parts_in_time(Sequences.of([torch.zeros(100, 1)]), context=10, horizon=5, share=0.2)
    assert [int(edge) for edge in parts] == [72, 80, 100]


def test_a_series_that_is_too_short_is_refused() -> None:
    with pytest.raises(UnrolledError, match=r"the longest series has 20 steps, too few .* --context"):
        parts_in_time(Sequences.of([torch.zeros(20, 1)]), context=24, horizon=12, share=0.2)
