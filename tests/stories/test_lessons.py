"""The lessons are true: their Python prints what they show, their figures are drawn, their links lead on."""

import ast
import contextlib
import io
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot

from docs.extensions import equations, live, pages

DOCS = Path(__file__).parents[2] / "docs"
LESSONS = sorted((DOCS / "lessons").glob("*.md"))
CHAPTERS = [page for page in LESSONS if pages.blocks(page.read_text(encoding="utf-8"))]
NOTEBOOK = DOCS / "lessons" / "reading.ipynb"
PICTURE = re.compile(r"^!\[(.*?)\]\((.*?)\)$", flags=re.MULTILINE)


@pytest.fixture(autouse=True)
def _figures():
    yield
    pyplot.close("all")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def diagrams(tmp_path_factory):
    """The names of the diagrams that docs/drawings makes."""
    folder = tmp_path_factory.mktemp("diagrams")
    code = "from pathlib import Path; from extensions.diagrams import save_all; save_all(Path('.').resolve())"
    environment = {"PYTHONPATH": str(DOCS), "MPLBACKEND": "agg", "MPLCONFIGDIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, timeout=300)
    return {path.name for path in folder.glob("*.svg")}


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_prints_what_it_shows_and_draws_what_it_shows(page, tmp_path, diagrams):
    pages.check(text_of(page), page.name, tmp_path)
    drawn = {path.name for path in (tmp_path / "figures").glob("*.svg")}
    shown = {Path(target).name for _, target in PICTURE.findall(text_of(page))}
    assert shown, "a chapter has a figure"
    assert drawn <= shown, "every figure that is drawn is shown"
    assert shown <= drawn | diagrams


def test_every_diagram_is_in_some_chapter(diagrams):
    shown = {Path(target).name for page in LESSONS for _, target in PICTURE.findall(text_of(page))}
    assert diagrams <= shown


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_has_an_exercise_whose_solution_is_folded(page):
    _, _, exercise = text_of(page).partition("## Exercise\n")
    solution = re.search(
        r"<details>\n<summary>Solution</summary>\n\n(.*?)\n\n</details>\n", exercise, re.DOTALL
    )
    assert solution
    assert pages.blocks(solution[1])


def test_every_chapter_is_in_the_list_and_leads_to_the_next():
    index = text_of(DOCS / "lessons" / "index.md")
    (listed,) = re.findall(r"```\{toctree\}\n:maxdepth: 1\n\n(.*?)```", index, flags=re.DOTALL)
    names = listed.split()
    assert {*names, "index"} == {page.stem for page in LESSONS}
    for name, following in itertools.pairwise(names):
        assert re.search(
            rf"^Next: \[.*?\]\({following}\.md\)", text_of(DOCS / "lessons" / f"{name}.md"), flags=re.M
        )


def test_every_picture_says_what_is_on_it():
    for page in LESSONS:
        for words, _ in PICTURE.findall(text_of(page)):
            assert len(words.split()) >= 5, (page.name, words)


def test_every_teaching_point_is_explained_run_and_seen():
    table = text_of(DOCS / "lessons" / "teaching-points.md")
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in table.splitlines()
        if line.startswith("| ") and not line.startswith("| point |")
    ]
    assert len(rows) >= 50
    for point, explained, run, seen in rows:
        assert point
        assert "](" in explained
        assert "](" in run or run.startswith("`unrolled ")
        assert "](" in seen


def test_the_commands_of_the_lessons_exist():
    from typer.main import get_command

    from unrolled.cli.main import app

    known = get_command(app).commands
    for page in LESSONS:
        for verb, options in re.findall(r"`unrolled ([\w-]+)([^`]*)`", text_of(page)):
            assert verb in known, (page.name, verb)
            flags = {flag for parameter in known[verb].params for flag in parameter.opts}
            assert set(re.findall(r"--[\w-]+", options)) <= flags, (page.name, verb, options)


def test_equations_are_understood():
    found = 0
    for page in LESSONS:
        without_code = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
        without_code = re.sub(r"`[^`]*`", "", without_code)
        for block, line in re.findall(r"\$\$(.*?)\$\$|\$([^$]+?)\$", without_code, flags=re.DOTALL):
            assert equations.as_mathml(block or line, as_block=bool(block)).startswith("<math")
            found += 1
    assert found > 30


def test_an_equation_that_is_not_understood_is_named():
    with pytest.raises(ValueError, match=r"the equation .*nosuch.*: Unknown LaTeX command"):
        equations.as_mathml(r"\nosuch{x}", as_block=False)


def test_the_notebook_runs_from_top_to_bottom_and_prints_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    notebook = json.loads(text_of(NOTEBOOK))
    names: dict[str, object] = {"__name__": "__main__"}
    figures = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("".join(cell["source"]), f"{NOTEBOOK.name}, {cell['id']}", "exec"), names)
            shown = ["".join(output["text"]) for output in cell["outputs"]]
            assert printed.getvalue() == "".join(shown), cell["id"]
            figures += len(pyplot.get_fignums())
            pyplot.close("all")
    assert figures >= 5


def test_the_notebook_is_one_of_version_4_and_keeps_only_what_was_printed():
    notebook = json.loads(text_of(NOTEBOOK))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["execution_count"] is None
            assert all(output["output_type"] == "stream" for output in cell["outputs"])
            ast.parse("".join(cell["source"]))


# What runs the pages is run itself.


def page(code: str, output: str | None = None) -> str:
    shown = "" if output is None else f"\n```output\n{output}```\n"
    return f"# Page\n\n```python\n{code}```\n{shown}"


def test_a_page_that_shows_what_it_prints_passes(tmp_path):
    pages.check(page("print(1)\nprint()\n", "1\n") + page("x = 2\n"), "page.md", tmp_path)


@pytest.mark.parametrize(
    ("code", "output"), [("print(1)\n", "2\n"), ("print(1)\n", None), ("x = 1\n", "1\n")]
)
def test_a_page_that_shows_something_else_is_refused_with_its_line(code, output, tmp_path):
    with pytest.raises(pages.PageError, match=r"page.md, the Python at line 4 prints"):
        pages.check(page(code, output), "page.md", tmp_path)


def test_python_that_fails_is_named_with_its_line(tmp_path):
    with pytest.raises(pages.PageError, match=r"page.md, the Python at line 4: ZeroDivisionError"):
        pages.check(page("1 / 0\n"), "page.md", tmp_path)


def test_an_output_without_python_is_refused():
    with pytest.raises(pages.PageError, match="line 2: an output that follows no Python"):
        pages.blocks("```output\n1\n```\n")


@pytest.mark.parametrize("output", ["2\n", "", None])
def test_a_page_is_rewritten_to_what_it_prints(output, tmp_path):
    new = pages.rewritten(page("print(1)\n", output), "page.md", tmp_path)
    pages.check(new, "page.md", tmp_path)
    assert pages.rewritten(new, "page.md", tmp_path) == new


def test_a_page_leaves_no_style_behind(tmp_path):
    before = dict(matplotlib.rcParams)
    pages.check(
        page("import matplotlib.pyplot as plt\nplt.rcParams['lines.linewidth'] = 9\n"), "page.md", tmp_path
    )
    assert matplotlib.rcParams["lines.linewidth"] == before["lines.linewidth"]
    assert matplotlib.rcParams["axes.prop_cycle"] == before["axes.prop_cycle"]


def test_without_the_verb_there_is_no_live_page(tmp_path, monkeypatch):
    monkeypatch.setattr(
        live, "command", lambda *arguments: [sys.executable, "-m", "unrolled", "no-such-verb"]
    )
    assert live.make(tmp_path) is None
    assert not [*tmp_path.iterdir()]


def test_pictures_of_chapters_are_not_in_the_repository():
    kept = subprocess.run(
        ["git", "ls-files", "docs/lessons"], cwd=DOCS.parent, capture_output=True, text=True, check=False
    ).stdout.split()
    assert not [name for name in kept if name.endswith((".png", ".svg"))]
