"""Networks that read pictures by columns or by pixels instead of rows."""

import numpy as np
import pytest
import torch

from tests.tolerances import assert_close, assert_equal
from unrolled import Stream, UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.networks.config import DIRECTIONS, ORDERS, SCANS
from unrolled.networks.scan import scanned
from unrolled.report.reading import outputs_stepwise, read_stepwise
from unrolled.tf1.graphs.networks.export import network_checkpoint

SIZE, H = 4, 5


def network(scan, layers=(("lstm", H),), **options):
    torch.manual_seed(1)
    config = NetworkConfig("mine", layers, scan=scan, input_size=SIZE, classes=3, **options)
    return SequenceClassifier(config).eval()


def by_hand(picture, scan):
    rows = range(SIZE)
    steps = {
        "rows": [[picture[row, column] for column in rows] for row in rows],
        "columns": [[picture[row, column] for row in rows] for column in rows],
        "pixels": [[picture[row, column]] for row in rows for column in rows],
    }
    order = np.random.RandomState(92916).permutation(SIZE * SIZE)
    steps["permuted"] = [steps["pixels"][place] for place in order]
    return torch.tensor(steps[scan])


@pytest.mark.parametrize("scan", SCANS)
def test_steps_are_those_that_one_writes_down_by_hand(scan):
    pictures = torch.randn(3, SIZE, SIZE)
    assert_equal(scanned(pictures, scan), torch.stack([by_hand(picture, scan) for picture in pictures]))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("scan", SCANS[1:])
def test_a_network_reads_what_a_reader_of_rows_reads_of_the_scanned_picture(scan, direction):
    ours, x = (
        network(scan, direction=direction, input_layers=((6, "tanh"),), centre=2),
        torch.randn(3, SIZE, SIZE),
    )
    steps = torch.stack([by_hand(picture, scan) for picture in x])
    rows = SequenceClassifier(ours.config.changed(scan="rows", input_size=steps.shape[2])).eval()
    rows.load_state_dict(ours.state_dict())
    assert_equal(ours(x), rows(steps))
    assert_equal(ours(x, [SIZE] * 3), rows(steps))


def test_a_compiled_graph_reads_them_too():
    model, x = network("permuted"), torch.randn(2, SIZE, SIZE)
    program = torch.export.export(model, (x,)).module()
    assert_close(program(x), model(x))


@pytest.mark.parametrize("scan", SCANS[1:])
def test_a_part_of_a_picture_is_refused(scan):
    with pytest.raises(UnrolledError, match=f"lengths begin at 2, expected 4 for all: .*{ORDERS[scan]}"):
        network(scan)(torch.zeros(2, SIZE, SIZE), torch.tensor([4, 2]))
    with pytest.raises(UnrolledError, match="x has shape"):
        network(scan)(torch.zeros(2, SIZE, dtype=torch.long))


@pytest.mark.parametrize("scan", ["columns", "permuted"])
def test_square_pictures_are_needed_where_the_order_depends_on_it(scan):
    with pytest.raises(UnrolledError, match=r"x has shape \[2, 3, 4\], expected \[N, 4, 4\]"):
        network(scan)(torch.zeros(2, 3, SIZE))
    assert network("pixels")(torch.zeros(2, 3, SIZE)).shape == (2, 3)


@pytest.mark.parametrize("scan", SCANS[1:])
def test_a_picture_of_another_width_is_refused(scan):
    expected = {"pixels": r"\[N, T, 4\]: .* 4 pixels wide", "columns": r"\[N, 4, 4\]: .* 4 x 4 pixels"}
    expected["permuted"] = expected["columns"]
    for width in (SIZE - 1, SIZE + 1):
        with pytest.raises(UnrolledError, match=f"4, {width}.*expected {expected[scan]}.*: bring them"):
            network(scan)(torch.zeros(2, SIZE, width))


def test_no_pictures_have_no_logits():
    assert network("pixels")(torch.zeros(0, SIZE, SIZE), []).shape == (0, 3)


@pytest.mark.parametrize("scan", SCANS)
def test_a_reading_goes_step_by_step_as_the_cells_do(scan):
    model, picture = network(scan), torch.rand(SIZE, SIZE)
    reading = read_stepwise(model, picture)
    assert_equal(reading.sequence, by_hand(picture, scan))
    assert len(reading.probabilities) == len(reading.sequence)
    assert_close(outputs_stepwise(model, picture)[-1], model(picture[None])[0])
    assert_close(reading.probabilities[-1], model(picture[None])[0].softmax(0))
    beginning = model.features_of_steps(reading.sequence[None, :2])
    assert_close(outputs_stepwise(model, picture)[1], model.speak(beginning)[0])


@pytest.mark.parametrize("scan", SCANS[1:])
def test_what_needs_rows_says_so(scan):
    with pytest.raises(UnrolledError, match=f"reads whole pictures {ORDERS[scan]}, so it cannot stream"):
        Stream(network(scan))
    with pytest.raises(UnrolledError, match=f"reads pictures {ORDERS[scan]}: no variable says so"):
        network_checkpoint(network(scan))
    with pytest.raises(UnrolledError, match=f'read is "steps" and scan is "{scan}"'):
        network(scan, read="steps")


def test_a_scan_has_a_name_that_is_known():
    with pytest.raises(UnrolledError, match=r"pixel.*pixels"):
        network("pixel")
