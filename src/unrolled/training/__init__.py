"""Training: recipes, the loop, what is measured, and run folders."""

from unrolled.training.metrics import Evaluation, confusion_matrix, evaluate
from unrolled.training.recipe import RECIPES, Recipe
from unrolled.training.run import Run, RunConfig
from unrolled.training.session import Outcome, train_run
from unrolled.training.trainer import EpochMetrics, Trainer, TrainingDivergedError

__all__ = [
    "RECIPES",
    "EpochMetrics",
    "Evaluation",
    "Outcome",
    "Recipe",
    "Run",
    "RunConfig",
    "Trainer",
    "TrainingDivergedError",
    "confusion_matrix",
    "evaluate",
    "train_run",
]
