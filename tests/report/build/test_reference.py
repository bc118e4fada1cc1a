"""The API reference follows the faces of the rooms, and references in docstrings name what there is."""

from importlib import import_module
from pathlib import Path
import re

import pytest
import yaml

import lungcls
from lungcls.report.build import reference

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r":(?:func|class|mod|data|meth|exc|attr):`~?(lungcls[\w.]+)`")


@pytest.mark.parametrize("room", lungcls.__all__)
def test_a_page_shows_what_its_room_offers(room):
    text = (ROOT / "book" / "api" / f"{room}.md").read_text(encoding="utf-8")
    assert text == reference.page(room), "run `make notebooks`"


def test_every_room_has_a_page_in_the_book():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in contents["parts"] for chapter in part["chapters"]]
    (api,) = [chapter for chapter in chapters if chapter["file"] == "book/api"]
    pages = {ROOT / f"{section['file']}.md" for section in api["sections"]}
    assert pages == set(reference.pages(ROOT / "book" / "api"))


def test_a_page_is_a_table_of_names_and_then_each(monkeypatch):
    face = type("Face", (), {"__all__": ["Run", "train", "TASKS"], "Run": type, "train": print, "TASKS": ()})
    monkeypatch.setattr(reference, "import_module", lambda _: face)
    lines = reference.page("runs").splitlines()
    assert lines[:4] == ["# `lungcls.runs`", "", "```{eval-rst}", ".. automodule:: lungcls.runs"]
    table = lines.index(".. autosummary::")
    assert lines[table + 3 : table + 6] == [f"   {name}" for name in face.__all__]
    assert ".. autoclass:: lungcls.runs.Run" in lines
    assert ".. autofunction:: lungcls.runs.train" in lines
    assert ".. autodata:: lungcls.runs.TASKS" in lines


def exists(name):
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_references_in_docstrings_name_what_there_is():
    sources = sorted(Path(lungcls.__file__).parent.rglob("*.py"))
    named = {
        (path.name, name) for path in sources for name in NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert named
    assert [(path, name) for path, name in sorted(named) if not exists(name)] == []
