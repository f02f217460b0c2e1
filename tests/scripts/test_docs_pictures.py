"""The pictures of the documents."""

import re

from PIL import Image

from scripts.docs_pictures import IMAGES, SHOWN, shrink


def test_pictures_of_a_run_become_small_and_look_the_same(tmp_path):
    run, small = tmp_path / "run", tmp_path / "small"
    run.mkdir()
    small.mkdir()
    for name in SHOWN:
        Image.linear_gradient("L").convert("RGB").save(run / f"{name}.png")
    for path in shrink(run, small):
        with Image.open(path) as one, Image.open(run / path.name) as other:
            pairs = zip(one.convert("L").tobytes(), other.convert("L").tobytes(), strict=True)
            assert max(abs(a - b) for a, b in pairs) <= 2
            assert one.mode == "P"


def test_the_documents_show_what_the_script_makes():
    documents = [IMAGES.parent / "reading-digits.md", IMAGES.parents[1] / "README.md"]
    shown = {name for path in documents for name in re.findall(r"images/([\w-]+)\.png", path.read_text())}
    assert shown == set(SHOWN) == {path.stem for path in IMAGES.glob("*.png")}
    assert all(path.stat().st_size < 150_000 for path in IMAGES.iterdir())
