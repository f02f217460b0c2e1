"""The pages about data of one's own are true: their Python runs, and their commands print what they show."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NUMBER = re.compile(r"-?\d+(?:\.\d+|e-\d+)+%?")  # whole ones are counts, others may differ in their bits


def story(page: str) -> list[tuple[str, str]]:
    """The blocks of a page in their order: what each is of, and what it says."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```(python|sh|text)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def form(line: str) -> list[str]:
    """What of a line is the same on every machine: not who comes second with less than one percent."""
    words = [NUMBER.sub("#", word.rpartition("/")[2]) for word in line.split()]
    return [*words[:-2], "#", "#"] if re.search(r" 0\.\d%\s*$", line) else words


def check_shown(shown: str, printed: list[str]) -> None:
    """Each line that a page shows was printed, in this order."""
    rest = iter([form(line) for line in printed])
    for line in shown.splitlines():
        assert line == "..." or form(line) in rest, (line, printed)


@pytest.fixture
def told(tmp_path, monkeypatch, typed):
    """`told(page)`: all that the commands of a page print. What it shows is compared with that on the way."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> list[str]:
        result = typed(line)
        assert result.code == 0, (line, result.err)
        assert not result.err, (line, result.err)
        return result.out.splitlines()

    def tell(page: str) -> list[str]:
        names: dict[str, object] = {}
        everything: list[str] = []
        printed: list[str] = []
        for number, (language, block) in enumerate(story(page), start=1):
            if language == "python":
                exec(compile(block, f"{page}, block {number}", "exec"), names)
            elif language == "sh":
                printed = [text for line in commands(block) for text in run(line)]
                everything += printed
            else:
                check_shown(block, printed)
        return everything

    return tell


def commands(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def last(printed: list[str], what: str, run: str) -> float:
    """The last figure of a run that begins with these words."""
    found = [re.match(rf"{what} ([\d.]+)  {run}$", line) for line in printed]
    return float([match for match in found if match][-1][1])


def test_what_is_shown_must_have_been_printed_in_its_order():
    check_shown("a 1.5\n...\nrun b/c.csv", ["a 1.7", "x", "run /other/c.csv"])
    for wrong in ("b", "a 1", "x\na 1.5"):
        with pytest.raises(AssertionError):
            check_shown(wrong, ["a 1.7", "x"])


def test_the_page_about_a_table_is_true(tmp_path, told):
    pytest.importorskip("pyarrow")
    printed = told("your-own-data-table.md")
    assert last(printed, "test accuracy", "runs/steps") > 0.9
    assert last(printed, "test RMSE", "runs/pace") < 0.3
    assert last(printed, "test accuracy", "runs/walks") > 0.8
    for name in ("data.json", "weights.safetensors", "report.html"):
        assert (tmp_path / "runs" / "steps" / name).exists()


def test_the_page_about_recordings_is_true(told):
    pytest.importorskip("soundfile")
    printed = told("your-own-data-recordings.md")
    assert last(printed, "test accuracy", "runs/words") > 0.9
    assert last(printed, "test accuracy", "runs/strokes") > 0.9


def test_the_page_about_a_forecast_is_true(tmp_path, told):
    pytest.importorskip("pyarrow")
    printed = told("your-own-data-forecast.md")
    (line,) = (line for line in printed if line.startswith("test MASE"))
    ours, naive = map(float, re.findall(r"\d+\.\d+", line))
    assert ours < min(1, naive)
    assert len([line for line in printed if line.startswith("1,")]) == 24  # the next day
    for name in ("forecasts.png", "horizon.png"):
        assert (tmp_path / "runs" / "load" / name).exists()


@pytest.mark.parametrize("package", ["lightning", "skorch"])
def test_the_page_about_other_trainers_is_true(package, tmp_path, monkeypatch):
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "lightning-and-skorch.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    found = re.findall(r"^```python( \w+)?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    mine = [block for of, block in found if of.strip() in ("", package)]
    assert len(mine) == len([of for of, _ in found if not of]) + 1
    for number, block in enumerate(mine, start=1):
        exec(compile(block, f"lightning-and-skorch.md, block {number}", "exec"), names)
