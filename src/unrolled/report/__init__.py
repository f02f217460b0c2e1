"""Reports: pictures of what was learnt and of how a network reads, and a page that compares runs."""

from unrolled.report.confusion import draw_confusion
from unrolled.report.curves import draw_curves
from unrolled.report.misread import draw_misread
from unrolled.report.page import save_page
from unrolled.report.pictures import save_figure, save_pictures
from unrolled.report.reading import Reading, draw_reading, read_stepwise
from unrolled.report.summary import RunSummary, summarize
from unrolled.report.tensorboard import TensorBoardLog

__all__ = [
    "Reading",
    "RunSummary",
    "TensorBoardLog",
    "draw_confusion",
    "draw_curves",
    "draw_misread",
    "draw_reading",
    "read_stepwise",
    "save_figure",
    "save_page",
    "save_pictures",
    "summarize",
]
