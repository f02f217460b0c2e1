"""Several networks that answer together, against means by hand."""

import math

import pytest
import torch
from torch import nn

from tests.tolerances import assert_close
from unrolled import UnrolledError
from unrolled.data import Examples, Numbers, Preparation, Sequences, Standardization
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig, evaluate, evaluate_ensemble
from unrolled.training.data_file import DataRecord
from unrolled.training.judge import Judge
from unrolled.training.tasks import Classify, Forecast, Regress, Tag

CONFIG = NetworkConfig("small", (("lstm", 5),), input_size=3, classes=2)
SHAPES = (CONFIG, CONFIG.changed(layers=(("gru", 4), ("gru", 6))), CONFIG.changed(direction="bidirectional"))


class Table(nn.Module):
    """Says of an example the row whose number its first step begins with."""

    def __init__(self, rows):
        super().__init__()
        self.rows = nn.Parameter(torch.as_tensor(rows))
        self.modes = []

    def forward(self, x, lengths=None):
        self.modes.append(self.training)
        return self.rows[x[:, 0, 0].long()]


def numbered(labels, steps=4):
    """Examples whose first step begins with their number."""
    sequences = torch.zeros(len(labels), steps, 3)
    sequences[:, 0, 0] = torch.arange(len(labels))
    return Examples(sequences, labels)


def random_tables(count, *shape):
    generator = torch.Generator().manual_seed(0)
    return [Table(3 * torch.randn(*shape, generator=generator)) for _ in range(count)]


def noise(count=20):
    generator = torch.Generator().manual_seed(1)
    return Examples(torch.randn(count, 6, 3, generator=generator), torch.arange(count) % 2)


@pytest.fixture
def make_run(tmp_path):
    """`make_run("a", temperature=2.0)`: a run folder of a network with random weights."""

    def make(name, network=CONFIG, *, seed=0, temperature=None, record=None, **config):
        config = {"classes": ("a", "b"), **config}
        run = Run.create(
            tmp_path / name, RunConfig(network, Recipe(), "none", seed=seed, **{"validation": 0, **config})
        )
        torch.manual_seed(seed)
        run.save_weights(SequenceClassifier(network).state_dict())
        if temperature is not None:
            Judge(temperature, held_out=100).save(run.folder)
        if record is not None:
            record.save(run.folder)
        return run

    return make


def test_probabilities_are_the_mean_of_the_networks():
    labels = torch.randint(4, (900,), generator=torch.Generator().manual_seed(2))  # more than one batch
    tables = random_tables(3, 900, 4)
    found = evaluate_ensemble(tables, numbered(labels))
    with torch.no_grad():
        mean = sum(table.rows.softmax(1) for table in tables) / 3
    assert_close(found.together.probabilities, mean)
    assert found.together.predictions.tolist() == mean.argmax(1).tolist()
    assert found.together.accuracy == pytest.approx(float((mean.argmax(1) == labels).double().mean()))
    assert found.together.loss == pytest.approx(
        float(-mean[torch.arange(900), labels].log().mean()), rel=1e-5
    )
    for table, member in zip(tables, found.members, strict=True):
        alone = evaluate(table, numbered(labels))
        assert (member.loss, member.metrics) == (alone.loss, alone.metrics)
        assert torch.equal(member.probabilities, alone.probabilities)


def test_the_logits_of_a_run_are_divided_by_its_own_temperature(make_run):
    temperatures = (0.5, 3.0, None)
    runs = [
        make_run(f"run-{number}", network, seed=number, temperature=temperature)
        for number, (network, temperature) in enumerate(zip(SHAPES, temperatures, strict=True))
    ]
    examples = noise()
    found = evaluate_ensemble(runs, examples, Classify(2))
    with torch.no_grad():
        logits = [run.load_network()(examples.sequences) for run in runs]
    mean = sum((z / (t or 1)).softmax(1) for z, t in zip(logits, temperatures, strict=True)) / 3
    assert_close(found.together.probabilities, mean)
    assert float((mean - sum(z.softmax(1) for z in logits) / 3).abs().max()) > 1e-3
    for z, member in zip(logits, found.members, strict=True):
        assert_close(member.probabilities, z.softmax(1))


def test_of_a_network_that_is_right_and_one_that_is_wrong_the_surer_one_decides():
    labels = torch.arange(30) % 3
    right, wrong = (
        nn.functional.one_hot(labels, 3).float(),
        nn.functional.one_hot((labels + 1) % 3, 3).float(),
    )
    for sure, unsure, accuracy in ((right, wrong, 1.0), (wrong, right, 0.0)):
        found = evaluate_ensemble([Table(9 * sure), Table(2 * unsure)], numbered(labels))
        assert found.together.accuracy == accuracy
        assert sorted(member.accuracy for member in found.members) == [0.0, 1.0]


def test_the_loss_of_what_no_network_thinks_possible_is_finite():
    table = [[0.0, 400.0]]  # whose probability of the first is 0 in float32
    found = evaluate_ensemble([Table(table), Table([[0.0, 401.0]])], numbered(torch.tensor([0])))
    assert found.together.loss == pytest.approx(400 + math.log(2) - math.log1p(math.exp(-1)), rel=1e-6)


def test_numbers_are_the_mean_of_those_that_are_predicted_in_their_own_units():
    task = Regress(Numbers(("a", "b"), (10.0, -3.0), (2.0, 0.5)))
    labels = torch.randn(40, 2, generator=torch.Generator().manual_seed(3))
    tables = random_tables(3, 40, 2)
    found = evaluate_ensemble(tables, numbered(labels), task)
    units = torch.tensor([2.0, 0.5])
    with torch.no_grad():
        mean = sum(table.rows * units + torch.tensor([10.0, -3.0]) for table in tables) / 3
    assert_close(found.together.predictions, mean)
    assert found.together.rmse == pytest.approx(float((mean - labels).square().mean().sqrt()), rel=1e-5)
    assert found.together.mae == pytest.approx(float((mean - labels).abs().mean()), rel=1e-5)


def test_errors_of_forecasts_that_point_to_different_sides_cancel():
    numbers = Numbers(("load",), (100.0,), (10.0,), horizon=2, season=1, features=(0,), scale=(4.0,))
    sequences = torch.tensor([[[90.0], [110.0]], [[90.0], [120.0]]])
    examples = Examples(sequences, torch.tensor([[110.0, 110.0], [120.0, 125.0]]))

    class Off(nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by = nn.Parameter(torch.tensor(by))

        def forward(self, x):
            return self.by.expand(len(x), 2)

    found = evaluate_ensemble([Off(0.3), Off(-0.3)], examples, Forecast(numbers))
    assert_close(found.together.predictions, torch.tensor([[110.0, 110.0], [120.0, 120.0]]))
    assert found.together.mase == pytest.approx(5 / 4 / 4, rel=1e-5)
    assert found.together.naive_mase == pytest.approx(5 / 4 / 4, rel=1e-5)
    assert found.members[0].mase == pytest.approx((3 + 3 + 3 + 2) / 4 / 4, rel=1e-5)


def test_tags_have_the_mean_probabilities_of_each_step():
    lengths = torch.tensor([2, 4, 3])
    labels = Sequences(torch.tensor([0, 1, 1, 0, 1, 1, 0, 0, 1]), torch.tensor([0, 2, 6]), lengths)
    sequences = torch.zeros(3, 4, 3)
    sequences[:, 0, 0] = torch.arange(3)
    tables = random_tables(2, 3, 4, 2)
    found = evaluate_ensemble(tables, Examples(sequences, labels, lengths), Tag(2))
    with torch.no_grad():
        mean = sum(table.rows.softmax(2) for table in tables) / 2
    steps = torch.cat([mean[row, :length] for row, length in enumerate(lengths)])
    assert_close(found.together.probabilities, steps)
    right = steps.argmax(1) == labels.values
    assert found.together.accuracy == pytest.approx(float(right.double().mean()))


def test_networks_answer_in_evaluation_mode_and_are_left_in_their_own():
    training, evaluating = Table(torch.eye(2)).train(), Table(torch.eye(2)).eval()
    evaluate_ensemble([training, evaluating], numbered(torch.tensor([0, 1])))
    assert training.modes == evaluating.modes == [False]
    assert (training.training, evaluating.training) == (True, False)


@pytest.mark.parametrize("count", [0, 1])
def test_less_than_two_are_no_ensemble(count):
    with pytest.raises(UnrolledError, match=f"{count} .*came, expected at least two"):
        evaluate_ensemble([Table(torch.eye(2))] * count, numbered(torch.tensor([0, 1])))


def test_networks_with_other_outputs_are_refused():
    tables = [Table(torch.eye(2)), Table(torch.eye(2, 3))]
    with pytest.raises(UnrolledError, match=r"member 2 gives rows of \[2, 3\], expected \[2, 2\]"):
        evaluate_ensemble(tables, numbered(torch.tensor([0, 1])))


def test_one_run_twice_is_refused(make_run):
    run = make_run("a")
    again = Run.open(run.folder / ".." / "a")
    with pytest.raises(UnrolledError, match="/a came twice, expected"):
        evaluate_ensemble([run, again], noise())


def test_one_network_twice_is_refused():
    table = Table(torch.eye(2))
    with pytest.raises(UnrolledError, match="member 2 came twice, expected each once"):
        evaluate_ensemble([table, table], numbered(torch.tensor([0, 1])))


def test_what_is_neither_a_run_nor_a_network_is_refused(make_run):
    with pytest.raises(UnrolledError, match="member 2 is 'runs/b', expected a run or a network"):
        evaluate_ensemble([make_run("a"), "runs/b"], noise())


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_that_no_network_knows_is_refused(label):
    examples = numbered(torch.tensor([0, label]))
    message = f"labels go from {min(0, label)} to {max(0, label)}, expected 0 to 1"
    with pytest.raises(UnrolledError, match=message):
        evaluate_ensemble(random_tables(2, 2, 2), examples)
    with pytest.raises(UnrolledError, match=message):
        evaluate(Table(torch.eye(2)), examples)


def test_runs_that_held_out_other_shares_are_told_so(make_run):
    runs = [make_run("a", record=SCALED), make_run("b", record=OTHERWISE, validation=30)]
    with pytest.raises(
        UnrolledError, match=r"deviation.* is 4.* \(it held 30 examples out, and that one 0\): leave it out"
    ):
        evaluate_ensemble(runs, noise())


SCALED = DataRecord(Preparation(missing="mean", standardization=Standardization((0, 1, 2), (1, 1, 1))))
OTHERWISE = DataRecord(Preparation(missing="mean", standardization=Standardization((0, 1, 2), (1, 1, 4))))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"network": CONFIG.changed(read="steps"), "task": "tag"},
            "b is to tag, expected to classify, as .*a ",
        ),
        ({"classes": ("a", "c")}, "b has the classes a, c, expected a, b, as .*a "),
        (
            {"network": CONFIG.changed(classes=3), "classes": ("a", "b", "c")},
            "b has the classes a, b, c, expected",
        ),
        ({"network": CONFIG.changed(input_size=4)}, "b reads steps of 4, expected 3, as the examples have"),
        ({"record": None}, "b .*preparation is None, expected"),
        ({"record": OTHERWISE}, r"b .*preparation.standardization.deviation\[2\] is 4.*, expected 1"),
    ],
)
def test_a_run_that_does_not_fit_the_first_is_named(make_run, other, message):
    runs = [make_run("a", record=SCALED), make_run("b", **{"record": SCALED, **other})]
    with pytest.raises(UnrolledError, match=f"/{message}"):
        evaluate_ensemble(runs, noise())


def test_a_run_that_predicts_other_numbers_is_named(make_run):
    numbers = [Numbers(names, (0.0, 0.0), (1.0, 1.0)) for names in (("x", "y"), ("x", "z"))]
    runs = [
        make_run(name, classes=(), numbers=each.names, task="regress", record=DataRecord(numbers=each))
        for name, each in zip("ab", numbers, strict=True)
    ]
    examples = Examples(noise().sequences, torch.zeros(20, 2))
    with pytest.raises(UnrolledError, match=r"/b has the numbers x, z, expected x, y, as .*/a "):
        evaluate_ensemble(runs, examples, Regress(numbers[0]))
