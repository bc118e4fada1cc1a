"""Every notebook keeps the house rules, and every pair agrees."""

import ast
from pathlib import Path
import re

from conftest import load_benchmark
import nbformat
import pytest
import yaml

from lungcls.report.build import pairs

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("[0-9][0-9]_*.*") if path.suffix in (".py", ".ipynb"))
NOTEBOOKS = [FOLDER / f"{name}.ipynb" for name in sorted(set(NAMES))]
every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind=None):
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if kind in (None, cell.cell_type)]


def parameters(path):
    (cell,) = [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", [])]
    return {node.targets[0].id: node.value for node in ast.parse(cell.source).body}


def code_of(path):
    """A notebook's code as one syntax tree, without the lines that only IPython knows."""
    source = "\n".join(cell.source for cell in cells(path, "code"))
    return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE))


def test_there_are_notebooks_and_the_book_shows_each():
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    shown = re.findall(r"file: (notebooks/\S+)", contents)
    assert shown == [f"notebooks/{path.stem}" for path in NOTEBOOKS] != []
    assert yaml.safe_load(contents)["root"] == "book/introduction"


def test_the_number_of_a_chapter_is_that_of_its_file():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    numbered = [one for part in parts if part.get("numbered") for one in part["chapters"]]
    assert [int(one["file"].split("/")[1][:2]) for one in numbered] == list(range(1, len(NOTEBOOKS) + 1))
    assert not any("sections" in one for one in numbered)


def test_every_pair_agrees():
    assert [path.name for path in pairs.differing(FOLDER)] == []
    assert {path.stem for path in pairs.scripts(FOLDER)} == {path.stem for path in NOTEBOOKS}


@every
def test_no_fence_is_left_open(path):
    for cell in cells(path, "markdown"):
        assert cell.source.count("```") % 2 == 0 and "\n%%" not in cell.source, cell.source[:60]


@every
def test_a_reader_sees_the_code_that_the_text_walks_through(path):
    """The counts of `benchmarks/notebook_code.py`: what is seen, what is hidden, and what no chapter has."""
    found = load_benchmark("notebook_code").count(path.with_suffix(".py"))
    assert found["seen"] >= 40 and found["hidden"] <= found["seen"] and found["median"] <= 8
    assert found["per_1000"] >= 40
    assert not any(found[name] for name in ("long", "bare", "branches", "defs", "texts"))


@every
def test_no_output_is_kept(path):
    assert all(not cell.outputs and cell.execution_count is None for cell in cells(path, "code"))


@every
def test_parameters_are_literal(path):
    declared = parameters(path)
    assert {"profile", "cohort", "seed"} <= set(declared)
    for value in declared.values():
        ast.literal_eval(value)


@every
def test_it_opens_with_a_title_and_installs_itself_on_colab(path):
    first = cells(path)[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    code = cells(path, "code")[0].source
    assert "google.colab" in code and "install" in code and "lungcls" in code


@every
def test_functions_are_short(path):
    for node in ast.walk(code_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            assert node.end_lineno - node.lineno < 10, f"{path.stem}: {getattr(node, 'name', 'lambda')}"


@every
def test_figures_and_tables_have_labels_of_their_own(path):
    calls = [node for node in ast.walk(code_of(path)) if isinstance(node, ast.Call)]
    shown = [call for call in calls if getattr(call.func, "id", "") in ("show_figure", "show_table")]
    assert shown
    for call in shown:
        assert {"name", "caption"} <= {keyword.arg for keyword in call.keywords}


@every
def test_it_ends_with_an_exercise_and_a_hidden_solution(path):
    last = cells(path, "markdown")[-2:]
    text = "\n".join(cell.source for cell in last)
    tags = [tag for cell in cells(path)[-2:] for tag in cell.metadata.get("tags", [])]
    assert "xercise" in text
    assert "dropdown" in text or "hide-cell" in tags or "hide-input" in tags
