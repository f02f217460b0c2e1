"""The pictures of the documents."""

import re

from PIL import Image

from scripts.docs_pictures import IMAGES, SHOWN, shrink


def test_pictures_of_a_run_become_smaller_and_stay_the_same(tmp_path):
    run, small = tmp_path / "run", tmp_path / "small"
    run.mkdir()
    small.mkdir()
    for name in SHOWN:
        Image.linear_gradient("L").convert("RGB").save(run / f"{name}.png", compress_level=1)
    for path in shrink(run, small):
        with Image.open(path) as one, Image.open(run / path.name) as other:
            assert one.tobytes() == other.tobytes()
        assert path.stat().st_size <= (run / path.name).stat().st_size


def test_the_documents_show_what_the_script_makes():
    documents = [IMAGES.parent / "reading-digits.md", IMAGES.parents[1] / "README.md"]
    shown = {name for path in documents for name in re.findall(r"images/([\w-]+)\.png", path.read_text())}
    by_hand = {"the-page"}  # a browser's
    assert shown == set(SHOWN) == {path.stem for path in IMAGES.glob("*.png")} - by_hand
    assert all(path.stat().st_size < 200_000 for path in IMAGES.iterdir())
