"""The reliability diagram."""

import torch

from unrolled.report import draw_reliability
from unrolled.training.calibration import chance_calibration_error


def test_bars_are_as_high_as_the_share_of_right_answers_and_the_title_has_the_error():
    probabilities = torch.tensor([[0.9, 0.1]]).expand(10, 2)
    figure = draw_reliability(probabilities, torch.tensor([0] * 7 + [1] * 3))
    above, below = figure.axes
    heights = [bar.get_height() for bar in above.patches]
    assert len(heights) == 15
    assert [(place, round(height, 6)) for place, height in enumerate(heights) if height] == [(13, 0.7)]
    assert [bar.get_height() for bar in below.patches][13] == 10
    assert "20.00%" in above.get_title()
    assert f"({chance_calibration_error(probabilities):.2%} by chance alone)" in above.get_title()


def test_the_legend_lies_beside_the_bars_however_high_they_are():
    probabilities = torch.cat([torch.linspace(0, 1, 300)[:, None], torch.linspace(1, 0, 300)[:, None]], dim=1)
    figure = draw_reliability(probabilities, probabilities.argmax(dim=1))  # all is right: bars up to 100 %
    figure.draw_without_rendering()
    (legend,) = [*figure.legends, *(axes.legend_ for axes in figure.axes if axes.legend_ is not None)]
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)


def test_one_class_alone_is_drawn():
    figure = draw_reliability(torch.ones(4, 1), torch.zeros(4, dtype=torch.int64))
    assert "0.00%" in figure.axes[0].get_title()
