"""Training: recipes, the loop, what is measured, and run folders.

Names are loaded when they are first used: what a run folder says can be read without waiting for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled.training.augmentation import Augmentation
    from unrolled.training.distortion import augment
    from unrolled.training.ensemble import EnsembleEvaluation, evaluate_ensemble
    from unrolled.training.metrics import confusion_matrix, evaluate
    from unrolled.training.progress import EpochMetrics, Step, TrainingDivergedError, TrainingStoppedError
    from unrolled.training.quantized import quantize_run
    from unrolled.training.recipe import Recipe
    from unrolled.training.recipes import RECIPES, NamedRecipe, lookup
    from unrolled.training.run import Run
    from unrolled.training.run_config import RunConfig
    from unrolled.training.session import Outcome, train_run
    from unrolled.training.tasks import Evaluation, Task, task_of
    from unrolled.training.trainer import Trainer

__all__ = [
    "RECIPES",
    "Augmentation",
    "EnsembleEvaluation",
    "EpochMetrics",
    "Evaluation",
    "NamedRecipe",
    "Outcome",
    "Recipe",
    "Run",
    "RunConfig",
    "Step",
    "Task",
    "Trainer",
    "TrainingDivergedError",
    "TrainingStoppedError",
    "augment",
    "confusion_matrix",
    "evaluate",
    "evaluate_ensemble",
    "lookup",
    "quantize_run",
    "task_of",
    "train_run",
]

_HOMES = {
    "Augmentation": "augmentation",
    "EnsembleEvaluation": "ensemble",
    "EpochMetrics": "progress",
    "Evaluation": "tasks",
    "NamedRecipe": "recipes",
    "Outcome": "session",
    "RECIPES": "recipes",
    "Recipe": "recipe",
    "Run": "run",
    "RunConfig": "run_config",
    "Step": "progress",
    "Task": "tasks",
    "Trainer": "trainer",
    "TrainingDivergedError": "progress",
    "TrainingStoppedError": "progress",
    "augment": "distortion",
    "confusion_matrix": "metrics",
    "evaluate": "metrics",
    "evaluate_ensemble": "ensemble",
    "lookup": "recipes",
    "quantize_run": "quantized",
    "task_of": "tasks",
    "train_run": "session",
}


if not TYPE_CHECKING:  # a type checker is to find a name that is not there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'unrolled.training' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"unrolled.training.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
