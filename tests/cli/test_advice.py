"""What a message advises exists: verbs, and for each verb its options."""

import ast
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

import unrolled as package
from unrolled.cli.advice import nearest
from unrolled.cli.main import app

PACKAGE = Path(package.__file__).parent
ROOT = Path(__file__).parents[2]
COMMAND = typer.main.get_command(app)
OPTIONS = {
    verb: {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }
    | {"--help", "--debug"}
    for verb, command in COMMAND.commands.items()
}
OPTION = re.compile(r"(?<!var\()(?<![\w-])--[a-z][a-z0-9-]*")
ADVISED = re.compile(r"\bunrolled ([a-z][a-z0-9-]*)((?: [^`\n]*)?)(?:`|\n|$)")

# The verbs that reach a message of a file which is not a verb's own.
REACHED_BY = {
    "cli/bench_grid.py": {"bench"},
    "cli/advice.py": set(OPTIONS),
    "cli/import_graph.py": {"import-tf1"},
    "cli/machine.py": {"train", "compare", "evaluate", "predict"},
    "cli/options.py": {"train", "compare"},
    "cli/progress.py": {"train", "compare"},
    "cli/what_to_train.py": {"train"},
    "data/download.py": {"train", "compare", "evaluate"},
    **{
        f"data/{name}.py": {"train", "compare", "inspect"}
        for name in ("fit", "forecast", "open", "targets", "windows", "readers/labelling", "readers/table")
    },
    "onnx/write.py": {"import-tf1"},
    "page/writer.py": {"page"},
    "report/page.py": {"report"},
    "networks/graph_config.py": {"import-tf1"},
    "serve/server.py": {"serve"},
    "serve/settings.py": {"serve"},
    "tf1/graphs/networks/answer_tensor.py": {"import-tf1"},
    "tf1/graphs/networks/graph_ends.py": {"import-tf1"},
    "tf1/graphs/networks/graph_network.py": {"evaluate", "predict"},
    "tf1/graphs/networks/import_checkpoint.py": {"import-tf1"},
    "tf1/graphs/networks/interpretation.py": {"import-tf1"},
    "tf1/graphs/networks/model.py": {"import-tf1"},
    "tf1/graphs/networks/verification.py": {"import-tf1"},
    "training/recipes.py": {"train", "compare"},
    "training/run_config.py": {"train"},
    "training/run.py": {"train", "compare", "import-tf1", "import-onnx"},
}


def strings(path):
    """The strings of a file, those with values in them in pieces; and its docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        text
        for node in nodes
        if isinstance(node, documented) and (text := ast.get_docstring(node, clean=False))
    }
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if text not in docs], docs


def check_commands(text):
    """Every `unrolled VERB --option` in a text is there to be used."""
    for verb, rest in ADVISED.findall(text):
        if verb in OPTIONS:
            assert set(OPTION.findall(rest)) <= OPTIONS[verb], f"unrolled {verb}{rest}"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_every_option_in_a_message_is_one_of_its_verb(path):
    name = str(path.relative_to(PACKAGE))
    verb = path.stem.replace("_", "-")
    verbs = {verb} if path.parent.name == "cli" and verb in OPTIONS else REACHED_BY.get(name, set())
    texts, docs = strings(path)
    for text in (*texts, *docs):
        check_commands(text)
        assert set(re.findall("`unrolled ([a-z][a-z0-9-]*)", text)) <= set(OPTIONS)
    if name == "cli/main.py":
        return  # the options before a verb
    for text in texts:
        for option in OPTION.findall(ADVISED.sub("", text)):
            assert verbs, f"{name} says {option}: list the verbs that reach it in REACHED_BY"
            assert all(option in OPTIONS[verb] for verb in verbs), f"{name}: {option}"


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))], ids=lambda path: path.name
)
def test_every_command_of_the_docs_exists(path):
    text = path.read_text(encoding="utf-8")
    for verb, rest in re.findall(r"(?:^|`|-m )unrolled ([a-z][a-z0-9-]*)([^`\n]*)", text, re.M):
        assert verb in OPTIONS, verb
        assert set(OPTION.findall(rest.partition("#")[0])) <= OPTIONS[verb], rest


@pytest.mark.parametrize("verb", OPTIONS)
def test_an_option_that_is_misspelt_is_found(verb):
    options = sorted(OPTIONS[verb])
    for option in options:
        assert nearest(option.replace("-", "_").replace("__", "--"), options) == option
        if len(option) > 6:
            assert nearest(option[:-1], options) in {option, option[:-1]}
            assert nearest("--" + option.replace("-", ""), options) == option
            assert nearest(option[:4] + option[5:], options) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--lr", "0.1"], "No such option: --lr. Did you mean --learning-rate?"),
        (["train", "--bs=3"], "No such option: --bs. Did you mean --batch-size?"),
        (["compare", "--rate", "1"], "No such option: --rate. Did you mean --learning-rate?"),
        (
            ["evaluate", "--run", "x"],
            "No such option: --run: its value stands alone, `unrolled evaluate RUNS`",
        ),
        (["predict", "--file", "x"], "its value stands alone, `unrolled predict FILES`"),
        (["report", "--zebra"], "No such option: --zebra. `unrolled report --help` lists them all."),
        (
            ["--versoin"],
            "No such option: --versoin. Did you mean --version? `unrolled --help` lists them all.",
        ),
    ],
)
def test_an_unknown_option_is_one_line_with_the_right_one(unrolled, arguments, said):
    result = unrolled(*arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert said in result.err


@pytest.mark.parametrize("verb", ["evaluate", "predict", "report", "train", "compare"])
@pytest.mark.parametrize(
    "mistake",
    [
        [],
        ["nowhere"],
        ["--run", "nowhere"],
        ["--data", "nowhere"],
        ["--data", "mnsit"],
        ["--threads", "0"],
        ["--device", "abacus"],
        ["--resume", "nowhere"],
        ["--from", "nowhere"],
        ["--epochs", "1", "--steps", "1"],
        ["--corrected"],
        ["--output", "."],
        ["--split", "tset"],
    ],
    ids=" ".join,
)
def test_what_is_advised_after_a_mistake_exists(unrolled, verb, mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if mistake in ([], ["--run", "nowhere"]) and verb in ("train", "compare"):
        return  # no mistake
    result = unrolled(verb, *mistake)
    assert result.code == 2
    for line in result.err.splitlines():
        check_commands(line)
        said = set(OPTION.findall(ADVISED.sub("", line))) - set(mistake)
        assert said <= OPTIONS[verb], line


def test_advice_that_names_a_run_can_be_pasted(unrolled, trained, tmp_path, monkeypatch):
    folder = tmp_path / "a run; $(true)"
    folder.mkdir()
    for path in trained.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"input_size": 28', '"input_size": 3'))
    (advised,) = re.findall("`(.*)`", unrolled("predict", "x.png", "--run", folder).err)
    assert shlex.split(advised) == ["unrolled", "evaluate", str(folder)]


@pytest.mark.parametrize(
    "name", ["a run; $(true)", "it's\n`id`\t\\", "\udcff0", "-resumed", "猫 !"], ids=ascii
)
def test_advice_on_a_training_is_one_word_of_a_shell_whatever_its_folder_is_called(
    unrolled, trained, tmp_path, monkeypatch, name
):
    shutil.copytree(trained, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    said = unrolled("train", "--resume", name).err
    advised = said.partition("`unrolled train --from ")[2].rpartition("` starts a new training")[0]
    written = subprocess.run(["bash", "-c", f"printf %s {advised}"], capture_output=True, check=True).stdout
    assert os.path.samefile(os.fsdecode(written), name)
    (tmp_path / name / "checkpoint.safetensors").unlink()
    (tmp_path / name / "reading.png").unlink()
    assert f"`unrolled train --from {advised}` starts" in unrolled("train", "--resume", name).err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict", "Missing argument 'files'. `unrolled predict --help` says what it takes."),
        ("train extra", "(extra). `unrolled train --help` says what it takes."),
        ("help", "No such command 'help'. `unrolled --help` says what it takes."),
    ],
)
def test_what_is_missing_or_too_much_says_where_help_is(unrolled, line, said):
    result = unrolled(*line.split())
    assert result.code == 2
    assert result.err.endswith(f"{said}\n")
    assert len(result.err.splitlines()) == 1
