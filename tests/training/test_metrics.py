"""Evaluation against sums by hand."""

import math

import pytest
import torch
from torch import nn

from unrolled.data import Examples
from unrolled.errors import UnrolledError
from unrolled.training import confusion_matrix, evaluate


class Fixed(nn.Module):
    """Says class 1 with logits (0, 2) whatever it is shown, and counts what it is shown."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([0.0, 2.0]))
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        return self.bias.expand(len(x), 2)


def test_loss_and_accuracy_are_means_over_all_examples():
    labels = torch.tensor([1] * 600 + [0] * 300)  # more than one evaluation batch
    network = Fixed().train()
    result = evaluate(network, Examples(torch.zeros(900, 4, 3), labels))
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert math.isclose(result.loss, (2 * right + wrong) / 3, rel_tol=1e-6)
    assert math.isclose(result.accuracy, 2 / 3, rel_tol=1e-9)
    assert result.predictions.tolist() == [1] * 900
    assert torch.allclose(result.probabilities.sum(dim=1), torch.ones(900))


def test_evaluation_runs_in_evaluation_mode_and_leaves_the_mode_alone():
    network = Fixed().train()
    evaluate(network, Examples(torch.zeros(3, 4, 3), torch.tensor([0, 1, 0])))
    assert network.modes == [False]
    assert network.training


def test_no_examples_are_refused():
    with pytest.raises(UnrolledError, match="there are no examples to evaluate, expected at least one"):
        evaluate(nn.Flatten(), Examples(torch.zeros(0, 1, 2), torch.zeros(0, dtype=torch.int64)))


def test_rows_of_the_confusion_matrix_are_the_true_classes():
    labels = torch.tensor([0, 0, 0, 2])
    predictions = torch.tensor([0, 1, 1, 0])
    assert confusion_matrix(labels, predictions, 3).tolist() == [[1, 2, 0], [0, 0, 0], [1, 0, 0]]
