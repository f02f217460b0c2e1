"""unrolled.bench: problems, models, the check and the timing."""

import copy

import pytest
import torch
from torch import nn

from tests.tolerances import assert_close, assert_equal
from unrolled import bench
from unrolled.bench import CELLS, ROWS, CellModel, Row, TorchModel, WrongResultError, checked, draw
from unrolled.bench.check import Found, errors, find, judge

SHAPES = {
    "one layer": {"H": (5,)},
    "two layers": {"H": (5, 5)},
    "two widths": {"H": (5, 6)},
    "both directions": {"H": (5,), "bidirectional": True},
    "two layers in both directions": {"H": (5, 6), "bidirectional": True},
    "ragged": {"H": (5,), "ragged": True},
    "ragged in both directions": {"H": (5, 5), "bidirectional": True, "ragged": True},
}


def tiny(cell="lstm", **shape):
    return Row("tiny", cell, N=3, T=7, I=2, **{"H": (5,), **shape})


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_every_side_agrees_with_the_judge(cell, shape):
    problem = draw(tiny(cell, **shape))
    expected = judge(problem)
    assert expected.outputs.dtype == torch.float64
    sides = [CellModel(problem), CellModel(problem, kind="static")]
    if TorchModel.has(cell):
        sides.append(TorchModel(problem))
    for side in sides:
        output, gradient = checked("side", find(side, problem), expected, "tiny")
        assert output < 1e-6
        assert gradient < 1e-5


def test_the_judge_of_a_cell_that_torch_has_is_torch():
    problem = draw(tiny("gru"))
    layer = nn.GRU(2, 5, batch_first=True)
    layer.load_state_dict(CellModel(problem).weights())
    outputs, _ = layer.double()(problem.x.double())
    assert_equal(judge(problem).outputs, outputs)


def test_a_problem_is_the_same_every_time_and_leaves_the_random_numbers_alone():
    row = tiny(ragged=True)
    state = torch.get_rng_state()
    one, two = draw(row), draw(row)
    assert_equal(torch.get_rng_state(), state)
    assert_equal([one.x, one.lengths, one.target], [two.x, two.lengths, two.target])
    assert int(one.lengths.max()) == row.T
    assert int(one.lengths.min()) >= 1


def test_the_loss_sees_the_last_step_of_each_sequence():
    problem = draw(tiny(ragged=True))._replace(lengths=torch.tensor([7, 1, 4]))
    outputs = torch.arange(3 * 7).view(3, 7, 1)
    assert problem.last(outputs).flatten().tolist() == [6, 7, 17]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda found: found._replace(outputs=found.outputs.roll(1, dims=1)), "outputs of peer are wrong by"),
        (lambda found: found._replace(outputs=found.outputs * torch.nan), "outputs of peer are wrong by inf"),
        (
            lambda found: found._replace(outputs=found.outputs[:, :-1]),
            r"outputs of shape \[3, 6, 5\], expected",
        ),
        (
            lambda found: found._replace(gradients={**found.gradients, "bias_hh_l0": torch.zeros(20)}),
            r"gradients of peer are wrong by 1.0e\+00 of their scale",
        ),
        (
            lambda found: found._replace(gradients={"weight_ih_l0": torch.zeros(20, 2)}),
            "gradients of weight_ih_l0, expected those of bias_hh_l0, bias_ih_l0, weight_hh_l0, weight_ih_l0",
        ),
    ],
)
def test_a_side_that_computes_something_else_is_refused(break_it, message):
    problem = draw(tiny())
    expected = judge(problem)
    with pytest.raises(WrongResultError, match=f"tiny: .*{message}.*not timed"):
        checked("peer", break_it(find(CellModel(problem), problem)), expected, "tiny")


def test_swapped_gates_are_refused():
    problem = draw(tiny())
    model = CellModel(problem)
    i, f, g, o = model.weights()["weight_hh_l0"].detach().chunk(4)
    model.weights()["weight_hh_l0"].data = torch.cat([i, g, f, o])
    with pytest.raises(WrongResultError, match="outputs of peer are wrong by"):
        checked("peer", find(model, problem), judge(problem), "tiny")


def test_errors_are_absolute_for_outputs_and_relative_for_gradients():
    expected = Found(torch.zeros(2, 3, 4).double(), {"w": torch.tensor([0.0, -200.0]).double()})
    found = Found(torch.full((2, 3, 4), 0.25), {"w": torch.tensor([1.0, -200.0])})
    assert errors(found, expected) == (0.25, 0.005)
    assert errors(found._replace(gradients={}), expected) == (0.25, None)


def test_the_operations_are_those_of_the_matrix_products():
    """LSTM, N3 T7 I2 H5: 20×2 and 20×5 multiply and add, 21 times."""
    problem = draw(tiny())
    assert bench.gflop(problem, "infer") == pytest.approx(2e-9 * 21 * (40 + 100))
    assert bench.gflop(problem, "train") == pytest.approx(2e-9 * 21 * (3 * 140 - 40))
    stack = draw(tiny("gru", H=(5, 6)))
    assert bench.gflop(stack, "train") == pytest.approx(2e-9 * 21 * (3 * (30 + 75 + 90 + 108) - 30))
    ragged = draw(tiny(ragged=True))
    steps = int(ragged.lengths.sum())
    assert bench.gflop(ragged, "infer") == pytest.approx(2e-9 * steps * 140)


@pytest.mark.parametrize("work", bench.WORKS)
def test_training_moves_the_weights_and_inference_does_not(work):
    problem = draw(tiny("lstm-dropout"))
    model = CellModel(problem)
    before = copy.deepcopy(model.weights())
    bench.step(model, problem, work)()
    assert model.training == (work == "train")
    for name, weight in model.weights().items():
        assert torch.equal(weight, before[name]) == (work == "infer"), name


def test_sides_take_turns_and_each_turn_is_timed_by_the_clock():
    now, order = [0.0], []

    def side(name, seconds):
        def run():
            order.append(name)
            now[0] += seconds

        return run

    times = bench.interleaved({"a": side("a", 2.0), "b": side("b", 3.0)}, seconds=0, clock=lambda: now[0])
    assert order == ["a", "b"] * 7  # two rounds to warm up
    assert times == {"a": [2.0] * 5, "b": [3.0] * 5}
    assert bench.median_ms(times["a"]) == 2000
    assert bench.median_ratio(times["b"], times["a"]) == 1.5


def test_rows_have_the_tutorials_shapes():
    sizes = {row.sizes for row in ROWS.values() if row.name.startswith("lstm-") and row.cell == "lstm"}
    assert sizes == {
        "N128 T28 I28 H128",
        "N128 T28 I28 H3×128",
        "N128 T28 I28 H128⇄",
        "N128 T28 I28 H28",
        "N32 T28 I28 H3×256",
        "N64 T28 I28 H32+64",
        "N512 T28 I28 H128",
        "N32 T28 I28 H128",
        "N128 T100 I64 H512",
        "N128 T1–100 I28 H128",
    }
    assert all(row.check() is row for row in ROWS.values())


def test_the_machine_is_described():
    found = bench.machine()
    assert {"cpu", "threads", "isa", "torch", "torch_isa", "load"} <= set(found)
    assert found["threads"] == 1
    assert bench.sgemm_gflops(size=32) > 0


def test_the_models_start_from_the_same_weights_but_keep_their_own():
    problem = draw(tiny())
    one, two = CellModel(problem), TorchModel(problem)
    assert_close(list(two.weights().values()), [one.weights()[name] for name in two.weights()])
    with torch.no_grad():
        one.weights()["weight_ih_l0"].zero_()
    assert CellModel(problem).weights()["weight_ih_l0"].abs().sum() > 0
    assert two.weights()["weight_ih_l0"].abs().sum() > 0
