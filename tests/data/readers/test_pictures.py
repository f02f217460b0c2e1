"""Pictures of any size and mode become rows or columns, and every bad one is one clear error."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from unrolled.data.readers import pictures
from unrolled.data.readers.pictures import PictureSettings
from unrolled.errors import UnrolledError

GREY = np.random.default_rng(0).integers(0, 256, (7, 5), dtype=np.uint8)


def saved(path: Path, grey: NDArray[np.uint8] = GREY, mode: str = "L", **options: object) -> Path:
    Image.fromarray(grey).convert(mode).save(path, **options)
    return path


def smooth(rows: int, columns: int) -> NDArray[np.uint8]:
    """Darker to the left, whatever its size."""
    return np.broadcast_to(np.linspace(20, 220, columns), (rows, columns)).astype(np.uint8)


def test_a_step_is_a_row_or_a_column(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    rows = pictures.read_all([path], PictureSettings())
    columns = pictures.read_all([path], PictureSettings("columns"))
    assert rows.sequences[0].dtype == np.uint8
    np.testing.assert_array_equal(rows.sequences[0], GREY)
    np.testing.assert_array_equal(columns.sequences[0], GREY.T)
    assert (rows.settings, columns.settings) == ({"by": "rows", "width": 5}, {"by": "columns", "width": 7})
    assert rows.features == tuple(f"pixel {place}" for place in range(1, 6))
    assert rows.notes == ("pictures are read row by row, as grey",)
    assert columns.notes == ("pictures are read column by column, as grey",)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "CMYK", "I", "F"])
def test_a_grey_picture_is_the_same_in_every_mode(tmp_path: Path, mode: str) -> None:
    grey = GREY.copy()
    grey[0, 0], grey[1, 1] = 0, 255  # more than 8 bits are spread over all of the range
    path = saved(tmp_path / "a.tif", grey, mode)
    np.testing.assert_array_equal(pictures.read_all([path], PictureSettings()).sequences[0], grey)


def test_a_palette_bits_16_bits_and_the_turn_of_a_camera_are_understood(tmp_path: Path) -> None:
    two = np.where(GREY > 99, 255, 0).astype(np.uint8)
    for mode in ("P", "1"):
        path = saved(tmp_path / "two.png", two, mode)
        np.testing.assert_array_equal(pictures.read_all([path], PictureSettings()).sequences[0], two)
    Image.fromarray(two.astype(np.uint16) * 200).save(tmp_path / "deep.png")
    deep = pictures.read_all([tmp_path / "deep.png"], PictureSettings()).sequences[0]
    np.testing.assert_array_equal(deep, two)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(tmp_path / "turned.png", np.rot90(GREY).copy(), exif=exif)
    np.testing.assert_array_equal(pictures.read_all([turned], PictureSettings()).sequences[0], GREY)


@given(sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=4))
def test_pictures_of_any_sizes_have_steps_of_one_width(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("sizes")
    paths = [saved(folder / f"{n}.png", smooth(*size)) for n, size in enumerate(sizes)]
    found = pictures.read_all(paths, PictureSettings())
    width = found.settings["width"]
    widths = [size[1] for size in sizes]
    assert widths.count(width) == max(map(widths.count, widths))
    for one, (rows, columns) in zip(found.sequences, sizes, strict=True):
        assert one.shape == (max(1, round(rows * width / columns)), width)
    assert any("scaled" in note for note in found.notes) == (len(set(widths)) > 1)


def test_a_picture_that_is_scaled_is_the_same_picture(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{n}.png", smooth(n, n)) for n in (40, 20, 20)]
    large, small, _ = pictures.read_all(paths, PictureSettings()).sequences
    assert large.shape == small.shape
    assert np.abs(large.astype(int) - small).max() < 8
    found = pictures.read_all(paths, PictureSettings(width=10))
    assert {one.shape for one in found.sequences} == {(10, 10)}
    assert found.notes[1] == ("3 of 3 pictures are scaled to be 10 pixels wide, their sides in proportion")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no picture: expected PNG, JPEG"),
        (b"\x89PNG\r\n\x1a\n and more", "it is no picture|it is damaged"),
    ],
)
def test_a_bad_file_is_one_error_that_names_it(tmp_path: Path, content: bytes, message: str) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(UnrolledError, match=message) as caught:
        pictures.read_all([saved(tmp_path / "good.png"), bad], PictureSettings())
    assert str(caught.value).count(str(bad)) == 1


def test_a_picture_cut_short_is_damaged(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.random.default_rng(1).integers(0, 256, (90, 90), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UnrolledError, match=r"cannot use .*a\.png: it is damaged"):
        pictures.read_all([path], PictureSettings())


def test_a_picture_that_scaling_would_make_huge_is_refused(tmp_path: Path) -> None:
    thin = saved(tmp_path / "thin.png", smooth(20_000, 1))
    message = r"thin\.png: it has 20000 steps of 1 pixels, which become 200000 .* expected at most 30000"
    with pytest.raises(UnrolledError, match=message):
        pictures.read_all([thin], PictureSettings(width=10))


def test_more_pixels_than_memory_is_meant_for_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_VALUES", 100)
    paths = [saved(tmp_path / f"{n}.png") for n in range(3)]
    with pytest.raises(UnrolledError, match=r"the pictures up to .*2\.png have more than 100 pixels"):
        pictures.read_all(paths, PictureSettings())


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"by": "rows"}, "width, a setting of pictures, is missing"),
        ({"by": "row", "width": 3}, "unknown way to read pictures 'row': did you mean 'rows'"),
        ({"by": "rows", "width": 0}, "width is 0, expected"),
        ({"by": "rows", "width": 10**9}, "width is 1000000000, expected"),
        ({"by": ["rows"], "width": 3}, "unknown way to read pictures"),
        ({"by": "rows", "width": 3, "depth": 1}, "unknown setting of pictures 'depth'"),
    ],
)
def test_settings_that_are_none_are_refused(kept: dict, message: str) -> None:
    with pytest.raises(UnrolledError, match=message):
        PictureSettings.from_dict(kept)
