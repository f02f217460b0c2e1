"""`unrolled page`."""

import json
import shutil

import pytest


@pytest.fixture
def runs(trained, tmp_path):
    """A folder with two runs, a and b."""
    for name in ("a", "b"):
        shutil.copytree(trained, tmp_path / "runs" / name)
    return tmp_path / "runs"


def content(page) -> dict:
    """What a page holds."""
    text = page.read_text(encoding="utf-8")
    return json.loads(text.partition('id="content">')[2].partition("</script>")[0])


def test_the_newest_run_has_a_page_with_test_examples(unrolled, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = unrolled("page")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("page  reading.html  (")
    held = content(tmp_path / "reading.html")
    assert len(held["runs"]) == 1
    assert {example["true"] for example in held["examples"]} == set(range(10))


def test_several_runs_stand_in_one_page(unrolled, runs, tmp_path):
    path = tmp_path / "both.html"
    assert unrolled("page", runs / "a", runs / "b", "-o", path).code == 0
    assert [run["name"] for run in content(path)["runs"]] == ["a", "b"]


def test_a_page_takes_no_other_files_place(unrolled, runs, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    result = unrolled("page", runs / "a", "--output", tmp_path / "mine.html")
    assert result.code == 2
    assert "mine.html is no page of this kind" in result.err
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_a_folder_that_is_no_run_is_refused_in_one_line(unrolled, tmp_path):
    (tmp_path / "nothing").mkdir()
    result = unrolled("page", tmp_path / "nothing")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
