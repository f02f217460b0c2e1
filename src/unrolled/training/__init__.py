"""Training: recipes, the loop, what is measured, and run folders."""

from unrolled.training.augmentation import Augmentation, augment
from unrolled.training.metrics import Evaluation, confusion_matrix, evaluate
from unrolled.training.recipe import Recipe
from unrolled.training.recipes import RECIPES, NamedRecipe, lookup
from unrolled.training.run import Run, RunConfig
from unrolled.training.session import Outcome, train_run
from unrolled.training.trainer import EpochMetrics, Step, Trainer, TrainingDivergedError

__all__ = [
    "RECIPES",
    "Augmentation",
    "EpochMetrics",
    "Evaluation",
    "NamedRecipe",
    "Outcome",
    "Recipe",
    "Run",
    "RunConfig",
    "Step",
    "Trainer",
    "TrainingDivergedError",
    "augment",
    "confusion_matrix",
    "evaluate",
    "lookup",
    "train_run",
]
