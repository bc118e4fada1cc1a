"""Staging: contents without what is missing, configuration with what was computed."""

import nbformat
import pytest

from lungcls.errors import InputError
from lungcls.report.build import staging
from lungcls.report.wording import text


def test_the_repository_gives_launch_buttons():
    config = {"title": "T", "parse": {"a": 1}, "html": {"b": 2}}
    bare = staging.configure(config, {"n": "1"}, "")
    assert bare == {"title": "T", "parse": {"a": 1, "myst_substitutions": {"n": "1"}}, "html": {"b": 2}}
    full = staging.configure(config, {}, "https://github.com/someone/lungcls.git")
    assert full["repository"]["url"] == "https://github.com/someone/lungcls"
    assert full["repository"]["branch"] == "main"
    assert full["html"] == {"b": 2, "use_repository_button": True}
    with pytest.raises(InputError, match="LUNGCLS_REPOSITORY: found 'someone/lungcls'"):
        staging.configure(config, {}, "someone/lungcls")


def test_chapters_without_their_files_leave_the_contents():
    contents = {
        "root": "book/a",
        "parts": [
            {"caption": "One", "chapters": [{"file": "n/1", "sections": [{"file": "n/2"}]}, {"file": "n/3"}]},
            {"caption": "Two", "chapters": [{"file": "n/4"}]},
        ],
    }
    left = staging.without(contents, ["n/2", "n/4"])
    chapters = [{"file": "n/1"}, {"file": "n/3"}]
    assert left == {"root": "book/a", "parts": [{"caption": "One", "chapters": chapters}]}
    assert staging.without(contents, []) == contents


def test_the_images_of_a_page_become_files_beside_it(tmp_path):
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).write_text("{}\n")
    staging.stage(
        tmp_path, copies={}, numbers={"shown": "```{figure} data:image/png;base64,QUJD\n```", "n": "7"}
    )
    staged = tmp_path / "_build" / "stage"
    [image] = (staged / "book" / "figures").iterdir()
    assert image.read_bytes() == b"ABC"
    config = (staged / "_config.yml").read_text()
    assert f"figures/{image.name}" in config and "base64" not in config


@pytest.mark.parametrize("kind, said", [("simulated", True), ("real", False)])
def test_a_page_with_simulated_images_says_so_under_its_title(tmp_path, kind, said):
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).write_text("{}\n")
    cells = nbformat.v4.new_markdown_cell("# Title\n\nFirst."), nbformat.v4.new_code_cell("1")
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    path, copy = tmp_path / "notebooks" / "01_a.ipynb", tmp_path / "copy.ipynb"
    nbformat.write(notebook, path)
    caption = {"text/markdown": text(f"badge-{kind}", name="a", n="9") + " Two lungs."}
    notebook.cells[1].outputs = [nbformat.v4.new_output("display_data", data=caption)]
    nbformat.write(notebook, copy)
    staging.stage(tmp_path, copies={path: copy}, numbers={})
    staged = nbformat.read(tmp_path / "_build" / "stage" / "notebooks" / "01_a.ipynb", as_version=4)
    title, *line, last = staged.cells[0].source.split("\n\n")
    assert title == "# Title" and last == "First."
    assert [one.partition("\n")[0] for one in line] == [":::{div} simulated"] * said
