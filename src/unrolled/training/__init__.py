"""Training: recipes, the loop, what is measured, and run folders."""

from unrolled.training.augmentation import Augmentation, augment
from unrolled.training.metrics import Evaluation, confusion_matrix, evaluate
from unrolled.training.progress import EpochMetrics, Step, TrainingDivergedError
from unrolled.training.recipe import Recipe
from unrolled.training.recipes import RECIPES, NamedRecipe, lookup
from unrolled.training.run import Run, RunConfig
from unrolled.training.session import Outcome, TrainingStoppedError, train_run
from unrolled.training.trainer import Trainer

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
    "TrainingStoppedError",
    "augment",
    "confusion_matrix",
    "evaluate",
    "lookup",
    "train_run",
]
