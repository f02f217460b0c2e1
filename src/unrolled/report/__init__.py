"""Reports: pictures of data, of what was learnt and of how a network reads, and a page that compares runs."""

from unrolled.page import write_page
from unrolled.report.confusion import draw_confusion
from unrolled.report.curves import draw_curves
from unrolled.report.examination import save_vectors
from unrolled.report.examples import draw_examples, save_examples
from unrolled.report.forecasts import Forecasts, draw_forecasts, draw_horizon
from unrolled.report.misread import draw_misread
from unrolled.report.page import save_page
from unrolled.report.pictures import pictures_of, save_figure, save_pictures
from unrolled.report.reading import Reading, read_stepwise
from unrolled.report.reading_picture import draw_reading
from unrolled.report.reliability import draw_reliability
from unrolled.report.residuals import draw_predicted, draw_residuals
from unrolled.report.summary import RunSummary, summarize
from unrolled.report.tags import draw_tags
from unrolled.report.tensorboard import TensorBoardLog

__all__ = [
    "Forecasts",
    "Reading",
    "RunSummary",
    "TensorBoardLog",
    "draw_confusion",
    "draw_curves",
    "draw_examples",
    "draw_forecasts",
    "draw_horizon",
    "draw_misread",
    "draw_predicted",
    "draw_reading",
    "draw_reliability",
    "draw_residuals",
    "draw_tags",
    "pictures_of",
    "read_stepwise",
    "save_examples",
    "save_figure",
    "save_page",
    "save_pictures",
    "save_vectors",
    "summarize",
    "write_page",
]
